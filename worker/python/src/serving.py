"""What stands between a request and the application when the configuration asks for more than the application."""

from _gowsgi.request import FileWrapper


class PlainWrapper(FileWrapper):
    """wsgi.file_wrapper with disable-sendfile: the file is read block by block."""


def dress(app, conf):
    """Puts around app what the configuration asks for, the innermost first."""
    serve = conf["serve"]
    if serve["static"]:
        from _gowsgi.static import Static

        app = Static(serve["static"], PlainWrapper if serve["no_sendfile"] else FileWrapper, app)
    if serve["add_headers"] or serve["rem_headers"]:
        app = Headers(serve["add_headers"], serve["rem_headers"], app)
    return app


class Headers(object):
    """add-header and rem-header."""

    def __init__(self, add, rem, app):
        self.app = app
        self.add = [split_header(line) for line in add or ()]
        self.rem = frozenset(name.lower() for name in rem or ())

    def __call__(self, env, start_response):
        def start(status, headers, exc_info=None):
            kept = [pair for pair in headers if pair[0].lower() not in self.rem]
            return start_response(status, kept + self.add, exc_info)

        return self.app(env, start)


def split_header(line):
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def page(names):
    """The first of these files that can be read, None for none."""
    for name in names or ():
        try:
            with open(name, "rb") as file:
                return file.read()
        except OSError:
            pass
    return None
