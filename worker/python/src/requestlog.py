"""The request line: uWSGI's default one, or one JSON object a line."""

from os import write
from time import ctime, time

from _gowsgi.request import PACKET_HEADER as HEADER


def choose(conf):
    """The function that logs a request, called with the core, the request and its duration in microseconds."""
    log = conf["request_log"]
    if conf["log_json"]:
        from _gowsgi.jsonlog import request as render
    elif log["format"]:
        from _gowsgi.logformat import build

        render = build(conf)
    elif log["micros"] or log["x_forwarded_for"] or log["memory"]:
        render = variant(log)
    else:
        render = line
    send = sender(conf)
    wanted = condition(log)
    if wanted is None:
        return lambda core, request, usec: send(render(core, request, usec))

    def log_some(core, request, usec):
        if wanted(request, usec):
            send(render(core, request, usec))

    return log_some


def sender(conf):
    """Where request lines go."""
    if conf["log_channel"]:
        from _gowsgi import logchannel

        send = logchannel.get(conf).send
        return lambda text: send(b"r" + text)
    fd = conf["log_fd"]

    def send_there(text):
        try:
            write(fd, text)
        except OSError:
            pass  # a full or closed log must not end a request

    return send_there


def condition(log):
    """With disable-logging: the function that tells which requests are logged all the same. None: all are."""
    if log["all"]:
        return None
    slow, big = log["slow"] * 1000, log["big"]
    zero, e4xx, e5xx, via_file, broken = (log[name] for name in ("zero", "e4xx", "e5xx", "sendfile", "ioerror"))

    def wanted(request, usec):
        kind = request.status[:1] or "5"
        return (
            (e5xx and kind == "5")
            or (e4xx and kind == "4")
            or (slow and usec >= slow)
            or (big and request.sent >= big)
            or (zero and not request.sent)
            or (via_file and request.via_file)
            or (broken and request.gone)
        )

    return wanted


def variant(log):
    """The default line with another unit, another address, or the memory in front."""
    micros, forwarded, memory = log["micros"], log["x_forwarded_for"], log["memory"]

    def render(core, request, usec):
        address = None
        if forwarded:
            address = request.env.get("HTTP_X_FORWARDED_FOR")
        text = line(core, request, usec, "%d micros" % usec if micros else None, address)
        if memory:
            from _gowsgi.logformat import memory as size

            vsz, rss = size(0), size(1)
            front = "{address space usage: %d bytes/%dMB} {rss usage: %d bytes/%dMB} "
            text = (front % (vsz, vsz >> 20, rss, rss >> 20)).encode("ascii") + text
        return text

    return render


def line(core, request, usec, took=None, address=None):
    """`[pid: 1|app: 0|req: 2/3] 127.0.0.1 () {30 vars in 400 bytes} [...] GET / => generated 5 bytes ...`."""
    runtime = core.runtime
    env = request.env
    count, size = variables(request)
    loaded = runtime.has_app
    text = (
        "[pid: %d|app: %d|req: %d/%d] %s (%s) {%d vars in %d bytes} [%s] %s %s => generated %d bytes in %s%s"
        " (%s %s) %d headers in %d bytes (%d switches on core %d)\n"
    ) % (
        runtime.pid,
        0 if loaded else -1,
        runtime.board.worker_requests(runtime.slot) if loaded else -1,
        runtime.board.total_requests(),
        address or env.get("REMOTE_ADDR", ""),
        env.get("REMOTE_USER", ""),
        count,
        size,
        ctime(time()),
        env["REQUEST_METHOD"],
        env.get("REQUEST_URI", ""),
        request.sent,
        took or "%d msecs" % (usec // 1000),
        " via sendfile()" if request.via_file else "",
        env["SERVER_PROTOCOL"],
        request.status[:3] or "500",
        len(request.headers),
        len(request.head),
        request.chunks,
        core.index,
    )
    if "\n" in text[:-1] or "\r" in text:
        # One request, one line, whatever a client sends.
        text = text[:-1].replace("\n", "\\n").replace("\r", "\\r") + "\n"
    return text.encode("latin-1", "replace")


def variables(request):
    """(strings, bytes) of the variables as uWSGI counts them: a name and a value are two, each with a 2-byte length."""
    packet = request.packet
    if packet is not None:
        count = 0
        i = HEADER
        while i < len(packet):
            i += 2 + (packet[i] | packet[i + 1] << 8)
            count += 1
        return count, len(packet) - HEADER
    count = size = 0
    for key, value in request.env.items():
        if "." not in key:
            count += 2
            size += 4 + len(key) + len(value)
    return count, size
