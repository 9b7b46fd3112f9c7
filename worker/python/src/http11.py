"""HTTP/1.1 as an http11-socket speaks it: connections are kept, idle ones wait in the core's epoll set."""

from os import close, read
from select import EPOLLIN
from time import monotonic

from _gowsgi.http import HttpProtocol
from _gowsgi.request import Request
from _gowsgi.wire import file_span

MAX_PARKED = 512  # idle connections a core keeps; beyond, the one that idles longest is closed
DISCARD = 65536  # bytes of an unread body that are read off to keep a connection


class KeptRequest(Request):
    """A request after which the connection may serve another: its body has to end without closing."""

    tail = ""  # the head ends when it is known how the body does
    keep = True  # the connection may stay
    total = None  # length of the body, when the server knows it before the head is sent
    left = None  # bytes the application still owes of its Content-Length
    whole = False  # the answer is complete
    chunked = False
    own = False  # the application framed the body itself

    def start_response(self, status, headers, exc_info=None):
        write = Request.start_response(self, status, headers, exc_info)
        self.left = None
        for name, value in headers:
            name = name.lower()
            if name == "content-length":
                if not value.isdecimal():
                    raise ValueError("the application's Content-Length is no number: %.40r" % value)
                self.left = int(value)
            elif name == "connection" or name == "transfer-encoding":
                self.own = True
                self.keep = False
        return write

    def announce(self, length):
        self.total = length

    def frame(self):
        """Decides how the body ends, and ends the head."""
        extra = ""
        if not self.no_body and self.left is None and not self.own:
            if self.total is not None:
                extra = "Content-Length: %d\r\n" % self.total
            elif self.env["SERVER_PROTOCOL"] == "HTTP/1.0":
                self.keep = False
            else:
                extra = "Transfer-Encoding: chunked\r\n"
                self.chunked = True
        if not self.keep:
            extra += "" if self.own else "Connection: close\r\n"
        elif self.env["SERVER_PROTOCOL"] == "HTTP/1.0":
            extra += "Connection: keep-alive\r\n"
        self.head += (extra + "\r\n").encode("latin-1")

    def send(self, data):
        if not self.started and self.head:
            self.frame()
        if isinstance(data, bytes) and data and not self.no_body:
            if self.left is not None:
                data = data[: self.left]  # more would be read as the next answer
                self.left -= len(data)
            elif self.chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
        Request.send(self, data)

    def respond(self, result):
        if type(result) is list or type(result) is tuple:
            self.total = sum(map(len, result))
        Request.respond(self, result)
        if self.chunked:
            self.wire.send(self.fd, b"0\r\n\r\n")
        self.whole = self.no_body or not self.left

    def _respond_file(self, filelike):
        if self.left is not None:
            span = file_span(filelike)
            if span is None or span[2] != self.left:
                return False
        if not Request._respond_file(self, filelike):
            return False
        if self.left is not None:
            self.left -= self.sent
        if self.sent < self.total:
            self.keep = False  # the file shrank while it was sent
        return True

    def fail(self, status):
        sent = self.started
        self.own = False
        self.keep = False
        Request.fail(self, status)
        self.whole = not sent

    def end(self):
        """The protocol decides what becomes of the connection."""


class Http11Protocol(HttpProtocol):
    """Serves the connections of one `http11-socket`."""

    def __init__(self, core, wire, base, objects, conf):
        HttpProtocol.__init__(self, core, wire, base, objects, conf)
        if core.parked is None:
            core.parked = Parked()
        self.parked = core.parked

    def serve(self, fd, peer):
        try:
            data = read(fd, self.room)
        except OSError as err:
            data = self.wire.first(fd, self.room, err)
        if data:
            self.converse(fd, peer, data)
        else:
            self.half(fd, peer, b"", data)
            close(fd)

    def resume(self, fd, peer):
        """A parked connection became readable: its next request, or its end."""
        try:
            data = read(fd, self.room)
        except OSError:
            data = b""
        if data:
            self.converse(fd, peer, data)
        else:
            self.close(fd)

    def converse(self, fd, peer, data):
        """Serves requests as long as the next has already arrived, then parks or closes the connection."""
        while True:
            cut = data.find(b"\r\n\r\n")
            if cut < 0 or cut > self.limit:
                data, cut = self.complete(fd, peer, data)
                if cut < 0:
                    return
                if not data:
                    break
            request = self.request(KeptRequest, fd, peer, data, cut)
            if request is None:
                return
            if not self.wants_keep(request.env):
                request.keep = False
            self.core.answer(request)
            body = request.input
            keep = request.keep and request.whole and not request.gone and not body.broken
            if not keep or not (body.finished or body.discard(DISCARD)):
                if not body.finished and not request.gone:
                    self.wire.linger(fd)
                break
            data = body.rest()
            if not data:
                self.parked.park(fd, peer, self)
                return
        self.close(fd)

    def wants_keep(self, env):
        """Whether this request lets the connection live: its own wish, and whether the worker is told to stop."""
        if self.core.runtime.stopping:
            return False
        wish = env.get("HTTP_CONNECTION", "").lower()
        if env["SERVER_PROTOCOL"] == "HTTP/1.0":
            return "keep-alive" in wish
        return "close" not in wish

    def close(self, fd):
        self.parked.forget(fd)
        close(fd)


class Parked(object):
    """The kept connections of a core that wait for their next request."""

    def __init__(self):
        self.poller = None
        self.waiting = {}  # descriptor -> (deadline, peer, protocol), oldest first
        self.registered = set()  # also those that are being served: they stay in the epoll set until they close

    def start(self, poller):
        self.poller = poller

    def park(self, fd, peer, protocol):
        if fd not in self.registered:
            self.poller.register(fd, EPOLLIN)
            self.registered.add(fd)
        self.waiting[fd] = (monotonic() + protocol.wire.idle, peer, protocol)
        if len(self.waiting) > MAX_PARKED:
            self.shrink()

    def forget(self, fd):
        """Takes a descriptor out before it is closed: a copy in a forked child would keep it in the epoll set."""
        self.waiting.pop(fd, None)
        if fd in self.registered:
            self.registered.discard(fd)
            self.poller.unregister(fd)

    def wake(self, fd):
        entry = self.waiting.pop(fd, None)
        if entry is not None:
            entry[2].resume(fd, entry[1])

    def shrink(self):
        """Closes the connection that idles longest; false when there is none."""
        for fd, entry in self.waiting.items():
            entry[2].close(fd)
            return True
        return False

    def sweep(self):
        """Closes what idled too long; returns the seconds until the next is due, -1 for none."""
        now = monotonic()
        while self.waiting:
            deadline = next(iter(self.waiting.values()))[0]
            if deadline > now:
                return deadline - now + 0.001
            self.shrink()
        return -1

    def stop(self):
        """Answers the requests that have arrived, for the last time, and closes the rest."""
        for fd, _ in self.poller.poll(0):
            self.wake(fd)
        while self.shrink():
            pass
