"""The thread that answers the client of an overdue request, before the master ends the worker (harakiri)."""

from os import close, dup, write
from _signal import sigwait
from time import sleep, time

from _gowsgi.core import monotonic_ns
from _gowsgi.runtime import log, print_traceback

from _socket import AF_UNIX, SHUT_RDWR, SOCK_STREAM, socket

SIGNAL = 40  # a real-time signal that worker.main blocks in every thread; the master sends it
STACKS = 0.1  # seconds: the stacks, asked for just before, come piece by piece, and our line would fall among them
TEXT = b"Gateway Timeout"
HEAD = b"HTTP/1.1 504 Gateway Timeout\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
ANSWER = HEAD % len(TEXT)


def start(rt):
    from _thread import start_new_thread

    start_new_thread(watch, (rt,))


def watch(rt):
    """Waits for the master's signal, for as long as the process lives."""
    while True:
        sigwait((SIGNAL,))
        if rt.conf["stack_on_usr2"]:
            sleep(STACKS)
        try:
            for core in rt.cores:
                look(rt, core)
        except BaseException:
            print_traceback(whole=True)


def look(rt, core):
    """Answers for the request of a core when it is overdue."""
    request = core.request
    age = monotonic_ns() - core.u64[core.start_index]
    if request is None or age <= rt.conf["harakiri"] * 1000000000:
        return
    env = request.env
    client, method = env.get("REMOTE_ADDR", ""), env["REQUEST_METHOD"]
    since = time() - age / 1e9
    log("HARAKIRI [core %d] %s - %s %s since %d" % (core.index, client, method, env.get("REQUEST_URI", ""), since))
    if not request.started:
        answer(core, request, method == "HEAD")


def answer(core, request, no_body):
    """Sends 504 and ends the connection, whose request may end at any moment in its own thread.

    The descriptor is only used as a copy made while the request still had it: once a request ends, its number may stand
    for another client's connection.
    """
    fd = request.fd
    if fd < 0:
        return
    try:
        copy = dup(fd)
    except OSError:
        return
    try:
        if core.request is not request or request.fd != fd or request.started:
            return
        request.gone = True  # whatever the application says from now on is said to nobody
        write(copy, ANSWER if no_body else ANSWER + TEXT)
        connection = socket(AF_UNIX, SOCK_STREAM, 0, copy)
        try:
            connection.shutdown(SHUT_RDWR)
        finally:
            connection.detach()
    except OSError:
        pass  # the client is gone, or does not read
    finally:
        close(copy)
