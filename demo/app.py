"""A page that shows what the app in the jail sees: host name, user, processes, mounts."""
import html
import os
import pwd
import socket

STYLE = '''
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top }
th { font-weight: 600; color: #666 } td { font-family: ui-monospace, monospace; font-size: 13px }
p { color: #555 }
'''


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError as e:
        return e.strerror


def user():
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return 'no name'


def identity(environ):
    yield 'host name in the jail', socket.gethostname()
    yield 'real host (uwsgi.node)', environ['uwsgi.node'].decode('latin1')
    yield 'user', '%s (uid %d, gid %d)' % (user(), os.getuid(), os.getgid())
    yield 'this worker', 'pid %d, child of pid %d' % (os.getpid(), os.getppid())
    yield 'working directory', os.getcwd()
    yield 'what / holds', ' '.join(sorted(os.listdir('/')))
    yield 'what /tmp holds', ' '.join(os.listdir('/tmp')) or 'nothing'
    yield 'writing next to the app', attempt(os.path.join(os.getcwd(), 'x'))
    yield 'writing to /tmp', attempt('/tmp/x')


def attempt(path):
    try:
        with open(path, 'w'):
            pass
        os.unlink(path)
        return 'allowed'
    except OSError as e:
        return 'refused: %s' % e.strerror


def processes():
    for pid in sorted(int(name) for name in os.listdir('/proc') if name.isdigit()):
        command = read('/proc/%d/cmdline' % pid).replace('\0', ' ').strip()
        yield str(pid), command[:100] or read('/proc/%d/comm' % pid)


def namespaces():
    for kind in ('mnt', 'pid', 'uts', 'ipc', 'net', 'user'):
        yield kind, os.readlink('/proc/self/ns/' + kind)


def mounts():
    for line in read('/proc/self/mountinfo').splitlines():
        fields, _, source = line.partition(' - ')
        fields = fields.split()
        yield fields[4], source.split()[0], fields[5]


def table(title, heads, rows):
    yield '<h2>%s</h2><table><tr>' % title
    yield from ('<th>%s</th>' % head for head in heads)
    yield '</tr>'
    for row in rows:
        yield '<tr>' + ''.join('<td>%s</td>' % html.escape(cell) for cell in row) + '</tr>'
    yield '</table>'


def page(environ):
    yield '<!doctype html><meta charset="utf-8"><title>gowsgi demo</title>'
    yield '<style>%s</style>' % STYLE
    yield '<h1>What an app in a gowsgi jail sees</h1>'
    yield '<p>Send SIGHUP to the parent for a fresh jail, and look at the namespaces again.</p>'
    yield from table('Who and where', ('what', 'seen from the app'), identity(environ))
    yield from table('All processes', ('pid', 'command'), processes())
    yield from table('Namespaces', ('kind', 'inode'), namespaces())
    yield from table('All mounts', ('path', 'type', 'options'), mounts())


def application(environ, start_response):
    if environ['PATH_INFO'] != '/':
        start_response('404 Not Found', [('Content-Type', 'text/plain')])
        return [b'There is only one page.\n']
    body = '\n'.join(page(environ)).encode()
    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8'),
                              ('Content-Length', str(len(body)))])
    return [body]
