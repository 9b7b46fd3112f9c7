"""The metric functions of the uwsgi module: rows at the end of the scoreboard that all workers see."""

from _thread import allocate_lock
from errno import EDEADLK
from fcntl import LOCK_EX, LOCK_UN, lockf
from operator import index
from struct import unpack_from
from time import sleep

from _gowsgi.runtime import current as rt

ROW, KIND, FLAGS, NAME = 128, 8, 12, 16
WRITABLE = 1
mutex = allocate_lock()  # a record lock does not keep threads of one process apart
LOCKS = 1 << 32  # the byte of the scoreboard's file whose lock guards row 0


class Rows(object):
    """The metrics by name; made at the first use."""

    def __init__(self, board, fd):
        self.fd = fd
        self.values = memoryview(board.map).cast("q")
        self.rows = {}
        for row in range(board.rows):
            at = board.row(row)
            name = bytes(board.map[at + NAME : at + ROW]).split(b"\0", 1)[0].decode("utf-8", "replace")
            (flags,) = unpack_from("@I", board.map, at + FLAGS)
            self.rows[name] = (at // 8, row, flags & WRITABLE)

    def get(self, name):
        found = self.rows.get(name)
        return 0 if found is None else self.values[found[0]]

    def change(self, name, function):
        """Replaces the value by function(value); None when there is no such metric that the application may change."""
        found = self.rows.get(name)
        if found is None or not found[2]:
            return None
        with mutex:
            self._lock(found[1])
            try:
                value = function(self.values[found[0]])
                # Wraps as a 64-bit number does.
                self.values[found[0]] = (value + (1 << 63)) % (1 << 64) - (1 << 63)
            finally:
                lockf(self.fd, LOCK_UN, 1, LOCKS + found[1])
        return True

    def _lock(self, row):
        while True:
            try:
                return lockf(self.fd, LOCK_EX, 1, LOCKS + row)
            except OSError as err:
                # The kernel judges by process: other threads that wait for uwsgi.lock() look like a circle.
                if err.errno != EDEADLK:
                    raise
                sleep(0.001)


rows = None


def table():
    global rows
    if rows is None:
        rows = Rows(rt.board, rt.board_fd)
    return rows


def word(name):
    if not isinstance(name, str):
        raise TypeError("the name of a metric must be str, not %s" % type(name).__name__)
    return name


def metric_get(name):
    """The value of a metric, 0 when there is none of that name."""
    return table().get(word(name))


def metric_set(name, value=1):
    value = index(value)
    return table().change(word(name), lambda old: value)


def metric_inc(name, value=1):
    value = index(value)
    return table().change(word(name), lambda old: old + value)


def metric_dec(name, value=1):
    value = index(value)
    return table().change(word(name), lambda old: old - value)


def metric_mul(name, value=1):
    value = index(value)
    return table().change(word(name), lambda old: old * value)


def metric_div(name, value=1):
    """Divides as C does, towards zero; None for a division by zero."""
    value = index(value)
    if value == 0:
        return None
    return table().change(word(name), lambda old: quotient(old, value))


def quotient(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def metric_set_max(name, value=1):
    """Sets a metric that is below the value to it."""
    value = index(value)
    return table().change(word(name), lambda old: max(old, value))


def metric_set_min(name, value=1):
    """Sets a metric that is above the value to it."""
    value = index(value)
    return table().change(word(name), lambda old: min(old, value))


FUNCTIONS = (metric_get, metric_set, metric_inc, metric_dec, metric_mul, metric_div, metric_set_max, metric_set_min)
