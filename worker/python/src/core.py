"""A core: one thread of a worker that accepts connections, runs the application and keeps its area of the board."""

from os import close, get_blocking, set_blocking
from select import EPOLLIN, epoll
from struct import Struct

from _thread import get_ident

from _gowsgi import board as fields
from _gowsgi.runtime import Disturbed, log, print_traceback
from _gowsgi.wire import Gone, InputError, wait

try:
    from time import monotonic_ns
except ImportError:  # Python 3.6
    from time import monotonic

    def monotonic_ns():
        return int(monotonic() * 1e9)


EPOLLEXCLUSIVE = 1 << 28  # only one of the waiting workers is woken (epoll_ctl(2), Linux 4.5)
LAST = 2  # connections that a leaving worker still takes from each socket, for a wake-up that it had
PATIENCE = 7  # wake-ups for which no second accept is tried after one that found nothing: an exception costs more
BUDGET = 64  # connections taken in a row from one socket before the others and the lifeline are looked at

finish = Struct("@QQQQIIQQ").pack_into
first_look = Struct("@QQQQIIQQQQ").unpack_from


class Core(object):
    """The accept loop of one thread."""

    def __init__(self, runtime, index):
        self.runtime = runtime
        self.index = index
        self.app = runtime.app
        self.request = None
        self.listeners = None  # what run was given, held for as long as the process lives
        self.ident = None  # of the thread
        self.poller = self.watched = None  # of run
        self.parked = None  # http11.Parked, when there is an http11 socket
        self.log_request = None
        self.patient = 0  # wake-ups that are taken to be for one connection
        self.count = runtime.count if runtime.left else None
        board = runtime.board
        self.map = board.map
        self.offset = board.core(runtime.slot, index)
        (self.requests, self.exceptions, self.sent, self.running, _, _, _, self.average, self.write_errors,
         self.read_errors) = first_look(self.map, self.offset)  # fmt: skip
        # Single aligned stores: the master reads these two while they are written.
        self.u64 = memoryview(board.map).cast("Q")
        self.u32 = memoryview(board.map).cast("I")
        self.start_index = (self.offset + fields.START) // 8
        self.busy_index = (self.offset + fields.BUSY) // 4
        self.buckets = tuple((self.offset + fields.BUCKETS) // 8 + number for number in fields.BUCKET_OF)

    def accepting(self, flag):
        self.u32[(self.offset + fields.ACCEPTING) // 4] = flag

    def run(self, listeners, watched):
        """Serves until the runtime is told to stop.

        listeners maps descriptors to Listener, watched maps other descriptors to functions that are called, without
        arguments, when they become readable.
        """
        runtime = self.runtime
        self.ident = get_ident()
        poller = self.poller = epoll()
        self.watched = watched
        for fd in watched:
            poller.register(fd, EPOLLIN)
        direct = next(iter(listeners.values())) if len(listeners) == 1 else None
        if direct is None or not direct.direct:
            direct = None
            self.enlist(listeners)
        if self.parked is not None:
            self.parked.start(poller)
        self.accepting(1)
        if runtime.gate is not None:
            runtime.gate.join(self)
        while not runtime.stopping:
            if direct is not None:
                timeout = 0
                if not self.wait_directly(direct):
                    direct.sock.settimeout(0)
                    direct = None
                    self.enlist(listeners)
            else:
                timeout = -1 if self.parked is None else self.parked.sweep()
            for fd, _ in poller.poll(timeout):
                listener = listeners.get(fd)
                if listener is not None:
                    self.accept(listener)
                elif fd in watched:
                    watched[fd]()
                else:
                    self.parked.wake(fd)
        self.accepting(0)
        # A sleeping worker may have taken the one wake-up that EPOLLEXCLUSIVE gives for a connection: it must not leave
        # that connection to nobody. What comes once the sockets are out of the set wakes another worker.
        for fd, listener in () if direct else listeners.items():
            poller.unregister(fd)
            self.accept(listener, LAST)
        if self.parked is not None:
            self.parked.stop()
        poller.close()

    def enlist(self, listeners):
        for fd in listeners:
            self.poller.register(fd, EPOLLIN | EPOLLEXCLUSIVE)

    def wait_directly(self, listener):
        """Serves a blocking socket until something else is to be looked at; false when it can be waited on so no more.

        accept(2) wakes one of the waiting workers, and one that finds the queue empty sleeps on: this saves the calls
        of epoll and those of accept that would come back with nothing. It is for one core with one socket only.
        """
        runtime = self.runtime
        taken = []
        # A step of this calls accept and keeps what that gives, both in C. A signal handler runs before or after, so
        # that the Disturbed which it raises cannot lose a connection.
        take = map(taken.append, iter(listener.accept, None)).__next__
        serve = listener.serve
        kernel_timeouts = listener.kernel_timeouts
        try:
            while True:
                try:
                    runtime.waiting = True
                    if runtime.halted or runtime.signalled:
                        break
                    take()
                    runtime.waiting = False
                except Disturbed:
                    pass
                except BlockingIOError:
                    runtime.waiting = False
                    # The time of SO_RCVTIMEO is over, or a process that shares the socket does not want it to block.
                    return get_blocking(listener.sock.fileno())
                except OSError as err:
                    runtime.waiting = False
                    self.cannot_accept(err)
                    break
                if taken:
                    fd, peer = taken.pop()
                    try:
                        if not kernel_timeouts:
                            set_blocking(fd, False)
                        serve(fd, peer)
                    except Exception:
                        self.failed(fd)
            runtime.waiting = False
        except Disturbed:
            pass
        return not runtime.signalled

    def failed(self, fd):
        """A fault of the runtime's own ends one connection, never the worker."""
        print_traceback(whole=True)
        self.drop(fd)
        self.u32[self.busy_index] = 0  # or the master would take it for a stuck request

    def accept(self, listener, last=0):
        """Takes connections from one socket while there are any, at most BUDGET, and serves each.

        With last it takes so many although the worker is leaving.
        """
        runtime = self.runtime
        accept = listener.accept
        serve = listener.serve
        kernel_timeouts = listener.kernel_timeouts
        left = last or BUDGET
        if self.patient and not last:
            self.patient -= 1
            left = 1
        limit = left
        while left and (last or not runtime.halted):
            left -= 1
            try:
                fd, peer = accept()
            except BlockingIOError:
                if left == limit - 2:
                    self.patient = PATIENCE
                return
            except OSError as err:
                self.cannot_accept(err)
                return
            try:
                if not kernel_timeouts:
                    set_blocking(fd, False)
                serve(fd, peer)
            except Exception:
                self.failed(fd)

    def drop(self, fd):
        """Closes a connection whose serving broke off, unless that is done."""
        try:
            if self.parked is not None:
                self.parked.forget(fd)
            close(fd)
        except OSError:
            pass  # it was closed before the fault

    def cannot_accept(self, err):
        """Out of descriptors or memory: waits a little, or the loop would spin on a socket that stays readable."""
        log("Cannot accept a connection: %s" % err.strerror)
        if self.parked is None or not self.parked.shrink():
            wait(2, 0, 0.1)

    def answer(self, request):
        """Runs the application for one request, sends the answer and writes down what it cost."""
        began = monotonic_ns()
        self.u64[self.start_index] = began
        self.u32[self.busy_index] = 1
        self.request = request
        result = None
        try:
            result = self.app(request.env, request.start_response)
            request.respond(result)
        except Gone as err:
            self.client_gone(request, err)
        except InputError as err:
            self.body_failed(request, err)
        except BaseException:  # SystemExit too: one request must not end a worker that has others to serve
            self.app_failed(request)
        if result is not None and type(result) is not list and hasattr(result, "close"):
            try:
                result.close()
            except BaseException:
                self.exceptions += 1
                print_traceback()
        request.end()
        usec = (monotonic_ns() - began) // 1000
        self.requests += 1
        self.sent += request.sent + len(request.head)
        self.running += usec
        self.average = (self.average + usec) >> 1
        finish(self.map, self.offset, self.requests, self.exceptions, self.sent, self.running, 0, 1, 0, self.average)
        self.u64[self.buckets[usec.bit_length()]] += 1
        if self.log_request is not None:
            self.log_request(self, request, usec)
        if self.count is not None:
            self.count()
        self.request = None

    def client_gone(self, request, err):
        self.write_errors += 1
        self.u64[(self.offset + fields.WRITE_ERRORS) // 8] = self.write_errors
        env = request.env
        log(
            "Client gone while the answer was written: %s during %s %s (%s)"
            % (err.strerror, env["REQUEST_METHOD"], env.get("REQUEST_URI", ""), env.get("REMOTE_ADDR", ""))
        )

    def read_error(self):
        self.read_errors += 1
        self.u64[(self.offset + fields.READ_ERRORS) // 8] = self.read_errors

    def body_failed(self, request, err):
        request.read_failed = True
        self.read_error()
        env = request.env
        where = (env["REQUEST_METHOD"], env.get("REQUEST_URI", ""), env.get("REMOTE_ADDR", ""))
        log("%s during %s %s (%s)" % ((err,) + where))
        request.fail(err.status)

    def app_failed(self, request):
        self.exceptions += 1
        wanted = self.runtime.conf["exceptions"]
        if wanted is not None:
            from _gowsgi import monitor

            if monitor.hit(wanted):
                self.runtime.send("monitored %d %d" % (self.runtime.slot, self.runtime.pid))
        print_traceback()
        if self.runtime.conf["catch_exceptions"]:
            from _gowsgi import failure

            failure.show(request)
        else:
            request.fail("500 Internal Server Error")
