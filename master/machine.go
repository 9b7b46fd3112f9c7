package master

import (
	"math/rand/v2"
	"time"

	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// phase is where the stack stands. It only moves forward.
type phase uint8

const (
	loading phase = iota // the zygote imports the app
	serving
	leaving // told to go: no new worker, those that run finish
	ended
)

func (p phase) String() string { return [...]string{"loading", "serving", "leaving", "ended"}[p] }

// Back-off after a death that came too soon. uWSGI sleeps two seconds in its master; here only the slot waits, and longer
// each time.
const (
	tooSoon      = time.Second // a worker that lived shorter died at once
	firstBackoff = 2 * time.Second
	maxBackoff   = 60 * time.Second
	repeatAfter  = time.Second     // an order to leave is given again after so long
	brutalMercy  = 3 * time.Second // from SIGINT to SIGKILL when asked to be brutal
	hopeless     = 3               // deaths in a row before the first ready that make a generation fail
	forkPatience = 30 * time.Second
)

// machine decides; it touches nothing outside itself. Every handler returns the actions that the event calls for.
type machine struct {
	set    *Settings
	selfID int // the master's own pid as the jail sees it
	phase  phase
	slots  []slot
	seq    uint64
	units  []unit

	zygote      zygote
	second      *zygote   // imports the code of a renewal
	retired     []*zygote // told to quit, not ended yet
	zygotes     uint64    // how many were started
	zygoteFails int
	strays      []stray
	renewal     renewal
	epoch       uint64 // of the code that new workers get

	queue  int     // connections that waited at the last tick
	scaler *scaler // nil: the number of workers is fixed
	sleep  sleeper

	announced bool // ready was told
	failed    bool // app_failed was told
	brutal    bool
	paused    bool
	leftAt    time.Time
	jitter    func() float64 // from 0 to below 1
}

func newMachine(set *Settings, selfID int) *machine {
	m := &machine{set: set, selfID: selfID, slots: make([]slot, set.Conf.Processes), jitter: rand.Float64}
	for i := range m.slots {
		m.slots[i].id = i + 1
	}
	return m
}

// handle is the whole of the machine: one event in, actions out.
func (m *machine) handle(ev Event, now time.Time) []Action {
	if m.phase == ended {
		return nil
	}
	switch ev := ev.(type) {
	case Booted:
		if m.zygotes > 0 {
			return nil
		}
		return append(m.asUser(false), RunHooks{PreApp}, m.startZygote(&m.zygote, now))
	case HooksFailed:
		m.phase = ended
		text := ev.Err.Error()
		return []Action{
			Tell{jail.Message{Type: jail.MsgStepFailed, Step: "hook", Message: text}},
			Log{Error, "FATAL hook failed, destroying instance"}, Exit{verdict.Init},
		}
	case ZygoteStarted:
		return m.zygoteStarted(ev)
	case ZygoteFailed:
		return m.zygoteFailed(ev, now)
	case Said:
		return m.said(ev, now)
	case Exited:
		return m.exited(ev, now)
	case Asked:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(ev.Action)}}}
	case Leave:
		return m.leave(ev.Brutal, now)
	case Renew:
		return m.renewAsked(ev, now)
	case Ping:
		return []Action{Tell{jail.Message{Type: jail.MsgPong}}}
	case Pause:
		return m.pause(ev.On)
	case Orphaned:
		m.phase = ended
		return []Action{Log{Error, "The parent is gone: killing everything in here and leaving"}, Exit{verdict.Init}}
	case Sampled:
		return m.sampled(ev, now)
	case Ticked:
		return m.ticked(ev, now)
	case Knocked:
		return m.knocked(now)
	case Scale:
		return m.scale(ev, now)
	case Woke:
		return m.woke(now)
	}
	return nil
}

// backoff doubles from firstBackoff to maxBackoff, and adds up to a quarter, lest many that died together try again together.
func (m *machine) backoff(n int) time.Duration {
	d := time.Duration(m.set.ForkDelaySeconds) * time.Second
	if d == 0 {
		d = firstBackoff
	}
	for ; n > 1 && d < maxBackoff; n-- {
		d *= 2
	}
	d = min(d, maxBackoff)
	return d + time.Duration(m.jitter()*float64(d/4))
}

