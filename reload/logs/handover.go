package logs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Handover is the hub as one image of the parent hands it to the next: descriptors by number. What the jail wrote and nobody has read waits
// in its pipes meanwhile. Fields are only ever added.
type Handover struct {
	Main    int               `json:"main"`              // the log file, -1: none of its own
	Dropped map[string]uint64 `json:"dropped,omitempty"` // by sink
	Intakes []IntakeHandover  `json:"intakes,omitempty"`
	Output  int               `json:"output"` // which of them is Hub.Output's, -1: none
}

// IntakeHandover is one generation's.
type IntakeHandover struct {
	Sources []SourceHandover `json:"sources"`
	Rest    int              `json:"rest"`    // the ends for writing, when they are still here, -1: not
	Channel int              `json:"channel"` //
}

// SourceHandover is an end that is read.
type SourceHandover struct {
	File    int    `json:"file"`
	Channel bool   `json:"channel,omitempty"`
	Held    []byte `json:"held,omitempty"` // the beginning of a line
}

// Files are the descriptors that have to be open in the next image.
func (h *Handover) Files() []int {
	list := []int{h.Main}
	for _, in := range h.Intakes {
		list = append(list, in.Rest, in.Channel)
		for _, s := range in.Sources {
			list = append(list, s.File)
		}
	}
	return list
}

// freezer has the readers of an intake stop for a while, each between two reads.
type freezer struct {
	mu      sync.Mutex
	changed *sync.Cond
	frozen  bool
	parked  int // readers that stand still
	over    int // readers that have ended
}

func (fr *freezer) freezing() bool {
	fr.mu.Lock()
	defer fr.mu.Unlock()
	return fr.frozen
}

// park stands still while the intake is frozen; it tells whether it was.
func (fr *freezer) park() bool {
	fr.mu.Lock()
	defer fr.mu.Unlock()
	if !fr.frozen {
		return false
	}
	fr.parked++
	fr.changed.Broadcast()
	for fr.frozen {
		fr.changed.Wait()
	}
	fr.parked--
	return true
}

func (in *Intake) isOver(s *source) {
	in.mu.Lock()
	defer in.mu.Unlock()
	s.over = true
	in.over++
	in.changed.Broadcast()
}

func (in *Intake) freeze() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.frozen = true
	for _, s := range in.sources {
		_ = s.f.SetReadDeadline(time.Unix(1, 0)) // fails for one that was read to its end
	}
	for in.parked+in.over < len(in.sources) {
		in.changed.Wait()
	}
}

func (in *Intake) thaw() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.frozen = false
	for _, s := range in.sources {
		_ = s.f.SetReadDeadline(time.Time{})
	}
	in.changed.Broadcast()
}

// Freeze stops reading and has what was read written, within the patience. After it nothing is in this process that could be lost, until
// thaw is called. When the log is not read by whom it is for, that cannot be, and everything goes on.
func (h *Hub) Freeze(patience time.Duration) (thaw func(), err error) {
	deadline := time.Now().Add(patience)
	h.mu.Lock()
	var list []*Intake
	for in := range h.intakes {
		list = append(list, in)
	}
	h.mu.Unlock()
	var frozen []*Intake
	thaw = func() {
		for _, in := range frozen {
			in.thaw()
		}
	}
	for _, in := range list {
		if !in.ended.Load() {
			in.freeze()
			frozen = append(frozen, in)
		} else if !in.wait(time.Until(deadline) / 2) { // of a generation that is gone; somebody still has it
			in.stop()
			in.wait(time.Until(deadline) / 2)
		}
	}
	for _, s := range h.sinks {
		if !s.flush(max(time.Until(deadline), 0)) {
			thaw()
			return nil, fmt.Errorf("cannot write the log %s to its end: whoever reads it is behind", s.name)
		}
	}
	return thaw, nil
}

// Handover tells what the next image needs; the index says which of the intakes is which. The hub is frozen.
func (h *Hub) Handover() (Handover, map[*Intake]int) {
	out := Handover{Main: -1, Output: -1, Dropped: h.Dropped()}
	if t, ok := h.main.target.(*file); ok {
		out.Main = number(t.f)
	}
	index := map[*Intake]int{}
	h.mu.Lock()
	defer h.mu.Unlock()
	for in := range h.intakes {
		if in.ended.Load() {
			continue
		}
		one := IntakeHandover{Rest: number(in.rest), Channel: number(in.channel)}
		in.mu.Lock()
		for _, s := range in.sources {
			if !s.over {
				one.Sources = append(one.Sources, SourceHandover{number(s.f), s.channel, s.a.held})
			}
		}
		in.mu.Unlock()
		index[in] = len(out.Intakes)
		if in == h.output {
			out.Output = index[in]
		}
		out.Intakes = append(out.Intakes, one)
	}
	return out, index
}

// number is the file's descriptor, -1 for none.
func number(f *os.File) int {
	n := -1
	if f == nil {
		return n
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { n = int(fd) })
	}
	return n
}

// handed makes a file of a descriptor that was handed over, nil of -1.
func handed(fd int, name string) (*os.File, error) {
	if fd < 0 {
		return nil, nil
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot take over %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Adopt takes over the intakes of an earlier image, in the order of the handover.
func (h *Hub) Adopt() ([]*Intake, error) {
	if h.set.Handed == nil {
		return nil, nil
	}
	var list []*Intake
	for i, one := range h.set.Handed.Intakes {
		in := newEmptyIntake()
		var err1, err2 error
		in.rest, err1 = handed(one.Rest, "log pipe")
		in.channel, err2 = handed(one.Channel, "log channel")
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		var sources []*source
		for _, s := range one.Sources {
			f, err := handed(s.File, "log pipe")
			if err != nil {
				return nil, err
			}
			if f == nil {
				return nil, errors.New("cannot take over a log pipe: it has no descriptor")
			}
			sources = append(sources, &source{f: f, channel: s.Channel, a: assembler{held: s.Held}})
		}
		in.frozen = true // until everything is taken over: an image that fails gives it all back
		for _, s := range sources {
			in.read(s, h.take)
		}
		h.keep(in)
		if i == h.set.Handed.Output {
			h.output = in
		}
		list = append(list, in)
	}
	return list, nil
}

// Begin starts to read what was taken over.
func (h *Hub) Begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for in := range h.intakes {
		in.thaw()
	}
}

// file is the target for a log file: the one that was handed over, as it may be that only an earlier image had the rights to open it.
func (h *Hub) file(place Place, o FileOptions) (target, error) {
	if h.set.Handed == nil || h.set.Handed.Main < 0 {
		return newFile(place, o)
	}
	f, err := handed(h.set.Handed.Main, place.Path)
	if err != nil {
		return nil, err
	}
	h.set.Handed.Main = -1
	t := &file{place: place, f: f, max: o.MaxSize, backup: o.Backup}
	t.measure()
	return t, nil
}

// takeCounts goes on with what an earlier image has lost.
func (h *Hub) takeCounts() {
	if h.set.Handed == nil {
		return
	}
	for _, s := range h.sinks {
		s.dropped.Store(h.set.Handed.Dropped[s.name]) // sinks of one name are shown as one
		delete(h.set.Handed.Dropped, s.name)
	}
}
