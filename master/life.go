package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
	"gowsgi/worker"
)

// Limits say when a worker is replaced although nothing is wrong with its process. Zero means no limit.
type Limits struct {
	Harakiri        time.Duration `json:"harakiri"`         // longest request
	HarakiriVerbose bool          `json:"harakiri_verbose"` // with the Python stacks in the log
	MinLifetime     time.Duration `json:"min_lifetime"`     // a worker is not recycled before
	MaxLifetime     time.Duration `json:"max_lifetime"`
	LifetimeDelta   time.Duration `json:"lifetime_delta"` // times (worker id - 1) is added to MaxLifetime
	ReloadRSS       uint64        `json:"reload_rss"`     // bytes; checked between requests
	ReloadAS        uint64        `json:"reload_as"`
	EvilRSS         uint64        `json:"evil_rss"` // bytes; killed at once
	EvilAS          uint64        `json:"evil_as"`
}

// Sampled is what a look at a running worker found; the loop makes one for each every second.
type Sampled struct {
	Slot     int
	Busy     time.Duration // of its longest running request, 0 = idle
	What     string        // of that request, for the log
	RSS, VSZ uint64        // bytes
}

func (Sampled) event() {}

// stackTime is how long a worker has to write its stacks before harakiri kills it.
const stackTime = time.Second

// sampled applies the limits to one worker. Killing comes first; recycling waits for its turn.
func (m *machine) sampled(ev Sampled, now time.Time) []Action {
	if ev.Slot < 1 || ev.Slot > len(m.slots) || m.phase != serving {
		return nil
	}
	s := &m.slots[ev.Slot-1]
	if s.state != slotRunning {
		return nil
	}
	lim := &m.set.Limits
	if lim.Harakiri > 0 && ev.Busy > lim.Harakiri {
		return m.harakiri(s, ev, now)
	}
	if over(ev.RSS, lim.EvilRSS) || over(ev.VSZ, lim.EvilAS) {
		s.why = metrics.CauseRSS
		return []Action{
			Log{Warn, fmt.Sprintf("*** EVIL RELOAD ON WORKER %d RSS: %d AS: %d (pid: %d) ***", s.id, ev.RSS, ev.VSZ, s.pid)},
			Kill{s.pid, unix.SIGKILL},
		}
	}
	age := now.Sub(s.born)
	if age < lim.MinLifetime {
		return nil
	}
	life := lim.MaxLifetime + time.Duration(s.id-1)*lim.LifetimeDelta
	switch {
	case over(ev.RSS, lim.ReloadRSS) || over(ev.VSZ, lim.ReloadAS):
		m.wantRecycle(s, metrics.CauseRSS)
	case lim.MaxLifetime > 0 && age >= life:
		m.wantRecycle(s, metrics.CauseLifetime)
	}
	return m.turnOver(now)
}

func over(value, limit uint64) bool { return limit > 0 && value >= limit }

// harakiri kills a worker whose request took too long; with verbose it first has it write its stacks.
func (m *machine) harakiri(s *slot, ev Sampled, now time.Time) []Action {
	if m.set.Limits.HarakiriVerbose && s.stackAt.IsZero() {
		s.stackAt = now
		return []Action{
			Log{Warn, fmt.Sprintf("*** HARAKIRI ON WORKER %d (pid: %d, try: 1) ***, the Python stacks follow", s.id, s.pid)},
			Kill{s.pid, unix.SIGUSR2},
		}
	}
	if !s.stackAt.IsZero() && now.Sub(s.stackAt) < stackTime/2 {
		return nil
	}
	s.why = metrics.CauseHarakiri
	s.stackAt = time.Time{}
	return []Action{
		Log{Warn, fmt.Sprintf("*** HARAKIRI ON WORKER %d (pid: %d, try: 1) ***", s.id, s.pid)},
		Log{Warn, fmt.Sprintf("HARAKIRI %s since %d seconds", ev.What, int(ev.Busy.Seconds()))},
		Mark{Slot: s.id, What: MarkHarakiri},
		Kill{s.pid, unix.SIGKILL},
	}
}

// served: a worker has done its number of requests. It serves on until its turn has come.
func (m *machine) served(msg worker.Message, now time.Time) []Action {
	if msg.Slot > len(m.slots) {
		return nil
	}
	s := &m.slots[msg.Slot-1]
	if s.pid != msg.PID || s.state != slotRunning {
		return nil
	}
	m.wantRecycle(s, metrics.CauseMaxRequests)
	return m.turnOver(now)
}

// wantRecycle notes why a worker should be replaced; the first reason stays.
func (m *machine) wantRecycle(s *slot, why metrics.Cause) {
	if !s.recycle {
		s.recycle, s.recycleWhy = true, why
	}
}

// recycle replaces one worker at the most: the next one only when all others serve, so that recycling never takes the
// capacity of two.
func (m *machine) recycle(now time.Time) []Action {
	var next *slot
	for i := range m.slots {
		s := &m.slots[i]
		if !s.wanted() {
			continue
		}
		if s.state != slotRunning {
			return nil
		}
		old := now.Sub(s.born) >= m.set.Limits.MinLifetime
		if s.recycle && old && (next == nil || s.born.Before(next.born)) {
			next = s
		}
	}
	if next == nil {
		return nil
	}
	s := next
	text := fmt.Sprintf("...The work of process %d is done. Seeya! (%s)", s.pid, s.recycleWhy)
	if s.recycleWhy == metrics.CauseLifetime {
		text = fmt.Sprintf("worker %d lifetime reached, it was running for %d second(s)", s.id, int(now.Sub(s.born).Seconds()))
	}
	return m.sendOff(s, s.recycleWhy, text, unix.SIGHUP, m.set.mercy(), now)
}

// recycled: the end of a worker that was told to make room for a fresh one.
func (m *machine) recycled(s *slot, now time.Time) []Action {
	s.quick = 0
	s.due = now
	s.to(slotWaiting)
	return m.forkDue(now)
}
