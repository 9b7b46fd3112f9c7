"""What every environ starts from, and the variables that change others."""

import sys

from _gowsgi.request import FileWrapper


def objects(runtime, core):
    """The entries that only the server sets."""
    conf = runtime.conf
    env = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": conf["threads"] > 1,
        "wsgi.multiprocess": conf["processes"] > 1,
        "wsgi.run_once": False,
        "uwsgi.version": conf["uwsgi_version"].encode("utf-8"),
        "uwsgi.node": conf["node"].encode("utf-8"),
    }
    if not conf["wsgi_disable_file_wrapper"]:
        env["wsgi.file_wrapper"] = file_wrapper(conf)
    if conf["threads"] > 1:
        env["uwsgi.core"] = core
    return env


def file_wrapper(conf):
    if conf["serve"] and conf["serve"]["no_sendfile"]:
        from _gowsgi.serving import PlainWrapper

        return PlainWrapper
    return FileWrapper


def base(fixed, conf, listener):
    """The environ before a request's own variables: PEP 3333 wants these present even when a client omits them."""
    env = dict(fixed)
    port = listener["addr"].rpartition(":")[2]
    env.update(
        REQUEST_METHOD="GET",
        SCRIPT_NAME="",
        PATH_INFO="",
        QUERY_STRING="",
        SERVER_NAME=conf["node"] or "localhost",
        SERVER_PORT=port if port.isdecimal() else "80",
        SERVER_PROTOCOL="HTTP/1.0",
    )
    return env


def scheme(env):
    """Sets wsgi.url_scheme from the first of these that is there.

    uWSGI lets the later of the first two win; here what a web server's own configuration says (UWSGI_SCHEME) goes
    before what a client may have sent.
    """
    for key in ("UWSGI_SCHEME", "HTTP_X_FORWARDED_PROTO"):
        value = env.get(key, "").lower()
        if value in ("http", "https"):
            env["wsgi.url_scheme"] = value
            return
    value = (env.get("HTTPS") or env.get("HTTP_X_FORWARDED_SSL", "")).lower()
    if value == "on" or value[:1] == "1":
        env["wsgi.url_scheme"] = "https"


def trim_script_name(env):
    """modifier1 30: PATH_INFO arrives with SCRIPT_NAME in front."""
    script = env["SCRIPT_NAME"]
    if script and env["PATH_INFO"].startswith(script):
        env["PATH_INFO"] = env["PATH_INFO"][len(script) :]
