"""A WSGI app that tells what it sees and does what a test asks for. Standard library only."""
import json
import os
import signal
import socket
import sys
import time

CODE = 'one'
CLOSED = []


def text(start_response, body, status='200 OK', headers=()):
    body = body.encode()
    fields = [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))]
    start_response(status, fields + list(headers))
    return [body]


def as_json(start_response, value):
    return text(start_response, json.dumps(value))


def root(environ, start_response):
    return text(start_response, 'probe\n')


def code(environ, start_response):
    return text(start_response, CODE + '\n' + '.' * 2000 + '\n')


def pid(environ, start_response):
    """The worker's pid; with a number of seconds the worker stays busy so long."""
    time.sleep(float(environ.get('QUERY_STRING') or 0))
    return text(start_response, str(os.getpid()))


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError as e:
        return 'error: %s' % e


def link(path):
    try:
        return os.readlink(path)
    except OSError as e:
        return 'error: %s' % e


def status_field(name, pid='self'):
    for line in read('/proc/%s/status' % pid).splitlines():
        if line.startswith(name + ':'):
            return line.split(':', 1)[1].strip()
    return ''


def facts(environ, start_response):
    fds = {}
    for fd in os.listdir('/proc/self/fd'):
        target = link('/proc/self/fd/' + fd)
        if not target.startswith('error'):
            fds[fd] = target
    return as_json(start_response, {
        'pid': os.getpid(),
        'ppid': os.getppid(),
        'ids': [os.getresuid(), os.getresgid()],
        'groups': os.getgroups(),
        'hostname': socket.gethostname(),
        'node': str(environ.get('uwsgi.node', b''), 'latin1'),
        'cwd': os.getcwd(),
        'root': sorted(os.listdir('/')),
        'namespaces': {kind: link('/proc/self/ns/' + kind)
                       for kind in ('mnt', 'pid', 'uts', 'ipc', 'net', 'user')},
        'mountinfo': read('/proc/self/mountinfo').splitlines(),
        'pids': sorted(int(p) for p in os.listdir('/proc') if p.isdigit()),
        'init': read('/proc/1/cmdline').replace('\0', ' ').strip(),
        'fds': fds,
        'user': status_field('Uid'),
        'python': sys.executable,
        'environment': dict(os.environ),
    })


def listing(environ, start_response):
    """The names in a directory, or why it cannot be read."""
    try:
        return as_json(start_response, sorted(os.listdir(environ['QUERY_STRING'])))
    except OSError as e:
        return text(start_response, str(e), '404 Not Found')


def writing(environ, start_response):
    """Create a file; answers the error's name, or "written"."""
    try:
        with open(environ['QUERY_STRING'], 'w') as f:
            f.write('x')
        return text(start_response, 'written')
    except OSError as e:
        return text(start_response, type(e).__name__ + ' ' + str(e.errno))


def variables(environ, start_response):
    return as_json(start_response, {k: v if isinstance(v, (str, int, bool)) else repr(v)
                                    for k, v in environ.items()})


def echo(environ, start_response):
    return text(start_response, environ['wsgi.input'].read().decode('latin1'))


def lines(environ, start_response):
    """The request body line by line, each with its length."""
    return text(start_response, ''.join('%d ' % len(line) for line in environ['wsgi.input']))


def sleep(environ, start_response):
    time.sleep(float(environ['QUERY_STRING']))
    return text(start_response, 'slept')


def big(environ, start_response):
    return text(start_response, 'b' * int(environ['QUERY_STRING']))


