"""py-autoreload: asks for a reload when the file of an imported module changes."""

import sys
from os import stat
from time import sleep

from _gowsgi.runtime import log

seen = {}  # file -> its time when it was first looked at


def start(rt):
    """Watches from a thread of the first worker, which ends with it."""
    from _thread import start_new_thread

    remember(rt)
    start_new_thread(watch, (rt, rt.conf["apps"]["auto_reload"]))


def remember(rt):
    """Takes down how the files are now: in the zygote too, for what changes before the worker that watches is there."""
    for name in files(rt):
        changed(name)


def watch(rt, seconds):
    while True:
        for name in files(rt):
            if changed(name):
                log("[uwsgi-python-reloader] module/file %s has been modified" % name)
                rt.send("reload")
                return
        sleep(seconds)


def files(rt):
    """The files of all modules, and those that an import which failed went through."""
    ignored = rt.conf["apps"]["auto_reload_ignore"] or ()
    names = list(rt.suspects)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in ignored and isinstance(file, str):
            names.append(file[:-1] if file.endswith((".pyc", ".pyo")) else file)
    return names


def changed(name):
    try:
        info = stat(name)
    except (OSError, ValueError):
        return False  # it is being replaced, or was never a file
    now = (info.st_mtime_ns, info.st_size)
    return seen.setdefault(name, now) != now
