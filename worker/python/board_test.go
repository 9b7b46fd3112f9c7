package python_test

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The scoreboard's format (docs/architecture.md, seam 2), written down a second time so that the test does not share
// a mistake with the code.
const (
	boardHeader = 4096
	coreSize    = 256
	masterArea  = 256
	metricRow   = 128

	fieldRequests    = 0
	fieldExceptions  = 8
	fieldSent        = 16
	fieldBusy        = 32 // with fieldAccepting in the upper half
	fieldStart       = 40
	fieldWriteErrors = 56
	fieldReadErrors  = 64
	fieldBuckets     = 128
)

func (m *testMaster) makeBoard() {
	size := boardHeader + m.conf.Processes*(masterArea+m.conf.Threads*coreSize) + 3*metricRow
	fd, err := unix.MemfdCreate("board", unix.MFD_CLOEXEC)
	m.must(err)
	m.board = os.NewFile(uintptr(fd), "board")
	m.must(m.board.Truncate(int64(size)))
	m.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	m.must(err)
	for i, v := range []int{0x42535747, 2, m.conf.Processes, m.conf.Threads, masterArea + m.conf.Threads*coreSize, coreSize, masterArea} {
		binary.NativeEndian.PutUint32(m.mem[i*4:], uint32(v))
	}
	binary.NativeEndian.PutUint64(m.mem[32:], 1)
	m.addRows()
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

// TestRequestTimes: every request is in the bucket of its time, also after the worker was replaced.
func TestRequestTimes(t *testing.T) {
	m := startMaster(t, newConf("app", "uwsgi"), `
import time

def application(environ, start_response):
    time.sleep(float(environ["PATH_INFO"][1:]))
    start_response("200 OK", [])
    return [b"slept"]
`)
	if !m.loaded() {
		t.Fatal(m.log)
	}
	pid, _ := m.fork(1)
	sum := func(first, last int) (n uint64) {
		for i := first; i <= last; i++ {
			n += m.field(1, 0, fieldBuckets+8*i)
		}
		return n
	}
	wait := func(want uint64) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for sum(0, 15) != want {
			if time.Now().After(deadline) {
				t.Fatalf("%d requests are in the buckets, %d were made", sum(0, 15), want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	for _, path := range []string{"/0", "/0.003", "/0.07"} {
		talk(t, m.addrs[0], get(path))
	}
	wait(3)
	// 3 ms are at least 2^11 us, which is bucket 3, and 70 ms at least 2^16 us, bucket 8; a busy machine only adds to that.
	if sum(3, 15) < 2 || sum(8, 15) < 1 || sum(0, 2)+sum(3, 15) != 3 {
		t.Errorf("buckets are %d %d %d", sum(0, 2), sum(3, 7), sum(8, 15))
	}
	m.must(unix.Kill(pid, unix.SIGKILL))
	m.fork(1)
	talk(t, m.addrs[0], get("/0"))
	wait(4)
}
