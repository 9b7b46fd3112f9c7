"""A worker process: signals, listening sockets, cores, and the end."""

import os
import sys
from select import POLLIN
from struct import Struct

from _signal import (
    SIG_DFL, SIG_SETMASK, SIGHUP, SIGINT, SIGIO, SIGTERM, SIGTSTP, pthread_sigmask, set_wakeup_fd, signal,
)  # fmt: skip

from _socket import (
    AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM, SOL_SOCKET, TCP_CORK, socket,
)  # fmt: skip

from _gowsgi import environ, runtime, title
from _gowsgi.board import PAUSED
from _gowsgi.core import Core
from _gowsgi.runtime import log, print_traceback
from _gowsgi.wire import Wire, wait

GRACEFUL, ENDED, FAILED_APP, FAILED_HOOK = 17, 30, 22, 1  # exit codes, uWSGI's
OVERDUE = 40  # the signal that watchdog waits for
MISSED = 4  # seconds after which a worker that waits in accept(2) looks at everything else too
SO_PROTOCOL = 38  # not among the names of Python 3.6
FAMILIES = {"inet": AF_INET, "inet6": AF_INET6, "unix": AF_UNIX}


def preload(conf):
    """Imports in the zygote what the workers of this configuration need."""
    protos = {listener["proto"] for listener in conf["sockets"]}
    wanted = [
        ("_gowsgi.packet", "uwsgi" in protos),
        ("_gowsgi.http", "http" in protos or "http11" in protos),
        ("_gowsgi.http11", "http11" in protos),
        ("_gowsgi.front", any(listener["front"] for listener in conf["sockets"])),
        ("_gowsgi.serving", conf["serve"]),
        ("_gowsgi.static", conf["serve"] and conf["serve"]["static"]),
        ("_gowsgi.requestlog", conf["log_requests"]),
        ("_gowsgi.logchannel", conf["log_channel"]),
        ("threading", conf["threads"] > 1),
        ("fcntl", conf["threads"] == 1 and len(conf["sockets"]) == 1),
        ("_gowsgi.watchdog", conf["harakiri"]),
        ("_gowsgi.mule", conf["helpers"]["mules"]),
        ("_gowsgi.spooler", conf["helpers"]["spool"]["dirs"]),
    ]
    for name, needed in wanted:
        if needed:
            __import__(name)
    if conf["apps"]["auto_reload"]:
        from _gowsgi import autoreload

        autoreload.remember(runtime.current)


class Listener(object):
    """A listening socket as one core uses it."""

    def __init__(self, core, conf, listener, fixed, alone):
        sock = socket(FAMILIES[listener["family"]], SOCK_STREAM, 0, listener["fd"])
        # Not what an application's socket.setdefaulttimeout() says.
        self.direct = alone and os.get_blocking(listener["fd"])
        sock.settimeout(None if self.direct else 0)
        self.sock = sock
        self.accept = sock._accept
        self.kernel_timeouts = inherits_timeouts(sock)
        seconds = listener["timeout"] or conf["socket_timeout"]
        wire = Wire(seconds, self.kernel_timeouts)
        wire.patience = listener["send"] or seconds
        wire.idle = listener["idle"] or seconds
        wire.head = listener["head"] or seconds
        if self.kernel_timeouts:  # plain TCP, whose accepted sockets get what is set here
            wire.corked = listener["proto"] != "http11"
            sock.setsockopt(IPPROTO_TCP, TCP_CORK, wire.corked)
        elif self.direct:
            # Accepted sockets do not get this one. It bounds the wait of a worker that missed a signal.
            sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, Struct("@ll").pack(seconds or MISSED, 0))
        base = environ.base(fixed, conf, listener)
        if listener["front"]:
            from _gowsgi.front import protocol

            Protocol = protocol(listener, base)
        elif listener["proto"] == "uwsgi":
            from _gowsgi.packet import PacketProtocol as Protocol
        elif listener["proto"] == "http":
            from _gowsgi.http import HttpProtocol as Protocol
        elif listener["proto"] == "http11":
            from _gowsgi.http11 import Http11Protocol as Protocol
        else:
            raise ValueError("cannot serve protocol %r" % listener["proto"])
        if listener["proxy"]:
            from _gowsgi.proxyline import proxied

            Protocol = proxied(Protocol)
        self.serve = Protocol(core, wire, base, fixed, conf).serve


def inherits_timeouts(sock):
    """Whether accepted sockets keep the listener's time limits: plain TCP copies them, others do not."""
    if sock.getsockopt(SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP:
        return False
    return any(sock.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16)) and any(sock.getsockopt(SOL_SOCKET, SO_SNDTIMEO, 16))


