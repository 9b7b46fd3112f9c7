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
    if conf["drop"] and not become(conf["drop"]):
        return
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
            fork(rt, "worker", int(words[1]), words[2])
        elif words[0] == "start":
            rt.spawns = int(words[4])
            fork(rt, words[1], int(words[2]), words[3])
        elif words[0] in ("quit", ""):
            break
    flush()
    os._exit(0)  # exit handlers belong to the workers: the zygote never served


def become(who):
    """Becomes the app's user; false when that could not be done: then no worker must exist."""
    from _gowsgi import drop

    try:
        drop.become(who)
        return True
    except (OSError, ImportError, drop.NotDropped) as err:
        log("Cannot become uid %d after the import: %s" % (who["uid"], err))
        return False


def prepare(rt, conf):
    """Takes over the descriptors of the boot document and fills in the runtime."""
    rt.conf = conf
    rt.started = int(time())
    runtime.refresh_pid()
    title.set_title("uWSGI zygote")
    fds = conf["fds"]
    mine = [fds["channel"], fds["board"], fds["lifeline"]] + [s["fd"] for s in conf["sockets"]]
    for fd in mine + queues(conf["helpers"]["fds"]):
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
    if conf["helpers"]["caches"]:
        from _gowsgi import cache

        cache.open_all(conf["helpers"])


def queues(fds):
    """All descriptors of the queues between the processes."""
    pairs = [fd for pair in fds["mules"] + fds["farms"] for fd in pair]
    for name in ("wake", "caches", "to_workers", "to_mules", "to_farms", "to_spoolers"):
        pairs += fds[name]
    return pairs


def buffer_lines():
    """Makes output appear in the log when the line ends.

    Python buffers blocks when stdout is no terminal, and before 3.9 those of stderr too. The buffer is so large that
    a long line is still one write: print() writes the text and the line break one after the other, and what other
    processes write must not come between.
    """
    from io import BufferedWriter, TextIOWrapper

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            continue  # closed
        encoding, errors = stream.encoding, stream.errors
        if getattr(stream, "write_through", False):  # PYTHONUNBUFFERED: half a line is to be seen too
            from _gowsgi.whole import Whole

            buffer = Whole(stream.detach().fileno(), "w", closefd=False)
            stream = TextIOWrapper(buffer, encoding, errors, write_through=True)
        else:
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


def fork(rt, kind, slot, seq):
    """Forks a worker, mule or spooler through an intermediate child, so that its parent becomes the master.

    It starts only when the intermediate has told its pid to the master: its own `ready` must not come first.
    """
    flush()
    try:
        pid = os.fork()
    except OSError as err:
        log("Cannot fork %s %d: %s" % (kind, slot, err.strerror))
        unforked(rt, kind, slot, seq)
        return
    if pid:
        if os.waitpid(pid, 0)[1]:  # it failed, or somebody killed it
            unforked(rt, kind, slot, seq)
        return
    status = 1
    try:
        gate, gate_end = os.pipe()
        # A signal to the worker before it has its handlers would kill it: it waits until worker.main lets it in.
        pthread_sigmask(SIG_BLOCK, (SIGHUP, SIGINT, SIGTERM))
        pid = os.fork()
        if not pid:
            os.close(gate_end)
            told = os.read(gate, 1)
            os.close(gate)
            if told:  # otherwise nobody knows this process
                status = live(rt, kind, slot)
        elif rt.send("%s %d %s %d" % ("forked" if kind == "worker" else "started " + kind, slot, seq, pid)):
            os.write(gate_end, b"1")
            status = 0
    except OSError as err:
        log("Cannot start %s %d: %s" % (kind, slot, err.strerror))
    except BaseException:
        print_traceback(whole=True)
    finally:
        os._exit(status)


def unforked(rt, kind, slot, seq):
    rt.send("%s %d %s" % ("unforked" if kind == "worker" else "unstarted " + kind, slot, seq))


def live(rt, kind, slot):
    """What the forked process is for; returns its exit code."""
    if kind == "worker":
        from _gowsgi import worker

        return worker.main(rt, slot)
    from _gowsgi import helper

    return helper.main(rt, kind, slot)
