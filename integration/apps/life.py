"""A WSGI app for the tests of a worker's life. Standard library only."""
import atexit
import os
import threading
import time

REACHED = []


@atexit.register
def at_exit():
    os.write(2, b'the exit function ran\n')


def text(start_response, body):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [body.encode()]


def spin(seconds):
    """Busy in Python, where no signal handler of another thread is in the way."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def late(start_response, seconds):
    """An answer whose head is sent before it gets stuck."""
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'first'
    time.sleep(seconds)
    yield b'second'


def application(environ, start_response):
    path, arg = environ['PATH_INFO'], environ['QUERY_STRING']
    if path == '/sleep':
        time.sleep(float(arg))
    elif path == '/spin':
        spin(float(arg))
    elif path == '/late':
        return late(start_response, float(arg))
    elif path == '/raise':
        raise {'V': ValueError, 'K': KeyError}[arg[0]](arg[1:])
    elif path == '/eat':
        REACHED.append(b'x' * (int(arg) << 20))
    elif path == '/kill':
        os.kill(os.getpid(), int(arg))
    elif path == '/thread':
        threading.Thread(target=time.sleep, args=(float(arg),)).start()
    elif path == '/cpus':
        return text(start_response, ' '.join(map(str, sorted(os.sched_getaffinity(0)))))
    elif path == '/nice':
        return text(start_response, str(os.getpriority(os.PRIO_PROCESS, 0)))
    elif path == '/stack':
        return text(start_response, str(threading.stack_size()))
    return text(start_response, str(os.getpid()))
