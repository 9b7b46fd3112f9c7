"""What applications use of uwsgidecorators, written anew: the module itself must find all that it calls."""

import functools
import pickle

import uwsgi

if uwsgi.masterpid() == 0:
    raise Exception("you have to enable the uWSGI master process to use this module")

spool_functions = {}
mule_functions = {}
postfork_chain = []


def free_signal():
    for number in range(256):
        if not uwsgi.signal_registered(number):
            return number
    raise Exception("No free uwsgi signal available")


def manage_spool_request(task):
    task = {(k.decode() if isinstance(k, bytes) else k): v for k, v in task.items()}
    function = spool_functions[task["ud_spool_func"].decode()]
    if "args" in task:
        result = function(*pickle.loads(task["args"]), **pickle.loads(task["kwargs"]))
    else:
        result = function(task)
    return int(task.get("ud_spool_ret", result))


def postfork_chain_hook():
    for function in postfork_chain:
        function()


def mule_msg_dispatcher(message):
    name, args, kwargs = pickle.loads(message)
    return mule_functions[name](*args, **kwargs)


uwsgi.spooler = manage_spool_request
uwsgi.mule_msg_hook = mule_msg_dispatcher
uwsgi.post_fork_hook = postfork_chain_hook


def postfork(function):
    postfork_chain.append(function)
    return function


class spool:
    def __init__(self, function):
        self.function = function
        spool_functions[function.__name__] = self.run
        self.spool = self.__call__

    def run(self, *args, **kwargs):
        result = self.function(*args, **kwargs)
        return uwsgi.SPOOL_OK if result is None else result

    def __call__(self, *args, **kwargs):
        task = {b"ud_spool_func": self.function.__name__.encode(), b"args": pickle.dumps(args)}
        for key in ("at", "priority", "spooler", "body"):
            if key in kwargs:
                task[key.encode()] = str(kwargs.pop(key)).encode()
        task[b"kwargs"] = pickle.dumps(kwargs)
        return uwsgi.spool(task)


class registered:
    """A decorator that registers a function for a signal and then asks for the signal."""

    def __init__(self, *args, signum=None, target="", **kwargs):
        self.args = args
        self.kwargs = kwargs
        self.number = free_signal() if signum is None else signum
        self.target = target

    def __call__(self, function):
        uwsgi.register_signal(self.number, self.target, function)
        self.ask(*self.args, **self.kwargs)
        return function

    def ask(self):
        pass


class signal(registered):
    def __init__(self, number, target=""):
        registered.__init__(self, signum=number, target=target)


class timer(registered):
    def ask(self, seconds):
        uwsgi.add_timer(self.number, seconds)


class rbtimer(registered):
    def ask(self, seconds):
        uwsgi.add_rb_timer(self.number, seconds)


class cron(registered):
    def ask(self, minute, hour, day, month, week):
        uwsgi.add_cron(self.number, minute, hour, day, month, week)


class filemon(registered):
    def ask(self, path):
        uwsgi.add_file_monitor(self.number, path)


def mulefunc(spec):
    """@mulefunc, @mulefunc(1) or @mulefunc("farm")."""
    if callable(spec):
        return send_to_mule(spec, None)
    return functools.partial(send_to_mule, mule=spec)


def send_to_mule(function, mule):
    mule_functions[function.__name__] = function

    def call(*args, **kwargs):
        message = pickle.dumps((function.__name__, args, kwargs))
        if mule is None:
            return uwsgi.mule_msg(message)
        if isinstance(mule, int):
            return uwsgi.mule_msg(message, mule)
        return uwsgi.farm_msg(mule, message)

    return call


def lock(function):
    def locked(*args, **kwargs):
        uwsgi.lock()
        try:
            return function(*args, **kwargs)
        finally:
            uwsgi.unlock()

    return locked


def thread(function):
    def start(*args):
        import threading

        running = threading.Thread(target=function, args=args)
        running.daemon = True
        running.start()
        return running

    return start
