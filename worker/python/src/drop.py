"""The zygote's change of ids after the import (drop-after-apps): what it does cannot be undone."""

import os

PR_SET_KEEPCAPS, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT = 8, 23, 24, 47
AMBIENT_RAISE, AMBIENT_CLEAR = 2, 4
CAP_SETUID, CAP_VERSION_3 = 7, 0x20080522
ALL = range(64)
WORDS = (0, 32)


class NotDropped(Exception):
    """The process is not what it was told to become."""


def become(who):
    """Takes the ids and leaves only the capabilities of `who`, then asks the kernel what came of it.

    The bounding set and the capabilities are the calling thread's. Threads that the application started while it was
    imported get the ids too, by the C library, and lose their capabilities with them; the workers have none of them.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(*args):
        words = [ctypes.c_ulong(a) for a in args] + [ctypes.c_ulong(0)] * (4 - len(args) + 1)
        result = libc.prctl(*words)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def known(number):  # of a capability
        try:
            return prctl(PR_CAPBSET_READ, number) == 1
        except OSError:
            return False

    kept = [number for number in ALL if who["capabilities"] >> number & 1]
    if who["guarded"]:
        for number in ALL:
            if number not in kept and known(number):
                prctl(PR_CAPBSET_DROP, number)
    os.setgroups(who["groups"])
    os.setresgid(who["gid"], who["gid"], who["gid"])
    prctl(PR_SET_KEEPCAPS, 1 if kept else 0)
    os.setresuid(who["uid"], who["uid"], who["uid"])
    words = [who["capabilities"] >> shift & 0xFFFFFFFF for shift in WORDS]
    head = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(*[word for word in words for _ in range(3)])
    if libc.capset(head, data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR)
    for number in kept:
        prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, number)
    prctl(PR_SET_KEEPCAPS, 0)
    if libc.capget(head, data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    wrong = list(data) != [word for word in words for _ in range(3)]
    compare(who, wrong, who["guarded"] and [number for number in ALL if number not in kept and known(number)])


def compare(who, wrong, bounding):
    """Raises NotDropped unless the kernel says what was asked for."""
    is_now = (os.getresuid(), os.getresgid(), sorted(os.getgroups()))
    should = ((who["uid"],) * 3, (who["gid"],) * 3, sorted(who["groups"]))
    if is_now != should:
        raise NotDropped("the ids are %r, not %r" % (is_now, should))
    if wrong or bounding:
        raise NotDropped("capabilities are left")
    if who["capabilities"] >> CAP_SETUID & 1:
        return  # asked for
    try:
        os.setresuid(0, 0, 0)
    except OSError:
        return
    raise NotDropped("the way back to uid 0 is open")