def main(rt, slot):
    """Serves as worker `slot`; returns the exit code. Runs in the forked child."""
    conf = rt.conf
    rt.slot = slot
    runtime.refresh_pid()
    title.set_title("uWSGI worker %d" % slot)
    take_log(conf["log_pipes"], slot - 1)
    if conf["cpu_affinity"]:
        bind(slot, conf["cpu_affinity"])
    stop_read, stop_write = os.pipe()
    rt.stop_read = stop_read
    wake_read, wake_write = os.pipe()
    rt.wake_read = wake_read
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)

    def stop(number, frame):
        if not rt.stopping:
            rt.stopping = rt.halted = True
            os.close(stop_write)  # end of file wakes every core, now and later
        disturb(rt)

    def leave(number, frame):
        os._exit(ENDED)

    def look(number, frame):
        # Not before the first pause, and not within itself: a second signal may come while the module is executed.
        if rt.pausing is None:
            rt.pausing = ()
            from _gowsgi import pause

            rt.pausing = (pause,)
        for module in rt.pausing:
            module.look(rt)
        disturb(rt)

    rt.stop = stop
    signal(SIGINT, leave)
    signal(SIGTERM, leave)
    signal(SIGHUP, stop)
    signal(SIGTSTP, look)
    # A full pipe wakes as well as one more byte would. Python 3.6 does not know the parameter.
    set_wakeup_fd(wake_write, **({"warn_on_full_buffer": False} if sys.version_info >= (3, 7) else {}))
    pthread_sigmask(SIG_SETMASK, (OVERDUE,) if conf["harakiri"] else ())  # the others were blocked since the fork
    limits(rt)
    if not hooked(lambda hooks: hooks.run("post-fork")):
        return FAILED_HOOK
    if conf["lazy_apps"] and not conf["worker_exec"]:
        from _gowsgi import application

        if not application.load(rt) and conf["need_app"]:
            return FAILED_APP
    if conf["apps"]["chdir2"]:
        log("chdir() to %s" % conf["apps"]["chdir2"])
        os.chdir(conf["apps"]["chdir2"])
    ok = rt.has_app = rt.app is not None or conf["worker_exec"] != ""
    if rt.app is None:
        from _gowsgi.application import missing

        rt.app = missing
    if conf["serve"]:
        from _gowsgi import serving

        rt.app = serving.dress(rt.app, conf)
    rt.cores = [Core(rt, index) for index in range(conf["threads"])]
    if rt.board.u32(PAUSED):
        look(SIGTSTP, None)
    # Signals arrive between two bytecodes of the main thread; one that comes just before epoll_wait(2) would wait for
    # the next connection if this pipe did not wake it.
    lifeline = conf["fds"]["lifeline"]
    watched = {stop_read: nothing, wake_read: lambda: drain(wake_read), lifeline: lambda: orphaned(rt)}
    signals = signal_queues(rt)
    watched.update(signals)
    post_fork()
    if not hooked(lambda hooks: hooks.run_accepting(rt.spawns == 0)):
        return FAILED_HOOK
    if conf["harakiri"]:
        from _gowsgi import watchdog

        watchdog.start(rt)
    rt.send("ready %d %d %d" % (slot, rt.pid, ok))
    if conf["worker_exec"]:
        execute(conf)
    if conf["apps"]["auto_reload"] and slot == 1:
        from _gowsgi import autoreload

        autoreload.start(rt)
    signals[stop_read] = nothing
    serve(rt, watched, signals)
    return end(rt)


