"""The scoreboard: one writer per field, native byte order, natural alignment (docs/architecture.md, seam 2)."""

from mmap import MAP_SHARED, PROT_READ, PROT_WRITE, mmap
from os import fstat
from struct import pack_into, unpack_from

HEADER = 4096
MASTER = 256  # bytes of the master's area in a slot
CORE = 256
ROW = 128
PAUSED = 64  # in the header: workers take no connection

# Fields of the master's area.
STATE, PID, SPAWNS, LAST_SPAWN, RSS, VSZ, SIGNALS, AT_SPAWN = 4, 8, 12, 16, 32, 40, 48, 56

# Fields of a core's area.
REQUESTS, EXCEPTIONS, SENT, RUNNING, BUSY, ACCEPTING, START, AVERAGE, WRITE_ERRORS, READ_ERRORS = (
    0, 8, 16, 24, 32, 36, 40, 48, 56, 64)  # fmt: skip
BUCKETS = 128  # 16 counters of requests by their time
# The number of the bucket by the bit length of the time in microseconds: below 2**9, 2**10, ... 2**23, and the rest.
BUCKET_OF = tuple(min(max(bits - 9, 0), 15) for bits in range(65))

# The records of mules and spoolers in the header: who wrote what is told there too.
HELPER_BASE, HELPER_SIZE = 1024, 64
HELPER_PID, HELPER_START, HELPER_TASKS, HELPER_SIGNALS, HELPER_FREQUENCY = 0, 16, 24, 32, 40


def helper(place):
    """Offset of the record of a mule or spooler."""
    return HELPER_BASE + place * HELPER_SIZE


class Board(object):
    """The whole memfd, mapped once in the zygote; workers inherit the mapping."""

    def __init__(self, fd):
        self.map = mmap(fd, fstat(fd).st_size, MAP_SHARED, PROT_READ | PROT_WRITE)
        magic, version, slots, cores, stride = unpack_from("@IIIII", self.map, 0)
        if magic != 0x42535747 or version != 2:
            raise ValueError("cannot read the scoreboard: magic %#x version %d" % (magic, version))
        self.slots, self.cores, self.stride = slots, cores, stride
        self.rows, self.generation = unpack_from("=IQ", self.map, 28)

    def row(self, row):
        """Offset of a row of metrics."""
        return HEADER + self.slots * self.stride + row * ROW

    def slot(self, slot):
        """Offset of the area of worker `slot` (1-based)."""
        return HEADER + (slot - 1) * self.stride

    def core(self, slot, core):
        """Offset of the area of one core of a worker."""
        return self.slot(slot) + MASTER + core * CORE

    def u32(self, offset):
        return unpack_from("@I", self.map, offset)[0]

    def u64(self, offset):
        return unpack_from("@Q", self.map, offset)[0]

    def set_u32(self, offset, value):
        pack_into("@I", self.map, offset, value)

    def set_u64(self, offset, value):
        pack_into("@Q", self.map, offset, value)

    def worker_requests(self, slot):
        """Requests that all cores of one worker have served since the generation began."""
        return sum(self.u64(self.core(slot, core) + REQUESTS) for core in range(self.cores))

    def total_requests(self):
        """Requests of all workers."""
        return sum(self.worker_requests(slot) for slot in range(1, self.slots + 1))
