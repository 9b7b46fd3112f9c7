"""The zygote: imports the application once and forks workers when the master asks for one."""

import gc
import os
import sys
from _signal import SIG_BLOCK, SIG_IGN, SIG_SETMASK, SIGHUP, SIGINT, SIGTERM, SIGTSTP, pthread_sigmask, signal
from time import monotonic, time

from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from _gowsgi import runtime, title
from _gowsgi.board import Board
from _gowsgi.runtime import log, print_traceback

LINE = 256 << 10  # bytes of a line that the log keeps in one piece


def main(conf):
    """Runs until the master says quit or is gone."""
    rt = runtime.current
    prepare(rt, conf)
    ok, usec = True, 0
    if conf["apps"]["shared_imports"] or conf["apps"]["executable"]:
        from _gowsgi import application

        application.prepare(rt)
    if not conf["lazy_apps"] and not conf["worker_exec"]:
        from _gowsgi import application

        began = monotonic()
        ok = application.load(rt)
        usec = int((monotonic() - began) * 1000000)
    from _gowsgi import worker  # compiled here once, not in every worker

    worker.preload(conf)
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()  # keeps the collector from touching, and so copying, pages shared with the workers (Python 3.7)
    if not rt.send("loaded %d %d" % (ok, usec)):
        return
    while True:
        try:
            words = rt.channel.recv(4096).decode("ascii").split(" ")
        except ConnectionError:
            break
        if words[0] == "fork":
            rt.spawns = int(words[3])
            fork(rt, int(words[1]), words[2])
        elif words[0] in ("quit", ""):
            break
    flush()
    os._exit(0)  # exit handlers belong to the workers: the zygote never served


def prepare(rt, conf):
    """Takes over the descriptors of the boot document and fills in the runtime."""
    rt.conf = conf
    rt.started = int(time())
    runtime.refresh_pid()
    title.set_title("uWSGI zygote")
    fds = conf["fds"]
    for fd in [fds["channel"], fds["board"], fds["lifeline"]] + [s["fd"] for s in conf["sockets"]]:
        os.set_inheritable(fd, False)  # a program the application starts has no business with them
    for fd in [conf["log_fd"]] * conf["log_channel"] + (conf["log_pipes"] or []):
        os.set_inheritable(fd, False)
    signal(SIGTSTP, SIG_IGN)  # of a terminal; workers know it as the call to look whether they are paused
    pthread_sigmask(SIG_SETMASK, ())  # whatever the starting thread had blocked
    rt.channel = socket(AF_UNIX, SOCK_SEQPACKET, 0, fds["channel"])
    rt.board_fd = fds["board"]
    rt.board = Board(rt.board_fd)
    buffer_lines()
    from _gowsgi.lazyapi import LazyModule

    sys.modules["uwsgi"] = LazyModule("uwsgi")


def buffer_lines():
    """Makes output appear in the log when the line ends.

    Python buffers blocks when stdout is no terminal, and before 3.9 those of stderr too. The buffer is so large that
    a long line is still one write: print() writes the text and the line break one after the other, and what other
    processes write must not come between.
    """
    from io import BufferedWriter, TextIOWrapper

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "write_through", False):
            continue  # closed; or PYTHONUNBUFFERED, and whoever sets that wants to see half a line too
        encoding, errors = stream.encoding, stream.errors
        buffer = BufferedWriter(stream.detach().detach(), LINE)
        stream = TextIOWrapper(buffer, encoding, errors, line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed, replaced or gone: nothing left to do


def fork(rt, slot, seq):
    """Forks a worker through an intermediate child, so that the worker's parent becomes the master.

    The worker starts only when the intermediate has told its pid to the master: its own `ready` must not come first.
    """
    flush()
    try:
        pid = os.fork()
    except OSError as err:
        log("Cannot fork worker %d: %s" % (slot, err.strerror))
        rt.send("unforked %d %s" % (slot, seq))
        return
    if pid:
        os.waitpid(pid, 0)
        return
    status = 1
    try:
        gate, gate_end = os.pipe()
        # A signal to the worker before it has its handlers would kill it: it waits until worker.main lets it in.
        pthread_sigmask(SIG_BLOCK, (SIGHUP, SIGINT, SIGTERM))
        pid = os.fork()
        if not pid:
            os.close(gate_end)
            os.read(gate, 1)
            os.close(gate)
            from _gowsgi import worker

            status = worker.main(rt, slot)
        elif rt.send("forked %d %s %d" % (slot, seq, pid)):
            status = 0
    except OSError as err:
        log("Cannot start worker %d: %s" % (slot, err.strerror))
        rt.send("unforked %d %s" % (slot, seq))
    except BaseException:
        print_traceback(whole=True)
    finally:
        os._exit(status)
