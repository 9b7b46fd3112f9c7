"""A cache in shared memory, the same for all processes of the stack; cache.py has the functions for applications."""

from _thread import allocate_lock
from errno import EDEADLK
from fcntl import LOCK_EX, LOCK_UN, lockf
from mmap import mmap
from struct import pack, unpack_from
from time import sleep, time

from _gowsgi.runtime import log

HEADER = 128
MAGIC = 0x47434143
# Fields of the header, as numbers of 4 bytes...
# The first five, from 0 on, are what the cache was made for.
(F_DIRTY, F_COUNT, F_USED, F_FREE_ITEM, F_FREE_BLOCK, F_NEWEST, F_OLDEST, F_FRESH_ITEM, F_FRESH_BLOCK) = range(5, 14)
# ... and of 8 bytes.
Q_EXPIRY, Q_HITS, Q_MISSES, Q_FULL, Q_CHANGED = range(7, 12)
SALT = slice(112, 128)
# Fields of an item of 48 bytes and its key: numbers of 4 bytes, from 24 on three of 8 bytes.
ITEM = 48
I_NEXT, I_NEWER, I_OLDER, I_BLOCK, I_KEYLEN, I_BUCKET = range(6)
I_EXPIRES, I_SIZE, I_HITS = range(3, 6)


