"""Imports the runtime's own modules from the boot document; each is compiled when it is first imported."""

import sys

PACKAGE = "_gowsgi"


class Sources(object):
    """A meta path finder and loader over a dict of module name to source text."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name not in self.sources:
            return None
        # importlib itself is not imported for this: the class is at hand on any module's spec.
        return type(sys.__spec__)(name, self, origin="gowsgi", is_package=name == PACKAGE)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        code = compile(self.sources[name], name.replace(".", "/") + ".py", "exec", dont_inherit=True)
        exec(code, module.__dict__)

    def get_source(self, name):
        return self.sources[name]


def start(document):
    """Installs the importer and runs the zygote; returns only in the zygote, once it was told to quit."""
    sys.meta_path.insert(0, Sources(document["modules"]))
    from _gowsgi import zygote

    zygote.main(document["conf"])
