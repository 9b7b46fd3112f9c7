"""Pausing: a worker finishes what runs and then takes nothing new until it is resumed. Imported at the first pause."""

from os import close, pipe, write
from select import EPOLLIN, POLLIN, poll

from _gowsgi.board import PAUSED

pending = running = False


def look(rt):
    """Does what the master's flag says; called at its signal and when the worker starts."""
    global pending, running
    pending = True
    if running:
        return  # a signal within this very function: the loop below sees it
    while pending:
        running = True
        while pending:
            pending = False
            apply(rt)
        running = False  # a signal from here on has its own call


def apply(rt):
    paused = rt.board.u32(PAUSED) != 0
    if paused and rt.gate is None:
        rt.halted = True
        rt.gate = Gate(rt)
        for core in rt.cores:
            if core.poller is not None:
                rt.gate.join(core)
    elif not paused and rt.gate is not None:
        gate, rt.gate, rt.halted = rt.gate, None, rt.stopping
        gate.open()


class Gate(object):
    """One pause. Every core meets it at its next look at the sockets, also when it is resumed before."""

    def __init__(self, rt):
        self.rt = rt
        self.shut, shut_end = pipe()  # readable for as long as the gate exists: it wakes the cores
        write(shut_end, b"x")
        close(shut_end)
        self.opened, self.open_end = pipe()  # end of file once the pause is over
        self.passed = 0  # cores that are through

    def join(self, core):
        core.watched[self.shut] = lambda: self.hold(core)
        try:
            core.poller.register(self.shut, EPOLLIN)
        except (FileExistsError, ValueError):
            pass  # the core, which had just started, came here by itself at the same time; or it has ended

    def hold(self, core):
        """Waits in the place of the core's poller until the pause is over or the worker has to go."""
        core.accepting(0)
        waiting = poll()
        for fd in (self.opened, self.rt.stop_read, self.rt.conf["fds"]["lifeline"]):
            waiting.register(fd, POLLIN)
        if core.index == 0:
            waiting.register(self.rt.wake_read, POLLIN)  # a signal that another thread got is handled by this one
        if any(fd == self.opened for fd, _ in waiting.poll()):
            core.poller.unregister(self.shut)
            del core.watched[self.shut]
            self.passed += 1
            if self.passed == len(self.rt.cores):
                close(self.shut)
                close(self.opened)
        core.accepting(1)

    def open(self):
        close(self.open_end)