func (m *machine) said(msg Said, now time.Time) []Action {
	switch msg.Kind {
	case worker.Loaded:
		return m.loaded(msg, now)
	case worker.Forked:
		return m.forked(msg.Message, now)
	case worker.Unforked:
		return m.unforked(msg.Message, now)
	case worker.Ready:
		return m.workerReady(msg.Message, now)
	case worker.Served:
		return m.served(msg.Message, now)
	case worker.Monitored:
		return m.monitored(msg.Message, now)
	case worker.Reload:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.ReloadAll)}}}
	case worker.Stop:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.Stop)}}}
	}
	return nil
}

// tellFailed reports once a generation that the parent should not trust.
func (m *machine) tellFailed(why string) []Action {
	if m.failed {
		return nil
	}
	m.failed = true
	return []Action{Tell{jail.Message{Type: jail.MsgAppFailed, Message: why}}}
}

// forkDue asks for every slot that waits and whose time has come.
func (m *machine) forkDue(now time.Time) []Action {
	if m.zygote.state != zygoteReady || m.phase != serving {
		return nil
	}
	var acts []Action
	for i := range m.slots {
		s := &m.slots[i]
		if s.state == slotWaiting && !s.due.After(now) {
			m.seq++
			s.seq, s.zygote, s.epoch = m.seq, m.zygote.number, m.epoch
			s.deadline = now.Add(forkPatience)
			s.to(slotForking)
			acts = append(acts, Fork{s.zygote, s.id, s.seq, s.spawns})
		}
	}
	return acts
}

func (m *machine) leave(brutal bool, now time.Time) []Action {
	if m.phase == leaving && (m.brutal || !brutal) {
		return nil // told already
	}
	again := m.phase == leaving
	m.phase = leaving
	m.brutal = brutal
	m.leftAt = now
	var acts []Action
	if !again {
		acts = append(acts, m.quitZygote(&m.zygote, now)...)
		if m.second != nil {
			acts = append(acts, m.retire(*m.second, now)...)
			m.second = nil
		}
	}
	for i := range m.slots {
		acts = append(acts, m.dismiss(&m.slots[i], now)...)
	}
	return append(acts, m.maybeGone(now)...)
}

// maybeGone ends the master once nothing that it started is left.
func (m *machine) maybeGone(now time.Time) []Action {
	if m.phase != leaving || m.zygote.state != zygoteNone || len(m.retired) > 0 || len(m.strays) > 0 || !m.unitsGone() {
		return nil
	}
	for i := range m.slots {
		if m.slots[i].alive() {
			return nil
		}
	}
	m.phase = ended
	return []Action{Exit{verdict.OK}}
}

// woke carries out what is due: forks after a back-off, a zygote's restart, the end of mercy.
func (m *machine) woke(now time.Time) []Action {
	acts := append(m.zygotesDue(now), m.hurryStrays(now)...)
	for i := range m.slots {
		acts = append(acts, m.mercyOver(&m.slots[i], now)...)
	}
	return append(acts, m.forkDue(now)...)
}

// next is when woke should be called, zero when nothing is pending.
func (m *machine) next() time.Time {
	var at time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	m.nextZygote(consider)
	for _, s := range m.strays {
		consider(s.deadline)
	}
	for _, u := range m.units {
		consider(u.next())
	}
	for i := range m.slots {
		s := &m.slots[i]
		switch {
		case s.state == slotWaiting && m.phase == serving && m.zygote.state == zygoteReady:
			consider(s.due)
		case s.state == slotLeaving, s.state == slotForking && m.zygote.state == zygoteReady && s.zygote == m.zygote.number:
			consider(s.deadline)
		}
	}
	return at
}

// dead is what Mark needs to know about the end of a worker.
func dead(slot int, cause metrics.Cause) Action {
	return Mark{Slot: slot, What: MarkDied, Cause: cause}
}
