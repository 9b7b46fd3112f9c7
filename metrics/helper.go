package metrics

import (
	"sync/atomic"
	"time"
)

// The head of the scoreboard has a record for each mule and spooler, from helperBase to its end.
const (
	helperBase = 1024
	helperSize = 64

	// MaxHelpers is how many helpers have a record.
	MaxHelpers = (headerSize - helperBase) / helperSize
)

// Offsets in a helper's record: the master writes the first three, the helper the others.
const (
	offHelperPID       = 0
	offHelperSpawns    = 4
	offHelperLastSpawn = 8
	offHelperStart     = 16
	offHelperTasks     = 24
	offHelperSignals   = 32
)

// Helper is the record of a mule or spooler as it was read; in a jail's board every value may be anything.
type Helper struct {
	PID       uint32 // as the jail sees it, 0 none
	Spawns    uint32
	LastSpawn int64  // unix seconds
	Start     uint64 // CLOCK_MONOTONIC nanoseconds at the start of what it handles, 0 = nothing
	Tasks     uint64 // messages or tasks handled
	Signals   uint64 // uwsgi signals handled
}

func (b *Board) helperOff(place int) (off int, ok bool) {
	if place < 0 || place >= MaxHelpers || b.mem == nil {
		return 0, false
	}
	return helperBase + place*helperSize, true
}

// Helper reads the record of a helper.
func (b *Board) Helper(place int) Helper {
	off, ok := b.helperOff(place)
	if !ok {
		return Helper{}
	}
	return Helper{
		PID:       b.load32(off + offHelperPID),
		Spawns:    b.load32(off + offHelperSpawns),
		LastSpawn: int64(b.load64(off + offHelperLastSpawn)),
		Start:     b.load64(off + offHelperStart),
		Tasks:     b.load64(off + offHelperTasks),
		Signals:   b.load64(off + offHelperSignals),
	}
}

// SetHelper records that a helper was started, or with pid 0 that it ended: what it had begun runs no more.
func (b *Board) SetHelper(place, pid int, at time.Time) {
	off, ok := b.helperOff(place)
	if !ok {
		return
	}
	b.store64(off+offHelperStart, 0)
	if pid != 0 {
		b.store64(off+offHelperLastSpawn, uint64(at.Unix()))
		atomic.AddUint32(b.ptr32(off+offHelperSpawns), 1)
	}
	b.store32(off+offHelperPID, uint32(pid))
}
