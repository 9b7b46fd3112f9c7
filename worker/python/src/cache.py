"""The cache functions of the uwsgi module."""

from operator import index
from time import time

from _gowsgi.cachemap import Cache
from _gowsgi.runtime import log

caches = {}  # by name; filled in the zygote, before anything is forked


def open_all(helpers):
    """Maps the caches of the configuration and puts in what it says."""
    for conf, fd in zip(helpers["caches"], helpers["fds"]["caches"]):
        caches[conf["name"]] = Cache(conf, fd)
    for name, key, value, path in helpers["cache_items"] or ():
        cache = caches[name]
        try:
            data = value.encode("utf-8", "surrogateescape")
            if path:
                with open(path, "rb") as source:
                    data = source.read(cache.blocks * cache.blocksize + 1)
        except OSError as err:
            log("cannot put %s into the cache %s: %s" % (path, name, err))
            continue
        with cache:
            if cache.store(key.encode("utf-8", "surrogateescape"), data, 0, True) is None:
                log('cannot put "%s" into the cache %s: it does not fit' % (key, name))
            else:
                log('[cache] "%s" put into "%s"' % (key, name))


def chosen(name):
    """The cache of a name, without one the first; None when there is none."""
    if name is None:
        return next(iter(caches.values()), None)
    name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    if "@" in name:
        raise ValueError("cannot use the cache %r: only caches of this server are known" % name)
    return caches.get(name)


def raw(value):
    """str or anything of bytes as bytes."""
    return value.encode("utf-8") if isinstance(value, str) else bytes(memoryview(value))


def until(expires):
    expires = index(expires)
    return int(time()) + expires if expires > 0 else 0


def put(key, value, expires, name, update):
    key, value, cache = raw(key), raw(value), chosen(name)
    if cache is None:
        return None
    with cache:
        return cache.store(key, value, until(expires), update)


def cache_get(key, cache=None):
    """The value of an item as bytes, None when it is not there."""
    key, cache = raw(key), chosen(cache)
    return None if cache is None else cache.get(key)


def cache_set(key, value, expires=0, cache=None):
    """Adds an item; None when it is there already or does not fit."""
    return put(key, value, expires, cache, False)


def cache_update(key, value, expires=0, cache=None):
    """Adds or replaces an item."""
    return put(key, value, expires, cache, True)


def cache_exists(key, cache=None):
    key, cache = raw(key), chosen(cache)
    if cache is None:
        return None
    with cache:
        return True if cache.find(key)[1] else None


def cache_del(key, cache=None):
    key, cache = raw(key), chosen(cache)
    if cache is None:
        return None
    with cache:
        item = cache.find(key)[1]
        if not item:
            return None
        cache.delete(item)
        return True


def cache_clear(cache=None):
    """Removes all items."""
    cache = chosen(cache)
    if cache is None:
        return None
    with cache:
        cache.wipe(cache.salt)
    return True


def cache_keys(cache=None):
    cache = chosen(cache)
    if cache is None:
        raise ValueError("no local uWSGI cache available")
    return cache.keys()


def cache_num(key, cache=None):
    """The number that cache_inc and its like keep in an item, 0 when it is not there."""
    key, cache = raw(key), chosen(cache)
    if cache is None:
        return None
    with cache:
        return cache.number(key)


def calculate(key, expires, name, function):
    key, cache = raw(key), chosen(name)
    return None if cache is None else cache.change(key, function, until(expires))


def cache_inc(key, value=1, expires=0, cache=None):
    value = index(value)
    return calculate(key, expires, cache, lambda old: old + value)


def cache_dec(key, value=1, expires=0, cache=None):
    value = index(value)
    return calculate(key, expires, cache, lambda old: old - value)


def cache_mul(key, value=2, expires=0, cache=None):
    value = index(value)
    return calculate(key, expires, cache, lambda old: old * value)


def cache_div(key, value=2, expires=0, cache=None):
    """Divides as C does, towards zero; a division by zero gives 0."""
    from _gowsgi.metric import quotient

    value = index(value)
    return calculate(key, expires, cache, lambda old: quotient(old, value) if value else 0)
