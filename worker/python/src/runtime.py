"""What one process of the runtime knows about itself: a single object, filled by the zygote and by each worker."""

import sys
from os import getpid, write


class Runtime(object):
    """State of this process. `slot` is 0 in the zygote, the 1-based worker id in a worker."""

    conf = None
    board = None  # board.Board
    channel = None  # _socket.socket, SOCK_SEQPACKET; workers only send on it
    board_fd = -1
    app = None  # the WSGI callable
    has_app = False  # false when it did not load, and app only answers 500
    slot = 0
    pid = 0
    stop_read = -1  # end of file when stopping
    wake_read = -1  # readable after a signal
    pausing = None  # the module that pauses, in a tuple, once it is needed
    gate = None  # pause.Gate while this worker is paused
    halted = False  # stopping or paused
    signalled = False  # the application has handlers for uwsgi signals, whose descriptors must be watched
    waiting = False  # the main thread is in accept(2): a signal that halts has to end that (Core.wait_directly)
    stopping = False  # SIGHUP came: finish what runs, take nothing new
    stop = None  # the handler of SIGHUP
    started = 0  # unix seconds
    cores = ()  # core.Core, one for each thread
    spawns = 0  # of this slot in this generation, before this one
    left = 0  # requests until max-requests
    suspects = ()  # files that an import which failed went through, for py-autoreload
    helper = None  # helper.Helper in a mule or spooler

    def count(self):
        """Counts a request towards max-requests; the master replaces the worker when it is told."""
        self.left -= 1
        if self.left == 0:
            self.send("served %d %d" % (self.slot, self.pid))

    def send(self, text):
        """Sends one message to the master; false when the master is gone."""
        return self.send_bytes(text if isinstance(text, bytes) else text.encode("ascii"))

    def send_bytes(self, packet):
        try:
            self.channel.send(packet)
        except OSError:
            return False
        return True


class Disturbed(Exception):
    """A signal came while the worker waited for a connection."""


current = Runtime()


def log(text):
    """Writes one line of the runtime's own to the log, whole, in one write."""
    conf = current.conf
    if conf["log_json"]:
        from _gowsgi import jsonlog

        data = jsonlog.message(text)
    else:
        if conf["log_date"]:
            from time import strftime

            text = strftime(conf["log_date"]) + " - " + text
        data = (text + "\n").encode("utf-8", "backslashreplace")
    if conf["log_channel"]:
        from _gowsgi import logchannel

        logchannel.get(conf).send(b"o" + data)
        return
    try:
        write(conf["log_fd"], data)
    except OSError:
        pass  # nobody is left to tell


def error_page(status):
    """(type, body) of an answer of the server's own."""
    serve = current.conf["serve"]
    page = None
    if serve and serve["error_pages"]:
        from _gowsgi import serving

        page = serving.page(serve["error_pages"].get(status[:3]))
    if page is not None:
        return "text/html", page
    return "text/plain", status.partition(" ")[2].encode("latin-1")


def print_traceback(whole=False):
    """Prints the exception being handled, without the runtime's own frames unless whole is set (a fault of ours)."""
    kind, value, tb = sys.exc_info()
    first = tb
    while not whole and first is not None and first.tb_frame.f_globals.get("__name__", "").startswith("_gowsgi"):
        first = first.tb_next
    try:
        value.__traceback__ = first  # what Python prints, whatever is passed to the hook
        sys.excepthook(kind, value, first)
    except BaseException:
        log("Cannot print the traceback of %s" % kind.__name__)
    finally:
        del tb, first


def refresh_pid():
    current.pid = getpid()
