"""The uwsgi protocol: one packet of variables for a request, the body behind it, a plain HTTP answer."""

from os import close, read, write
from time import monotonic

from _gowsgi.body import NO_BODY, Input
from _gowsgi.environ import scheme, trim_script_name
from _gowsgi.request import PACKET_HEADER as HEADER
from _gowsgi.request import Protocol, Request
from _gowsgi.runtime import log
from _gowsgi.wire import Gone, report

PING = 100  # the modifier of a packet that only asks whether somebody is there


class PacketProtocol(Protocol):
    """Serves the connections of one `socket`."""

    def serve(self, fd, peer):
        """Reads one packet, runs the application and closes the connection."""
        try:
            data = read(fd, self.room)
        except OSError as err:
            data = self.wire.first(fd, self.room, err)
        if not data:
            if data is None:
                self.too_late(peer)
            close(fd)
            return
        size = len(data) - HEADER
        if size <= 0 or size < (data[1] | data[2] << 8) or not data[1] | data[2]:
            data = self.complete(fd, peer, data)
            if not data:
                close(fd)
                return
        end = HEADER + (data[1] | data[2] << 8)
        if end - HEADER > self.limit or data[0] != 0 and data[0] != 30:
            self.refuse(fd, data)
            return
        env = self.parse(data, end)
        if env is None:
            log("invalid uwsgi request (current strsize: %d). skip." % (end - HEADER))
            self.core.read_error()
            close(fd)
            return
        if data[0]:
            trim_script_name(env)
        body = NO_BODY
        length = env.get("CONTENT_LENGTH")
        if length:
            body = self.body(fd, peer, env, length, data[end:])
            if body is None:
                close(fd)
                return
        env["wsgi.input"] = body
        request = Request(self.wire, fd, env, body)
        if env["REQUEST_METHOD"] == "HEAD":
            request.no_body = True
        if self.keep_packet:
            request.packet = data[:end]
        self.core.answer(request)
        if request.fd >= 0:
            self.wire.linger(fd)
            request.close()

    def parse(self, data, end):
        """The environ of the packet data[4:end], None when its lengths do not add up."""
        env = self.base.copy()
        text = data.decode("latin-1")
        i = HEADER
        try:
            while i < end:
                key = i + 2
                cut = key + data[i]
                if data[i + 1]:
                    cut += data[i + 1] << 8
                value = cut + 2
                i = value + data[cut]
                if data[cut + 1]:
                    i += data[cut + 1] << 8
                env[text[key:cut]] = text[value:i]
        except IndexError:
            return None
        # A length that reaches too far carries i beyond the end, whatever it met there.
        if i != end or "" in env:
            return None
        if "wsgi." in text:  # also in a name like uwsgi.node
            env.update(self.objects)
        if "HTTP_CONTENT_LENGTH" in env:
            del env["HTTP_CONTENT_LENGTH"]
        if "HTTP_CONTENT_TYPE" in env:
            del env["HTTP_CONTENT_TYPE"]
        if (
            "HTTPS" in env
            or "HTTP_X_FORWARDED_PROTO" in env
            or "HTTP_X_FORWARDED_SSL" in env
            or "UWSGI_SCHEME" in env
        ):
            scheme(env)
        return env

    def complete(self, fd, peer, data):
        """Waits for the rest of a packet that did not come in one piece; b"" when it is not worth an answer."""
        deadline = monotonic() + self.wire.seconds
        while True:
            need = HEADER
            if len(data) >= HEADER:
                size = data[1] | data[2] << 8
                if size > self.limit:
                    return data
                need += size
                if len(data) >= need:
                    if size or data[0] == PING:
                        return data
                    log("Empty python request. skip.")
                    return b""
            more = self.wire.more(fd, need - len(data), deadline)
            if more is None:
                self.too_late(peer)
                return b""
            if not more:
                report("the client closed in the middle of a uwsgi packet", peer)
                self.core.read_error()
                return b""
            data += more

    def too_late(self, peer):
        report("timeout: no whole uwsgi packet came within %d seconds" % self.wire.seconds, peer)
        self.core.read_error()

    def refuse(self, fd, data):
        size = data[1] | data[2] << 8
        if size > self.limit:
            log("invalid request block size: %d (max %d)...skip" % (size, self.limit))
        elif data[0] == PING:
            self.pong(fd)
            return
        else:
            log("-- unavailable modifier requested: %d --" % data[0])
        self.core.read_error()
        close(fd)

    def too_long(self, fd, peer, size):
        report("a body of %d bytes, more than limit-post, answered 413" % size, peer)
        self.core.read_error()
        try:
            self.wire.send(fd, b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\n\r\nContent Too Large")
        except Gone:
            return
        self.wire.linger(fd)

    def pong(self, fd):
        """Answers uwsgi --ping: whoever can say this can serve."""
        try:
            write(fd, bytes((PING, 0, 0, 1)))
        except OSError:
            pass  # gone already
        close(fd)

    def body(self, fd, peer, env, length, data):
        """The wsgi.input of a request with a CONTENT_LENGTH; None when that is no number or the body stays away."""
        if not length.isdecimal():
            report("invalid CONTENT_LENGTH %.40r" % length, peer)
            self.core.read_error()
            return None
        size = int(length)
        if not size:
            return NO_BODY
        if 0 < self.limit_post < size:
            self.too_long(fd, peer, size)
            return None
        body = Input(self.wire, fd, size, data)
        if self.post_buffering:
            from _gowsgi import buffered

            return buffered.body(body, self.post_buffering, self.core, peer)
        return body
