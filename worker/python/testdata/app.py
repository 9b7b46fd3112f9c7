"""The application of the behaviour tests: the path chooses what it does."""

import atexit
import os
import time

import uwsgi


def plain(start_response, body, *headers):
    start_response("200 OK", [("Content-Type", "text/plain")] + list(headers))
    return [body if isinstance(body, bytes) else body.encode("utf-8")]


def env(environ, start_response):
    lines = ["%s=%r" % (key, environ[key]) for key in sorted(environ)]
    return plain(start_response, "\n".join(lines))


def spoil(environ, start_response):
    """What an application puts into its environ, or takes out, is its own."""
    body = env(environ, start_response)
    environ["HTTP_HOST"] = environ["spoiled"] = "spoiled"
    del environ["HTTP_ACCEPT"]
    return body


def echo(environ, start_response):
    return plain(start_response, environ["wsgi.input"].read())


def lines(environ, start_response):
    body = environ["wsgi.input"]
    return plain(start_response, repr([body.readline(4), body.readline(), body.readlines(3), list(body), body.read()]))


def small_reads(environ, start_response):
    parts = iter(lambda: environ["wsgi.input"].read(3), b"")
    return plain(start_response, b"|".join(parts))


def ignore(environ, start_response):
    return plain(start_response, b"ignored")


def gen(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        yield b"a"
        yield b""
        yield b"b"
    finally:
        print("generator closed")


def many(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        for _ in range(100000):
            yield b"x" * 65536
    finally:
        print("many closed")


def empty(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return []


def none(environ, start_response):
    start_response("204 No Content", [])
    return [b"dropped"]


def text(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text"]


def raises(environ, start_response):
    raise ValueError("boo before")


def raises_after(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    raise ValueError("boo after start_response")


def raises_late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise ValueError("boo late")


def exits(environ, start_response):
    raise SystemExit(3)


def replaces(environ, start_response):
    import sys

    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise ValueError("caught")
    except ValueError:
        start_response("503 Sorry", [("X-Error", "1")], sys.exc_info())
    return [b"replaced"]


def replaces_late(environ, start_response):
    import sys

    start_response("200 OK", [("Content-Type", "text/plain")])(b"sent")
    try:
        raise ValueError("raised again")
    except ValueError:
        start_response("503 Sorry", [], sys.exc_info())
    return [b"never"]


def twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def writes(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"one ")
    write(b"two ")
    return [b"three"]


def split(environ, start_response):
    return plain(start_response, b"", ("X-Evil", "a\r\nSet-Cookie: b"))


def integer(environ, start_response):
    return plain(start_response, b"", ("Content-Length", 3))


def file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    source = open(__file__, "rb")
    source.read(3)
    return environ["wsgi.file_wrapper"](source)


def blocks(environ, start_response):
    import io

    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789"), 4)


def length(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", environ["QUERY_STRING"])])
    return [b"0123", b"456789"]


def slow(environ, start_response):
    print("slow begins")
    time.sleep(float(environ["QUERY_STRING"] or 0.3))
    return plain(start_response, b"slow")


def big(environ, start_response):
    return plain(start_response, b"0123456789abcdef" * 65536 * 4)


def fds(environ, start_response):
    import subprocess

    paths = ["/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")]
    own = {path: os.readlink(path) for path in paths if os.path.lexists(path)}
    child = subprocess.check_output(["/bin/ls", "/proc/self/fd"], close_fds=False).decode().split()
    return plain(start_response, "%r\n%r" % (sorted(own.items()), child))


def pid(environ, start_response):
    return plain(start_response, "%d %d" % (os.getpid(), os.getppid()))


def module(environ, start_response):
    uwsgi.set_logvar("key", 'va"lue\n')
    parts = [
        uwsgi.worker_id(), uwsgi.masterpid(), uwsgi.numproc, uwsgi.cores, uwsgi.hostname, uwsgi.version,
        uwsgi.version_info[:3], uwsgi.opt, uwsgi.cl(), uwsgi.get_logvar("key"), uwsgi.get_logvar("none"),
        uwsgi.listen_queue(),
        uwsgi.env is environ, len(uwsgi.workers()), uwsgi.mem()[0] > 0, hasattr(uwsgi, "websocket_recv"),
    ]  # fmt: skip
    uwsgi.log("logged by the app")
    uwsgi.setprocname("renamed")
    return plain(start_response, repr(parts))


def asks(environ, start_response):
    return plain(start_response, repr(getattr(uwsgi, environ["QUERY_STRING"])()))


def locked(environ, start_response):
    if environ["QUERY_STRING"] == "hold":
        uwsgi.lock()
        print("lock held")
        end = time.time() + 20
        while not os.path.exists("release") and time.time() < end:
            time.sleep(0.01)
        uwsgi.unlock()
        return plain(start_response, b"held")
    return plain(start_response, repr(uwsgi.is_locked()))


def drips(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    time.sleep(0.4)
    yield b"second"


def drips_by_write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"first")
    time.sleep(0.4)
    return [b"second"]


def late_read(environ, start_response):
    environ["wsgi.input"].read(1)
    time.sleep(0.4)
    return plain(start_response, b"first")


@atexit.register
def bye():
    print("exit handler of %d" % uwsgi.worker_id())


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/") or "env"
    return globals()[name](environ, start_response)
