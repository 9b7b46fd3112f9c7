"""Program text for `python3 -c`: reads the boot document and hands over to _gowsgi.loader."""


def _boot(fd):
    import posix

    parts = []
    size = 0
    while True:
        part = posix.pread(fd, 1 << 20, size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    posix.close(fd)
    # JSON is a Python expression once these three names exist; importing json would cost milliseconds at every start.
    document = eval(b"".join(parts), {"true": True, "false": False, "null": None, "__builtins__": {}})
    name = "_gowsgi.loader"
    space = {"__name__": name}
    exec(compile(document["modules"][name], "_gowsgi/loader.py", "exec"), space)
    space["start"](document)


_boot(5)
