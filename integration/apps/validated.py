"""An app behind wsgiref.validate, which raises on anything PEP 3333 forbids the server."""
from wsgiref.validate import validator


def plain(environ, start_response):
    """An app that validate cannot complain about: reads with sizes, yields bytes."""
    body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    environ['wsgi.errors'].write('')
    answer = 'read %d bytes, script %r, query %r, input %r' % (
        len(body), environ['SCRIPT_NAME'], environ['QUERY_STRING'], body[:32])
    fields = [('Content-Type', 'text/plain'), ('Content-Length', str(len(answer)))]
    start_response('200 OK', fields)
    return [answer.encode()]


application = validator(plain)
