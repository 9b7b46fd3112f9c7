package python_test

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The scoreboard's format (docs/architecture.md, seam 2), written down a second time so that the test does not share
// a mistake with the code.
const (
	boardHeader = 4096
	coreSize    = 128
	masterArea  = 256

	fieldRequests    = 0
	fieldExceptions  = 8
	fieldSent        = 16
	fieldBusy        = 32 // with fieldAccepting in the upper half
	fieldStart       = 40
	fieldWriteErrors = 56
	fieldReadErrors  = 64
)

func (m *testMaster) makeBoard() {
	size := boardHeader + m.conf.Processes*(masterArea+m.conf.Threads*coreSize)
	fd, err := unix.MemfdCreate("board", unix.MFD_CLOEXEC)
	m.must(err)
	m.board = os.NewFile(uintptr(fd), "board")
	m.must(m.board.Truncate(int64(size)))
	m.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	m.must(err)
	for i, v := range []int{0x42535747, 1, m.conf.Processes, m.conf.Threads, masterArea + m.conf.Threads*coreSize, coreSize, masterArea} {
		binary.NativeEndian.PutUint32(m.mem[i*4:], uint32(v))
	}
	binary.NativeEndian.PutUint64(m.mem[32:], 1)
}

// field reads a core's u64 of worker slot.
func (m *testMaster) field(slot, core, offset int) uint64 {
	at := boardHeader + (slot-1)*(masterArea+m.conf.Threads*coreSize) + masterArea + core*coreSize + offset
	return binary.NativeEndian.Uint64(m.mem[at:])
}

// core32 reads a u32 of the first core of worker slot.
func (m *testMaster) core32(slot, offset int) uint32 {
	return binary.NativeEndian.Uint32(m.mem[boardHeader+(slot-1)*(masterArea+m.conf.Threads*coreSize)+masterArea+offset:])
}

// waitField waits for a counter: it is written after the answer was sent.
func (m *testMaster) waitField(slot, core, offset int, want uint64) {
	m.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for m.field(slot, core, offset) != want {
		if time.Now().After(deadline) {
			m.t.Fatalf("board field %d of worker %d core %d is %d, want %d; log:\n%s", offset, slot, core, m.field(slot, core, offset), want, m.log)
		}
		time.Sleep(time.Millisecond)
	}
}
