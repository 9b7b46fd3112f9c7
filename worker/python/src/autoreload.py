"""py-autoreload: asks for a reload when the file of an imported module changes."""

import sys
from os import stat
from time import sleep

from _gowsgi.runtime import log

seen = {}  # file -> its time when it was first looked at


def start(rt):
    """Watches from a thread of the first worker, which ends with it."""
    from _thread import start_new_thread

    apps = rt.conf["apps"]
    start_new_thread(watch, (rt, apps["auto_reload"], frozenset(apps["auto_reload_ignore"] or ())))


def watch(rt, seconds, ignored):
    while True:
        for name in files(rt, ignored):
            if changed(name):
                log("[uwsgi-python-reloader] module/file %s has been modified" % name)
                rt.send("reload")
                return
        sleep(seconds)


def files(rt, ignored):
    """The files of all modules, and those that an import which failed went through."""
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
