package logs

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// target is where a sink's lines end up. Only the sink's goroutine calls it, and it may block.
type target interface {
	// write takes several records at once: record i ends at ends[i]. Records end with a newline.
	write(buf []byte, ends []int) error
	reopen() (string, error) // a new file under the old name; what was done, for the log, "" = nothing to do
	rotate() (string, error) // the old file under a new name
	close() error
}

// Sink is a bounded queue before a target. Writing to it never blocks.
type Sink struct {
	name   string
	target target
	limit  int                         // bytes that may wait
	notice func(lines uint64) []byte   // a line that tells of dropped lines, nil: none is written
	tell   func(text string, bad bool) // where reopening and rotating is told, nil: nowhere

	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	ends    []int
	orders  []func() // to be carried out by the goroutine
	busy    bool     // the goroutine is writing
	stalled bool     // somebody waited for room in vain, and no write was finished since
	closed  bool
	missed  uint64 // dropped since the last notice

	dropped atomic.Uint64
}

// defaultLimit is how much may wait for a reader that is slow, in bytes.
const defaultLimit = 4 << 20

func newSink(name string, t target, limit int) *Sink {
	s := &Sink{name: name, target: t, limit: limit}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Write queues one record; it is dropped when the queue is full. The result is always success, so that nobody tries again.
func (s *Sink) Write(record []byte) (int, error) {
	s.put(record, 1)
	return len(record), nil
}

// put queues a record of so many lines; it tells whether there was room.
func (s *Sink) put(record []byte, lines uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.fits(len(record)) {
		s.missed += lines
		s.dropped.Add(lines)
		return false
	}
	s.buf = append(s.buf, record...)
	s.ends = append(s.ends, len(s.buf))
	s.changed.Broadcast()
	return true
}

// fits tells whether there is room. A record that is longer than the limit by itself is taken when nothing else waits.
func (s *Sink) fits(size int) bool { return len(s.buf) == 0 || len(s.buf)+size <= s.limit }

// How long the app's output waits for room in a full queue: a reader that is only behind catches up in that time. When it does not
// read at all the wait is shorter; it is there so that a loop that prints without end does not cost the parent a processor.
const (
	patience = 200 * time.Millisecond
	flooded  = 5 * time.Millisecond
)

// await waits a little for room. It is called by nobody but the readers of the app's pipes.
func (s *Sink) await(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fits(size) || s.closed {
		return
	}
	wait := patience
	if s.stalled {
		wait = flooded
	}
	deadline := time.Now().Add(wait)
	timer := time.AfterFunc(wait, s.changed.Broadcast)
	defer timer.Stop()
	for !s.fits(size) && !s.closed && time.Now().Before(deadline) {
		s.changed.Wait()
	}
	s.stalled = !s.fits(size)
}

// Dropped is how many lines were lost because the target did not take them in time.
func (s *Sink) Dropped() uint64 { return s.dropped.Load() }

// order has the goroutine do something between two writes.
func (s *Sink) order(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.orders) < 16 { // more are the same again, of somebody who is not answered
		s.orders = append(s.orders, do)
	}
	s.changed.Broadcast()
}

func (s *Sink) run() {
	var buf []byte
	var ends []int
	for {
		s.mu.Lock()
		s.busy, s.stalled = false, false
		s.changed.Broadcast()
		for len(s.buf) == 0 && len(s.orders) == 0 && !s.closed {
			s.changed.Wait()
		}
		if len(s.buf) == 0 && len(s.orders) == 0 {
			s.mu.Unlock()
			return
		}
		s.busy = true
		buf, s.buf = s.buf, buf[:0]
		ends, s.ends = s.ends, ends[:0]
		orders := s.orders
		s.orders = nil
		missed := s.missed
		s.missed = 0
		s.changed.Broadcast() // there is room again
		s.mu.Unlock()
		for _, do := range orders {
			do()
		}
		s.deliver(buf, ends, missed)
		if cap(buf) > 1<<20 {
			buf = nil // a burst must not keep its memory for ever
		}
	}
}

// deliver writes what was queued, and then how much was not: the lines that are missing came after these.
func (s *Sink) deliver(buf []byte, ends []int, missed uint64) {
	if len(buf) > 0 {
		if err := s.target.write(buf, ends); err != nil {
			missed += uint64(len(ends))
			s.dropped.Add(uint64(len(ends)))
		}
	}
	if missed == 0 {
		return
	}
	if s.notice != nil {
		note := s.notice(missed)
		if s.target.write(note, []int{len(note)}) == nil {
			return
		}
	}
	s.mu.Lock()
	s.missed += missed
	s.mu.Unlock()
}

// flush waits until everything queued was written; it tells whether that was so in time.
func (s *Sink) flush(patience time.Duration) bool {
	deadline := time.Now().Add(patience) // before the timer, or its one call could come too early
	timer := time.AfterFunc(patience, s.changed.Broadcast)
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy || len(s.buf) > 0 || len(s.orders) > 0 {
		if !time.Now().Before(deadline) {
			return false
		}
		s.changed.Wait()
	}
	return true
}

// close ends the sink after what is queued, and waits for that so long. A target that blocks is left to the end of the process.
func (s *Sink) close(patience time.Duration) {
	done := s.flush(patience)
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	if done {
		_ = s.target.close()
	}
}

// maintain reopens or rotates the target, and tells what came of it.
func (s *Sink) maintain(what string, do func() (string, error)) {
	s.order(func() {
		text, err := do()
		if s.tell == nil {
			return
		}
		if err != nil {
			s.tell(fmt.Sprintf("cannot %s the log %s: %v", what, s.name, err), true)
		} else if text != "" {
			s.tell(text, false)
		}
	})
}
