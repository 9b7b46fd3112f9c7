"""Reading and writing accepted connections as raw descriptors, with time limits.

Linux copies SO_RCVTIMEO and SO_SNDTIMEO of a listening TCP socket to the sockets accepted from it, so for those the
kernel keeps the time and EAGAIN means that it is over. A unix socket is made by the connecting side and inherits
nothing, and neither does a connection of multipath TCP (seen with Linux 6.18): there the descriptor is switched to
non-blocking and EAGAIN means "wait with poll(2)".
"""

from os import read, write
from select import POLLIN, POLLOUT, poll
from time import monotonic

from _socket import AF_INET, AF_UNIX, IPPROTO_TCP, SHUT_WR, SOCK_STREAM, TCP_CORK, socket

from _gowsgi.runtime import log

CHUNK = 65536


class Gone(OSError):
    """The client closed the connection or stopped taking data: nothing more can be sent."""


class InputError(OSError):
    """The request body did not come as announced. `status` is what a client that still listens is told."""

    status = "400 Bad Request"


class InputTimeout(InputError):
    status = "408 Request Timeout"


class InputTooLong(InputError):
    status = "413 Content Too Large"


class Wire(object):
    """How the connections of one listening socket are read and written."""

    # Accepted connections hold back what does not fill a segment (TCP_CORK, which they have from the listener): an
    # answer that is written at once goes out with the end of the stream. Who sends a part and waits must uncork first.
    corked = False

    def __init__(self, seconds, kernel_timeouts):
        self.seconds = seconds  # a client may stay silent so long,
        self.patience = seconds  # take no data so long,
        self.head = seconds  # need so long for the head of a request,
        self.idle = seconds  # and a kept connection may wait so long for its next request
        self.kernel_timeouts = kernel_timeouts

    def first(self, fd, size, err):
        """What a new connection sends, after a first read raised err: b"" when it broke, None when the time is over."""
        if not isinstance(err, BlockingIOError):
            return b""
        return None if self.kernel_timeouts else self.more(fd, size)

    def more(self, fd, size, deadline=None):
        """Reads at most size bytes; b"" at the end of the stream or when it broke, None when the time is over.

        The time is socket-timeout, or what is left of it until deadline (monotonic seconds).
        """
        while True:
            if deadline is not None:
                left = deadline - monotonic()
                if left <= 0 or not wait(fd, POLLIN, left):
                    return None
            try:
                return read(fd, size)
            except BlockingIOError:
                if self.kernel_timeouts or not wait(fd, POLLIN, self.seconds):
                    return None
            except OSError:
                return b""

    def send(self, fd, data):
        """Writes all of data or raises Gone."""
        done = 0
        view = data
        while True:
            try:
                done += write(fd, view)
            except BlockingIOError:
                if self.kernel_timeouts or not wait(fd, POLLOUT, self.patience):
                    raise Gone(0, "the client took nothing for %d seconds" % self.patience)
            except OSError as err:
                raise Gone(err.errno, err.strerror)
            if done == len(data):
                return
            view = memoryview(data)[done:]

    def uncork(self, fd):
        """Has each write go out at once from now on (tcp(7), TCP_CORK)."""
        try:
            sock = socket(AF_INET, SOCK_STREAM, 0, fd)  # setsockopt(2) does not care which family it is told
            try:
                sock.setsockopt(IPPROTO_TCP, TCP_CORK, 0)
            finally:
                sock.detach()
        except OSError:
            pass  # the connection is broken, which the next write finds

    def send_file(self, fd, source, offset, count):
        """Sends count bytes of a regular file from offset; returns what was sent, less only when the file shrank."""
        from os import sendfile

        done = 0
        while done < count:
            try:
                sent = sendfile(fd, source, offset + done, min(count - done, 1 << 30))
            except BlockingIOError:
                if self.kernel_timeouts or not wait(fd, POLLOUT, self.patience):
                    raise Gone(0, "the client took nothing for %d seconds" % self.patience)
                continue
            except OSError as err:
                raise Gone(err.errno, err.strerror)
            if not sent:
                break
            done += sent
        return done

    def linger(self, fd):
        """Ends the sending side and reads on until the client closes, at most socket-timeout seconds.

        Closing a socket that holds unread data sends a reset, which may destroy the answer before it is read
        (RFC 9112, 9.6).
        """
        deadline = monotonic() + self.seconds
        try:
            sock = socket(AF_UNIX, SOCK_STREAM, 0, fd)  # shutdown(2) does not care which family it is told
            try:
                sock.shutdown(SHUT_WR)
            finally:
                sock.detach()
        except OSError:
            return
        while self.more(fd, CHUNK, deadline):
            pass


def wait(fd, events, seconds):
    """poll(2) on one descriptor; false when the time is over."""
    poller = poll()
    poller.register(fd, events)
    return bool(poller.poll(max(0, int(seconds * 1000))))


def file_span(filelike):
    """(descriptor, offset, count) of an open regular file from its current position, None for anything else."""
    from os import fstat
    from stat import S_ISREG

    try:
        fd = filelike.fileno()
        info = fstat(fd)
        if not S_ISREG(info.st_mode):
            return None
        offset = filelike.tell()
        if not isinstance(offset, int) or offset < 0:
            return None
    except Exception:  # a file-like object may raise what it likes for what it is not
        return None
    end = getattr(filelike, "span_end", info.st_size)  # of a part of a file that the runtime itself sends
    return fd, offset, max(0, min(end, info.st_size) - offset)


def report(text, peer):
    """Logs why a connection was ended; one line, whatever the client sent."""
    log("%s (client %s)" % (text, peer or "unix"))
