"""uwsgi.rpc(): functions by name, within the stack's own processes."""

functions = {}  # name, as bytes -> function; what the zygote registered is in all that it forks


def octets(value):
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def register_rpc(name, function, arguments=0):
    """Gives a function a name for rpc and call; known to all processes when it is said while the app is imported."""
    if not callable(function):
        raise ValueError("cannot register %r: it is not callable" % (name,))
    functions[octets(name)] = function
    return True


def call(name, *arguments):
    """What the function of that name returns, as bytes; None when there is none."""
    function = functions.get(octets(name))
    if function is None:
        return None
    result = function(*[octets(argument) for argument in arguments])
    return None if result is None else octets(result)


def rpc(node, name, *arguments):
    """As call. Another node cannot be asked."""
    if node:
        raise ValueError("cannot call %r on %r: only functions of this server are known" % (name, node))
    return call(name, *arguments)


def rpc_list():
    return tuple(functions)


def ready():
    """True: who can ask is in a process that is."""
    return True


def accepting():
    """Tells uWSGI's busyness that the app is; here workers accept when the app is imported."""
