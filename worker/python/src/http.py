"""HTTP/1.0 and 1.1 as an http-socket speaks it: one request a connection."""

from os import close, read
from time import monotonic

from _gowsgi.body import NO_BODY, ChunkedInput, Input
from _gowsgi.environ import scheme
from _gowsgi.httphead import PLAIN, BadRequest, authority, head, request_line
from _gowsgi.request import Protocol, Request
from _gowsgi.runtime import log
from _gowsgi.wire import Gone, report

MAX_KNOWN = 256  # environs kept ready, and the bytes of a head for which one is kept
MAX_KNOWN_HEAD = 1024


class HttpRequest(Request):
    """A request of an http-socket."""

    tail = "Connection: close\r\n\r\n"


class HttpProtocol(Protocol):
    """Serves the connections of one `http-socket`."""

    def __init__(self, core, wire, base, objects, conf):
        Protocol.__init__(self, core, wire, base, objects, conf)
        # What a head holds below its first line -> the environ that it makes. Clients repeat it with each request.
        self.known = {}

    def serve(self, fd, peer):
        """Reads one request, runs the application and closes the connection."""
        try:
            data = read(fd, self.room)
        except OSError as err:
            data = self.wire.first(fd, self.room, err)
        if not data:
            self.half(fd, peer, b"", data)
            close(fd)
            return
        cut = data.find(b"\r\n\r\n")
        if cut < 0 or cut > self.limit:
            data, cut = self.complete(fd, peer, data)
            if not data:
                if not cut:
                    self.close(fd)
                return
        request = self.request(HttpRequest, fd, peer, data, cut)
        if request is None:
            return
        self.core.answer(request)
        if request.fd >= 0:
            self.wire.linger(fd)
            request.close()

    def close(self, fd):
        """Ends a connection that is not (or no longer) in a request."""
        close(fd)

    def request(self, kind, fd, peer, data, cut):
        """The request whose head is data[:cut]; None when it was refused, and the connection closed."""
        length = 0
        line_end = data.find(b"\r\n", 0, cut)
        env = self.known.get(data[line_end:cut])
        try:
            if env is not None and line_end > 0:
                env = env.copy()
                request_line(data[:line_end].decode("latin-1"), env)
                if env["REQUEST_URI"][:1] != "/":
                    authority(env)
            else:
                env = self.base.copy()
                length, expects = found = head(data[:cut].decode("latin-1"), env)
                if "HTTP_X_FORWARDED_PROTO" in env or "HTTP_X_FORWARDED_SSL" in env:
                    scheme(env)
                if found is PLAIN and cut - line_end <= MAX_KNOWN_HEAD:
                    self.remember(data[line_end:cut], env)
        except BadRequest as err:
            self.refuse(fd, peer, err.status, err.why)
            return None
        env["REMOTE_ADDR"] = peer[0] if type(peer) is tuple else ""
        body = NO_BODY
        if length:
            body = self.body(fd, peer, env, length, data[cut + 4 :], expects)
            if body is None:
                return None
        elif len(data) > cut + 4:
            body = Input(self.wire, fd, 0, data[cut + 4 :])
        env["wsgi.input"] = body
        request = kind(self.wire, fd, env, body)
        if env["REQUEST_METHOD"] == "HEAD":
            request.no_body = True
        return request

    def remember(self, below, env):
        """Keeps the environ of a head by what is below its first line; whatever that line says is written anew."""
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known[below] = env.copy()

    def body(self, fd, peer, env, length, data, expects):
        """The wsgi.input for a body of length bytes, or in chunks when length is negative."""
        if 0 < self.limit_post < length:
            self.refuse(fd, peer, "413 Content Too Large", "a body of %d bytes, more than limit-post" % length)
            return None
        if length < 0:
            # A chunked body has an end of its own: PEP 3333 servers tell it so, and frameworks look for this key.
            env["wsgi.input_terminated"] = True
            body = ChunkedInput(self.wire, fd, data, expects, self.limit)
            body.allowed = self.limit_post or body.allowed
        else:
            body = Input(self.wire, fd, length, data, expects)
        if self.post_buffering:
            from _gowsgi import buffered

            body = buffered.body(body, self.post_buffering, self.core, peer)
            if body is None:
                self.close(fd)
        return body

    def complete(self, fd, peer, data):
        """Waits for the rest of a head and returns the data and where the head ends.

        Without one it returns (b"", 0) for a connection that is to be closed, (b"", -1) for one that is closed.
        """
        deadline = monotonic() + self.wire.head
        while True:
            cut = data.find(b"\r\n\r\n")
            if 0 <= cut <= self.limit:
                return data, cut
            if cut > self.limit or len(data) > self.limit + 3:
                log("invalid HTTP request size (max %d)...skip" % self.limit)
                self.refuse(fd, peer, "431 Request Header Fields Too Large", None)
                return b"", -1
            lines = data.lstrip(b"\r\n")
            if b"\n\n" in data or b"\n\r\n" in data or lines[:1] and not lines[:1].isalpha():
                self.refuse(fd, peer, "400 Bad Request", "it does not begin like HTTP")
                return b"", -1
            more = self.wire.more(fd, self.room, deadline)
            if not more:
                self.half(fd, peer, data, more)
                return b"", 0
            data += more

    def half(self, fd, peer, data, more):
        """Logs a head that did not come to its end; a client that sent nothing is told nothing."""
        if more is None:
            report("timeout: no whole HTTP request came within %d seconds" % self.wire.head, peer)
            self.core.read_error()
            if data:
                self.say(fd, "408 Request Timeout")
        elif data:
            report("the client closed in the middle of an HTTP request", peer)
            self.core.read_error()

    def refuse(self, fd, peer, status, why):
        """Answers a request that is not one, and closes."""
        if why:
            report("bad HTTP request: %s, answered %s" % (why, status[:3]), peer)
        self.core.read_error()
        self.say(fd, status)
        self.wire.linger(fd)
        self.close(fd)

    def say(self, fd, status):
        text = status.partition(" ")[2]
        head = "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        try:
            self.wire.send(fd, (head % (status, len(text), text)).encode("latin-1"))
        except Gone:
            pass
