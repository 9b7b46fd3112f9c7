"""Standard output and error with PYTHONUNBUFFERED."""

from io import FileIO
from select import POLLOUT

from _gowsgi.wire import wait


class Whole(FileIO):
    """Writes all that it is given: a signal may end a write(2) to a full pipe half-way, and Python forgets the rest."""

    def write(self, data):
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            count = FileIO.write(self, view[done:])
            if count is None:  # somebody made it non-blocking, and it is full
                wait(self.fileno(), POLLOUT, 1)
            else:
                done += count
        return done
