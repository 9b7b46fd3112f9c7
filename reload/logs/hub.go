package logs

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Hub is the log of one parent and all its jails.
type Hub struct {
	set     Settings
	direct  *os.File // what the jail may write to by itself, nil: everything comes through here
	main    *Sink
	sinks   []*Sink
	lines   *lane
	reqs    *lane // nil: request lines go with the others
	filters []Matcher
	drains  []Matcher
	plain   bool // nothing is done with single lines

	mu      sync.Mutex
	intakes map[*Intake]bool
	output  *Intake // of commands that the parent itself runs
	watch   atomic.Pointer[func(line []byte)]
}

// Settings say where the log goes.
type Settings struct {
	Out    *os.File                  // where it goes when no file is named: standard error
	Place  Place                     // the log file, when its path is not empty
	File   FileOptions               // how it is treated
	Direct func(f *os.File) bool     // the jail may write to the file by itself
	Wrap   func(line []byte) []byte  // makes a record of one line of the app's (a JSON log), nil: none
	Notice func(lines uint64) []byte // a line that tells of lost lines
	Sort   Sort
	Handed *Handover // of the image of the parent before this one, nil: this is the first
}

// New opens what the settings name.
func New(set Settings) (*Hub, error) {
	h := &Hub{set: set, intakes: map[*Intake]bool{}}
	var err error
	if h.filters, err = compileAll(set.Sort.Filters); err != nil {
		return nil, err
	}
	if h.drains, err = compileAll(set.Sort.Drains); err != nil {
		return nil, err
	}
	name, t := "stderr", target(&stream{f: set.Out})
	if set.Place.Path != "" {
		name = set.Place.Path
		if t, err = h.file(set.Place, set.File); err != nil {
			return nil, err
		}
	}
	if f := fileOf(t); f != nil && set.Direct != nil && set.Direct(f) {
		h.direct = f
	}
	h.main = newSink(name, t, defaultLimit)
	h.main.notice = set.Notice
	s := set.Sort
	if h.lines, err = newLane(h.main, s.Loggers, s.Routes, s.Encoders, set.Notice); err != nil {
		return nil, err
	}
	h.sinks = append(h.sinks, h.main)
	for _, one := range h.lines.loggers {
		h.sinks = append(h.sinks, one.sink)
	}
	if len(s.ReqLoggers) > 0 {
		if h.reqs, err = newLane(h.main, s.ReqLoggers, s.ReqRoutes, s.ReqEncoders, set.Notice); err != nil {
			return nil, err
		}
		for _, one := range h.reqs.loggers {
			h.sinks = append(h.sinks, one.sink)
		}
	}
	h.takeCounts()
	h.plain = len(h.lines.loggers)+len(h.lines.encoders)+len(h.filters)+len(h.drains) == 0
	return h, nil
}

// fileOf is the descriptor behind a target, nil when there is none.
func fileOf(t target) *os.File {
	switch t := t.(type) {
	case *stream:
		return t.f
	case *file:
		return t.f
	}
	return nil
}

// Terminal is the file behind the main log, to be asked whether it is a terminal; nil when there is none.
func (h *Hub) Terminal() *os.File { return fileOf(h.main.target) }

// Tell sets who is told of what was done to log files.
func (h *Hub) Tell(tell func(text string, bad bool)) {
	for _, s := range h.sinks {
		s.tell = tell
	}
}

// Replace lets the main log go on in a file that could not be opened before.
func (h *Hub) Replace(place Place, o FileOptions) error {
	t, err := h.file(place, o)
	if err != nil {
		return err
	}
	h.main.order(func() { h.main.target = t })
	return nil
}

// Reopen opens all log files again, after somebody has given them another name.
func (h *Hub) Reopen() {
	for _, s := range h.sinks {
		s.maintain("reopen", func() (string, error) { return s.target.reopen() })
	}
}

// Rotate gives the log file another name and opens a new one.
func (h *Hub) Rotate() {
	h.main.maintain("rotate", func() (string, error) { return h.main.target.rotate() })
}

// Own gives the log file to a user, now and whenever it is opened again.
func (h *Hub) Own(uid, gid int) {
	h.main.maintain("give away", func() (string, error) {
		t, ok := h.main.target.(*file)
		if !ok {
			return "", nil
		}
		t.place.UID, t.place.GID = uid, gid
		return "", t.f.Chown(uid, gid)
	})
}

// Direct is the file that the jail may write to by itself, nil when it has to go through an Intake.
func (h *Hub) Direct() *os.File { return h.direct }

// Intake makes the ends for a new jail.
func (h *Hub) Intake(workers int) (*Intake, error) {
	in, err := newIntake(workers, h.take)
	if err != nil {
		return nil, err
	}
	h.keep(in)
	return in, nil
}

// keep remembers an intake until it was read to its end.
func (h *Hub) keep(in *Intake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.intakes[in] = true
	go func() {
		in.done.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.intakes, in)
	}()
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
	way := h.lines
	if kind == Request && h.reqs != nil {
		way = h.reqs
	}
	if kind == App {
		way.await(len(lines))
	}
	wrap := h.set.Wrap
	if kind != App {
		wrap = nil
	}
	if h.plain && way == h.lines && wrap == nil {
		h.main.put(lines, count(lines))
		return
	}
	now := time.Now()
	for line := range split(lines) {
		if way == h.lines && (matchAny(h.drains, line) || len(h.filters) > 0 && !matchAny(h.filters, line)) {
			continue
		}
		if wrap != nil {
			line = bytes.TrimSuffix(wrap(line), []byte{'\n'})
		}
		way.send(line, now)
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
