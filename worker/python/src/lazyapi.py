"""The uwsgi module before anyone looks into it: most applications never do, so its functions are made on first use."""

import sys

Module = type(sys)


class LazyModule(Module):
    """Present in sys.modules from the start; the first look at an attribute fills it in."""

    def __getattr__(self, name):
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        self.fill()
        return getattr(self, name)

    def __dir__(self):
        self.fill()
        return dir(self)

    def fill(self):
        self.__class__ = Module
        from _gowsgi import api

        api.fill(self)
