"""The log channel: one packet a line, whose first byte says what it is. Sending waits for nobody for long."""

from errno import EMSGSIZE
from select import POLLOUT, poll

from _socket import AF_UNIX, MSG_DONTWAIT, SOCK_SEQPACKET, socket

PATIENCE = 200  # milliseconds for the parent to make room; it does so at once, unless it was stopped
CUT = 100000  # bytes that are sent of a line which is longer than the socket takes

channel = None  # of this process and those it forks


class Channel(object):
    """The sending end. Lines that find no room are dropped and counted."""

    def __init__(self, fd):
        self.socket = socket(AF_UNIX, SOCK_SEQPACKET, 0, fd)
        self.socket.settimeout(None)  # an application's socket.setdefaulttimeout() must not reach it
        self.stuck = False
        self.dropped = 0

    def send(self, data):
        """Sends one line."""
        try:
            self.socket.send(data, MSG_DONTWAIT)
        except BlockingIOError:
            self.wait(data)
        except OSError as err:
            if err.errno == EMSGSIZE and len(data) > CUT:
                self.send(data[:CUT] + b"...\n")
            return  # else nobody is left to tell
        else:
            if self.dropped:
                self.tell()

    def wait(self, data):
        """Waits for room, but not again and again while there is none."""
        if not self.stuck:
            room = poll()
            room.register(self.socket.fileno(), POLLOUT)
            room.poll(PATIENCE)
            try:
                self.socket.send(data, MSG_DONTWAIT)
                return
            except OSError:
                self.stuck = True
        self.dropped += 1

    def tell(self):
        """There is room again: tells how much was lost."""
        from _gowsgi.runtime import log

        dropped, self.dropped = self.dropped, 0
        self.stuck = False
        log("*** %d log lines of this worker were dropped: the log was not read ***" % dropped)


def get(conf):
    """The channel of this process."""
    global channel
    if channel is None:
        channel = Channel(conf["log_fd"])
    return channel
