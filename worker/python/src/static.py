"""Files that a worker sends without asking the application: static-map, check-static and what goes with them."""

import re
from email.utils import formatdate, mktime_tz, parsedate_tz
from os import O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, close, fsencode, fstat, open, path, pread, readlink, stat
from stat import S_ISDIR, S_ISREG
from time import time

from _gowsgi.runtime import log

CHUNK = 65536
MIME_FILE = "/etc/mime.types"


class File(object):
    """An open file, or a part of it, as the body of an answer; sent with sendfile(2) unless that is off."""

    def __init__(self, fd, begin, end):
        self.fd = fd
        self.begin = begin
        self.span_end = end  # file_span of wire.py stops here

    def fileno(self):
        return self.fd

    def tell(self):
        return self.begin

    def read(self, size):
        data = pread(self.fd, min(size, self.span_end - self.begin), self.begin)
        self.begin += len(data)
        return data

    def close(self):
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1


class Static(object):
    """A WSGI application that answers with a file where there is one, and asks the next application otherwise."""

    def __init__(self, conf, wrapper, app):
        self.app = app
        self.wrapper = wrapper
        self.checks = [fsencode(d) for d in conf["check"] or ()]
        self.maps = [(fsencode(m[0]), fsencode(m[1]), False) for m in conf["maps"] or ()]
        self.maps += [(fsencode(m[0]), fsencode(m[1]), True) for m in conf["maps2"] or ()]
        self.docroot = conf["docroot"]
        self.index = [fsencode(name) for name in conf["index"] or ()]
        self.skip = tuple(fsencode(ext) for ext in conf["skip_ext"] or ())
        self.safe = [path.realpath(fsencode(d)) for d in conf["safe"] or ()]
        self.types = mime_types(conf["mime_files"] or [MIME_FILE])
        self.ranges = conf["range"]
        self.mode = conf["mode"]
        self.gzip = Gzip(conf)
        # By what is looked at: uWSGI's order is the file, PATH_INFO, the URI, and behind the type the type.
        self.expires = {what: [] for what in ("file", "path_info", "uri", "type")}
        for rule in conf["expires"] or ():
            pattern = rule["match"] if rule["what"] == "type" else re.compile(rule["match"].encode("utf-8"))
            self.expires[rule["what"]].append((pattern, rule["seconds"], rule["mtime"]))
        self.roots = {}

    def __call__(self, env, start_response):
        if env["REQUEST_METHOD"] in ("GET", "HEAD"):
            try:
                info = env["PATH_INFO"].encode("latin-1")
            except UnicodeEncodeError:
                info = b"\0"
            if b"\0" not in info:
                found = self.find(env, info)
                if found is not None:
                    return self.answer(env, info, start_response, *found)
        return self.app(env, start_response)

    def find(self, env, info):
        """(descriptor, fstat, path, whether it is the compressed twin) of the file for a request, None for none."""
        for root in self.checks:
            found = self.look(env, root, info)
            if found is not None:
                return found
        for prefix, root, whole in self.maps:
            rest = below_prefix(info, prefix)
            if rest is not None:
                found = self.look(env, root, info if whole else rest)
                if found is not None:
                    return found
        if self.docroot and env.get("DOCUMENT_ROOT"):
            return self.look(env, env["DOCUMENT_ROOT"].encode("latin-1", "replace"), info)
        return None

    def look(self, env, root, rest):
        """Opens the file `rest` below root, or an index in a directory of that name."""
        name = root + rest
        try:
            mode = stat(name).st_mode
        except (OSError, ValueError):
            return None
        if S_ISDIR(mode):
            for index in self.index:
                found = self.look_file(env, root, path.join(name, index))
                if found is not None:
                    return found
            return None
        return self.look_file(env, root, name) if S_ISREG(mode) else None

    def look_file(self, env, root, name):
        if name.endswith(self.skip):
            return None
        found = self.open(root, name)
        if found is None:
            return None
        twin = self.gzip.wants(env, found[2]) and self.open(root, name + b".gz")
        if twin:
            close(found[0])
            return twin[0], twin[1], found[2], True
        return found[0], found[1], found[2], False

    def open(self, root, name):
        """(descriptor, fstat, real path), None for what is not a regular file below root or a safe directory.

        What was opened is asked where it is, so that a symbolic link which changes meanwhile leads nowhere.
        """
        try:
            if not S_ISREG(stat(name).st_mode):
                return None  # opening a device may do something
            fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        except (OSError, ValueError):
            return None
        info = fstat(fd)
        try:
            real = readlink(b"/proc/self/fd/%d" % fd)
        except OSError:
            real = path.realpath(name)  # no /proc here
            other = stat(real)
            if (other.st_dev, other.st_ino) != (info.st_dev, info.st_ino):
                real = b""
        if root not in self.roots:
            self.roots[root] = path.realpath(root)
        if S_ISREG(info.st_mode) and any(below(real, d) for d in [self.roots[root]] + self.safe):
            return fd, info, real
        close(fd)
        log("[uwsgi-fileserve] security error: %s is not under %s or a safe path" % (shown(real), shown(root)))
        return None

    def answer(self, env, info, start_response, fd, found, real, packed):
        headers = []
        changed = formatdate(int(found.st_mtime), usegmt=True)
        body = File(fd, 0, found.st_size)
        try:
            if not_modified(env, found):
                start_response("304 Not Modified", [("Last-Modified", changed)])
                body.close()
                return []
            status = "200 OK"
            span = self.range(env, found.st_size, changed) if self.ranges else None
            if span == ():
                start_response("416 Range Not Satisfiable", [("Content-Range", "bytes */%d" % found.st_size)])
                body.close()
                return []
            if span:
                status = "206 Partial Content"
                body.begin, body.span_end = span
            self.add_expires(headers, found, env, info, real)
            if packed:
                headers.append(("Content-Encoding", "gzip"))
            kind = self.types.get(real.rpartition(b".")[2].lower()) if b"." in real.rpartition(b"/")[2] else None
            if kind:
                headers.append(("Content-Type", kind))
                self.expire(headers, "type", kind, found)
            if self.mode:
                headers.append((self.mode, shown(real)))
                start_response(status, headers)
                body.close()
                return []
            headers.append(("Content-Length", str(body.span_end - body.begin)))
            if span:
                headers.append(("Content-Range", "bytes %d-%d/%d" % (span[0], span[1] - 1, found.st_size)))
            headers.append(("Last-Modified", changed))
            if self.gzip.may(real):
                headers.append(("Vary", "Accept-Encoding"))
            start_response(status, headers)
        except BaseException:
            body.close()
            raise
        if env["REQUEST_METHOD"] == "HEAD":
            body.close()
            return []
        return self.wrapper(body)

    def range(self, env, size, changed):
        """(begin, end) of the part that is asked for, () for one beyond the file, None for the whole file.

        A list of parts is answered with the whole, and so is a part of a file that changed (RFC 9110, 13.1.5 and 14.2).
        """
        match = re.match(r"bytes=(\d*)-(\d*)$", env.get("HTTP_RANGE", ""))
        if match is None or env.get("HTTP_IF_RANGE", changed) != changed:
            return None
        first, last = (text[:18] for text in match.groups())
        if not first:
            if not last:
                return None
            begin, end = max(0, size - int(last)), size
        else:
            begin, end = int(first), size
            if last:
                if int(last) < begin:
                    return None
                end = min(size, int(last) + 1)
        return (begin, end) if begin < end else ()

    def add_expires(self, headers, found, env, info, real):
        self.expire(headers, "file", real, found)
        self.expire(headers, "path_info", info, found)
        self.expire(headers, "uri", env.get("REQUEST_URI", "").encode("latin-1", "replace"), found)

    def expire(self, headers, what, text, found):
        """Adds the Expires of the first rule that fits, unless there is one."""
        for pattern, seconds, mtime in self.expires[what]:
            if pattern == text if what == "type" else pattern.search(text):
                if not any(name == "Expires" for name, _ in headers):
                    began = int(found.st_mtime if mtime else time())
                    headers.append(("Expires", formatdate(began + seconds, usegmt=True)))
                return


