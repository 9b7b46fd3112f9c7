package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
)

// Sleep says when no worker is there at all.
type Sleep struct {
	Cheap     bool          `json:"cheap"`       // from the start, until the first connection
	Idle      time.Duration `json:"idle"`        // after so long without a request, 0 = never
	DieOnIdle bool          `json:"die_on_idle"` // the stack stops instead

	DieOnNoWorkers bool `json:"die_on_no_workers"` // the stack stops when none is left and none is about to come
}

// Load is what one worker did, from the scoreboard.
type Load struct {
	Busy     bool
	Requests uint64
	BusyTime time.Duration // of all its cores since the generation began, the requests that run included
	RSS      uint64        // bytes
}

// Events about the load.
type (
	// Ticked comes every second with a look at the whole.
	Ticked struct {
		Workers []Load // by slot
		Queue   int    // connections that wait in the listen queues
	}
	// Knocked means that a connection waits while no worker is there.
	Knocked struct{}
	// Scale is the parent's order to add or take away workers, or to put all to sleep.
	Scale struct {
		Delta int
		Cheap bool
	}
)

func (Ticked) event()  {}
func (Knocked) event() {}
func (Scale) event()   {}

// WatchSockets has the loop look for a connection, which becomes Knocked.
type WatchSockets struct{}

func (WatchSockets) action() {}

// sleeper is what the machine remembers of the load.
type sleeper struct {
	asleep    bool // no worker is there, or all are leaving for that
	watching  bool
	active    time.Time // of the last sign of a request
	requests  uint64
	busyTime  []time.Duration // by slot, at the last tick
	ticked    time.Time
	askedStop bool
	wanted    int // workers asked for while the last ones leave
}

// settle says at the start which places stay empty: before the first fork.
func (m *machine) settle(now time.Time) []Action {
	wanted := len(m.slots)
	if m.set.Cheaper.Min > 0 {
		wanted = min(max(m.set.Cheaper.Initial, m.set.Cheaper.Min), wanted)
	}
	var acts []Action
	if m.set.Sleep.Cheap {
		wanted = 0
		m.sleep.asleep = true
	}
	for i := wanted; i < len(m.slots); i++ {
		m.slots[i].to(slotCheap)
		acts = append(acts, Mark{Slot: i + 1, What: MarkCheap})
	}
	m.sleep.active = now
	if m.set.Cheaper.Min > 0 {
		m.scaler = &scaler{set: &m.set.Cheaper}
	}
	return append(acts, m.maybeAsleep()...)
}

// abandoned stops the stack when no worker is left and none is about to come: all are taken away, or in a back-off.
func (m *machine) abandoned(now time.Time) []Action {
	if !m.set.Sleep.DieOnNoWorkers || m.sleep.askedStop || m.sleep.asleep || !m.announced {
		return nil
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.alive() || (s.state == slotWaiting && !s.due.After(now)) {
			return nil
		}
	}
	m.sleep.askedStop = true
	return []Action{
		Log{Error, "no worker is left: leaving (die-on-no-workers)"},
		Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.Stop)}},
	}
}

// ticked lets the number of workers follow the load.
func (m *machine) ticked(ev Ticked, now time.Time) []Action {
	return append(m.repeat(now), m.measured(ev, now)...)
}

// measured does what the numbers of a tick call for.
func (m *machine) measured(ev Ticked, now time.Time) []Action {
	if m.phase != serving || len(ev.Workers) != len(m.slots) {
		return nil
	}
	m.queue = ev.Queue
	v := m.look(ev, now)
	if acts := m.abandoned(now); acts != nil {
		return acts
	}
	if m.sleep.asleep {
		return m.maybeAsleep()
	}
	if acts := m.maybeSleep(now); acts != nil {
		return acts
	}
	if m.scaler == nil || !m.announced || m.renewal.active {
		return m.turnOver(now)
	}
	delta, lines := m.scaler.decide(v)
	var acts []Action
	for _, line := range lines {
		acts = append(acts, Log{Info, line})
	}
	switch {
	case delta > 0:
		acts = append(acts, m.grow(delta, now)...)
	case delta < 0:
		acts = append(acts, m.shrink(ev.Workers, now)...)
	}
	return append(acts, m.turnOver(now)...)
}

