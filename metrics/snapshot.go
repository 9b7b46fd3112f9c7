package metrics

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// counterMax is the highest value a counter is shown with, so that every reader's signed integers hold it.
const counterMax = math.MaxInt64

// SatAdd adds two counters; the sum stays at the highest value that is shown.
func SatAdd(a, b uint64) uint64 {
	if b > counterMax || a > counterMax-b {
		return counterMax
	}
	return a + b
}

// raise keeps a counter at the highest value seen: one that a jail turns back does not go back outside.
func raise(high *uint64, v uint64) {
	*high = max(*high, v)
}

// coreCounts are the counters of a core.
type coreCounts struct {
	requests, exceptions, tx, runningTime, writeErrors, readErrors uint64
	buckets                                                        [NumBuckets]uint64
}

func (c *coreCounts) raise(v Core) {
	raise(&c.requests, v.Requests)
	raise(&c.exceptions, v.Exceptions)
	raise(&c.tx, v.TX)
	raise(&c.runningTime, v.RunningTime)
	raise(&c.writeErrors, v.WriteErrors)
	raise(&c.readErrors, v.ReadErrors)
	for i, n := range v.Buckets {
		raise(&c.buckets[i], n)
	}
}

func (c *coreCounts) add(o coreCounts) {
	c.requests = SatAdd(c.requests, o.requests)
	c.exceptions = SatAdd(c.exceptions, o.exceptions)
	c.tx = SatAdd(c.tx, o.tx)
	c.runningTime = SatAdd(c.runningTime, o.runningTime)
	c.writeErrors = SatAdd(c.writeErrors, o.writeErrors)
	c.readErrors = SatAdd(c.readErrors, o.readErrors)
	for i, n := range o.buckets {
		c.buckets[i] = SatAdd(c.buckets[i], n)
	}
}

// slotCounts are the counters of a worker, its cores' apart.
type slotCounts struct {
	spawns, respawns, harakiri, signals uint64
	deaths                              [NumCauses]uint64
	cores                               []coreCounts
}

func (c *slotCounts) raise(v Slot) {
	raise(&c.spawns, uint64(v.Spawns))
	raise(&c.respawns, uint64(max(v.Spawns, 1)-1))
	raise(&c.harakiri, v.Harakiri)
	raise(&c.signals, v.Signals)
	for i := range c.deaths {
		raise(&c.deaths[i], v.Deaths[i])
	}
}

func (c *slotCounts) add(o slotCounts) {
	c.spawns = SatAdd(c.spawns, o.spawns)
	c.respawns = SatAdd(c.respawns, o.respawns)
	c.harakiri = SatAdd(c.harakiri, o.harakiri)
	c.signals = SatAdd(c.signals, o.signals)
	for i := range c.deaths {
		c.deaths[i] = SatAdd(c.deaths[i], o.deaths[i])
	}
	for len(c.cores) < len(o.cores) {
		c.cores = append(c.cores, coreCounts{})
	}
	for i := range o.cores {
		c.cores[i].add(o.cores[i])
	}
}

// sum returns the counters of all cores together.
func (c *slotCounts) sum() coreCounts {
	var all coreCounts
	for i := range c.cores {
		all.add(c.cores[i])
	}
	return all
}

// liveBoard is a board whose generation runs, with the highest counters seen in it.
type liveBoard struct {
	board *Board
	high  []slotCounts
	slots []Slot   // as last read
	cores [][]Core // as last read
}

func newLiveBoard(b *Board) *liveBoard {
	l := &liveBoard{
		board: b,
		high:  make([]slotCounts, b.slots),
		slots: make([]Slot, b.slots),
		cores: make([][]Core, b.slots),
	}
	for i := range b.slots {
		l.high[i].cores = make([]coreCounts, b.cores)
		l.cores[i] = make([]Core, b.cores)
	}
	return l
}

// read brings the copy up to date.
func (l *liveBoard) read() {
	for i := range l.slots {
		l.slots[i] = l.board.Slot(i)
		l.high[i].raise(l.slots[i])
		for j := range l.cores[i] {
			l.cores[i][j] = l.board.Core(i, j)
			l.high[i].cores[j].raise(l.cores[i][j])
		}
	}
}

// Store is the parent's view of all generations: the live boards and what ended ones counted. The zero value is ready
// to use; all methods may be called concurrently.
type Store struct {
	mu   sync.Mutex
	live []*liveBoard // oldest first; two during an overlapping reload
	base []slotCounts // of ended generations, by worker id - 1
}

// Add makes a board live: its generation is the newest from now on. Adding a live board again changes nothing.
func (s *Store) Add(b *Board) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(b) < 0 {
		s.live = append(s.live, newLiveBoard(b))
	}
}

// Retire takes an ended generation's board out and keeps what it counted. It is called when no process of the
// generation is left; the board may be closed after it. A board that is not live (any more) changes nothing.
func (s *Store) Retire(b *Board) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(b)
	if i < 0 {
		return
	}
	l := s.live[i]
	l.read()
	for len(s.base) < len(l.high) {
		s.base = append(s.base, slotCounts{})
	}
	for j := range l.high {
		s.base[j].add(l.high[j])
	}
	s.live = append(s.live[:i:i], s.live[i+1:]...)
}

func (s *Store) find(b *Board) int {
	for i, l := range s.live {
		if l.board == b {
			return i
		}
	}
	return -1
}

// Snapshot reads all live boards and returns the figures as plain values. Two fields of one snapshot may be a request
// apart (nothing is locked), but no counter is ever lower than in an earlier snapshot.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clocks{wall: time.Now(), mono: monotonic()}
	width := len(s.base)
	shown := 0
	for _, l := range s.live {
		l.read()
		shown = max(shown, len(l.slots))
	}
	width = max(width, shown)
	snap := Snapshot{Time: now.wall, Workers: make([]Worker, 0, shown)}
	if n := len(s.live); n > 0 {
		newest := s.live[n-1].board
		snap.Generation = newest.generation
		for place := range MaxHelpers {
			snap.Helpers = append(snap.Helpers, newest.Helper(place))
		}
	}
	for i := range width {
		w := s.worker(i, now, &snap)
		snap.Totals.add(&w)
		if i < shown {
			snap.Workers = append(snap.Workers, w)
		} else {
			snap.Gone = append(snap.Gone, w)
		}
	}
	return snap
}

// worker builds the view of one worker id: counters of all generations, identity of the newest that started it.
func (s *Store) worker(i int, now clocks, snap *Snapshot) Worker {
	var counts slotCounts
	if i < len(s.base) {
		counts.add(s.base[i])
	}
	w := Worker{ID: i + 1, Status: StatusCheap}
	var from *liveBoard
	for _, l := range s.live {
		if i >= len(l.slots) {
			continue
		}
		counts.add(l.high[i])
		status := statusOf(l.slots[i], l.cores[i])
		snap.Processes[status]++
		snap.Totals.RSS = SatAdd(snap.Totals.RSS, residentOf(l.slots[i]))
		if from == nil || l.slots[i].Spawns > 0 {
			from = l
			w.Status = status
		}
	}
	w.count(&counts)
	if from != nil {
		w.identify(from, i, &counts, now)
	}
	return w
}

// clocks is one moment on both clocks.
type clocks struct {
	wall time.Time
	mono uint64 // CLOCK_MONOTONIC nanoseconds
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds: the clock of the start times in the board (in the jail too, unless
// it has a time namespace of its own).
func monotonic() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return uint64(ts.Nano())
}
