"""The PROXY line (version 1) that a balancer sends before the request: who the client is."""

from os import read
from time import monotonic, sleep

from _socket import AF_INET, MSG_DONTWAIT, MSG_PEEK, SOCK_STREAM, socket

from _gowsgi.wire import report

MAX_LINE = 107  # bytes with CR LF, by the protocol's description
START = b"PROXY "


def proxied(protocol):
    """A protocol class whose connections may begin with a PROXY line."""

    class Proxied(protocol):
        def serve(self, fd, peer):
            data = look(fd, self.wire)
            if data[: len(START)] == START:
                client = take(fd, data)
                if client is None:
                    report("bad PROXY line %.60r" % data[:MAX_LINE], peer)
                    self.core.read_error()
                    self.close(fd)
                    return
                peer = client or peer
            protocol.serve(self, fd, peer)

    return Proxied


def look(fd, wire):
    """What has come on a new connection, left where it is: at least the first line if it is a PROXY line."""
    deadline = monotonic() + wire.head
    sock = socket(AF_INET, SOCK_STREAM, 0, fd)  # recv(2) does not care which family it is told
    try:
        while True:
            try:
                data = sock.recv(MAX_LINE, MSG_PEEK | MSG_DONTWAIT)
            except BlockingIOError:
                data = None
            except OSError:
                return b""
            if data is not None:
                begins = START.startswith(data[: len(START)]) or data[: len(START)] == START
                if not data or not begins or b"\n" in data or len(data) >= MAX_LINE:
                    return data
            if monotonic() > deadline:
                return data or b""
            sleep(0.001)  # the line comes in one piece, from a balancer: this is for the moment before it is there
    finally:
        sock.detach()


def take(fd, data):
    """Reads the line off and returns (address, port); () when it names none, None when it is not well formed."""
    cut = data.find(b"\r\n")
    if cut < 0:
        return None
    read(fd, cut + 2)
    words = data[:cut].decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return ()
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6") or not words[4].isdecimal() or int(words[4]) > 65535:
        return None
    if not words[2] or words[2].strip("0123456789abcdefABCDEF.:"):
        return None
    return words[2], int(words[4])
