"""Finds and imports the WSGI application."""

import sys

from _gowsgi.runtime import error_page, log, print_traceback

prepared = []  # not empty once sys.path is set


def load(rt):
    """Imports the application into rt.app; false when that failed, with the traceback in the log."""
    conf = rt.conf
    apps = conf["apps"]
    plain = True  # nothing but the one application
    for key in ("mounts", "imports", "aliases", "late_aliases", "eval", "paste", "pecan"):
        plain = plain and not apps[key]
    try:
        prepare_path(conf)
        if not plain:
            from _gowsgi import apps

            rt.app = apps.load(conf)
        elif conf["module"] or conf["wsgi_file"]:
            rt.app = find(conf)
    except BaseException as err:  # an application may as well call sys.exit() while it is imported
        rt.suspects = suspects(err)
        print_traceback()
    return rt.app is not None


def suspects(err):
    """The files in which an import went wrong."""
    names = [err.filename] if isinstance(err, SyntaxError) and err.filename else []
    tb = err.__traceback__
    while tb is not None:
        names.append(tb.tb_frame.f_code.co_filename)
        tb = tb.tb_next
    return names


def prepare(rt):
    """What is done once, before anything is loaded and whoever loads the application."""
    apps = rt.conf["apps"]
    if apps["executable"]:
        sys.executable = apps["executable"]
    if apps["shared_imports"]:
        from _gowsgi.apps import imports

        prepare_path(rt.conf)
        imports(apps["shared_imports"])


def prepare_path(conf):
    """Sets sys.argv and sys.path: the pythonpath entries, globs expanded, the last one first as in uWSGI, then "."."""
    if prepared:
        return
    prepared.append(True)
    sys.argv = ["uwsgi"] + conf["pyargv"].split()
    if "" in sys.path:
        sys.path.remove("")  # what -c put there
    entries = []
    for pattern in conf["pythonpath"] or ():
        found = [pattern]
        if any(mark in pattern for mark in "*?["):
            from glob import glob

            found = sorted(glob(pattern)) or [pattern]
        entries += found
    sys.path[:0] = entries[::-1] + ["."]


def find(conf):
    """Imports the module or file and returns the callable in it."""
    name = conf["callable"]
    if conf["wsgi_file"]:
        return pick(from_file(conf["wsgi_file"]), name)
    path, _, after = conf["module"].partition(":")
    return pick(__import__(path, fromlist=["application"]), after or name)


def pick(module, name):
    """The callable of this name in a module, without a name the first of the usual ones."""
    if name:
        return resolve(module, name)
    for name in ("application", "app"):
        app = getattr(module, name, None)
        if app is not None:
            return check(app, name)
    raise AttributeError("cannot find a WSGI callable in %s: it has neither application nor app" % module.__name__)


def resolve(module, name):
    """The callable under a dotted name; `factory()` calls it, without arguments, for the application."""
    called = name.endswith("()")
    target = module
    for part in name[:-2].split(".") if called else name.split("."):
        target = getattr(target, part)
    return check(target() if called else target, name)


def check(app, name):
    if not callable(app):
        raise TypeError("cannot use %s as the application: %s is not callable" % (name, type(app).__name__))
    return app


def from_file(path):
    """Imports a file under the module name uWSGI gives it, whatever the file is called."""
    stem = path[:-3] if path.endswith(".py") else path
    name = "uwsgi_file_" + stem.replace("/", "_").replace(".", "_")
    module = type(sys)(name)
    module.__file__ = path
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def missing(env, start_response):
    """The application of a worker that has none."""
    log("--- no python application found, check your startup logs for errors ---")
    kind, body = error_page("500 Internal Server Error")
    start_response("500 Internal Server Error", [("Content-Type", kind)])
    return [body]