class Gzip(object):
    """Which files are sent as their compressed twin, name + ".gz", to clients that take it."""

    def __init__(self, conf):
        self.all = conf["gzip_all"]
        self.patterns = [re.compile(p.encode("utf-8")) for p in conf["gzip"] or ()]
        self.dirs = tuple(fsencode(d) for d in conf["gzip_dirs"] or ())
        self.exts = tuple(fsencode(e) for e in conf["gzip_exts"] or ())

    def may(self, real):
        if self.all or real.startswith(self.dirs) or real.endswith(self.exts):
            return True
        return any(pattern.search(real) for pattern in self.patterns)

    def wants(self, env, real):
        accepted = env.get("HTTP_ACCEPT_ENCODING", "")
        return "gzip" in accepted and not re.search(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)", accepted) and self.may(real)


def below_prefix(info, prefix):
    """What follows the prefix of a map in a path, None when that is not below it: /staticx is not below /static."""
    if not info.startswith(prefix):
        return None
    rest = info[len(prefix) :]
    if prefix.endswith(b"/"):
        return b"/" + rest
    return rest if not rest or rest[:1] == b"/" else None


def below(real, root):
    """Whether a real path is root or in it; /srv/static2 is not in /srv/static."""
    return real == root or real.startswith(root if root.endswith(b"/") else root + b"/")


def not_modified(env, found):
    since = env.get("HTTP_IF_MODIFIED_SINCE")
    if not since:
        return False
    try:
        return int(found.st_mtime) <= mktime_tz(parsedate_tz(since))
    except (TypeError, ValueError, OverflowError):
        return False


def shown(name):
    """A path for a log or a header: one line of latin-1."""
    return name.decode("latin-1").replace("\n", "?").replace("\r", "?")


def mime_types(names):
    """Type by suffix, from files like /etc/mime.types; Python's own list where there is none."""
    types = {}
    for name in names:
        try:
            with io_open(name) as lines:
                for line in lines:
                    words = line.partition("#")[0].split()
                    for ext in words[1:]:
                        types[ext.lower().encode("latin-1", "replace")] = words[0]
        except OSError as err:
            if name != MIME_FILE:
                log("cannot read the mime file %s: %s" % (name, err.strerror))
    if not types:
        import mimetypes

        types = {ext[1:].encode("latin-1"): kind for ext, kind in mimetypes.types_map.items()}
    return types


def io_open(name):
    from io import open

    return open(name, encoding="latin-1")
