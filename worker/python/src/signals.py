"""uwsgi signals: numbers from 0 to 255 that the master routes to workers, mules and spoolers."""

import os
from _thread import allocate_lock

from _gowsgi import board as fields
from _gowsgi.runtime import current as rt
from _gowsgi.runtime import log, print_traceback

LONGEST = 3900  # bytes of a path in a message to the master

handlers = {}  # number -> function; what the zygote registered is in all that it forks
received = 0  # the last signal that this process took
lock = allocate_lock()


def queues():
    """Descriptors from which this process takes signals."""
    fds = rt.conf["helpers"]["fds"]
    helper = rt.helper
    if helper is None:
        return [fds["to_workers"][0], fds["to_workers"][rt.slot]] if rt.slot else []
    if helper.kind == "spooler":
        return fds["to_spoolers"][:1]
    farms = rt.conf["helpers"]["farms"] or ()
    mine = [fd for fd, farm in zip(fds["to_farms"], farms) if helper.number in farm["mules"]]
    return [fds["to_mules"][0], fds["to_mules"][helper.number]] + mine


def take(fd):
    """Takes one signal from a queue and handles it; its number, None when there is none."""
    global received
    try:
        byte = os.read(fd, 1)
    except BlockingIOError:
        return None
    if not byte:  # the master is gone, which the lifeline tells too
        return None
    number = ord(byte)
    with lock:
        received = number
        count()
    handle(number)
    return number


def count():
    board = rt.board
    if rt.helper is not None:
        rt.helper.count(fields.HELPER_SIGNALS)
    else:
        at = board.slot(rt.slot) + fields.SIGNALS
        board.set_u64(at, board.u64(at) + 1)


def handle(number):
    handler = handlers.get(number)
    if handler is None:
        log("error managing signal %d on %s: it has no handler there" % (number, myself()))
    elif rt.helper is not None:
        rt.helper.handle(handler, number)
    else:
        try:
            handler(number)
        except Exception:
            print_traceback()


def myself():
    if rt.helper is not None:
        return "%s %d" % (rt.helper.kind, rt.helper.number)
    return "worker %d" % rt.slot


def number_of(value):
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError("a signal is a number from 0 to 255, not %r" % (value,))
    return value


def tell(text):
    if not rt.send(text):
        raise ValueError("the master is gone")


def register_signal(signum, target, handler):
    """Says who is to get a signal and what is called there; said while the app is imported it is known to all."""
    number_of(signum)
    target = target.decode("utf-8") if isinstance(target, bytes) else target
    if not callable(handler):
        raise ValueError("the handler of signal %d is not callable" % signum)
    if len(target) > 63 or not all(" " <= letter <= "~" for letter in target):
        raise ValueError("cannot register the signal: no target is called %r" % target)
    handlers[signum] = handler
    rt.signalled = True
    tell("register %d %s" % (signum, target))
    shown = target or "default, any worker"
    log("[uwsgi-signal] signum %d registered (wid: %d modifier1: 0 target: %s)" % (signum, rt.slot, shown))


def signal(signum, address=None):
    """Raises a signal; the master routes it."""
    if address is not None:
        raise ValueError("signals to other servers are not supported: call them in some other way")
    tell("signal %d" % number_of(signum))


def signal_registered(signum):
    """True when this process has a handler for the signal."""
    return True if number_of(signum) in handlers else None


def signal_received():
    """The last signal that this process took, 0 when there was none."""
    return received


def signal_wait(signum=None):
    """Waits for a signal to this process, or for a certain one; handlers run meanwhile."""
    from select import POLLIN, poll

    mine = queues()
    if not mine:
        raise ValueError("you cannot wait for signals in this process")
    waiter = poll()
    lifeline = rt.conf["fds"]["lifeline"]
    for fd in mine + [lifeline]:
        waiter.register(fd, POLLIN)
    while True:
        for fd, _ in waiter.poll():
            if fd == lifeline:
                raise SystemExit(30)
            number = take(fd)
            if number is not None and signum in (None, number):
                return


def add_timer(signum, seconds):
    """Raises a signal every so many seconds."""
    add_ms_timer(signum, int(seconds) * 1000)


def add_ms_timer(signum, milliseconds):
    period(signum, int(milliseconds) * 1000, 0)


def add_rb_timer(signum, seconds, iterations=0):
    """As add_timer; with iterations it ends after so many times."""
    period(signum, int(seconds) * 1000000, int(iterations))


def period(signum, microseconds, times):
    if microseconds <= 0 or times < 0:
        raise ValueError("cannot add the timer: the time must be positive")
    tell("timer %d %d %d" % (number_of(signum), microseconds, min(times, 1 << 31)))


def add_cron(signum, minute, hour, day, month, week):
    """Raises a signal at these times: -1 = any, -n = every n."""
    limits = ((minute, 59), (hour, 23), (day, 31), (month, 12), (week, 7))
    if any(not isinstance(value, int) or not -60 <= value <= most for value, most in limits):
        raise ValueError("cannot add the cron time: minute hour day month weekday, each a number, -1 or -n")
    tell("sigcron %d %d %d %d %d %d" % (number_of(signum), minute, hour, day, month, week))
    return True


def add_file_monitor(signum, path):
    """Raises a signal when something happens to a file, or in a directory."""
    name = os.path.abspath(os.fsencode(path))
    if len(name) > LONGEST or b"\0" in name:
        raise ValueError("cannot add the file monitor: the path is too long, or no path")
    tell(b"filemon %d " % number_of(signum) + name)
