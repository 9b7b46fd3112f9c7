"""uwsgi.lock(): locks between the workers, held in the kernel so that a dead worker leaves none behind."""

from _thread import allocate_lock
from errno import EACCES, EAGAIN
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf


class Locks(object):
    """Numbered locks, as record locks (fcntl(2), F_SETLKW) on bytes of the scoreboard's memfd.

    A record lock belongs to a process: between threads of one worker a lock of its own decides first.
    """

    def __init__(self, fd, count):
        self.fd = fd
        self.local = [allocate_lock() for _ in range(count)]

    def _check(self, number):
        if not 0 <= number < len(self.local):
            raise ValueError("Invalid lock number")

    def lock(self, number=0):
        """Waits for the lock."""
        self._check(number)
        self.local[number].acquire()
        try:
            lockf(self.fd, LOCK_EX, 1, number)
        except BaseException:
            self.local[number].release()
            raise

    def unlock(self, number=0):
        """Gives the lock back; one that is not held by this worker is left alone."""
        self._check(number)
        if self.local[number].locked():
            lockf(self.fd, LOCK_UN, 1, number)
            self.local[number].release()

    def is_locked(self, number=0):
        """Whether any worker holds the lock at this moment."""
        self._check(number)
        if not self.local[number].acquire(False):
            return True
        try:
            lockf(self.fd, LOCK_EX | LOCK_NB, 1, number)
            lockf(self.fd, LOCK_UN, 1, number)
        except OSError as err:
            if err.errno in (EACCES, EAGAIN):
                return True
            raise
        finally:
            self.local[number].release()
        return False
