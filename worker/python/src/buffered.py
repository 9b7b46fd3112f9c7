"""post-buffering: the whole body is read before the application runs, into memory or a temporary file."""

from io import BytesIO

from _gowsgi.wire import CHUNK, InputError, report


class Buffered(BytesIO):
    """A body that is completely in memory."""

    finished = True
    broken = False
    behind = b""

    def rest(self):
        return self.behind


class Spooled(object):
    """A body that was written to a temporary file."""

    finished = True
    broken = False
    behind = b""

    def __init__(self, file):
        self.file = file
        for name in ("read", "readline", "readlines", "seek", "tell", "fileno"):
            setattr(self, name, getattr(file, name))

    def __iter__(self):
        return iter(self.file)

    def rest(self):
        return self.behind


def body(source, limit, core, peer):
    """Reads source to its end: bodies above limit bytes go to a file. None when it does not come whole (logged)."""
    memory = Buffered()
    try:
        while memory.tell() <= limit:
            data = source.read(min(CHUNK, limit + 1 - memory.tell()))
            if not data:
                memory.seek(0)
                memory.behind = source.rest()
                return memory
            memory.write(data)
        return to_file(source, memory.getvalue())
    except InputError as err:
        report("%s while the body was buffered" % err, peer)
        core.read_error()
        return None


def to_file(source, data):
    from tempfile import TemporaryFile

    file = TemporaryFile()
    while data:
        file.write(data)
        data = source.read(CHUNK)
    file.seek(0)
    spooled = Spooled(file)
    spooled.behind = source.rest()
    return spooled