def alarm_at_end(rt, lifeline):
    """Has SIGIO sent to a worker that waits in accept(2) when the master ends (fcntl(2), F_SETOWN).

    The owner belongs to the open file, which all workers share: each opens the pipe for itself. Without /proc the
    worker finds out when it looks, after MISSED seconds or at the next connection.
    """
    from fcntl import F_SETFL, F_SETOWN, fcntl

    try:
        fd = os.open("/proc/self/fd/%d" % lifeline, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        signal(SIGIO, lambda number, frame: wait(fd, POLLIN, 0) and orphaned(rt))
        fcntl(fd, F_SETOWN, os.getpid())
        fcntl(fd, F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        if wait(fd, POLLIN, 0):  # it ended before that was set
            orphaned(rt)
    except OSError:
        pass


def disturb(rt):
    """Ends the wait for a connection, from a signal handler of the main thread."""
    if rt.waiting:
        rt.waiting = False
        raise runtime.Disturbed


def bind(slot, count):
    """Binds the worker to so many of the processors that it may use, each worker to the next ones."""
    cpus = sorted(os.sched_getaffinity(0))
    first = (slot - 1) * count
    mine = sorted({cpus[(first + i) % len(cpus)] for i in range(count)})
    os.sched_setaffinity(0, mine)
    log("mapping worker %d to CPUs: %s" % (slot, " ".join(map(str, mine))))


def execute(conf):
    """Becomes the program of worker-exec, with the first listening socket as its standard input."""
    fd = conf["sockets"][0]["fd"]
    os.dup2(fd, 0)
    os.set_blocking(0, True)  # as such programs expect it
    set_wakeup_fd(-1)
    for number in (SIGINT, SIGTERM, SIGHUP):
        signal(number, SIG_DFL)
    pthread_sigmask(SIG_SETMASK, ())
    os.execv("/bin/sh", ["sh", "-c", "exec " + conf["worker_exec"]])


def take_log(pipes, place):
    """Gives this process its own log pipe as standard output and error, so that no line gets into one of another."""
    if not pipes:
        return
    os.dup2(pipes[place], 1)
    os.dup2(pipes[place], 2)
    for fd in pipes:
        os.close(fd)


def hooked(run, what="worker"):
    """Runs hooks of the configuration; false when one failed."""
    if not runtime.current.conf["hooks"]:
        return True
    from _gowsgi import hooks

    try:
        run(hooks)
    except hooks.HookFailed as err:
        log("FATAL hook failed, destroying %s: %s" % (what, err))
        return False
    return True


def limits(rt):
    """What the master's limits need of a worker: the count of requests, and the stacks before harakiri kills it."""
    conf = rt.conf
    if conf["max_requests"]:
        rt.left = conf["max_requests"] + conf["max_requests_delta"] * (rt.slot - 1)
    if conf["stack_on_usr2"]:
        import faulthandler
        from _signal import SIGUSR2

        faulthandler.register(SIGUSR2, file=2, all_threads=True)  # works while the main thread is stuck in C


def post_fork():
    """Runs uwsgi.post_fork_hook, which uwsgidecorators.postfork sets; its failure is the application's to see."""
    hook = vars(sys.modules["uwsgi"]).get("post_fork_hook")
    if hook is not None:
        try:
            hook()
        except Exception:
            print_traceback()


def signal_queues(rt):
    """Where uwsgi signals come from, as descriptors to watch; those of the other workers are closed."""
    fds = rt.conf["helpers"]["fds"]["to_workers"]
    for slot, fd in enumerate(fds):
        if slot not in (0, rt.slot):
            os.close(fd)

    def taker(fd):
        def take():
            from _gowsgi import signals

            signals.take(fd)

        return take

    return {fd: taker(fd) for fd in fds[:1] + fds[rt.slot:rt.slot + 1]}


def serve(rt, watched, others):
    """Runs the cores until the worker is told to stop; others is what the cores but the first watch."""
    conf = rt.conf
    threads = []
    for core in rt.cores:
        if conf["log_requests"]:
            from _gowsgi import requestlog

            core.log_request = requestlog.choose(conf)
        fixed = environ.objects(rt, core.index)
        mine = served(conf, rt.slot)
        alone = len(mine) == 1 and len(rt.cores) == 1 and mine[0]["proto"] != "http11" and not rt.signalled
        listeners = {entry["fd"]: Listener(core, conf, entry, fixed, alone) for entry in mine}
        core.listeners = listeners  # a socket object that goes with its thread would close the descriptor of all cores
        if core.index:
            import threading

            if conf["threads_stacksize"]:
                threading.stack_size(conf["threads_stacksize"] * 1024)
            name = "uWSGIWorker%dCore%d" % (rt.slot, core.index)
            threads.append(threading.Thread(target=core.run, args=(listeners, others), name=name))
            threads[-1].start()
        else:
            first = listeners
            if alone:
                alarm_at_end(rt, conf["fds"]["lifeline"])
    rt.cores[0].run(first, watched)
    for thread in threads:
        thread.join()


def served(conf, slot):
    """The sockets of this worker, with map-socket not all of them."""
    return [entry for entry in conf["sockets"] if not entry["workers"] or slot in entry["workers"]]


def nothing():
    """The descriptor only had to wake the loop."""


def drain(fd):
    try:
        while os.read(fd, 512):
            pass
    except OSError:
        pass


def orphaned(rt):
    """End of file on the lifeline: nobody would stop or replace this worker any more."""
    if rt.stopping:
        return
    log("uWSGI worker %d screams: UAAAAAAH my master disconnected: i will kill myself !!!" % rt.slot)
    rt.stop(0, None)


def end(rt):
    """Joins the application's threads, runs its exit handlers as a normal end of Python does, and flushes."""
    import atexit

    threading = sys.modules.get("threading")
    hook = vars(sys.modules["uwsgi"]).get("atexit")
    try:
        if hook is not None:
            hook()
        if threading is not None and not rt.conf["no_threads_wait"]:
            threading._shutdown()
        if not rt.conf["skip_atexit"]:
            atexit._run_exitfuncs()
    except BaseException:
        print_traceback()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    return GRACEFUL
