"""The uwsgi module: what applications see of their server. What is not here does not exist yet, and says so."""

import sys
from os import getpid, sysconf
from time import time

from _gowsgi import board as fields
from _gowsgi import metric
from _gowsgi.locks import Locks
from _gowsgi.runtime import current as rt
from _gowsgi.runtime import log as write_line

STATUS = {1: b"idle", 2: b"idle", 3: b"cheap", 4: b"busy"}  # of slots that are not in a request, uWSGI's words


class ApiModule(type(sys)):
    """The module once it is filled; the attributes here change with every request."""

    @property
    def env(self):
        """The environ of the running request."""
        return running().env

    @property
    def start_response(self):
        return running().start_response

    def __getattr__(self, name):
        """What few applications use is loaded when it is first asked for; what is not there says so."""
        if name in LAZY:
            value = getattr(__import__("_gowsgi." + LAZY[name], fromlist=[name]), name)
            value = value() if name in VALUES else value
            setattr(self, name, value)
            return value
        if name in USERS or name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError("uwsgi.%s does not exist in gowsgi: see docs/python.md for what does" % name)

    def __dir__(self):
        return sorted(set(vars(self)) | set(LAZY) | {"env", "start_response"})


def fill(module):
    """Puts the attributes and functions into the module."""
    conf = rt.conf
    major, minor, patch = (conf["uwsgi_version"].split("-")[0].split(".") + ["0", "0", "0"])[:3]
    module.__doc__ = "The server's interface to the application."
    module.version = conf["uwsgi_version"].encode("utf-8")
    module.version_info = (int(major), int(minor), int(patch), 0, b"")
    module.gowsgi_version = conf["version"]
    module.hostname = conf["node"].encode("utf-8")
    module.opt = options(conf["opt"] or ())
    module.numproc = conf["processes"]
    module.cores = conf["threads"]
    module.has_threads = int(conf["threads"] > 1)
    module.buffer_size = conf["buffer_size"]
    module.sockets = [entry["fd"] for entry in conf["sockets"]]
    module.started_on = rt.started
    module.is_a_reload = rt.board.generation > 1
    module.loop = module.unbit = module.applications = None
    locks = Locks(rt.board_fd, int(dict(conf["opt"] or ()).get("locks") or 0) + 1)
    module.lock, module.unlock, module.is_locked = locks.lock, locks.unlock, locks.is_locked
    for function in FUNCTIONS + metric.FUNCTIONS:
        setattr(module, function.__name__, function)
    module.__class__ = ApiModule  # last: other threads see all or nothing


def options(pairs):
    """uwsgi.opt: values are bytes, True for a flag, a list where an option was given more than once."""
    opt = {}
    for key, value in pairs:
        value = value.encode("utf-8") if value else True
        if key not in opt:
            opt[key] = value
        elif isinstance(opt[key], list):
            opt[key].append(value)
        else:
            opt[key] = [opt[key], value]
    return opt


def core():
    """The core of the calling thread."""
    if len(rt.cores) > 1:
        from _thread import get_ident

        ident = get_ident()
        for candidate in rt.cores:
            if candidate.ident == ident:
                return candidate
    elif rt.cores:
        return rt.cores[0]
    raise RuntimeError("not in a worker's request thread")


def running():
    request = core().request
    if request is None:
        raise RuntimeError("no request is running")
    return request


def worker_id():
    """The 1-based id of this worker; 0 outside of workers."""
    return rt.slot


def masterpid():
    return rt.conf["master_pid"]


def request_id():
    """Requests that this core has served before the running one."""
    return core().requests


def total_requests():
    return rt.board.total_requests()


def workers():
    """A tuple of dicts, one for each worker, from the scoreboard."""
    return tuple(describe(slot) for slot in range(1, rt.board.slots + 1))


def describe(slot):
    """One entry of workers(): the counters of all cores of a slot."""
    board = rt.board
    base = board.slot(slot)
    requests = exceptions = running_time = tx = average = busy = 0
    for number in range(board.cores):
        at = board.core(slot, number)
        requests += board.u64(at + fields.REQUESTS)
        exceptions += board.u64(at + fields.EXCEPTIONS)
        running_time += board.u64(at + fields.RUNNING)
        tx += board.u64(at + fields.SENT)
        average = max(average, board.u64(at + fields.AVERAGE))
        busy |= board.u32(at + fields.BUSY)
    return {
        "id": slot,
        "pid": board.u32(base + fields.PID),
        "requests": requests,
        "delta_requests": max(0, requests - board.u64(base + fields.AT_SPAWN)),
        "signals": board.u64(base + fields.SIGNALS),
        "exceptions": exceptions,
        "status": b"busy" if busy else STATUS.get(board.u32(base + fields.STATE), b"cheap"),
        "rss": board.u64(base + fields.RSS),
        "vsz": board.u64(base + fields.VSZ),
        "running_time": running_time,
        "last_spawn": board.u64(base + fields.LAST_SPAWN),
        "respawn_count": board.u32(base + fields.SPAWNS),
        "tx": tx,
        "avg_rt": average,
        "apps": [],
    }


