"""What uWSGI's HTTP router tells the application, for addresses that were asked for as `http`."""

from _gowsgi.http import HttpProtocol
from _gowsgi.http11 import Http11Protocol


def protocol(listener, base):
    """The protocol class for such a listener; its variables go into base, the environ every request starts from."""
    for var in listener["vars"]:
        name, _, value = var.partition("=")
        base[name] = value
    return FrontHttp11 if listener["proto"] == "http11" else FrontHttp


class FrontHttp(HttpProtocol):
    def request(self, kind, fd, peer, data, cut):
        request = HttpProtocol.request(self, kind, fd, peer, data, cut)
        if request is not None and type(peer) is tuple:
            request.env["REMOTE_PORT"] = str(peer[1])
        return request


class FrontHttp11(FrontHttp, Http11Protocol):
    """The same on connections that are kept."""
