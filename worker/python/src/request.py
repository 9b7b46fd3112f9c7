"""One request and its answer: start_response, write, and sending what the application returned (PEP 3333)."""

from os import close
from os import write as write_fd

from _gowsgi.runtime import error_page, log
from _gowsgi.wire import Gone, file_span

HEAD_END = 4  # bytes of the empty line that ends an HTTP head
PACKET_HEADER = 4  # bytes of a uwsgi packet before its variables: modifier1, size (16 bits, little-endian), modifier2
JOIN_LIMIT = 65536  # bytes of body up to which it is copied behind the head, for one write instead of two


class FileWrapper(object):
    """wsgi.file_wrapper: sent with sendfile(2) when it wraps a regular file, else read block by block."""

    def __init__(self, filelike, blksize=32768):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration


class Protocol(object):
    """Serves the connections of one listening socket."""

    def __init__(self, core, wire, base, objects, conf):
        self.core = core
        self.wire = wire
        self.base = base  # the environ every request starts from
        self.objects = objects  # what of it no client may replace
        self.limit = conf["buffer_size"]
        self.room = min(self.limit + max(HEAD_END, PACKET_HEADER), 16384)  # bytes of a first read
        self.post_buffering = conf["post_buffering"]
        self.limit_post = conf["serve"]["limit_post"] if conf["serve"] else 0
        self.keep_packet = conf["log_requests"]


class Request(object):
    """A request whose connection ends with the answer: the uwsgi protocol, an http-socket.

    Class attributes hold what most requests never change, so that making one costs few stores.
    """

    tail = "\r\n"  # the end of the head: what the server adds, and the empty line
    started = False  # the head was sent
    gone = False  # the client is gone, nothing can be sent
    no_body = False  # the answer to HEAD, or a status without a body
    head = b""  # encoded, once start_response was called
    status = ""
    headers = ()
    sent = 0  # body bytes
    chunks = 0  # pieces of the body that were iterated over, "switches" in the request line
    via_file = False
    read_failed = False  # its body did not come whole
    logvars = None
    packet = None  # what the client sent, kept for the request line only

    def __init__(self, wire, fd, env, body):
        self.wire = wire
        self.fd = fd
        self.env = env
        self.input = body

    def start_response(self, status, headers, exc_info=None):
        """The start_response of PEP 3333; raises when it is called twice without exc_info or with unfit headers."""
        if self.head:
            self._restart(exc_info)
        text = "HTTP/1.1 " + status + "\r\n"
        broken = "\n" in status or "\r" in status
        try:
            for name, value in headers:
                line = name + ": " + value
                # An application's value must not end its header early.
                if "\n" in line or "\r" in line:
                    broken = True
                text += line + "\r\n"
        except (TypeError, ValueError):
            raise TypeError("http headers must be a list of (str, str) pairs, not %.200r" % (headers,))
        if broken:
            raise ValueError("a status or header holds a line break: %.200r %.200r" % (status, headers))
        self.head = (text + self.tail).encode("latin-1")
        self.status = status
        self.headers = headers
        if status[:1] == "1" or status[:3] in ("204", "304"):
            self.no_body = True
        return self.write

    def _restart(self, exc_info):
        if exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        try:
            if self.started:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # the traceback would keep this frame alive in a cycle

    def write(self, data):
        """The write callable of PEP 3333: sends at once."""
        if self.wire.corked and not self.started:
            self.wire.uncork(self.fd)
        self.send(data)

    def send(self, data):
        """Sends a piece of the body, behind the head when it is the first; raises Gone when the client is."""
        if self.gone:
            raise Gone(0, "the client is gone")
        if not isinstance(data, bytes):
            raise TypeError("the application sent %s, not bytes" % type(data).__name__)
        try:
            if self.started:
                if data and not self.no_body:
                    self.wire.send(self.fd, data)
                    self.sent += len(data)
                return
            head = self.head
            if not head:
                raise AssertionError("the application sent data before it called start_response")
            self.started = True
            if self.no_body or not data:
                self.wire.send(self.fd, head)
                return
            if len(data) <= JOIN_LIMIT:
                whole = head + data
                # The call that Wire.send would make, without the call of Wire.send: nearly every answer ends here.
                try:
                    done = write_fd(self.fd, whole)
                except BlockingIOError:
                    done = 0
                except OSError as err:
                    raise Gone(err.errno, err.strerror)
                if done != len(whole):
                    self.wire.send(self.fd, whole[done:])
            else:
                self.wire.send(self.fd, head)
                self.wire.send(self.fd, data)
            self.sent += len(data)
        except Gone:
            self.gone = True
            raise

    def respond(self, result):
        """Sends what the application returned."""
        if type(result) is list and len(result) == 1:
            self.chunks += 1
            self.send(result[0])
            return
        if self.wire.corked and type(result) is not list:
            self.wire.uncork(self.fd)  # what comes next may take its time
        if type(result) is FileWrapper and self._respond_file(result.filelike):
            return
        for data in result:
            self.chunks += 1
            if data or not isinstance(data, bytes):
                self.send(data)
        if not self.started:
            self.send(b"")

    def _respond_file(self, filelike):
        """Sends a regular file with sendfile(2); false when it is something else."""
        span = None if self.no_body or self.started else file_span(filelike)
        if span is None:
            return False
        self.via_file = True
        self.announce(span[2])
        self.send(b"")
        try:
            self.sent += self.wire.send_file(self.fd, *span)
        except Gone:
            self.gone = True
            raise
        return True

    def end(self):
        """Closes the connection, unless the body has to be read off first."""
        if self.input.finished:
            self.close()

    def close(self):
        """Closes the connection; whatever the application did to the descriptor, it is no longer ours then."""
        fd, self.fd = self.fd, -1
        try:
            close(fd)
        except OSError as err:
            log("Cannot close a connection: %s" % err.strerror)

    def announce(self, length):
        """Hears the length of the body before the head is sent; only a kept connection needs it."""

    def fail(self, status):
        """Answers with a plain error when nothing was sent yet."""
        if self.started or self.gone:
            return
        self.head = b""
        kind, body = error_page(status)
        try:
            self.start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
            self.announce(len(body))
            self.send(body)
        except Gone:
            pass
