package logs

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Hub is the log of one parent and all its jails.
type Hub struct {
	direct  *os.File // what the jail may write to by itself, nil: everything comes through here
	main    *Sink
	sinks   []*Sink
	wrap    func(line []byte) []byte // makes a record of a line of the app's, nil: the line itself
	mu      sync.Mutex
	intakes map[*Intake]bool
	output  *Intake // of commands that the parent itself runs
	watch   atomic.Pointer[func(line []byte)]
}

// Settings say where the log goes.
type Settings struct {
	Out    *os.File                 // what the log was before anything was configured: standard error
	Direct bool                     // the jail may write to Out by itself
	Wrap   func(line []byte) []byte // makes a record of one line of the app's (a JSON log), nil: none
	Notice func(lines uint64) []byte
}

// New makes the hub.
func New(set Settings) *Hub {
	h := &Hub{wrap: set.Wrap, intakes: map[*Intake]bool{}}
	if set.Direct {
		h.direct = set.Out
	}
	h.main = newSink("stderr", &stream{f: set.Out}, defaultLimit)
	h.main.notice = set.Notice
	h.sinks = []*Sink{h.main}
	return h
}

// Direct is the file that the jail may write to by itself, nil when it has to go through an Intake.
func (h *Hub) Direct() *os.File { return h.direct }

// Intake makes the ends for a new jail.
func (h *Hub) Intake(workers int) (*Intake, error) {
	in, err := newIntake(workers, h.take)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.intakes[in] = true
	go func() {
		in.done.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.intakes, in)
	}()
	return in, nil
}

// Output is a file for the output of commands that the parent runs itself.
func (h *Hub) Output() (*os.File, error) {
	if h.direct != nil {
		return h.direct, nil
	}
	if h.output == nil {
		in, err := h.Intake(0)
		if err != nil {
			return nil, err
		}
		h.output = in
	}
	return h.output.rest, nil
}

// Write takes a line of the parent's own. It never blocks.
func (h *Hub) Write(line []byte) (int, error) {
	h.take(Own, line)
	return len(line), nil
}

// Watch has every line looked at, whoever wrote it; nil ends it. The function is called from several goroutines, must not wait and must not
// keep the line.
func (h *Hub) Watch(look func(line []byte)) {
	if look == nil {
		h.watch.Store(nil)
		return
	}
	h.watch.Store(&look)
}

// take sends whole lines of one kind on their way.
func (h *Hub) take(kind Kind, lines []byte) {
	if look := h.watch.Load(); look != nil {
		for line := range split(lines) {
			(*look)(line)
		}
	}
	if kind == App {
		h.main.await(len(lines))
	}
	if kind != App || h.wrap == nil {
		h.main.put(lines, count(lines))
		return
	}
	for line := range split(lines) {
		h.main.put(h.wrap(line), 1)
	}
}

// Dropped is how many lines each sink has lost.
func (h *Hub) Dropped() map[string]uint64 {
	all := map[string]uint64{}
	for _, s := range h.sinks {
		all[s.name] += s.Dropped()
	}
	return all
}

// Close is the end: what the jails have written is read, what waits is written, all of it within the patience.
func (h *Hub) Close(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	if h.output != nil {
		h.output.Handed()
	}
	h.mu.Lock()
	var left []*Intake
	for in := range h.intakes {
		left = append(left, in)
	}
	h.mu.Unlock()
	var err error
	for _, in := range left {
		if !in.wait(time.Until(deadline) / 2) {
			in.stop()
			err = errors.New("cannot read the log to its end: somebody still holds it open")
		}
	}
	for _, s := range h.sinks {
		s.close(max(time.Until(deadline), 0))
	}
	return err
}
