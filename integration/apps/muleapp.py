"""What an app does with mules; the file of the mule itself is mulescript.py."""

import json
import os

import uwsgi

OUT = os.environ["MULE_OUT"]


def note(**what):
    what.update(pid=os.getpid(), mule=uwsgi.mule_id(), worker=uwsgi.worker_id())
    line = json.dumps(what, sort_keys=True) + "\n"
    fd = os.open(OUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, line.encode())
    os.close(fd)


def hook(message):
    text = message.decode()
    if text.startswith("sleep "):
        import time

        time.sleep(float(text.split()[1]))
    if text == "raise":
        raise ValueError("raised on purpose")
    if text == "die":
        os._exit(3)
    note(hook=text if len(text) < 100 else len(text))


uwsgi.mule_msg_hook = hook
space = {}  # more names that expressions may use


def application(environ, start_response):
    """Evaluates the query, an expression over uwsgi."""
    from urllib.parse import unquote_plus

    try:
        result = eval(unquote_plus(environ["QUERY_STRING"]), dict(space, uwsgi=uwsgi, note=note))
    except Exception as err:
        result = "%s: %s" % (type(err).__name__, err)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(result).encode()]