def mem():
    """(rss, vsz) of this process in bytes (statm in proc(5))."""
    with open("/proc/self/statm") as statm:
        words = statm.read().split()
    page = sysconf("SC_PAGE_SIZE")
    return int(words[1]) * page, int(words[0]) * page


def log(text):
    """Writes a line to the server's log."""
    write_line(text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text)
    return True


def reload():
    """Asks for a graceful reload of the whole stack; False when no master is there to hear it."""
    return rt.send("reload")


def stop():
    """Asks for the stop of the whole stack."""
    return rt.send("stop")


def alarm(name, text):
    """Raises an alarm of the configuration. The name is one word; of the message 8192 bytes are kept."""
    name = text_of(name)
    if not name or len(name) > 200 or " " in name:
        raise ValueError("not the name of an alarm")
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
    rt.send_bytes(b"alarm %s %s" % (name.encode("utf-8", "surrogateescape"), data[:8192]))


def setprocname(name):
    """Sets the name that ps -o comm shows; the kernel keeps 15 bytes (prctl(2), PR_SET_NAME)."""
    with open("/proc/%d/comm" % getpid(), "wb") as comm:
        comm.write(name.encode("utf-8", "surrogateescape")[:15])


def micros():
    """Microseconds since the epoch."""
    return int(time() * 1000000)


def cl():
    """CONTENT_LENGTH of the running request, 0 without one."""
    value = running().env.get("CONTENT_LENGTH")
    return int(value) if value else 0


def connection_fd():
    return running().fd


def listen_queue(index=0):
    """Connections that wait in the kernel's queue of a TCP socket; 0 for a unix socket, which does not tell."""
    from struct import unpack_from

    from _socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, TCP_INFO, socket

    sockets = rt.conf["sockets"]
    if not 0 <= index < len(sockets):
        raise ValueError("there is no socket %d" % index)
    if sockets[index]["family"] == "unix":
        return 0
    sock = socket(AF_INET, SOCK_STREAM, 0, sockets[index]["fd"])
    try:
        return unpack_from("@I", sock.getsockopt(IPPROTO_TCP, TCP_INFO, 64), 24)[0]  # tcpi_unacked
    finally:
        sock.detach()


def set_logvar(key, value):
    """Gives the running request a variable for its log line (JSON logs show it)."""
    request = running()
    if request.logvars is None:
        request.logvars = {}
    request.logvars[text_of(key)] = text_of(value)


def get_logvar(key):
    """The value of a log variable as bytes, None when it was not set."""
    value = (running().logvars or {}).get(text_of(key))
    return None if value is None else value.encode("utf-8")


def text_of(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


FUNCTIONS = (
    worker_id, masterpid, request_id, total_requests, workers, mem, log, reload, stop, alarm, setprocname, micros, cl,
    connection_fd, listen_queue, set_logvar, get_logvar,
)  # fmt: skip

LAZY = {
    name: module
    for module, names in {
        "mule": "mule_id mule_msg mule_get_msg farm_msg farm_get_msg in_farm install_mule_msg_hook",
        "signals": "register_signal signal signal_wait signal_received signal_registered"
        " add_timer add_ms_timer add_rb_timer add_cron add_file_monitor",
        "spool": "spool send_to_spooler set_spooler_frequency spooler_jobs spooler_pid spooler_pids spooler_get_task"
        " i_am_the_spooler spoolers SPOOL_OK SPOOL_RETRY SPOOL_IGNORE",
        "rpc": "register_rpc rpc call rpc_list ready accepting",
        "cache": "cache_get cache_set cache_update cache_exists cache_del cache_clear cache_keys cache_num"
        " cache_inc cache_dec cache_mul cache_div",
    }.items()
    for name in names.split()
}

VALUES = {"spoolers"}  # made by a function of their name

# Names that an application may set; the runtime and uwsgidecorators ask whether it did.
USERS = {"mule_msg_hook", "post_fork_hook", "spooler", "applications", "atexit"}