// look sums up a tick.
func (m *machine) look(ev Ticked, now time.Time) view {
	z := &m.sleep
	v := view{now: now, queue: ev.Queue}
	var requests uint64
	var busyTime, capacity time.Duration
	if len(z.busyTime) != len(ev.Workers) {
		z.busyTime = make([]time.Duration, len(ev.Workers))
		z.ticked = now
	}
	for i, w := range ev.Workers {
		s := &m.slots[i]
		requests += w.Requests
		v.rss += w.RSS
		did := w.BusyTime - z.busyTime[i]
		z.busyTime[i] = w.BusyTime
		switch {
		case s.state == slotRunning:
			v.running++
			if w.Busy {
				v.busy++
			}
			capacity += now.Sub(z.ticked) * time.Duration(max(m.set.Conf.Threads, 1))
			busyTime += max(did, 0)
		case s.state == slotLeaving && s.why == metrics.CauseCheap:
		case s.state == slotCheap:
			v.cheap++
		case s.wanted():
			v.coming++
		}
	}
	if capacity > 0 {
		v.load = min(100*float64(busyTime)/float64(capacity), 100)
	}
	if requests != z.requests || v.busy > 0 || ev.Queue > 0 || v.coming > 0 {
		z.active = now
	}
	z.requests, z.ticked = requests, now
	return v
}

// grow fills empty places.
func (m *machine) grow(n int, now time.Time) []Action {
	for i := range m.slots {
		if s := &m.slots[i]; n > 0 && s.state == slotCheap {
			n--
			s.due, s.quick = now, 0
			s.to(slotWaiting)
		}
	}
	return m.forkDue(now)
}

// shrink tells the oldest idle worker to leave, once it has answered what it may have accepted meanwhile. One at a time.
func (m *machine) shrink(loads []Load, now time.Time) []Action {
	var oldest *slot
	for i := range m.slots {
		s := &m.slots[i]
		if s.state == slotLeaving {
			return nil
		}
		idle := i < len(loads) && !loads[i].Busy
		if s.state == slotRunning && idle && (oldest == nil || s.born.Before(oldest.born)) {
			oldest = s
		}
	}
	if oldest == nil {
		return nil
	}
	return m.cheapen(oldest, now)
}

func (m *machine) cheapen(s *slot, now time.Time) []Action {
	text := fmt.Sprintf("worker %d (pid: %d) is not needed: telling it to leave", s.id, s.pid)
	return m.sendOff(s, metrics.CauseCheap, text, unix.SIGHUP, m.set.mercy(), now)
}

// cheaped: a worker that was to save resources has left.
func (m *machine) cheaped(s *slot, pid int, now time.Time) []Action {
	acts := []Action{
		Log{Info, fmt.Sprintf("worker %d killed successfully (pid: %d)", s.id, pid)},
		Log{Info, fmt.Sprintf("uWSGI worker %d cheaped.", s.id)},
	}
	if m.sleep.wanted > 0 {
		m.sleep.wanted--
		m.sleep.asleep = false
		s.quick, s.due = 0, now
		s.to(slotWaiting)
		return append(acts, m.forkDue(now)...)
	}
	acts = append(acts, m.emptied(s)...)
	return append(acts, m.turnOver(now)...)
}

// maybeSleep puts all to sleep, or stops the stack, when nothing happened for long.
func (m *machine) maybeSleep(now time.Time) []Action {
	set := &m.set.Sleep
	if set.Idle <= 0 || !m.announced || now.Sub(m.sleep.active) < set.Idle || m.sleep.askedStop {
		return nil
	}
	text := fmt.Sprintf("workers have been inactive for more than %d seconds", int(set.Idle.Seconds()))
	if set.DieOnIdle {
		m.sleep.askedStop = true
		return []Action{
			Log{Info, text + ": leaving (die-on-idle)"},
			Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.Stop)}},
		}
	}
	return append([]Action{Log{Info, text}}, m.goCheap(now)...)
}

