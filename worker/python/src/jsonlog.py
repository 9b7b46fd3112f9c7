"""JSON log lines; escaped by hand, because importing json costs every start milliseconds."""

from time import gmtime, strftime, time

ESCAPES = {ord(c): "\\u%04x" % ord(c) for c in map(chr, list(range(32)) + [127, 0x2028, 0x2029])}
ESCAPES.update({ord('"'): '\\"', ord("\\"): "\\\\", 10: "\\n", 13: "\\r", 9: "\\t"})


def quote(text):
    """A JSON string."""
    return '"' + text.translate(ESCAPES) + '"'


def stamp():
    now = time()
    return quote("%s.%03dZ" % (strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)), now % 1 * 1000))


def message(text):
    """A line of the runtime's own."""
    return ('{"level":"info","time":%s,"message":%s}\n' % (stamp(), quote(text))).encode("utf-8", "backslashreplace")


def request(core, request, usec):
    """The line of one request; names are those of uWSGI's log-format variables."""
    env = request.env
    pairs = [
        ("level", quote("info")),
        ("time", stamp()),
        ("message", quote("request")),
        ("pid", core.runtime.pid),
        ("wid", core.runtime.slot),
        ("core", core.index),
    ]
    for name, key in (
        ("addr", "REMOTE_ADDR"),
        ("user", "REMOTE_USER"),
        ("method", "REQUEST_METHOD"),
        ("uri", "REQUEST_URI"),
        ("proto", "SERVER_PROTOCOL"),
        ("host", "HTTP_HOST"),
        ("referer", "HTTP_REFERER"),
        ("uagent", "HTTP_USER_AGENT"),
    ):
        pairs.append((name, quote(env.get(key, ""))))
    pairs += [
        ("status", request.status[:3] if request.status[:3].isdecimal() else "500"),
        ("rsize", request.sent),
        ("hsize", len(request.head)),
        ("headers", len(request.headers)),
        ("micros", usec),
        ("switches", request.chunks),
    ]
    for key, value in (request.logvars or {}).items():
        pairs.append((key, quote(value)))
    line = "{" + ",".join("%s:%s" % (quote(name), value) for name, value in pairs) + "}\n"
    return line.encode("utf-8", "backslashreplace")
