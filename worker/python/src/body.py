"""wsgi.input: request bodies of a known length, of none, and decoded from chunks."""

from _gowsgi.wire import CHUNK, InputError, InputTimeout, InputTooLong

MAX_CHUNK_LINE = 4096  # bytes of one chunk-size line with its extensions


class NoBody(object):
    """The input of a request without a body; one object serves all of them."""

    __slots__ = ()
    finished = True
    broken = False

    def read(self, size=-1):
        return b""

    def readline(self, size=-1):
        return b""

    def readlines(self, hint=-1):
        return []

    def __iter__(self):
        return iter(())

    def rest(self):
        return b""


class Input(object):
    """A body of `length` bytes, of which `data` came together with the head."""

    __slots__ = ("wire", "fd", "left", "data", "pos", "expects", "broken", "behind", "__weakref__")

    def __init__(self, wire, fd, length, data=b"", expects=False):
        self.wire = wire
        self.fd = fd
        self.left = length  # still to come from the descriptor
        self.data = data  # received, from pos on not yet read by the application
        self.pos = 0
        self.expects = expects  # the client waits for "100 Continue"
        self.broken = False
        self.behind = b""  # bytes after the body: the next request of a kept connection
        if data:
            self._take(length)

    def _take(self, length):
        if len(self.data) > length:
            self.behind = self.data[length:]
            self.data = self.data[:length]
        self.left = length - len(self.data)

    @property
    def finished(self):
        """Whether nothing of the body is left in the socket."""
        return not self.left

    def rest(self):
        """What came after the body, once that is finished."""
        return self.behind

    def _receive(self, size):
        """At most size bytes of the stream; raises InputError when it ended or took too long."""
        if self.broken:
            raise InputError("error during read(%d) on wsgi.input" % size)
        if self.expects:
            self.expects = False
            if self.wire.corked:
                self.wire.uncork(self.fd)
            self.wire.send(self.fd, b"HTTP/1.1 100 Continue\r\n\r\n")
        data = self.wire.more(self.fd, size)
        if data:
            return data
        self.broken = True
        if data is None:
            raise InputTimeout("timeout during read(%d) on wsgi.input" % size)
        raise InputError("error during read(%d) on wsgi.input" % size)

    def _more(self, size):
        """The next piece of the body, at most size bytes when the length is known; b"" at its end."""
        if not self.left:
            return b""
        data = self._receive(min(size, self.left))
        self.left -= len(data)
        return data

    def read(self, size=-1):
        """As of a binary file: exactly size bytes unless the body ends, all of it without a size."""
        if size is None or size < 0:
            size = 1 << 62
        data, pos = self.data, self.pos
        if len(data) - pos >= size:
            self.pos = pos + size
            return data[pos : pos + size]
        parts = [data[pos:]]
        size -= len(data) - pos
        self.data, self.pos = b"", 0
        while size:
            data = self._more(min(size, CHUNK * 4))
            if not data:
                break
            if len(data) > size:
                self.data, self.pos = data, size
                data = data[:size]
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def readline(self, size=-1):
        """As of a binary file: up to and with the next newline, at most size bytes."""
        limit = 1 << 62 if size is None or size < 0 else size
        parts = []
        while limit:
            if self.pos == len(self.data):
                self.data, self.pos = self._more(CHUNK), 0
                if not self.data:
                    break
            cut = self.data.find(b"\n", self.pos) + 1
            end = min(cut or len(self.data), self.pos + limit)
            parts.append(self.data[self.pos : end])
            limit -= end - self.pos
            self.pos = end
            if end == cut:
                break
        return b"".join(parts)

    def readlines(self, hint=-1):
        lines = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint and 0 < hint <= total:
                break
        return lines

    def __iter__(self):
        return iter(self.readline, b"")

    def discard(self, limit):
        """Reads off what is left, at most limit bytes; true when the body is finished then."""
        self.data, self.pos = b"", 0
        try:
            while not self.finished and limit > 0 and not self.expects:
                limit -= len(self._more(CHUNK))
        except OSError:
            return False
        return self.finished


class ChunkedInput(Input):
    """A body in the chunked coding (RFC 9112, 7.1), read strictly: what is not exactly a chunk ends the connection."""

    __slots__ = ("raw", "at", "chunk", "ended", "max_trailer", "allowed")

    def __init__(self, wire, fd, data, expects, max_trailer):
        Input.__init__(self, wire, fd, 0, b"", expects)
        self.raw = data  # received, from at on not yet decoded
        self.at = 0  # an index, because cutting the buffer at each of many small chunks would copy it as often
        self.chunk = 0  # bytes left of the current chunk
        self.ended = False
        self.max_trailer = max_trailer
        self.allowed = 1 << 62  # bytes that may still come, of limit-post

    @property
    def finished(self):
        return self.ended

    def rest(self):
        return self.raw[self.at :]

    def _fill(self):
        self.raw = self.raw[self.at :] + self._receive(CHUNK)
        self.at = 0

    def _line(self, limit):
        """One line without its CRLF."""
        while True:
            cut = self.raw.find(b"\n", self.at)
            if cut >= 0:
                line = self.raw[self.at : cut]
                self.at = cut + 1
                if line[-1:] != b"\r" or b"\r" in line[:-1]:
                    self._refuse("a line in the chunked body does not end with CR LF")
                return line[:-1]
            if len(self.raw) - self.at > limit:
                self._refuse("a line in the chunked body is longer than %d bytes" % limit)
            self._fill()

    def _refuse(self, why):
        self.broken = True
        raise InputError("invalid chunked request body: " + why)

    def _next_chunk(self):
        line = self._line(MAX_CHUNK_LINE)
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
            self._refuse("bad chunk size")
        self.chunk = int(digits, 16)
        self.allowed -= self.chunk
        if self.allowed < 0:
            self.broken = True
            raise InputTooLong("the chunked request body is longer than limit-post")
        if not self.chunk:
            left = self.max_trailer
            while line and left > 0:
                line = self._line(left)
                left -= len(line) + 2
            if line:
                self._refuse("the trailer is longer than %d bytes" % self.max_trailer)
            self.ended = True

    def _more(self, size):
        if self.broken:
            raise InputError("error during read(%d) on wsgi.input" % size)
        if not self.chunk and not self.ended:
            self._next_chunk()
        if self.ended:
            return b""
        if self.at == len(self.raw):
            self._fill()
        data = self.raw[self.at : self.at + self.chunk]
        self.at += len(data)
        self.chunk -= len(data)
        if not self.chunk:
            while len(self.raw) - self.at < 2:
                self._fill()
            if self.raw[self.at : self.at + 2] != b"\r\n":
                self._refuse("a chunk is longer than its size")
            self.at += 2
        return data


NO_BODY = NoBody()
