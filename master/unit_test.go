package master

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lodger is a unit with one process, 77, that takes its time to leave.
type lodger struct {
	heard []Event
	here  bool
}

func (u *lodger) handle(ev Event, _ time.Time) []Action {
	switch ev := ev.(type) {
	case Serving:
		u.here = true
	case WorkersGone:
	case Leaving:
		return []Action{Kill{77, unix.SIGTERM}}
	case Exited:
		if ev.PID == 77 {
			u.here = false
		}
	default:
		return nil
	}
	u.heard = append(u.heard, ev)
	return nil
}

func (u *lodger) next() time.Time { return time.Unix(5, 0) }
func (u *lodger) gone() bool      { return !u.here }

func TestUnits(t *testing.T) {
	set := Settings{}
	set.Conf.Processes, set.Conf.Threads = 2, 1
	m := newMachine(&set, 1)
	u := &lodger{}
	m.units = []unit{u}
	now := time.Unix(1, 0)
	for _, s := range up {
		m.dispatch(s.ev, now)
	}
	if len(u.heard) != 1 || u.heard[0] != (Serving{}) {
		t.Fatalf("after the start the unit heard %v, want Serving once", u.heard)
	}
	if got := m.next(); !got.Equal(time.Unix(5, 0)) {
		t.Errorf("the machine wants to be woken at %v, not when its unit does", got)
	}
	if got := words(m.dispatch(Leave{}, now)); got != "quit, HUP 11, HUP 12, TERM 77" {
		t.Fatalf("leave: %s", got)
	}
	for _, pid := range []int{11, 12, 5} {
		if got := words(m.dispatch(exited(pid, 17), now)); got == "exit 0" {
			t.Fatalf("the master ended at %d, before its unit was gone", pid)
		}
	}
	if !slices.Contains(u.heard, Event(WorkersGone{})) {
		t.Fatalf("after the last worker the unit heard %v, want WorkersGone", u.heard)
	}
	if got := words(m.dispatch(exited(77, 0), now)); got != "exit 0" {
		t.Fatalf("the master did not end with its unit: %q", got)
	}
}