def double_fork(action):
    """Run action in a process whose parent has ended, in a session of its own."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            action()
        os._exit(0)
    os.waitpid(child, 0)


def orphans(environ, start_response):
    """Start daemons that end by themselves a moment later; only PID 1 or a subreaper reaps them."""
    number = int(environ['QUERY_STRING'])

    def action():
        for i in range(number):
            if os.fork() == 0:
                os.setsid()
                time.sleep(0.05)
                os._exit(i % 7)
    double_fork(action)
    return text(start_response, 'forked')


def daemon(environ, start_response):
    """Start a daemon that ignores signals and never ends by itself; answers its pid."""
    r, w = os.pipe()

    def action():
        for name in ('SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        os.write(w, str(os.getpid()).encode())
        os.closerange(3, 1024)
        time.sleep(10000)
    double_fork(action)
    os.close(w)
    number = os.read(r, 20).decode()
    os.close(r)
    return text(start_response, number)


def zombies(environ, start_response):
    """How many processes there are, and how many of them are zombies."""
    states = [status_field('State', p)[:1] for p in os.listdir('/proc') if p.isdigit()]
    return as_json(start_response, {'all': len(states), 'zombies': states.count('Z')})


def leave(environ, start_response):
    os._exit(int(environ['QUERY_STRING']))


def fail(environ, start_response):
    raise RuntimeError('asked to fail')


def fail_late(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])

    def generate():
        yield b'first'
        raise RuntimeError('asked to fail late')
    return generate()


def exc_info(environ, start_response):
    """Replace the answer before anything was sent."""
    start_response('200 OK', [('Content-Type', 'text/plain')])
    try:
        raise ValueError('replaced')
    except ValueError:
        fields = [('Content-Type', 'text/plain'), ('X-Replaced', 'yes')]
        start_response('503 Replaced', fields, sys.exc_info())
    return [b'replaced']


def writer(environ, start_response):
    write = start_response('200 OK', [('Content-Type', 'text/plain')])
    write(b'written, ')
    return [b'returned']


class Closing:
    def __init__(self, parts, broken=False):
        self.parts, self.broken = parts, broken

    def __iter__(self):
        for part in self.parts:
            yield part
        if self.broken:
            raise RuntimeError('broken iterable')

    def close(self):
        CLOSED.append(1)


def closing(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return Closing([b'a', b'b', b'c'], environ['QUERY_STRING'] == 'broken')


def closed(environ, start_response):
    return text(start_response, str(len(CLOSED)))


def wrapped(environ, start_response):
    f = open(__file__, 'rb')
    start_response('200 OK', [('Content-Type', 'text/x-python')])
    return environ['wsgi.file_wrapper'](f, 4096)


def module(environ, start_response):
    import uwsgi
    return as_json(start_response, {
        'numproc': uwsgi.numproc,
        'hostname': uwsgi.hostname.decode(),
        'version': uwsgi.version.decode(),
        'worker_id': uwsgi.worker_id(),
        'masterpid': uwsgi.masterpid(),
        'opt': {k: v.decode() if isinstance(v, bytes) else repr(v) for k, v in uwsgi.opt.items()},
    })


def reload(environ, start_response):
    import uwsgi
    return text(start_response, str(uwsgi.reload()))


def log(environ, start_response):
    print(environ['QUERY_STRING'], flush=True)
    print(environ['QUERY_STRING'], file=sys.stderr, flush=True)
    return text(start_response, 'logged')


def bad_text(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return ['a str, not bytes']


def no_content(environ, start_response):
    start_response('204 No Content', [])
    return []


ROUTES = {
    '/': root,
    '/code': code,
    '/pid': pid,
    '/facts': facts,
    '/list': listing,
    '/write-file': writing,
    '/environ': variables,
    '/echo': echo,
    '/lines': lines,
    '/sleep': sleep,
    '/big': big,
    '/orphans': orphans,
    '/daemon': daemon,
    '/zombies': zombies,
    '/exit': leave,
    '/fail': fail,
    '/fail-late': fail_late,
    '/exc-info': exc_info,
    '/write': writer,
    '/closing': closing,
    '/closed': closed,
    '/wrapped': wrapped,
    '/module': module,
    '/reload': reload,
    '/log': log,
    '/bad-text': bad_text,
    '/no-content': no_content,
}


def application(environ, start_response):
    route = ROUTES.get(environ.get('PATH_INFO', ''))
    if route is None:
        return text(start_response, 'no such page', '404 Not Found')
    return route(environ, start_response)
