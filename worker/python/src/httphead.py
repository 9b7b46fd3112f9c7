"""The head of an HTTP request to environ variables, strictly: what two servers could read differently is refused."""

# tchar of RFC 9110, 5.6.2.
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
MAX_NAMES = 2048  # header names kept ready; clients choose them, so there is an end
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
CHUNKED = -1
NO_LENGTH = (0, False)
PLAIN = tuple([0, False])  # the same of a head whose lines were all seen before: another object
DROPPED = ""
BARE = "a bare CR, LF or NUL in the head"

MAX_LINES = 1024  # whole header lines kept ready, of at most MAX_LINE characters
MAX_LINE = 160
# Headers whose lines come again and again, and hold nothing that a worker should not remember.
COMMON = frozenset(
    "HTTP_" + name
    for name in ("HOST", "USER_AGENT", "ACCEPT", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "CONNECTION", "CACHE_CONTROL",
                 "X_FORWARDED_PROTO", "UPGRADE_INSECURE_REQUESTS")
)  # fmt: skip

# Header name as sent -> environ key; grows with what clients send.
names = {}
# Header line as sent -> (environ key, value); emptied when it is full.
lines_seen = {}


class BadRequest(Exception):
    """A request that is answered by the server itself."""

    def __init__(self, why, status="400 Bad Request"):
        Exception.__init__(self, why)
        self.why = why
        self.status = status


def environ_key(name):
    """The environ key of a header name; DROPPED for a name with an underscore.

    X_USER and X-USER would become the same key, so a client could forge what a proxy sets; nginx drops these too.
    """
    if not name or not TOKEN.issuperset(name):
        raise BadRequest("bad header name %.60r" % name)
    if "_" in name:
        key = DROPPED
    else:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
    if len(names) < MAX_NAMES:
        names[name] = key
    return key


def head(text, env):
    """Writes the request of a head, without its final empty line, into env.

    Returns (length of the body or CHUNKED, whether the client waits for 100 Continue), and PLAIN itself when the lines
    below the first may be remembered as a whole. Raises BadRequest.
    """
    rest = iter(text.split("\r\n"))
    for line in rest:
        if line:
            break  # empty lines before a request are skipped (RFC 9112, 2.2)
    request_line(line, env)
    common = plain = True
    for line in rest:
        pair = lines_seen.get(line)
        if pair is None:
            pair = header(line)
            common = False
        key, value = pair
        if key in env:
            repeated(key, value, env)
            plain = False
        elif key:
            env[key] = value
    if env["REQUEST_URI"][:1] != "/":
        authority(env)
    if "HTTP_HOST" not in env and env["SERVER_PROTOCOL"] != "HTTP/1.0":
        raise BadRequest("no Host")
    if common:
        return PLAIN if plain and "HTTP_HOST" in env else NO_LENGTH  # none of COMMON announces a body
    if "CONTENT_LENGTH" in env or "HTTP_TRANSFER_ENCODING" in env:
        return body_length(env), expects_continue(env)
    if "HTTP_EXPECT" in env:
        expects_continue(env)
    return NO_LENGTH


def header(line):
    """(environ key, value) of a header line."""
    if "\n" in line or "\r" in line or "\0" in line:
        raise BadRequest(BARE)
    name, colon, value = line.partition(":")
    if not colon:
        raise BadRequest("a header line without a colon")
    key = names.get(name)
    if key is None:
        key = environ_key(name)
    pair = key, value.strip(" \t")
    if key in COMMON and len(line) <= MAX_LINE:
        if len(lines_seen) >= MAX_LINES:
            lines_seen.clear()
        lines_seen[line] = pair
    return pair


