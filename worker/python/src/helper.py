"""What mules and spoolers have in common: processes beside the workers, forked from the zygote like them."""

import os
import sys
from _signal import SIG_SETMASK, SIGHUP, SIGINT, SIGTERM, pthread_sigmask, set_wakeup_fd, signal
from select import POLLIN, poll
from time import monotonic

from _gowsgi import board as fields
from _gowsgi import runtime, title, worker
from _gowsgi.core import monotonic_ns
from _gowsgi.runtime import log, print_traceback


class Helper(object):
    """This process: what it waits for, and when it may be told to end.

    interruptible is true while SIGHUP may end it at once: a program that is not in the middle of a message.
    """

    def __init__(self, rt, kind, number):
        helpers = rt.conf["helpers"]
        self.rt = rt
        self.kind = kind
        self.number = number
        self.place = number - 1 if kind == "mule" else len(helpers["mules"] or ()) + number - 1
        self.record = fields.helper(self.place)
        self.depth = 0  # handlers that run, one in the other
        self.interruptible = False
        self.wake, self.wake_end = os.pipe()
        for fd in (self.wake, self.wake_end):
            os.set_blocking(fd, False)
        self.lifeline = rt.conf["fds"]["lifeline"]

    def on_hangup(self, number, frame):
        self.rt.stopping = True
        if self.interruptible and not self.depth:
            self.interruptible = False
            raise SystemExit(worker.GRACEFUL)

    def handle(self, function, *args):
        """Runs a handler of the application; its failure is printed, and it is on the scoreboard while it runs."""
        board = self.rt.board
        if not self.depth:
            board.set_u64(self.record + fields.HELPER_START, monotonic_ns())
        self.depth += 1
        try:
            return function(*args)
        except Exception:
            print_traceback()
        finally:
            self.depth -= 1
            if not self.depth:
                board.set_u64(self.record + fields.HELPER_START, 0)

    def count(self, field=fields.HELPER_TASKS):
        board = self.rt.board
        board.set_u64(self.record + field, board.u64(self.record + field) + 1)

    def wait(self, fds, timeout=-1):
        """Descriptors of fds that can be read; none when the time, in seconds, is over or it was woken to stop."""
        waiter = poll()
        for fd in fds:
            waiter.register(fd, POLLIN)
        waiter.register(self.wake, POLLIN)
        waiter.register(self.lifeline, POLLIN)
        ready = [fd for fd, _ in waiter.poll(None if timeout < 0 else int(timeout * 1000) + 1)]
        if self.wake in ready:
            worker.drain(self.wake)
            ready.remove(self.wake)
        if self.lifeline in ready:
            orphaned(self.kind, self.number)
        return ready


def orphaned(kind, number):
    log("uWSGI %s %d screams: UAAAAAAH my master disconnected: i will kill myself !!!" % (kind, number))
    os._exit(worker.ENDED)


def watch_lifeline():
    """For a program that does not come back to wait: a thread that ends the process with its master."""
    from _thread import start_new_thread

    helper = runtime.current.helper
    start_new_thread(lambda: os.read(helper.lifeline, 1) or orphaned(helper.kind, helper.number), ())


def main(rt, kind, number):
    """The life of a mule or spooler; returns the exit code. Runs in the forked child."""
    runtime.refresh_pid()
    title.set_title("uWSGI %s %d" % (kind, number))
    rt.slot = 0
    rt.helper = helper = Helper(rt, kind, number)
    worker.take_log(rt.conf["log_pipes"], rt.conf["processes"] + helper.place)

    def leave(signum, frame):
        os._exit(worker.ENDED)

    signal(SIGINT, leave)
    signal(SIGTERM, leave)
    signal(SIGHUP, helper.on_hangup)
    set_wakeup_fd(helper.wake_end)
    pthread_sigmask(SIG_SETMASK, ())  # blocked since the fork
    if kind == "mule":
        from _gowsgi.mule import run
    else:
        from _gowsgi.spooler import run
    status = worker.GRACEFUL
    try:
        worker.post_fork()
        if kind == "mule" and not worker.hooked(lambda hooks: hooks.run("as-mule"), kind):
            status = worker.FAILED_HOOK
        else:
            status = run(rt, helper)
    except SystemExit as err:
        status = exit_code(err)
    except BaseException:
        print_traceback()
        status = 1
    worker.end(rt)
    return status


def exit_code(err):
    """What Python itself makes of SystemExit."""
    if err.code is None:
        return 0
    if isinstance(err.code, int):
        return err.code & 255
    sys.stderr.write("%s\n" % (err.code,))
    return 1


def load_app(rt):
    """With lazy-apps the zygote has no application: without it nothing would handle messages and tasks."""
    if rt.conf["lazy_apps"]:
        from _gowsgi import application

        application.load(rt)


class Deadline(object):
    """Time that is left of a wait; none given is for ever."""

    def __init__(self, timeout):
        self.end = None if timeout is None or timeout < 0 else monotonic() + timeout

    def left(self):
        return -1 if self.end is None else max(0, self.end - monotonic())

    def over(self):
        return self.end is not None and monotonic() >= self.end
