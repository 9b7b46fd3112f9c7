package metrics

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

// Offsets in a slot's master area, written by the master only.
const (
	offID            = 0
	offState         = 4
	offPID           = 8
	offSpawns        = 12
	offLastSpawn     = 16
	offHarakiri      = 24
	offRSS           = 32
	offVSZ           = 40
	offSignals       = 48
	offSpawnRequests = 56
	offDeaths        = 64
)

// Offsets in a core's area, written by that thread only (by the master once the worker is dead).
const (
	offRequests    = 0
	offExceptions  = 8
	offTX          = 16
	offRunningTime = 24
	offInRequest   = 32
	offAccepting   = 36
	offStart       = 40
	offAvgRT       = 48
	offWriteErrors = 56
	offReadErrors  = 64
	offBuckets     = 128
)

// NumBuckets is how many buckets a core sorts its requests into by their time in microseconds: bucket i holds those
// below 2^(i+BucketShift), the last one those that took longer. The runtime finds it by the number's bit length.
const (
	NumBuckets  = 16
	BucketShift = 9
)

// Slot is a worker's master area as it was read; in a jail's board every value may be anything.
type Slot struct {
	ID            uint32 // 1-based, 0 before the first spawn
	State         State
	PID           uint32 // as the jail sees it, 0 none
	Spawns        uint32
	LastSpawn     int64 // unix seconds
	Harakiri      uint64
	RSS           uint64 // bytes
	VSZ           uint64 // bytes
	Signals       uint64 // uwsgi signals handled
	SpawnRequests uint64 // requests of all cores at the last spawn
	Deaths        [NumCauses]uint64
}

// Core is a core's (thread's) area as it was read.
type Core struct {
	Requests    uint64
	Exceptions  uint64
	TX          uint64 // bytes sent
	RunningTime uint64 // microseconds of all requests
	InRequest   bool
	Accepting   bool
	Start       uint64 // CLOCK_MONOTONIC nanoseconds at the start of the running request
	AvgRT       uint64 // microseconds, uWSGI's running (old+new)/2
	WriteErrors uint64
	ReadErrors  uint64
	Buckets     [NumBuckets]uint64 // requests by their time
}

// parseHeader returns the dimensions that a header gives.
func parseHeader(head []byte, size int64) (*Board, error) {
	u32 := func(off int) uint32 { return binary.NativeEndian.Uint32(head[off:]) }
	if m := u32(hdrMagic); m != boardMagic {
		return nil, fmt.Errorf("magic is %#x, not %#x", m, uint32(boardMagic))
	}
	if v := u32(hdrVersion); v != boardVersion {
		return nil, fmt.Errorf("version is %d, not %d", v, boardVersion)
	}
	// Negative where int is too small, and refused then.
	b := &Board{slots: int(u32(hdrSlots)), cores: int(u32(hdrCores)), rows: int(u32(hdrRows)), generation: binary.NativeEndian.Uint64(head[hdrGeneration:])}
	if err := checkDimensions(b.slots, b.cores, b.rows); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		off  int
		want int
	}{
		{"slot stride", hdrStride, boardStride(b.cores)},
		{"core stride", hdrCoreStride, coreSize},
		{"master area size", hdrMasterSize, masterSize},
	} {
		if got := u32(f.off); got != uint32(f.want) {
			return nil, fmt.Errorf("%s is %d, not %d", f.name, got, f.want)
		}
	}
	if want := int64(boardSize(b.slots, b.cores, b.rows)); size != want {
		return nil, fmt.Errorf("size is %d, not the %d of %d slots with %d cores and %d metrics", size, want, b.slots, b.cores, b.rows)
	}
	return b, nil
}

// Slot reads a worker's master area.
func (b *Board) Slot(slot int) Slot {
	off, ok := b.masterOff(slot)
	if !ok {
		return Slot{}
	}
	s := Slot{
		ID:            b.load32(off + offID),
		State:         State(b.load32(off + offState)),
		PID:           b.load32(off + offPID),
		Spawns:        b.load32(off + offSpawns),
		LastSpawn:     int64(b.load64(off + offLastSpawn)),
		Harakiri:      b.load64(off + offHarakiri),
		RSS:           b.load64(off + offRSS),
		VSZ:           b.load64(off + offVSZ),
		Signals:       b.load64(off + offSignals),
		SpawnRequests: b.load64(off + offSpawnRequests),
	}
	for i := range s.Deaths {
		s.Deaths[i] = b.load64(off + offDeaths + 8*i)
	}
	return s
}

