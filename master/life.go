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
	Harakiri         time.Duration `json:"harakiri"`          // longest request
	HarakiriVerbose  bool          `json:"harakiri_verbose"`  // with the Python stacks in the log
	HarakiriGraceful time.Duration `json:"harakiri_graceful"` // from a signal that asks to the one that kills, 0 = no asking
	HarakiriSignal   int           `json:"harakiri_signal"`   // that asks
	HarakiriQueue    int           `json:"harakiri_queue"`    // no harakiri unless more connections wait
	MinLifetime      time.Duration `json:"min_lifetime"`      // a worker is not recycled before
	MaxLifetime      time.Duration `json:"max_lifetime"`
	LifetimeDelta    time.Duration `json:"lifetime_delta"` // times (worker id - 1) is added to MaxLifetime
	ReloadRSS        uint64        `json:"reload_rss"`     // bytes; the request that runs is finished first
	ReloadAS         uint64        `json:"reload_as"`
	ReloadUSS        uint64        `json:"reload_uss"`
	ReloadPSS        uint64        `json:"reload_pss"`
	EvilRSS          uint64        `json:"evil_rss"` // bytes; killed at once
	EvilAS           uint64        `json:"evil_as"`
}

// Sampled is what a look at a running worker found; the loop makes one for each every second.
type Sampled struct {
	Slot     int
	Busy     time.Duration // of its longest running request, 0 = idle
	What     string        // of that request, for the log
	Others   int           // requests that run and are not overdue
	RSS, VSZ uint64        // bytes
	USS, PSS uint64        // bytes, when there is a limit
}

func (Sampled) event() {}

// signalOverdue tells a worker's watchdog to answer for requests that take too long; the number is the runtime's too.
const signalOverdue = unix.Signal(40)

// lastWords is how long a worker has, before harakiri kills it, to write its stacks and the answer to the client.
const lastWords = 500 * time.Millisecond

// sampled applies the limits to one worker. Killing comes first; recycling waits for its turn.
func (m *machine) sampled(ev Sampled, now time.Time) []Action {
	if ev.Slot < 1 || ev.Slot > len(m.slots) {
		return nil
	}
	s, lim := &m.slots[ev.Slot-1], &m.set.Limits
	overdue := lim.Harakiri > 0 && ev.Busy > lim.Harakiri && (lim.HarakiriQueue == 0 || m.queue > lim.HarakiriQueue)
	switch {
	case s.state == slotLeaving && s.overdue:
		return m.lastOther(s, ev, now)
	case overdue && (s.state == slotRunning || (s.state == slotLeaving && !m.brutal)):
		return m.harakiri(s, ev, now)
	case s.state != slotRunning || m.phase != serving:
		return nil
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
	case over(ev.RSS, lim.ReloadRSS) || over(ev.VSZ, lim.ReloadAS) || over(ev.USS, lim.ReloadUSS) || over(ev.PSS, lim.ReloadPSS):
		m.wantRecycle(s, metrics.CauseRSS)
	case lim.MaxLifetime > 0 && age >= life:
		m.wantRecycle(s, metrics.CauseLifetime)
	}
	return m.turnOver(now)
}

func over(value, limit uint64) bool { return limit > 0 && value >= limit }

// harakiri ends a worker with a request that takes too long. Its client is answered by the worker's watchdog, other requests
// of the worker (its threads') are finished first, within the mercy.
func (m *machine) harakiri(s *slot, ev Sampled, now time.Time) []Action {
	acts := []Action{
		Log{Warn, fmt.Sprintf("*** HARAKIRI ON WORKER %d (pid: %d, try: 1) ***", s.id, s.pid)},
		Log{Warn, fmt.Sprintf("HARAKIRI %s since %d seconds", ev.What, int(ev.Busy.Seconds()))},
		Mark{Slot: s.id, What: MarkHarakiri},
	}
	if m.set.Limits.HarakiriVerbose {
		acts = append(acts, Log{Warn, "the Python stacks follow"}, Kill{s.pid, unix.SIGUSR2})
	}
	acts = append(acts, Kill{s.pid, signalOverdue})
	s.overdue = true
	mercy, text := lastWords, "no other request runs in it"
	if ev.Others > 0 {
		mercy, text = m.set.mercy(), fmt.Sprintf("%d other request(s) are finished first", ev.Others)
	}
	if s.state == slotLeaving { // it was told before, and has no more time than it was given then
		s.surplus = s.surplus || s.why == metrics.CauseCheap
		s.why, s.deadline = metrics.CauseHarakiri, earliest(s.deadline, now.Add(mercy))
		return acts
	}
	return append(acts, m.sendOff(s, metrics.CauseHarakiri, fmt.Sprintf("worker %d (pid: %d) is replaced: %s", s.id, s.pid, text), unix.SIGHUP, mercy, now)...)
}

// lastOther ends the mercy of an overdue worker when only its overdue requests are left.
func (m *machine) lastOther(s *slot, ev Sampled, now time.Time) []Action {
	if ev.Others == 0 && !s.softened && s.deadline.After(now.Add(lastWords)) {
		s.deadline = now.Add(lastWords)
		return []Action{Kill{s.pid, signalOverdue}} // for those that became overdue since
	}
	return nil
}

// served: a worker has done its number of requests. It serves on until its turn has come.
func (m *machine) served(msg worker.Message, now time.Time) []Action {
	s := m.speaker(msg, slotRunning)
	if s == nil {
		return nil
	}
	m.wantRecycle(s, metrics.CauseMaxRequests)
	return m.turnOver(now)
}

// monitored: the app raised an exception after which the worker is not to be trusted. It serves on until its turn has come.
func (m *machine) monitored(msg worker.Message, now time.Time) []Action {
	s := m.speaker(msg, slotRunning)
	if s == nil {
		return nil
	}
	m.wantRecycle(s, metrics.CauseException)
	return append([]Action{Log{Warn, fmt.Sprintf("monitored exception detected, respawning worker %d (pid: %d)...", s.id, s.pid)}}, m.turnOver(now)...)
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
		old := now.Sub(s.born) >= m.set.Limits.MinLifetime || s.recycleWhy == metrics.CauseException
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
