"""The uwsgi module before anyone looks into it: most applications never do, so its functions are made on first use."""

import sys

from _thread import RLock

Module = type(sys)
filling = RLock()  # the first look may be that of several threads at once


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
        with filling:
            if type(self) is LazyModule:
                from _gowsgi import api

                api.fill(self)
