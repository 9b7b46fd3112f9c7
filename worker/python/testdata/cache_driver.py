"""Compares the cache with a dictionary, step by step, by chance; and looks at what a killed process leaves."""

import os
import random
import sys

directory, size = sys.argv[1], int(sys.argv[2])
os.symlink(os.path.abspath("src"), os.path.join(directory, "_gowsgi"))
sys.path.insert(0, directory)
sys.dont_write_bytecode = True

from _gowsgi import cache, cachemap  # noqa: E402

lines, clock = [], [1000.0]
cachemap.log = lines.append
cache.time = cachemap.time = lambda: clock[0]
BLOCKS = ITEMS = 8
SIZE = 16


def made(**more):
    conf = {"name": "c", "items": ITEMS, "blocks": BLOCKS, "blocksize": SIZE, "keysize": 20, "buckets": 8, "store": ""}
    conf.update(dict.fromkeys(("bitmap", "purge_lru", "clear_on_full", "ignore_full", "no_expire"), False))
    conf.update(math_initial=0, salt="0123456789abcdef")
    conf.update(more)
    return conf


def memory():
    fd = os.open(directory, os.O_TMPFILE | os.O_RDWR)
    os.ftruncate(fd, size)
    return fd


class Model(object):
    """What a cache should do; its items stand in the order in which they were used."""

    def __init__(self, conf):
        self.conf, self.items = conf, {}

    def expire(self):
        for key in [k for k, (_, over) in self.items.items() if over and over <= clock[0]]:
            del self.items[key]

    def blocks(self, but):
        return sum((len(value) + SIZE - 1) // SIZE for key, (value, _) in self.items.items() if key != but)

    def put(self, key, value, expires, update):
        if key in self.items and not update:
            return None
        need = (len(value) + SIZE - 1) // SIZE
        while self.blocks(key) + need > BLOCKS or len([k for k in self.items if k != key]) >= ITEMS:
            if self.conf["purge_lru"]:
                del self.items[next(k for k in self.items if k != key)]
            elif self.conf["clear_on_full"]:
                self.items.clear()
            else:
                return None
        self.items.pop(key, None)
        self.items[key] = (value, int(clock[0]) + expires if expires else 0)
        return True

    def get(self, key):
        if key not in self.items:
            return None
        if self.conf["purge_lru"]:
            self.items[key] = self.items.pop(key)
        return self.items[key][0]


def compare(seed, steps, **more):
    """Two mappings of one memory, as two processes have them, against one model."""
    chance, conf = random.Random(seed), made(**more)
    model, fd = Model(conf), memory()
    cache.caches.clear()
    cache.caches.update((name, cachemap.Cache(conf, fd)) for name in "ab")
    for step in range(steps):
        name, key, what = chance.choice("ab"), b"key%d" % chance.randrange(14), chance.randrange(7)
        model.expire()
        if what < 3:
            value = b"%c" % (65 + step % 26) * chance.randrange(1, 60 if conf["bitmap"] else SIZE + 1)
            expires, update = chance.choice((0, 0, 5, 9)), chance.random() < 0.6
            got, want = cache.put(key, value, expires, name, update), model.put(key, value, expires, update)
        elif what == 3:
            got, want = cache.cache_get(key, name), model.get(key)
        elif what == 4:
            got, want = cache.cache_del(key, name), True if model.items.pop(key, None) else None
        elif what == 5 and chance.random() < 0.02:
            got, want = cache.cache_clear(name), True
            model.items.clear()
        elif what == 5:
            got, want = sorted(cache.cache_keys(name)), sorted(model.items)
        else:
            clock[0] += chance.random()
            continue
        if got != want:
            sys.exit("seed %d, step %d, %r: %r, want %r" % (seed, step, more, got, want))


def after_a_kill():
    """A process that is killed in the middle of a change holds no lock, and leaves an empty cache."""
    one = cachemap.Cache(made(), memory())
    cache.caches.clear()
    cache.caches["c"] = one
    cache.cache_set("a", "b")
    pid = os.fork()
    if pid == 0:
        one.__enter__()
        one.u32[cachemap.F_DIRTY] = 1
        one.u32[cachemap.F_FREE_ITEM] = 1  # an item that is in use: half of a removal
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    del lines[:]
    if cache.cache_get("a") is not None or "killed" not in "".join(lines) or cache.cache_set("a", "c") is not True:
        sys.exit("after a kill: %r, %r" % (cache.cache_get("a"), lines))


for seed in range(12):
    for more in ({}, {"bitmap": True}, {"purge_lru": True}, {"purge_lru": True, "bitmap": True, "buckets": 1},
                 {"clear_on_full": True, "bitmap": True}, {"no_expire": False, "buckets": 3}):  # fmt: skip
        compare(seed, 800, **more)
after_a_kill()
print("agreed")
