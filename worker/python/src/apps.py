"""Applications from more than one module or file: mount, eval, paste, pecan; and what is imported with them."""

import sys
from time import time

from _gowsgi.application import check, find, from_file, pick
from _gowsgi.runtime import log, print_traceback


def load(conf):
    """The application of a configuration; None when there is none."""
    apps = conf["apps"]
    aliases(apps["aliases"])
    imports(apps["imports"])
    app = tried(main, conf)
    if apps["mounts"]:
        app = mounted(conf, app)
    aliases(apps["late_aliases"])
    return app


def tried(step, *args):
    """What step returns, None when it raises: one application that does not load leaves the others alone."""
    try:
        return step(*args)
    except BaseException:  # sys.exit() too
        print_traceback()
        return None


def main(conf):
    apps = conf["apps"]
    if conf["module"] or conf["wsgi_file"]:
        return find(conf)
    if apps["eval"]:
        module = type(sys)("uwsgi_eval")
        sys.modules[module.__name__] = module
        exec(compile(apps["eval"], "<eval>", "exec", dont_inherit=True), module.__dict__)
        return pick(module, conf["callable"])
    if apps["paste"]:
        return paste(apps["paste"], apps["paste_name"], apps["paste_logger"])
    if apps["pecan"]:
        from pecan.deploy import deploy

        return check(deploy(apps["pecan"]), "the application of pecan")
    return None


def paste(uri, name=None, logger=False):
    """The application of a file of paste.deploy, with its logging set up if that is asked for."""
    if not uri.startswith(("config:", "egg:")):
        uri = "config:" + uri
    if logger:
        from paste.script.util.logging_config import fileConfig

        fileConfig(uri.partition(":")[2].partition("#")[0])
    from os import getcwd

    from paste.deploy import loadapp

    return check(loadapp(uri, name=name or None, relative_to=getcwd()), "the application of paste")


def imports(names):
    """Imports modules by name, or files; one that fails is told and leaves the others alone."""
    for name in names or ():
        tried(from_file if name.endswith((".py", ".wsgi")) else module_of, name)


def module_of(name):
    return __import__(name, fromlist=["application"])


def aliases(pairs):
    for pair in pairs or ():
        name, _, target = pair.partition("=")
        module = tried(from_file if target.startswith("/") else module_of, target)
        if module is not None:
            sys.modules[name] = module
            log("mapped virtual pymodule %s to real pymodule %s" % (name, target))


def mounted(conf, main_app):
    """The application that chooses among the mounted ones."""
    found = []
    count = int(main_app is not None)
    for point, spec in conf["apps"]["mounts"]:
        log("mounting %s on %s" % (spec, point))
        began = time()
        app = tried(mount, conf, spec)
        if app is None:
            log("cannot load app %d (mountpoint='%s')" % (count, point))
            continue
        log("WSGI app %d (mountpoint='%s') ready in %d seconds" % (count, point, time() - began))
        found.append((point, app))
        count += 1
    if not count:
        return None
    default = main_app
    if default is None and not conf["apps"]["no_default"]:
        default = found[0][1]
    return Mounts(found, default, conf)


def mount(conf, spec):
    """The application that /prefix=spec names: config:/file.ini, file.py, file.py:app, module, module:app."""
    if spec.startswith(("config:", "egg:")):
        return paste(spec)
    name, _, after = spec.partition(":")
    if name.endswith((".py", ".wsgi")):
        return pick(from_file(name), after or conf["callable"])
    return pick(module_of(name), after or conf["callable"])


class Mounts(object):
    """Asks the application whose mountpoint fits: with manage-script-name by the longest prefix of PATH_INFO, which
    becomes SCRIPT_NAME; otherwise by the SCRIPT_NAME that the web server sends.
    """

    def __init__(self, found, default, conf):
        self.points = {point.encode("utf-8").decode("latin-1"): app for point, app in reversed(found)}
        self.longest = sorted((point for point in self.points if point != "/"), key=len, reverse=True)
        self.default = self.points.get("/", default)
        self.manage = conf["manage_script_name"]
        self.ignore = conf["apps"]["ignore_script_name"]
        if self.default is None:
            from _gowsgi.application import missing

            self.default = missing

    def __call__(self, env, start_response):
        app = self.default
        if self.manage:
            path = env["PATH_INFO"]
            script = ""
            for point in self.longest:
                if path.startswith(point) and path[len(point) : len(point) + 1] in ("", "/"):
                    script, app = point, self.points[point]
                    env["PATH_INFO"] = path[len(point) :]
                    break
            env["SCRIPT_NAME"] = script
        elif not self.ignore:
            app = self.points.get(env["SCRIPT_NAME"], app)
        return app(env, start_response)
