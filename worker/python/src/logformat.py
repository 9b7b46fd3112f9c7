"""log-format: the template is compiled once into a function, one expression for each variable."""

from os import sysconf
from time import gmtime, localtime, strftime, time
from time import ctime as render_ctime

from _gowsgi.requestlog import variables

# What stands for a variable in the compiled function; began is when the request began, in seconds since the epoch.
NUMBERS = {
    "status": '(request.status[:3] or "500")',
    "rsize": "request.sent",
    "hsize": "len(request.head)",
    "size": "request.sent + len(request.head)",
    "cl": "(env.get('CONTENT_LENGTH') or 0)",
    "micros": "usec",
    "msecs": "usec // 1000",
    "secs": "'%f' % (usec / 1e6)",
    "tmsecs": "int(began * 1e3)",
    "tmicros": "int(began * 1e6)",
    "time": "int(began)",
    "epoch": "int(time())",
    "pid": "core.runtime.pid",
    "wid": "core.runtime.slot",
    "switches": "request.chunks",
    "vars": "variables(request)[0]",
    "core": "core.index",
    "vsz": "memory(0)",
    "rss": "memory(1)",
    "vszM": "memory(0) // 1048576",
    "rssM": "memory(1) // 1048576",
    "pktsize": "variables(request)[1]",
    "modifier1": "modifier(request, 0)",
    "modifier2": "modifier(request, 3)",
    "headers": "len(request.headers)",
    "werr": "int(request.gone)",
    "rerr": "errors(request)",
    "ioerr": "int(request.gone) + errors(request)",
}
TEXTS = {
    "uri": "env.get('REQUEST_URI')",
    "method": "env.get('REQUEST_METHOD')",
    "user": "env.get('REMOTE_USER')",
    "host": "env.get('HTTP_HOST')",
    "proto": "env.get('SERVER_PROTOCOL')",
    "uagent": "env.get('HTTP_USER_AGENT')",
    "referer": "env.get('HTTP_REFERER')",
    "ctime": "render_ctime(began)",
    "ltime": "local(began)",
}


def build(conf):
    """The function that renders a request, as bytes with a newline."""
    log = conf["request_log"]
    texts = dict(TEXTS)
    texts["addr"] = "env.get('REMOTE_ADDR')"
    if log["x_forwarded_for"]:
        texts["addr"] = "env.get('HTTP_X_FORWARDED_FOR') or env.get('REMOTE_ADDR')"
    texts["ftime"] = texts["ltime"]
    if log["strftime"]:
        texts["ftime"] = "strftime(%r, localtime(began))" % log["strftime"]
    template, expressions = parse(log["format"], texts, log["escape"])
    source = (
        "def render(core, request, usec):\n"
        "    env = request.env\n"
        "    began = time() - usec / 1e6\n"
        "    return %r %% (%s)\n" % (template, "".join(expression + ", " for expression in expressions))
    )
    from _gowsgi.jsonlog import ESCAPES

    names = {
        "time": time, "render_ctime": render_ctime, "strftime": strftime, "localtime": localtime, "local": local,
        "memory": memory, "modifier": modifier, "errors": errors, "logvar": logvar, "metric": metric,
        "variables": variables, "clean": lambda text: (text or "-").translate(ESCAPES),
    }  # fmt: skip
    exec(compile(source, "_gowsgi/log-format", "exec"), names)
    render = names["render"]

    def line(core, request, usec):
        text = render(core, request, usec)
        if "\n" in text or "\r" in text:
            text = text.replace("\n", "\\n").replace("\r", "\\r")  # one request, one line, whatever a client sends
        try:
            return text.encode("latin-1") + b"\n"
        except UnicodeEncodeError:  # a logvar of the application's; the environ is latin-1 always
            return text.encode("utf-8", "backslashreplace") + b"\n"

    return line


def parse(text, texts, escape):
    """A %-template and the expressions for it. %(name) is a variable; anything else is itself."""
    template, expressions = "", []
    while True:
        before, found, rest = text.partition("%(")
        name, closed, after = rest.partition(")")
        if not found or not closed:
            return template + text.replace("%", "%%"), expressions
        template += before.replace("%", "%%") + "%s"
        text = after
        if name in NUMBERS:
            expressions.append(NUMBERS[name])
            continue
        if name in texts:
            value = texts[name]
        elif name.startswith("var."):
            value = "env.get(%r)" % name[4:]
        elif name.startswith("metric."):
            value = "metric(%r)" % name[7:]
        else:
            value = "logvar(request, %r)" % name
        expressions.append("clean(%s)" % value if escape else "((%s) or '-')" % value)


def local(when):
    """As in the logs of other servers: 24/Nov/2026:02:19:08 +0000."""
    now = localtime(when)
    return strftime("%d/%b/%Y:%H:%M:%S ", now) + offset(now, gmtime(when))


def offset(here, utc):
    seconds = getattr(here, "tm_gmtoff", None)
    if seconds is None:
        seconds = (here.tm_hour - utc.tm_hour) * 3600 + (here.tm_min - utc.tm_min) * 60
    minutes = abs(seconds) // 60
    return "%s%02d%02d" % ("-" if seconds < 0 else "+", minutes // 60, minutes % 60)


def memory(index):
    """Virtual (0) or resident (1) size of this process in bytes (statm in proc(5))."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[index]) * sysconf("SC_PAGE_SIZE")


def modifier(request, index):
    return request.packet[index] if request.packet else 0


def errors(request):
    return int(getattr(request, "read_failed", False))


def logvar(request, name):
    return (request.logvars or {}).get(name)


def metric(name):
    import uwsgi

    get = getattr(uwsgi, "metric_get", None)
    value = get(name) if get is not None else None
    return None if value is None else str(value)
