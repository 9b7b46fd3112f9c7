package metrics

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newTestBoard(t testing.TB, slots, cores int, generation uint64) *Board {
	t.Helper()
	b, err := NewBoard(slots, cores, generation)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// dupFile returns another descriptor of a board's memory: what the master gets.
func dupFile(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func TestBoardIsSharedBetweenBothSides(t *testing.T) {
	parent := newTestBoard(t, 3, 2, 7)
	master, err := OpenBoard(dupFile(t, parent.File()))
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if master.Slots() != 3 || master.Cores() != 2 || master.Generation() != 7 {
		t.Fatalf("opened board is %d x %d of generation %d", master.Slots(), master.Cores(), master.Generation())
	}
	at := time.Unix(1700000000, 0)
	master.StoreCore(2, 0, Core{Requests: 10})
	master.StoreCore(2, 1, Core{Requests: 5, Exceptions: 1, TX: 2, RunningTime: 3, InRequest: true, Accepting: true,
		Start: 4, AvgRT: 5, WriteErrors: 6, ReadErrors: 7})
	master.Spawned(2, 42, at)
	master.SetState(2, StateRunning)
	master.Harakiri(2)
	master.Signaled(2)
	master.SetMemory(2, 100, 200)
	master.Died(2, CauseOOM)
	master.Died(2, CauseOOM)
	want := Slot{ID: 3, State: StateRunning, PID: 42, Spawns: 1, LastSpawn: at.Unix(), Harakiri: 1, RSS: 100, VSZ: 200,
		Signals: 1, SpawnRequests: 15}
	want.Deaths[CauseOOM] = 2
	if got := parent.Slot(2); got != want {
		t.Errorf("slot is %+v, want %+v", got, want)
	}
	core := Core{Requests: 5, Exceptions: 1, TX: 2, RunningTime: 3, InRequest: true, Accepting: true, Start: 4, AvgRT: 5,
		WriteErrors: 6, ReadErrors: 7}
	if got := parent.Core(2, 1); got != core {
		t.Errorf("core is %+v, want %+v", got, core)
	}
	master.ClearCore(2)
	core.InRequest, core.Accepting, core.Start = false, false, 0
	if got := parent.Core(2, 1); got != core {
		t.Errorf("cleared core is %+v, want %+v", got, core)
	}
	for i := range 2 {
		if got := parent.Slot(i); got != (Slot{}) {
			t.Errorf("slot %d was touched: %+v", i, got)
		}
	}
}

// TestBoardFormat compares the accessors with the offsets of the drawing, read by hand.
func TestBoardFormat(t *testing.T) {
	b := newTestBoard(t, 2, 3, 0x1122334455667788)
	const stride = 256 + 3*256
	u32 := func(off int) uint32 { return binary.NativeEndian.Uint32(b.mem[off:]) }
	u64 := func(off int) uint64 { return binary.NativeEndian.Uint64(b.mem[off:]) }
	for off, want := range map[int]uint32{0: 0x42535747, 4: 2, 8: 2, 12: 3, 16: stride, 20: 256, 24: 256, 28: 0} {
		if got := u32(off); got != want {
			t.Errorf("header u32 at %d is %#x, want %#x", off, got, want)
		}
	}
	if got := u64(32); got != b.Generation() {
		t.Errorf("generation is %#x", got)
	}
	if want := 4096 + 2*stride; len(b.mem) != want {
		t.Errorf("size is %d, want %d", len(b.mem), want)
	}
	slot := 4096 + stride
	for i := range 32 {
		binary.NativeEndian.PutUint64(b.mem[slot+8*i:], uint64(1000+i)<<32|uint64(500+i))
	}
	pair := func(i int) uint64 { return uint64(1000+i)<<32 | uint64(500+i) }
	got := b.Slot(1)
	want := Slot{ID: 500, State: 1000, PID: 501, Spawns: 1001, LastSpawn: int64(pair(2)), Harakiri: pair(3), RSS: pair(4),
		VSZ: pair(5), Signals: pair(6), SpawnRequests: pair(7)}
	for i := range want.Deaths {
		want.Deaths[i] = pair(8 + i)
	}
	if got != want {
		t.Errorf("slot is %+v\nwant %+v", got, want)
	}
	core := slot + 256 + 2*256
	for i := range 32 {
		binary.NativeEndian.PutUint64(b.mem[core+8*i:], pair(i))
	}
	wantCore := Core{Requests: pair(0), Exceptions: pair(1), TX: pair(2), RunningTime: pair(3),
		InRequest: true, Accepting: true, Start: pair(5), AvgRT: pair(6), WriteErrors: pair(7), ReadErrors: pair(8)}
	for i := range wantCore.Buckets {
		wantCore.Buckets[i] = pair(16 + i)
	}
	if got := b.Core(1, 2); got != wantCore {
		t.Errorf("core is %+v\nwant %+v", got, wantCore)
	}
}

func TestBoardIsSealed(t *testing.T) {
	b := newTestBoard(t, 1, 1, 1)
	size := int64(boardSize(1, 1, 0))
	for _, to := range []int64{0, size - 1, size + 4096} {
		if err := unix.Ftruncate(int(b.File().Fd()), to); !errors.Is(err, unix.EPERM) {
			t.Errorf("resizing to %d: %v, want EPERM", to, err)
		}
	}
	if _, err := unix.FcntlInt(b.File().Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); !errors.Is(err, unix.EPERM) {
		t.Errorf("adding a seal: %v, want EPERM", err)
	}
	flags, err := unix.FcntlInt(b.File().Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags are %#x (%v), want close-on-exec", flags, err)
	}
}

func TestNewBoardRefusesDimensions(t *testing.T) {
	for _, c := range []struct{ slots, cores int }{
		{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {MaxSlots + 1, 1}, {1, MaxCores + 1}, {MaxSlots, MaxCores},
	} {
		if b, err := NewBoard(c.slots, c.cores, 1); err == nil {
			b.Close()
			t.Errorf("%d x %d was accepted", c.slots, c.cores)
		}
	}
}

func TestOutsideTheBoardNothingHappens(t *testing.T) {
	b := newTestBoard(t, 1, 1, 1)
	before := string(b.mem)
	for _, slot := range []int{-1, 1, 1 << 30} {
		b.SetState(slot, StateRunning)
		b.SetPID(slot, 1)
		b.Spawned(slot, 1, time.Now())
		b.Harakiri(slot)
		b.Signaled(slot)
		b.SetMemory(slot, 1, 1)
		b.Died(slot, CauseExit)
		b.ClearCore(slot)
		b.StoreCore(slot, 0, Core{Requests: 1})
		if b.Slot(slot) != (Slot{}) || b.Core(slot, 0) != (Core{}) || b.Requests(slot) != 0 {
			t.Errorf("slot %d reads as something", slot)
		}
	}
	b.StoreCore(0, 1, Core{Requests: 1})
	b.StoreCore(0, -1, Core{Requests: 1})
	b.Died(0, NumCauses)
	if string(b.mem) != before {
		t.Error("the memory was changed")
	}
	b.Close()
	b.SetState(0, StateRunning)
	if b.Slot(0) != (Slot{}) {
		t.Error("a closed board reads as something")
	}
	if err := b.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestHostileHeaderDoesNotMoveTheParent(t *testing.T) {
	b := newTestBoard(t, 2, 1, 3)
	for i := range headerSize {
		b.mem[i] = 0xff
	}
	b.Spawned(1, 9, time.Now())
	if got := b.Slot(1); got.PID != 9 || b.Slots() != 2 || b.Generation() != 3 {
		t.Errorf("slot 1 is %+v of %d slots", got, b.Slots())
	}
	if again, err := OpenBoard(dupFile(t, b.File())); err == nil {
		again.Close()
		t.Error("the master accepted the spoilt header")
	}
}

// rawBoard makes a memfd holding data; seals as given.
func rawBoard(t testing.TB, data []byte, seals int) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "test")
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOpenBoardRefuses(t *testing.T) {
	good := append([]byte(nil), newTestBoard(t, 2, 2, 1).mem...)
	with := func(off int, v uint32) []byte {
		data := append([]byte(nil), good...)
		binary.NativeEndian.PutUint32(data[off:], v)
		return data
	}
	for _, c := range []struct {
		name  string
		data  []byte
		seals int
		want  string
	}{
		{"empty", nil, unix.F_SEAL_SHRINK, "size"},
		{"header only", good[:headerSize], unix.F_SEAL_SHRINK, "size"},
		{"one byte less", good[:len(good)-1], unix.F_SEAL_SHRINK, "size"},
		{"not sealed", good, unix.F_SEAL_GROW, "sealed"},
		{"magic", with(0, 1), unix.F_SEAL_SHRINK, "magic"},
		{"version", with(4, 1), unix.F_SEAL_SHRINK, "version"},
		{"no slots", with(8, 0), unix.F_SEAL_SHRINK, "slots"},
		{"more slots", with(8, 3), unix.F_SEAL_SHRINK, "size"},
		{"huge slots", with(8, 1<<31), unix.F_SEAL_SHRINK, "slots"},
		{"huge cores", with(12, 1<<31), unix.F_SEAL_SHRINK, "cores"},
		{"stride", with(16, 8), unix.F_SEAL_SHRINK, "slot stride"},
		{"core stride", with(20, 64), unix.F_SEAL_SHRINK, "core stride"},
		{"master area", with(24, 0), unix.F_SEAL_SHRINK, "master area"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rawBoard(t, c.data, c.seals)
			defer f.Close()
			b, err := OpenBoard(f)
			if err == nil {
				b.Close()
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, want it to name %q", err, c.want)
			}
		})
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := OpenBoard(f); err == nil {
		b.Close()
		t.Error("/dev/null was accepted")
	}
}

// TestPythonWritesTheSameFormat has a Python process do what a worker does, by the offsets of the drawing.
func TestPythonWritesTheSameFormat(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	b := newTestBoard(t, 2, 2, 1)
	const script = `
import mmap, os, sys
m = memoryview(mmap.mmap(3, 0))
assert m[0:4].cast('I')[0] == 0x42535747
stride, core = m[16:20].cast('I')[0], m[20:24].cast('I')[0]
at = 4096 + 1 * stride + m[24:28].cast('I')[0] + 1 * core
words, halves = m[at:at + 256].cast('Q'), m[at:at + 256].cast('I')
words[0], words[1], words[2], words[3] = 11, 12, 13, 14
halves[8], halves[9] = 1, 1
words[5], words[6], words[7], words[8] = 15, 16, 17, 18
words[16], words[31] = 19, 20
`
	cmd := exec.Command(python, "-c", script)
	cmd.ExtraFiles = []*os.File{b.File()}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := Core{Requests: 11, Exceptions: 12, TX: 13, RunningTime: 14, InRequest: true, Accepting: true, Start: 15,
		AvgRT: 16, WriteErrors: 17, ReadErrors: 18, Buckets: [NumBuckets]uint64{0: 19, 15: 20}}
	if got := b.Core(1, 1); got != want {
		t.Errorf("core is %+v, want %+v", got, want)
	}
	if b.Core(1, 0) != (Core{}) || b.Core(0, 1) != (Core{}) {
		t.Error("a neighbour was touched")
	}
}

func FuzzOpenBoard(f *testing.F) {
	b, err := NewBoard(2, 2, 9)
	if err != nil {
		f.Fatal(err)
	}
	defer b.Close()
	f.Add(append([]byte(nil), b.mem...))
	f.Add([]byte{})
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := rawBoard(t, data, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
		defer file.Close()
		b, err := OpenBoard(file)
		if err != nil {
			return
		}
		defer b.Close()
		if want := boardSize(b.Slots(), b.Cores(), b.rows); want != len(data) {
			t.Fatalf("%d slots of %d cores accepted in %d bytes", b.Slots(), b.Cores(), len(data))
		}
		var s Store
		s.Add(b)
		checkSane(t, s.Snapshot())
		last := b.Slots() - 1
		b.StoreCore(last, b.Cores()-1, Core{Requests: 1})
		b.Died(last, NumCauses-1)
		checkSane(t, s.Snapshot())
	})
}

func TestNamesOfStatesAndCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Causes() {
		if s := c.String(); s == "" || s == "other" || seen[s] {
			t.Errorf("cause %d is called %q", c, s)
		} else {
			seen[s] = true
		}
	}
	if len(seen) > NumCauses {
		t.Errorf("%d causes do not fit in %d counters", len(seen), NumCauses)
	}
	for c := int(NumNamedCauses); c < 256; c++ {
		if s := Cause(c).String(); s != "other" {
			t.Errorf("cause %d is called %q", c, s)
		}
	}
	for s := range numStates + 1 {
		if name := s.String(); name == "" || (s == numStates) != strings.Contains(name, strconv.Itoa(int(s))) {
			t.Errorf("state %d is called %q", s, name)
		}
	}
}