def repeated(key, value, env):
    """A header that came before: lists are joined, what must be one is refused."""
    if key in ("CONTENT_LENGTH", "HTTP_HOST", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"):
        raise BadRequest("%s twice" % key)
    env[key] += ("; " if key == "HTTP_COOKIE" else ", ") + value


def request_line(line, env):
    """Method, target and version; the target also split and decoded."""
    parts = line.split(" ")
    if len(parts) != 3:
        raise unfit(line, "bad request line %.80r" % line)
    method, target, version = parts
    if version != "HTTP/1.1" and version != "HTTP/1.0":
        if version[:5] == "HTTP/" and len(version) == 8 and version[5] in "023456789":
            raise unfit(line, "version %.20r" % version, "505 HTTP Version Not Supported")
        raise unfit(line, "bad version %.20r" % version)
    if method not in METHODS and not (method and TOKEN.issuperset(method)):
        raise unfit(line, "bad method %.20r" % method)
    path = target
    if target[:1] != "/":
        path = other_target(method, target)
    if not target.isprintable() and any(c <= " " or c == "\x7f" for c in target):
        raise unfit(line, "a control character in the target")
    path, _, query = path.partition("?")
    if "/." in path:
        path = clean_path(path)
    if "%" in path:
        path = unquote(path)
    env["REQUEST_METHOD"] = method
    env["REQUEST_URI"] = target
    env["PATH_INFO"] = path
    env["QUERY_STRING"] = query
    env["SERVER_PROTOCOL"] = version


def unfit(line, why, status="400 Bad Request"):
    """The BadRequest for a request line; a bare line end in it goes before what else is wrong."""
    if "\n" in line or "\r" in line or "\0" in line:
        return BadRequest(BARE)
    return BadRequest(why, status)


def other_target(method, target):
    """The path of a target that is not just a path: absolute form, or `*` for OPTIONS (RFC 9112, 3.2)."""
    if target == "*" and method == "OPTIONS":
        return ""
    scheme, _, rest = target.partition("://")
    if scheme.lower() not in ("http", "https") or not rest or method == "CONNECT":
        raise unfit(target, "bad target %.80r" % target)
    cut = min([rest.find(mark) for mark in "/?" if mark in rest] or [len(rest)])
    path = rest[cut:]
    return path if path[:1] == "/" else "/" + path


def authority(env):
    """The host of a target in absolute form replaces the Host header (RFC 9112, 3.2.2)."""
    _, mark, rest = env["REQUEST_URI"].partition("://")
    if mark:
        env["HTTP_HOST"] = rest.partition("/")[0].partition("?")[0]


def clean_path(path):
    """Resolves `.` and `..` segments before decoding, as uWSGI does; `//` stays."""
    out = []
    parts = path.split("/")
    for part in parts[1:]:
        if part == "..":
            if out:
                out.pop()
        elif part != ".":
            out.append(part)
    if parts[-1] in (".", ".."):
        out.append("")
    return "/" + "/".join(out)


def unquote(path):
    """Decodes %XX to latin-1, the encoding of PEP 3333; a percent sign without two hex digits stays."""
    parts = path.split("%")
    out = [parts[0]]
    for part in parts[1:]:
        try:
            if part[0] in "+-_ " or part[1] in "_ ":
                raise ValueError
            out.append(chr(int(part[:2], 16)) + part[2:])
        except (ValueError, IndexError):
            out.append("%" + part)
    return "".join(out)


def body_length(env):
    """The length of the body, CHUNKED for one in chunks; a request that gives both is refused (RFC 9112, 6.3)."""
    length = env.get("CONTENT_LENGTH")
    coding = env.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None:
            raise BadRequest("both Content-Length and Transfer-Encoding")
        if env["SERVER_PROTOCOL"] == "HTTP/1.0":
            raise BadRequest("Transfer-Encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise BadRequest("Transfer-Encoding %.40r" % coding, "501 Not Implemented")
        return CHUNKED
    if not length.isdecimal() or len(length) > 18:
        raise BadRequest("Content-Length %.40r" % length)
    return int(length)


def expects_continue(env):
    value = env.get("HTTP_EXPECT")
    if value is None:
        return False
    if value.lower() != "100-continue":
        raise BadRequest("Expect %.40r" % value, "417 Expectation Failed")
    return env["SERVER_PROTOCOL"] != "HTTP/1.0"
