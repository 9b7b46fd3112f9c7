package metrics

import (
	"math"
	"time"
)

// Status is what a worker is shown as: uWSGI's words where it has one.
type Status uint8

// The statuses of a worker's process.
const (
	StatusIdle     Status = iota // accepting or about to, no request
	StatusBusy                   // in a request
	StatusCheap                  // no process, none wanted now
	StatusStarting               // forked, not accepting yet
	StatusStopping               // told to leave, finishing
	StatusDead                   // gone, not replaced yet
	numStatuses
)

var statusNames = [numStatuses]string{"idle", "busy", "cheap", "starting", "stopping", "dead"}

// String returns the label of the status.
func (s Status) String() string {
	if s < numStatuses {
		return statusNames[s]
	}
	return "dead"
}

// Snapshot is all figures of one moment, safe to keep and to read from anywhere.
type Snapshot struct {
	Time       time.Time
	Generation uint64           // the newest live one, 0 when none is live
	Totals     Totals           // of all workers of all generations
	Processes  [numStatuses]int // slots of live generations in each Status: two a worker during an overlapping reload
	Workers    []Worker         // by id, those the live generations have room for
	Gone       []Worker         // by id, those only ended generations had: counters, no identity
	Helpers    []Helper         // records of the newest live generation: mules, then spoolers
}

// Totals are counters summed over all workers and generations, and the memory of the live ones.
type Totals struct {
	Requests    uint64
	Exceptions  uint64
	TX          uint64 // bytes
	RunningTime uint64 // microseconds
	WriteErrors uint64
	ReadErrors  uint64
	Harakiri    uint64
	Signals     uint64
	Spawns      uint64
	Respawns    uint64 // spawns but the first of each generation
	Deaths      [NumCauses]uint64
	Buckets     [NumBuckets]uint64 // requests by their time
	RSS         uint64             // bytes, live processes only
}

func (t *Totals) add(w *Worker) {
	t.Requests = SatAdd(t.Requests, w.Requests)
	t.Exceptions = SatAdd(t.Exceptions, w.Exceptions)
	t.TX = SatAdd(t.TX, w.TX)
	t.RunningTime = SatAdd(t.RunningTime, w.RunningTime)
	t.WriteErrors = SatAdd(t.WriteErrors, w.WriteErrors)
	t.ReadErrors = SatAdd(t.ReadErrors, w.ReadErrors)
	t.Harakiri = SatAdd(t.Harakiri, w.Harakiri)
	t.Signals = SatAdd(t.Signals, w.Signals)
	t.Spawns = SatAdd(t.Spawns, w.RespawnCount)
	t.Respawns = SatAdd(t.Respawns, w.Respawns)
	for i := range t.Deaths {
		t.Deaths[i] = SatAdd(t.Deaths[i], w.Deaths[i])
	}
	for i := range t.Buckets {
		t.Buckets[i] = SatAdd(t.Buckets[i], w.Buckets[i])
	}
}

// Worker is one worker id: its counters over all generations and the identity of its newest process.
type Worker struct {
	ID            int    // 1-based
	Generation    uint64 // of the process shown, 0 for a worker that is gone
	PID           int    // as the jail sees it, 0 none
	State         State  // as the master wrote it
	Status        Status
	Accepting     bool
	Requests      uint64
	DeltaRequests uint64 // since the last spawn
	Exceptions    uint64
	Harakiri      uint64
	Signals       uint64
	RSS           uint64    // bytes
	VSZ           uint64    // bytes
	RunningTime   uint64    // microseconds
	LastSpawn     time.Time // zero before the first
	RespawnCount  uint64    // all spawns, the first included, as uWSGI counts
	Respawns      uint64    // spawns but the first of each generation
	TX            uint64    // bytes
	AvgRT         uint64    // microseconds
	WriteErrors   uint64
	ReadErrors    uint64
	Deaths        [NumCauses]uint64
	Buckets       [NumBuckets]uint64
	Cores         []CoreView
}

// CoreView is one core of a worker.
type CoreView struct {
	ID          int
	Requests    uint64
	Exceptions  uint64
	WriteErrors uint64
	ReadErrors  uint64
	InRequest   bool
	Start       time.Time // of the running request, zero when none runs
}

// count fills in the counters.
func (w *Worker) count(c *slotCounts) {
	all := c.sum()
	w.Requests, w.Exceptions, w.TX = all.requests, all.exceptions, all.tx
	w.RunningTime, w.WriteErrors, w.ReadErrors = all.runningTime, all.writeErrors, all.readErrors
	w.Harakiri, w.Signals, w.Buckets = c.harakiri, c.signals, all.buckets
	w.RespawnCount, w.Respawns, w.Deaths = c.spawns, c.respawns, c.deaths
}

// identify fills in what belongs to the process of a live board's slot.
func (w *Worker) identify(l *liveBoard, i int, counts *slotCounts, now clocks) {
	s := l.slots[i]
	w.Generation = l.board.generation
	w.State = min(s.State, StateDead)
	if hasProcess(w.State) {
		w.PID = int(min(s.PID, math.MaxInt32))
		w.RSS, w.VSZ = min(s.RSS, counterMax), min(s.VSZ, counterMax)
	}
	if s.LastSpawn > 0 && s.LastSpawn <= now.wall.Unix()+1 {
		w.LastSpawn = time.Unix(s.LastSpawn, 0)
	}
	requests := l.high[i].sum().requests
	w.DeltaRequests = requests - min(requests, s.SpawnRequests)
	w.Cores = make([]CoreView, len(l.cores[i]))
	var sum, used uint64
	for j, c := range l.cores[i] {
		n := counts.cores[j]
		v := CoreView{ID: j, Requests: n.requests, Exceptions: n.exceptions, WriteErrors: n.writeErrors, ReadErrors: n.readErrors}
		if hasProcess(w.State) {
			w.Accepting = w.Accepting || c.Accepting
			v.InRequest = c.InRequest
			v.Start = startOf(c, now)
		}
		w.Cores[j] = v
		if c.AvgRT > 0 {
			sum, used = SatAdd(sum, c.AvgRT), used+1
		}
	}
	if used > 0 {
		w.AvgRT = sum / used
	}
}

// startOf turns a core's monotonic start into wall time. One in the future or older than this machine's clock is taken
// as now: it is not true, and a negative age would be shown.
func startOf(c Core, now clocks) time.Time {
	if !c.InRequest {
		return time.Time{}
	}
	if c.Start == 0 || c.Start > now.mono {
		return now.wall
	}
	return now.wall.Add(-time.Duration(now.mono - c.Start))
}

func hasProcess(s State) bool {
	return s == StateStarting || s == StateRunning || s == StateStopping
}

// residentOf returns what a slot adds to the memory in use.
func residentOf(s Slot) uint64 {
	if hasProcess(s.State) {
		return min(s.RSS, counterMax)
	}
	return 0
}

// statusOf says what a slot is shown as. A state out of range is a slot that nothing is known of: dead.
func statusOf(s Slot, cores []Core) Status {
	switch s.State {
	case StateNone, StateCheap:
		return StatusCheap
	case StateStarting:
		return StatusStarting
	case StateStopping:
		return StatusStopping
	case StateRunning:
		for _, c := range cores {
			if c.InRequest {
				return StatusBusy
			}
		}
		return StatusIdle
	default:
		return StatusDead
	}
}
