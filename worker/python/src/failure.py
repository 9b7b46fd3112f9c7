"""catch-exceptions: the client is shown what went wrong. Loaded only then, because traceback is slow to import."""

import sys
import traceback


def show(request):
    """Answers with the traceback of the exception being handled, as text, when nothing was sent yet."""
    if request.started or request.gone:
        return
    text = "".join(traceback.format_exception(*sys.exc_info())).encode("utf-8", "backslashreplace")
    request.head = b""
    try:
        request.start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        request.respond([text])
    except OSError:
        pass  # the client is gone, and the traceback is in the log
