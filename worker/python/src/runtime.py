"""What one process of the runtime knows about itself: a single object, filled by the zygote and by each worker."""

from os import getpid, write


class Runtime(object):
    """State of this process. `slot` is 0 in the zygote, the 1-based worker id in a worker."""

    conf = None
    board = None  # board.Board
    channel = None  # _socket.socket, SOCK_SEQPACKET; workers only send on it
    app = None  # the WSGI callable, None when it did not load
    slot = 0
    pid = 0
    stopping = False  # SIGHUP came: finish what runs, take nothing new
    started = 0  # unix seconds
    cores = ()
    local = None  # _thread._local with the running request, only with threads
    request = None  # the running request of a worker without threads

    def send(self, text):
        """Sends one message to the master; false when the master is gone."""
        try:
            self.channel.send(text.encode("ascii"))
        except OSError:
            return False
        return True


current = Runtime()


def log(text):
    """Writes one line of the runtime's own to the log (descriptor 2), whole, in one write."""
    if current.conf and current.conf["log_json"]:
        from _gowsgi import jsonlog

        data = jsonlog.message(text)
    else:
        data = (text + "\n").encode("utf-8", "backslashreplace")
    try:
        write(2, data)
    except OSError:
        pass  # nobody is left to tell


def refresh_pid():
    current.pid = getpid()
