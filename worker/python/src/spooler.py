"""A spooler: works off the tasks of one directory, each under a lock, so that several may share it."""

import os
import sys
from errno import EACCES, EAGAIN
from fcntl import LOCK_EX, LOCK_NB, lockf
from time import time

from _gowsgi import board as fields
from _gowsgi import signals, spool
from _gowsgi.helper import Deadline, load_app
from _gowsgi.runtime import current as rt
from _gowsgi.runtime import log, print_traceback

GRACEFUL = 17


def run(rt, helper):
    """The life of a spooler process."""
    conf = spool.settings()
    mine = [n for n, entry in enumerate(conf["dirs"]) if not entry["external"]]
    number = mine[(helper.number - 1) // conf["processes"]]
    try:
        os.nice(20)  # tasks have time
    except OSError:
        pass
    prepare(conf)
    return Spooler(helper, conf, conf["dirs"][number]["path"], rt.conf["helpers"]["fds"]["wake"][number]).run()


def prepare(conf):
    """Imports what tasks need."""
    if not conf["imports"]:
        load_app(rt)
    for name in conf["imports"] or ():
        try:
            if name.endswith(".py"):
                from _gowsgi import application

                application.from_file(name)
            else:
                __import__(name)
        except Exception:
            log("cannot import %s in a spooler:" % name)
            print_traceback()


class Spooler(object):
    def __init__(self, helper, conf, folder, wake):
        self.helper = helper
        self.conf = conf
        self.folder = folder
        self.wake = wake
        self.done = 0  # tasks of this process
        self.bad = set()  # files that are no tasks, told once
        self.tried = {}  # path of a task that was tried and not done -> when that was
        self.frequency = helper.record + fields.HELPER_FREQUENCY

    def run(self):
        while True:
            due = self.work_off()
            if rt.stopping or self.enough():
                return GRACEFUL
            self.rest(self.every() if due is None else max(0, min(self.every(), due - time())))
            if rt.stopping:
                return GRACEFUL

    def every(self):
        return rt.board.u32(self.frequency) or self.conf["frequency"]

    def enough(self):
        return self.conf["max_tasks"] and self.done >= self.conf["max_tasks"]

    def rest(self, seconds):
        """Waits until it is called, which it returns, or the time is over; handles signals meanwhile."""
        deadline = Deadline(seconds)
        called = False
        while not called and not rt.stopping and not self.enough():
            for fd in self.helper.wait([self.wake] + signals.queues(), deadline.left()):
                if fd != self.wake:
                    signals.take(fd)
                    self.done += self.conf["signal_as_task"]
                    continue
                called = True
                try:
                    os.read(fd, 8)
                except BlockingIOError:
                    pass  # another process of the directory was faster
            if deadline.over():
                break
        return called

    def work_off(self):
        """Runs the tasks that are due; returns when the next one will be, None when none waits for its time."""
        due, called = None, False
        try:
            paths = spool.tasks_of(self.folder)
        except OSError as err:
            log("[spooler] cannot read the directory %s: %s" % (self.folder, err.strerror))
            return None
        for path in paths:
            if rt.stopping or self.enough():
                break
            try:
                at = os.stat(path).st_mtime
            except OSError:
                continue  # another process was faster
            if path in self.tried:
                at = max(at, self.tried[path] + self.every())
            if at <= time():
                self.attempt(path)
                called = self.rest(0) or called
                if path not in self.tried:
                    continue
                at = self.tried[path] + self.every()
            due = at if due is None else min(due, at)
        self.tried = {path: at for path, at in self.tried.items() if path in paths}
        return 0 if called else due  # what it was called for came after the list was made

    def attempt(self, path):
        """Runs a task unless another process has it."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as err:
            self.refuse(path, err.strerror)
            return
        with os.fdopen(fd, "rb+") as source:
            try:
                lockf(fd, LOCK_EX | LOCK_NB)
            except OSError as err:
                if err.errno in (EACCES, EAGAIN):
                    return
                raise
            if not os.fstat(fd).st_nlink:
                return  # it was done between open and lock
            try:
                task = spool.unpack(source.read())
            except ValueError as err:
                self.refuse(path, err)
                return
            self.perform(path, task)

    def refuse(self, path, why):
        if path not in self.bad:
            self.bad.add(path)
            log("[spooler] cannot read the task %s: %s; it stays there" % (path, why))

    def perform(self, path, task):
        name = os.path.relpath(path, self.folder)
        handler = vars(sys.modules["uwsgi"]).get("spooler")
        if handler is None:
            self.refuse(path, "there is no uwsgi.spooler to give it to")
            return
        task["spooler_task_name"] = os.fsencode(name)
        self.say("managing request %s ..." % name)
        try:
            os.chdir(self.conf["chdir"] or self.folder)
        except OSError as err:
            self.refuse(path, "cannot change to %s: %s" % (self.conf["chdir"], err.strerror))
            return
        began = time()
        self.tried[path] = began
        verdict = self.helper.handle(handler, task)
        self.done += 1
        self.helper.count()
        if verdict == spool.SPOOL_OK:
            os.unlink(path)
            del self.tried[path]
            self.say("done with task %s after %d seconds" % (name, int(time() - began)))

    def say(self, text):
        if not self.conf["quiet"]:
            log("[spooler %s pid: %d] %s" % (self.folder, rt.pid, text))
