"""Hooks of the phases that are a worker's or a mule's own: post-fork, accepting* and as-mule."""

import os

from _gowsgi.runtime import current, log


class HookFailed(Exception):
    """A hook that could not be done: the worker must not serve."""


def run(phase):
    """Runs the hooks of a phase in their order; raises HookFailed at the first that cannot be done."""
    for hook in current.conf["hooks"] or ():
        if hook["phase"] != phase:
            continue
        log('running "%s" (%s)...' % (hook["shown"], phase))
        try:
            ACTIONS[hook["action"]](hook["arg"])
        except (OSError, ValueError) as err:
            raise HookFailed('cannot run hook "%s" (%s): %s' % (hook["shown"], phase, err))


def run_accepting(first_spawn):
    """The phases between the import and the first request; -once only for the first process of a slot."""
    run("accepting")
    if first_spawn:
        run("accepting-once")
    if current.slot == 1:
        run("accepting1")
        if first_spawn:
            run("accepting1-once")


def command(line):
    """Runs a shell command to its end; anything but exit code 0 has failed."""
    pid = os.fork()
    if not pid:
        try:
            os.execv("/bin/sh", ["/bin/sh", "-c", line])
        finally:
            os._exit(127)
    _, status = os.waitpid(pid, 0)
    if status:
        if os.WIFSIGNALED(status):
            raise ValueError("killed by signal %d" % os.WTERMSIG(status))
        raise ValueError("exit code %d" % os.WEXITSTATUS(status))


def safe_command(line):
    try:
        command(line)
    except (OSError, ValueError) as err:
        log("a command of safeexec: %s" % err)


def assign(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError("NAME=VALUE is expected")
    os.environ[name] = value


def writer(mode, end):
    def write(arg):
        path, _, text = arg.partition(" ")
        with open(path, mode) as out:
            out.write(text + end)

    return write


def chmod(arg):
    path, _, mode = arg.rpartition(" ")
    os.chmod(path, int(mode, 8))


def raise_alarm(arg):
    from _gowsgi import api

    name, _, text = arg.partition(" ")
    api.alarm(name, text)


def leave(arg):
    os._exit(int(arg or "0"))


ACTIONS = {
    "cd": os.chdir,
    "chdir": os.chdir,
    "putenv": assign,
    "exec": command,
    "safeexec": safe_command,
    "print": log,
    "log": log,
    "create": writer("w", ""),
    "creat": writer("w", ""),
    "write": writer("w", ""),
    "writen": writer("w", "\n"),
    "append": writer("a", ""),
    "appendn": writer("a", "\n"),
    "mkdir": os.mkdir,
    "unlink": os.unlink,
    "chmod": chmod,
    "alarm": raise_alarm,
    "exit": leave,
}
