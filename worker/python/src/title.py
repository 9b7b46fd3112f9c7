"""The names under which ps and top show a process."""

from os import O_RDONLY, O_RDWR, close, open, pwrite, read, write

from _gowsgi.runtime import current as rt


def title(name):
    """The whole name of a process, as the configuration wants it."""
    conf = rt.conf
    return conf["procname_prefix"] + (conf["procname"] or name) + conf["procname_append"]


def set_title(name):
    """Sets the short name (/proc/PID/comm) and the command line (proc(5)); a name is not worth a start."""
    text = title(name).encode("utf-8", "surrogateescape")
    try:
        with_comm(text)
        with_arguments(text)
    except (OSError, ValueError, IndexError):
        pass  # no /proc here


def with_comm(text):
    fd = open("/proc/self/comm", O_RDWR)
    try:
        write(fd, text[:15])  # the kernel keeps so much
    finally:
        close(fd)


def with_arguments(text):
    """Writes over the arguments on the stack, whose place /proc/self/stat tells (fields 48 and 49)."""
    fd = open("/proc/self/stat", O_RDONLY)
    try:
        fields = read(fd, 4096).rpartition(b")")[2].split()  # the first of them is field 3
    finally:
        close(fd)
    start, end = int(fields[45]), int(fields[46])
    room = end - start - 1
    if start == 0 or room <= 0:
        return
    fd = open("/proc/self/mem", O_RDWR)
    try:
        pwrite(fd, text[:room].ljust(room + 1, b"\0"), start)
    finally:
        close(fd)
