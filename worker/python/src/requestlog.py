"""The request line: uWSGI's default one, or one JSON object a line."""

from os import write
from time import ctime, time

from _gowsgi.request import PACKET_HEADER as HEADER


def choose(conf):
    """The function that logs a request, called with the core, the request and its duration in microseconds."""
    if conf["log_json"]:
        from _gowsgi.jsonlog import request as render
    else:
        render = line
    if conf["log_channel"]:
        from _gowsgi import logchannel

        send = logchannel.get(conf).send
        return lambda core, request, usec: send(b"r" + render(core, request, usec))
    fd = conf["log_fd"]

    def log_request(core, request, usec):
        try:
            write(fd, render(core, request, usec))
        except OSError:
            pass  # a full or closed log must not end a request

    return log_request


def line(core, request, usec):
    """`[pid: 1|app: 0|req: 2/3] 127.0.0.1 () {30 vars in 400 bytes} [...] GET / => generated 5 bytes ...`."""
    runtime = core.runtime
    env = request.env
    count, size = variables(request)
    loaded = runtime.has_app
    text = (
        "[pid: %d|app: %d|req: %d/%d] %s (%s) {%d vars in %d bytes} [%s] %s %s => generated %d bytes in %d msecs%s"
        " (%s %s) %d headers in %d bytes (%d switches on core %d)\n"
    ) % (
        runtime.pid,
        0 if loaded else -1,
        runtime.board.worker_requests(runtime.slot) if loaded else -1,
        runtime.board.total_requests(),
        env.get("REMOTE_ADDR", ""),
        env.get("REMOTE_USER", ""),
        count,
        size,
        ctime(time()),
        env["REQUEST_METHOD"],
        env.get("REQUEST_URI", ""),
        request.sent,
        usec // 1000,
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
