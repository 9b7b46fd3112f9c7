"""Tasks in spool directories, in uWSGI's format: 4 bytes, keys and values with their lengths, then the body."""

import os
import sys
from struct import Struct
from time import time

from _gowsgi import board as fields
from _gowsgi.runtime import current as rt
from _gowsgi.runtime import log

PREFIX = "uwsgi_spoolfile_on_"
HEADER = Struct("<BHB")  # modifier 17, length of the block, 0
LENGTH = Struct("<H")
MODIFIER = 17
MOST = 65535
SPOOL_OK, SPOOL_RETRY, SPOOL_IGNORE = -2, -1, 0

written = 0


def settings():
    return rt.conf["helpers"]["spool"]


def directories():
    return [entry["path"] for entry in settings()["dirs"] or ()]


def octets(value):
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def spool(task=None, **more):
    """Writes a task; returns the path of its file. The keys spooler, priority, at and body are special."""
    if task is None and more:
        task = more
    if not isinstance(task, dict):
        raise ValueError("The argument of spooler callable must be a dictionary")
    task = {octets(key): value for key, value in task.items()}
    body = octets(task.pop(b"body", b""))
    at = when(task.get(b"at"))
    number = chosen(task.get(b"spooler"))
    pairs = {key: text_of(value) for key, value in task.items()}
    folder = directories()[number]
    if b"priority" in pairs:
        if not pairs[b"priority"].isdigit():
            raise ValueError("cannot spool the task: the priority is no number")
        folder = os.path.join(folder, pairs[b"priority"].decode())
        os.makedirs(folder, 0o700, exist_ok=True)
    path = write(folder, pack(pairs) + body, at)
    wake(number)
    return os.fsencode(path)


def text_of(value):
    return b"%d" % value if isinstance(value, (int, float)) else octets(value)


def when(value):
    """Seconds since the epoch before which a task is not to run."""
    if value is None:
        return None
    try:
        return int(value.decode() if isinstance(value, bytes) else value)
    except ValueError:
        raise ValueError("cannot spool the task: at is no number of seconds")


def chosen(name):
    """Which of the directories a task is for; the first when it does not say."""
    known = directories()
    if not known:
        raise ValueError("you cannot spool without a spooler: name a directory with the option spooler")
    if name is None:
        return 0
    path = os.path.abspath(os.fsdecode(octets(name)))
    if path not in known:
        log('[uwsgi-spooler] cannot find spooler "%s"' % path)
        raise ValueError("cannot spool the task: there is no spooler %s" % path)
    return known.index(path)


def pack(pairs):
    block = b""
    for key, value in pairs.items():
        if len(key) > MOST or len(value) > MOST:
            raise ValueError("cannot spool the task: a value has more than %d bytes, which belong into body" % MOST)
        block += LENGTH.pack(len(key)) + key + LENGTH.pack(len(value)) + value
    if len(block) > MOST:
        raise ValueError("cannot spool the task: the values have more than %d bytes, which belong into body" % MOST)
    return HEADER.pack(MODIFIER, len(block), 0) + block


def write(folder, data, at):
    """The file appears whole, under its name, when it is written: nobody sees half of a task."""
    global written
    written += 1
    now = time()
    random = int.from_bytes(os.urandom(4), "big") >> 1
    name = PREFIX + "%s_%d_%d_%d" % (rt.conf["node"], rt.pid, written, random)
    name += "_%d_%d" % (int(now), int(now * 1e6) % 1000000)
    path = os.path.join(folder, name)
    hidden = os.path.join(folder, "." + name)
    fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb", 0) as out:
            rest = memoryview(data)
            while rest:
                rest = rest[out.write(rest):]
        if at is not None:
            os.utime(hidden, (at, at))
        os.rename(hidden, path)
    except BaseException:
        os.unlink(hidden)
        raise
    if not settings()["quiet"]:
        log("[spooler] written %d bytes to file %s" % (len(data), path))
    return path


def wake(number):
    try:
        os.write(rt.conf["helpers"]["fds"]["wake"][number], (1).to_bytes(8, sys.byteorder))
    except BlockingIOError:
        pass  # it was woken often enough


def unpack(data):
    """A task as a dictionary, as uwsgi.spooler is given it; ValueError when it is none."""
    if len(data) < 4:
        raise ValueError("the file is too short")
    modifier, size, _ = HEADER.unpack_from(data)
    if modifier != MODIFIER or len(data) < 4 + size:
        raise ValueError("it has no head of a task")
    task = {}
    at, end = 4, 4 + size
    while at < end:
        parts = []
        for _ in range(2):
            if at + 2 > end:
                raise ValueError("a length is cut off")
            (length,) = LENGTH.unpack_from(data, at)
            at += 2 + length
            if at > end:
                raise ValueError("a text is cut off")
            parts.append(data[at - length:at])
        task[parts[0]] = parts[1]
    if len(data) > end:
        task["body"] = data[end:]
    return task


def read(path):
    with open(path, "rb") as source:
        return unpack(source.read())


def age(name):
    """Sorts tasks by the time in their names, the oldest first."""
    words = name.rsplit("_", 2)
    if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
        return int(words[1]), int(words[2]), name
    return 0, 0, name


def tasks_of(folder):
    """Paths of the tasks in a directory, the oldest first; before them those with a priority, the lowest first."""
    names = os.listdir(folder)
    found = []
    for name in sorted((name for name in names if name.isdigit()), key=int):
        inner = os.path.join(folder, name)
        if os.path.isdir(inner):
            found += named(inner, os.listdir(inner))
    return found + named(folder, names)


def named(folder, names):
    return [os.path.join(folder, name) for name in sorted(names, key=age) if name.startswith(PREFIX)]


def spooler_jobs():
    """Paths of the tasks that wait in the first spooler."""
    known = directories()
    return [os.fsencode(path) for path in tasks_of(known[0])] if known else []


def spooler_get_task(path):
    """A task's file as a dictionary; None when it is none."""
    try:
        task = read(path)
    except (OSError, ValueError):
        return None
    task["spooler_task_name"] = os.fsencode(os.path.basename(path))
    return task


def spooler_pids():
    """Processes of the spoolers, in the order of the directories."""
    board = rt.board
    return [board.u32(place + fields.HELPER_PID) for place in places()]


def places():
    """Records of the spooler processes in the scoreboard."""
    first = len(rt.conf["helpers"]["mules"] or ())
    count = settings()["processes"] * sum(not entry["external"] for entry in settings()["dirs"] or ())
    return [fields.helper(first + n) for n in range(count)]


def spooler_pid():
    """The process of the first spooler, 0 when there is none."""
    return (spooler_pids() or [0])[0]


def i_am_the_spooler():
    return True if rt.helper is not None and rt.helper.kind == "spooler" else None


def set_spooler_frequency(seconds):
    """Seconds between two looks at the directories, for all spoolers of this stack."""
    seconds = int(seconds)
    if seconds < 1:
        raise ValueError("the frequency of spoolers is a number of seconds from 1")
    for place in places():
        rt.board.set_u32(place + fields.HELPER_FREQUENCY, seconds)
    for number in range(len(directories())):
        wake(number)
    return True


send_to_spooler = spool


def spoolers():
    """The directories, as bytes."""
    return tuple(os.fsencode(path) for path in directories())
