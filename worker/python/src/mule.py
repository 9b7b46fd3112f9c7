"""Mules: processes that take messages and signals, or run a program. And the functions of the uwsgi module for them."""

import os
import sys

from _gowsgi import signals as uwsgi_signals
from _gowsgi.helper import Deadline, load_app, watch_lifeline
from _gowsgi.runtime import current as rt
from _gowsgi.runtime import log

SHARED = 0  # the queue for whichever mule is free, first in its list


def run(rt, helper):
    """The life of a mule."""
    program = rt.conf["helpers"]["mules"][helper.number - 1]
    if not program:
        load_app(rt)
        return serve(helper)
    watch_lifeline()
    helper.interruptible = True
    if rt.stopping:
        return 0
    if program.endswith(".py"):
        run_file(program)
    else:
        run_function(program)
    return 0


def run_file(path):
    """Runs a file as __main__."""
    module = type(sys)("__main__")
    module.__file__ = path
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


def run_function(name):
    from _gowsgi import application

    path, _, function = name.partition(":")
    application.resolve(__import__(path, fromlist=["_"]), function)()


def serve(helper):
    """Hands messages to uwsgi.mule_msg_hook until told to end, and then those that wait already."""
    told = False
    while True:
        message = receive(helper, own_queues() + farm_queues())
        if message is None:
            return 17
        hook = vars(sys.modules["uwsgi"]).get("mule_msg_hook")
        if hook is not None:
            helper.handle(hook, message)
            helper.count()
        elif not told:
            told = True
            log("mule %d drops a message: there is no uwsgi.mule_msg_hook" % helper.number)


def own_queues():
    queues = rt.conf["helpers"]["fds"]["mules"]
    return [queues[rt.helper.number][0], queues[SHARED][0]]


def farm_queues():
    queues = rt.conf["helpers"]["fds"]["farms"]
    return [fds[0] for fds, farm in zip(queues, farms()) if rt.helper.number in farm["mules"]]


def farms():
    return rt.conf["helpers"]["farms"] or ()


def receive(helper, queues, timeout=None, signals=True, size=None):
    """The next message; None when the process is to end and nothing waits, or when the time is over."""
    deadline = Deadline(timeout)
    size = size or rt.conf["helpers"]["recv_size"] or longest(queues[0])
    watched = list(queues)
    if signals:
        watched += uwsgi_signals.queues()
    while True:
        for fd in queues:
            try:
                return os.read(fd, size)
            except BlockingIOError:
                pass  # another mule took it, or there is none
        if helper.rt.stopping or deadline.over():
            return None
        for fd in helper.wait(watched, deadline.left()):
            if fd not in queues:
                uwsgi_signals.take(fd)


def longest(fd):
    """No message in the queue can be longer: what the kernel lets a sender have under way."""
    from _socket import AF_UNIX, SO_SNDBUF, SOCK_DGRAM, SOL_SOCKET, socket

    sock = socket(AF_UNIX, SOCK_DGRAM, 0, os.dup(fd))
    try:
        return max(sock.getsockopt(SOL_SOCKET, SO_SNDBUF), 65536)
    finally:
        sock.close()


def mule_id():
    """The 1-based id of this mule; 0 outside of mules."""
    helper = rt.helper
    return helper.number if helper is not None and helper.kind == "mule" else 0


def send(fd, message):
    """Puts a message into a queue; False, with a line in the log, when it does not fit. It never waits."""
    try:
        os.write(fd, message)
        return True
    except BlockingIOError:
        log("*** MULE MSG QUEUE IS FULL (mule-msg-size is its size) ***")
    except OSError as err:
        log("Cannot send a mule message of %d bytes: %s" % (len(message), err.strerror))
    return False


def octets(message):
    if isinstance(message, str):
        return message.encode("utf-8")
    return bytes(message)


def mule_msg(message, mule=None):
    """Sends a message to one mule, or to whichever is free; False when its queue is full or there is no such mule."""
    queues = rt.conf["helpers"]["fds"]["mules"]
    if not queues:
        raise ValueError("no mule configured")
    if mule is None:
        mule = SHARED
    elif not isinstance(mule, int):
        raise ValueError("invalid mule")
    elif not 0 < mule < len(queues):
        log("Cannot send a mule message: there is no mule %d" % mule)
        return False
    return send(queues[mule][1], octets(message))


def mule_get_msg(signals=True, farms=True, buffer_size=0, timeout=-1):
    """Waits for a message to this mule; b"" when the time, in seconds, is over."""
    if not mule_id():
        raise ValueError("you can receive mule messages only in a mule !!!")
    return get(own_queues() + (farm_queues() if farms else []), signals, buffer_size, timeout)


def farm_get_msg(signals=True, buffer_size=0, timeout=-1):
    """Waits for a message to a farm of this mule."""
    if not mule_id():
        raise ValueError("you can receive farm messages only in a mule !!!")
    queues = farm_queues()
    if not queues:
        raise ValueError("this mule is in no farm")
    return get(queues, signals, buffer_size, timeout)


def get(queues, signals, size, timeout):
    """A program asks for a message: until it asks again, it is in the middle of that one, and SIGHUP has to wait."""
    helper = rt.helper
    helper.interruptible = True
    message = receive(helper, queues, timeout, signals, size)
    if message:
        helper.interruptible = False
        helper.count()
        return message
    if helper.rt.stopping:
        helper.interruptible = False
        raise SystemExit(17)
    return message or b""


def farm_msg(farm, message):
    """Sends a message to whichever mule of a farm is free."""
    name = farm.decode("utf-8") if isinstance(farm, bytes) else farm
    for fds, known in zip(rt.conf["helpers"]["fds"]["farms"], farms()):
        if known["name"] == name:
            send(fds[1], octets(message))
            return
    log("Cannot send a farm message: there is no farm %s" % name)


def in_farm(name=None):
    """Whether this mule is in the farm, or in any."""
    number = mule_id()
    text = name.decode("utf-8") if isinstance(name, bytes) else name
    return any(number in farm["mules"] for farm in farms() if text is None or farm["name"] == text)


def install_mule_msg_hook(hook):
    """The function that takes the messages of a mule without a program."""
    sys.modules["uwsgi"].mule_msg_hook = hook
