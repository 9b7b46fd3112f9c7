"""The head of the program in the boot descriptor; the boot document follows as the argument of a call."""

# JSON is a Python expression once these three names exist; importing json would cost milliseconds at every start.
true, false, null = True, False, None


def _boot(document):
    name = "_gowsgi.loader"
    space = {"__name__": name}
    exec(compile(document["modules"][name], "_gowsgi/loader.py", "exec"), space)
    space["start"](document)