// Core reads a core's area.
func (b *Board) Core(slot, core int) Core {
	off, ok := b.coreOff(slot, core)
	if !ok {
		return Core{}
	}
	c := Core{
		Requests:    b.load64(off + offRequests),
		Exceptions:  b.load64(off + offExceptions),
		TX:          b.load64(off + offTX),
		RunningTime: b.load64(off + offRunningTime),
		InRequest:   b.load32(off+offInRequest) != 0,
		Accepting:   b.load32(off+offAccepting) != 0,
		Start:       b.load64(off + offStart),
		AvgRT:       b.load64(off + offAvgRT),
		WriteErrors: b.load64(off + offWriteErrors),
		ReadErrors:  b.load64(off + offReadErrors),
	}
	for i := range c.Buckets {
		c.Buckets[i] = b.load64(off + offBuckets + 8*i)
	}
	return c
}

// StoreCore writes a whole core area the way the worker that owns it does (the Python runtime writes its own). The
// start of the request is stored before the flag, so that no reader takes an old start for a new request's.
func (b *Board) StoreCore(slot, core int, c Core) {
	off, ok := b.coreOff(slot, core)
	if !ok {
		return
	}
	b.store64(off+offRequests, c.Requests)
	b.store64(off+offExceptions, c.Exceptions)
	b.store64(off+offTX, c.TX)
	b.store64(off+offRunningTime, c.RunningTime)
	b.store64(off+offStart, c.Start)
	b.store32(off+offInRequest, bit32(c.InRequest))
	b.store32(off+offAccepting, bit32(c.Accepting))
	b.store64(off+offAvgRT, c.AvgRT)
	b.store64(off+offWriteErrors, c.WriteErrors)
	b.store64(off+offReadErrors, c.ReadErrors)
	for i, n := range c.Buckets {
		b.store64(off+offBuckets+8*i, n)
	}
}

func bit32(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// Requests returns the requests of all cores of a slot, saturated: what max-requests is compared with, less the
// SpawnRequests of the slot.
func (b *Board) Requests(slot int) uint64 {
	var sum uint64
	for core := range b.cores {
		if off, ok := b.coreOff(slot, core); ok {
			sum = SatAdd(sum, b.load64(off+offRequests))
		}
	}
	return sum
}

// SetPaused tells the workers, which look at it when they are signalled and when they start.
func (b *Board) SetPaused(on bool) {
	if b.mem == nil {
		return
	}
	var v uint32
	if on {
		v = 1
	}
	b.store32(hdrPaused, v)
}

// SetState records the state of a slot.
func (b *Board) SetState(slot int, s State) {
	if off, ok := b.masterOff(slot); ok {
		b.store32(off+offState, uint32(s))
	}
}

// SetPID records the pid of a slot's process as the jail sees it; 0 is none.
func (b *Board) SetPID(slot, pid int) {
	if off, ok := b.masterOff(slot); ok {
		b.store32(off+offPID, uint32(pid))
	}
}

// Spawned records that a slot's process was started: worker id, pid, one spawn more, its time, and the requests counted
// so far. The state is the caller's to set (the process may have said that it is ready before its spawn is known).
func (b *Board) Spawned(slot, pid int, at time.Time) {
	off, ok := b.masterOff(slot)
	if !ok {
		return
	}
	b.store64(off+offSpawnRequests, b.Requests(slot))
	b.store64(off+offLastSpawn, uint64(at.Unix()))
	b.store32(off+offPID, uint32(pid))
	b.store32(off+offID, uint32(slot+1))
	atomic.AddUint32(b.ptr32(off+offSpawns), 1)
}

// Harakiri counts a request of the slot that ran too long.
func (b *Board) Harakiri(slot int) {
	if off, ok := b.masterOff(slot); ok {
		b.add64(off+offHarakiri, 1)
	}
}

// Signaled counts a uwsgi signal handled by the slot.
func (b *Board) Signaled(slot int) {
	if off, ok := b.masterOff(slot); ok {
		b.add64(off+offSignals, 1)
	}
}

// SetMemory records a slot's resident set and address space, in bytes.
func (b *Board) SetMemory(slot int, rss, vsz uint64) {
	if off, ok := b.masterOff(slot); ok {
		b.store64(off+offRSS, rss)
		b.store64(off+offVSZ, vsz)
	}
}

// Died counts a death of the slot's process. State and pid are the caller's to set, because a worker that died for
// being cheap is not dead but cheap.
func (b *Board) Died(slot int, c Cause) {
	if off, ok := b.masterOff(slot); ok && c < NumCauses {
		b.add64(off+offDeaths+8*int(c), 1)
	}
}

// ClearCore ends what a dead worker left open, in all cores of the slot: no request runs, nothing accepts, no start.
// The counters stay: the next process reads them and goes on from there.
func (b *Board) ClearCore(slot int) {
	for core := range b.cores {
		if off, ok := b.coreOff(slot, core); ok {
			b.store32(off+offInRequest, 0)
			b.store32(off+offAccepting, 0)
			b.store64(off+offStart, 0)
		}
	}
}