// goCheap sends all workers off; the first connection after that brings them back.
func (m *machine) goCheap(now time.Time) []Action {
	m.sleep.asleep, m.sleep.wanted = true, 0
	var acts []Action
	for i := range m.slots {
		switch s := &m.slots[i]; s.state {
		case slotRunning, slotStarting:
			acts = append(acts, m.cheapen(s, now)...)
		case slotWaiting:
			acts = append(acts, m.emptied(s)...)
		}
	}
	return append(acts, m.maybeAsleep()...)
}

// maybeAsleep watches the sockets once the last worker has left.
func (m *machine) maybeAsleep() []Action {
	if !m.sleep.asleep || m.sleep.watching || !m.allCheap() {
		return nil
	}
	m.sleep.watching = true
	return []Action{Log{Info, "cheap mode enabled: waiting for socket connection..."}, WatchSockets{}}
}

func (m *machine) allCheap() bool {
	for i := range m.slots {
		if m.slots[i].state != slotCheap {
			return false
		}
	}
	return true
}

// knocked: somebody wants to be served.
func (m *machine) knocked(now time.Time) []Action {
	m.sleep.watching = false
	if !m.sleep.asleep || m.phase != serving || !m.allCheap() {
		return nil
	}
	m.sleep.wanted = 0
	m.sleep.asleep, m.sleep.active = false, now
	n := len(m.slots)
	if m.set.Cheaper.Min > 0 {
		n = min(m.set.Cheaper.Min, n)
	}
	return m.grow(n, now)
}

// scale carries out an order from outside.
func (m *machine) scale(ev Scale, now time.Time) []Action {
	switch {
	case m.phase != serving:
		return nil
	case ev.Cheap && !m.sleep.asleep:
		return m.goCheap(now)
	case ev.Cheap:
		m.sleep.wanted = 0
		return nil
	case m.scaler == nil:
		return []Action{Log{Warn, "The number of workers is fixed: set cheaper (with cheaper-algo = manual for no other change) to add and take away workers"}}
	case ev.Delta > 0:
		return m.more(ev.Delta, now)
	}
	var acts []Action
	for ; ev.Delta < 0; ev.Delta++ {
		acts = append(acts, m.takeAway(now)...)
	}
	return acts
}

// more adds workers. Those that leave for good are not places yet: when all do, the last ones make room for what is asked for.
func (m *machine) more(n int, now time.Time) []Action {
	for i := range m.slots {
		if m.slots[i].state == slotCheap {
			m.sleep.asleep = false
			return m.grow(n, now)
		}
	}
	if m.sleep.asleep {
		m.sleep.wanted = min(m.sleep.wanted+n, len(m.slots))
	}
	return nil
}

// takeAway takes the last worker: one that does not serve yet, if there is such, lest none does. A busy one answers what it has first.
func (m *machine) takeAway(now time.Time) []Action {
	var running, coming, waits *slot
	count := 0
	for i := range m.slots {
		s := &m.slots[i]
		if !s.wanted() || s.surplus || (s.state == slotLeaving && s.why == metrics.CauseCheap) {
			continue
		}
		count++
		switch s.state {
		case slotRunning:
			running = s
		case slotWaiting:
			waits = s
		default:
			coming = s
		}
	}
	switch {
	case count <= m.set.Cheaper.Min || m.sleep.asleep:
		return nil
	case waits != nil:
		return m.emptied(waits)
	case coming != nil && coming.state == slotStarting:
		return m.cheapen(coming, now)
	case coming != nil:
		coming.surplus = true
		return []Action{Log{Info, fmt.Sprintf("worker %d is not needed: none comes after the one that is on its way", coming.id)}}
	}
	return m.cheapen(running, now)
}

// emptied leaves a place without a process.
func (m *machine) emptied(s *slot) []Action {
	s.surplus, s.quick = false, 0
	s.to(slotCheap)
	acts := append([]Action{Mark{Slot: s.id, What: MarkCheap}}, m.maybeAsleep()...)
	return append(acts, m.announce()...) // it may have been the last one that was waited for
}