class Cache(object):
    """One cache. Items, blocks and buckets are counted from 1, 0 is none; memory that is all zeros is an empty cache.

    A record lock on the first byte of its file guards it: the kernel takes it from a process that is killed. What such
    a process left half changed is marked as dirty, and the next one empties the cache.
    """

    def __init__(self, conf, fd):
        self.name, self.fd = conf["name"], fd
        self.items, self.blocks = conf["items"], conf["blocks"]
        self.blocksize, self.keysize = conf["blocksize"], conf["keysize"]
        self.bitmap, self.lru, self.clear = conf["bitmap"], conf["purge_lru"], conf["clear_on_full"]
        self.quiet, self.forever, self.initial = conf["ignore_full"], conf["no_expire"], conf["math_initial"]
        self.buckets = conf["buckets"]
        self.stride = ITEM + (self.keysize + 7) // 8 * 8
        self.bucket_at = HEADER // 4
        self.chain_at = self.bucket_at + self.buckets
        self.item_at = (self.chain_at + self.blocks) * 4
        self.item_at += -self.item_at % 64
        self.data_at = self.item_at + self.items * self.stride
        self.data_at += -self.data_at % 64
        self.map = mmap(fd, self.data_at + self.blocks * self.blocksize)  # as worker.Cache.Size has it
        view = memoryview(self.map)
        self.u32, self.u64 = view[: len(view) // 8 * 8].cast("I"), view[: len(view) // 8 * 8].cast("Q")
        self.mutex = allocate_lock()  # a record lock does not keep threads of one process apart
        self.told = 0.0
        from hashlib import blake2b

        self.blake2b = blake2b
        with self:
            shape = (MAGIC + self.lru, self.items, self.blocks, self.blocksize, self.keysize)
            if tuple(self.u32[:5]) != shape:  # new, or of another configuration
                self.wipe(conf["salt"].encode("ascii"))
                for field, number in enumerate(shape):
                    self.u32[field] = number
            self.salt = bytes(self.map[SALT])

    def __enter__(self):
        self.mutex.acquire()
        while True:
            try:
                lockf(self.fd, LOCK_EX, 1, 0)
                break
            except OSError as err:
                # The kernel judges by process: other threads that wait for uwsgi.lock() look like a circle.
                if err.errno != EDEADLK:
                    self.mutex.release()
                    raise
                sleep(0.001)
        if self.u32[F_DIRTY]:
            self.wipe(bytes(self.map[SALT]))
            log('cache "%s" was being changed by a process that was killed: it is empty now' % self.name)
        return self

    def __exit__(self, *_):
        lockf(self.fd, LOCK_UN, 1, 0)
        self.mutex.release()

    def wipe(self, salt):
        """Empties the cache and keeps its numbers."""
        u32 = self.u32
        u32[F_DIRTY] = 1
        for field in range(F_COUNT, F_FRESH_BLOCK + 1):
            u32[field] = 0
        self.u64[Q_EXPIRY] = 0
        self.map[SALT] = salt
        start = self.bucket_at * 4
        self.map[start : start + self.buckets * 4] = bytes(self.buckets * 4)
        self.clean()

    def clean(self):
        """The end of a change."""
        self.u64[Q_CHANGED] = int(time())
        self.u32[F_DIRTY] = 0

    def find(self, key):
        """(bucket, item) of a key, item 0 when it is not there; what is over is taken away."""
        digest = self.blake2b(key, digest_size=4, key=self.salt).digest()
        bucket = self.bucket_at + unpack_from("@I", digest)[0] % self.buckets
        item = self.u32[bucket]
        while item:
            at = self.at(item)
            i = at // 4
            if self.u32[i + I_KEYLEN] == len(key) and self.map[at + ITEM : at + ITEM + len(key)] == key:
                expires = self.u64[at // 8 + I_EXPIRES]
                if expires and expires <= time() and not self.forever:
                    self.delete(item)
                    return bucket, 0
                return bucket, item
            item = self.u32[i + I_NEXT]
        return bucket, 0

    def at(self, item):
        return self.item_at + (item - 1) * self.stride

    def value(self, item):
        """The bytes of an item."""
        at = self.at(item)
        size, block = self.u64[at // 8 + I_SIZE], self.u32[at // 4 + I_BLOCK]
        if size <= self.blocksize:
            start = self.data_at + (block - 1) * self.blocksize
            return self.map[start : start + size]
        parts = []
        while size > 0:
            start = self.data_at + (block - 1) * self.blocksize
            parts.append(self.map[start : start + min(size, self.blocksize)])
            size -= self.blocksize
            block = self.u32[self.chain_at + block - 1]
        return b"".join(parts)

    def store(self, key, value, expires, update):
        """Puts an item in; None when it cannot be, or is there and is not to be replaced."""
        need = (len(value) + self.blocksize - 1) // self.blocksize
        if not key or not need or len(key) > self.keysize or need > (self.blocks if self.bitmap else 1):
            return None
        item = self.find(key)[1]
        if item and not update or not self.room(need, item):
            return None
        bucket, item = self.find(key)  # making room may have taken it away
        self.u32[F_DIRTY] = 1  # and stays it, should an exception come in between
        if not item:
            item = self.new_item(key, bucket)
        else:
            self.free_blocks(item)
            if self.lru:
                self.touch(item)
        self.fill(item, value, need)
        at = self.at(item)
        self.u64[at // 8 + I_EXPIRES] = expires
        if expires:
            first = self.u64[Q_EXPIRY]
            self.u64[Q_EXPIRY] = min(first, expires) if first else expires
        self.clean()
        return True

    def room(self, need, item):
        """Makes room for so many blocks in the place of an item, or for a new one; false when there is none."""
        if item:
            need -= (self.u64[self.at(item) // 8 + I_SIZE] + self.blocksize - 1) // self.blocksize
        swept = False
        while self.blocks - self.u32[F_USED] < need or (not item and self.u32[F_COUNT] >= self.items):
            if not swept:
                swept = True
                self.sweep()
                continue
            oldest = self.u32[F_OLDEST]
            if oldest == item and item:
                oldest = self.u32[self.at(item) // 4 + I_NEWER]
            if self.lru and oldest:
                self.delete(oldest)
                continue
            self.full()
            if not self.clear:
                return False
            self.wipe(self.salt)
            break
        return True

    def full(self):
        self.u64[Q_FULL] += 1
        if not self.quiet and time() - self.told > 1:
            self.told = time()
            log('*** DANGER cache "%s" is FULL !!! ***' % self.name)

    def sweep(self):
        """Removes all that is over."""
        now, first = int(time()), self.u64[Q_EXPIRY]
        if self.forever or not first or first > now:
            return
        first = 0
        for item in range(1, self.u32[F_FRESH_ITEM] + 1):
            at = self.at(item)
            expires = self.u64[at // 8 + I_EXPIRES]
            if not expires or not self.u32[at // 4 + I_KEYLEN]:
                continue
            if expires <= now:
                self.delete(item)
            else:
                first = min(first, expires) if first else expires
        self.u64[Q_EXPIRY] = first

    def new_item(self, key, bucket):
        u32 = self.u32
        item = u32[F_FREE_ITEM]
        if item:
            u32[F_FREE_ITEM] = u32[self.at(item) // 4 + I_NEXT]
        else:
            u32[F_FRESH_ITEM] += 1
            item = u32[F_FRESH_ITEM]
        at = self.at(item)
        i = at // 4
        u32[i + I_NEXT], u32[i + I_BUCKET], u32[i + I_KEYLEN] = u32[bucket], bucket, len(key)
        u32[i + I_NEWER] = u32[i + I_OLDER] = u32[i + I_BLOCK] = 0
        self.u64[at // 8 + I_HITS] = 0
        self.map[at + ITEM : at + ITEM + len(key)] = key
        u32[bucket] = item
        u32[F_COUNT] += 1
        if self.lru:
            self.link(item)
        return item

    def fill(self, item, value, need):
        """Writes a value into blocks, for which there is room."""
        u32, left = self.u32, 0
        for n in range(need - 1, -1, -1):  # the last one first, so that each knows the next
            block = u32[F_FREE_BLOCK]
            if block:
                u32[F_FREE_BLOCK] = u32[self.chain_at + block - 1]
            else:
                u32[F_FRESH_BLOCK] += 1
                block = u32[F_FRESH_BLOCK]
            part = value[n * self.blocksize : (n + 1) * self.blocksize]
            start = self.data_at + (block - 1) * self.blocksize
            self.map[start : start + len(part)] = part
            u32[self.chain_at + block - 1] = left
            left = block
        u32[F_USED] += need
        at = self.at(item)
        u32[at // 4 + I_BLOCK] = left
        self.u64[at // 8 + I_SIZE] = len(value)

    def free_blocks(self, item):
        u32 = self.u32
        at = self.at(item) // 4
        block = u32[at + I_BLOCK]
        u32[at + I_BLOCK] = 0
        while block:
            following = u32[self.chain_at + block - 1]
            u32[self.chain_at + block - 1] = u32[F_FREE_BLOCK]
            u32[F_FREE_BLOCK] = block
            u32[F_USED] -= 1
            block = following

    def remove(self, item):
        u32 = self.u32
        self.free_blocks(item)
        at = self.at(item)
        i = at // 4
        before = u32[i + I_BUCKET]  # where the number of this item stands
        while u32[before] != item:
            before = self.at(u32[before]) // 4 + I_NEXT
        u32[before] = u32[i + I_NEXT]
        if self.lru:
            self.unlink(item)
        u32[i + I_KEYLEN] = 0
        self.u64[at // 8 + I_EXPIRES] = 0
        u32[i + I_NEXT] = u32[F_FREE_ITEM]
        u32[F_FREE_ITEM] = item
        u32[F_COUNT] -= 1

    def delete(self, item):
        """Removes an item as a change of its own."""
        self.u32[F_DIRTY] = 1
        self.remove(item)
        self.clean()

    def link(self, item):
        u32 = self.u32
        newest = u32[F_NEWEST]
        i = self.at(item) // 4
        u32[i + I_NEWER], u32[i + I_OLDER], u32[F_NEWEST] = 0, newest, item
        if newest:
            u32[self.at(newest) // 4 + I_NEWER] = item
        else:
            u32[F_OLDEST] = item

    def unlink(self, item):
        u32 = self.u32
        i = self.at(item) // 4
        newer, older = u32[i + I_NEWER], u32[i + I_OLDER]
        u32[self.at(newer) // 4 + I_OLDER if newer else F_NEWEST] = older
        u32[self.at(older) // 4 + I_NEWER if older else F_OLDEST] = newer

    def touch(self, item):
        """Makes an item the one that was used last."""
        if self.u32[F_NEWEST] != item:
            self.unlink(item)
            self.link(item)

    def get(self, key):
        with self:
            item = self.find(key)[1]
            if not item:
                self.u64[Q_MISSES] += 1
                return None
            if self.lru:
                self.u32[F_DIRTY] = 1
                self.touch(item)
                self.u32[F_DIRTY] = 0
            self.u64[Q_HITS] += 1
            self.u64[self.at(item) // 8 + I_HITS] += 1
            return self.value(item)

    def number(self, key, initial=0):
        item = self.find(key)[1]
        if not item:
            return initial
        value = self.value(item)
        return unpack_from("@q", value)[0] if len(value) == 8 else 0

    def change(self, key, function, expires):
        with self:
            value = function(self.number(key, self.initial))
            wrapped = (value + (1 << 63)) % (1 << 64) - (1 << 63)  # as a 64-bit number does
            item = self.find(key)[1]
            if item:  # a counter is over when it was to be over at first
                expires = self.u64[self.at(item) // 8 + I_EXPIRES]
            return self.store(key, pack("@q", wrapped), expires, True)

    def keys(self):
        """All keys that are not over."""
        now, found = time(), []
        with self:
            for item in range(1, self.u32[F_FRESH_ITEM] + 1):
                at = self.at(item)
                size, expires = self.u32[at // 4 + I_KEYLEN], self.u64[at // 8 + I_EXPIRES]
                if size and (not expires or expires > now or self.forever):
                    found.append(self.map[at + ITEM : at + ITEM + size])
        return found
