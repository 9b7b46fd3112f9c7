package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

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

// zygoteState is the life of the Python zygote.
type zygoteState uint8

const (
	zygoteNone zygoteState = iota // not running; started again at zygoteAt
	zygoteStarting
	zygoteLoading
	zygoteReady
	zygoteQuitting
)

// Back-off after a death that came too soon. uWSGI sleeps two seconds in its master; here only the slot waits, and longer
// each time.
const (
	tooSoon      = time.Second // a worker that lived shorter died at once
	firstBackoff = 2 * time.Second
	maxBackoff   = 60 * time.Second
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

	zygote      zygoteState
	zygotePID   int
	zygoteAt    time.Time // when to start it again
	zygoteFails int
	zygoteKill  time.Time // when to kill it after quit

	announced bool // ready was told
	failed    bool // app_failed was told
	brutal    bool
	leftAt    time.Time
}

func newMachine(set *Settings, selfID int) *machine {
	m := &machine{set: set, selfID: selfID, slots: make([]slot, set.Conf.Processes)}
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
		m.zygote = zygoteStarting
		return []Action{RunHooks{PreApp}, StartZygote{}}
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
		return m.said(ev.Message, now)
	case Exited:
		return m.exited(ev, now)
	case Asked:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(ev.Action)}}}
	case Leave:
		return m.leave(ev.Brutal, now)
	case Orphaned:
		m.phase = ended
		return []Action{Log{Error, "The parent is gone: killing everything in here and leaving"}, Exit{verdict.Init}}
	case Sampled:
		return m.sampled(ev, now)
	case Woke:
		return m.woke(now)
	}
	return nil
}

func (m *machine) zygoteStarted(ev ZygoteStarted) []Action {
	m.zygotePID = ev.PID
	if m.zygote == zygoteQuitting { // told to leave while it was being started
		return []Action{QuitZygote{}}
	}
	m.zygote = zygoteLoading
	return nil
}

// zygoteFailed: the interpreter could not be executed at all. Nothing can ever be served, so a start fails; in service
// (the zygote had died) the workers that live go on and it is tried again.
func (m *machine) zygoteFailed(ev ZygoteFailed, now time.Time) []Action {
	m.zygotePID = 0
	text := ev.Err.Error()
	if m.phase == loading {
		m.phase = ended
		return []Action{
			Tell{jail.Message{Type: jail.MsgStepFailed, Step: "python", Message: text}},
			Log{Error, text}, Exit{verdict.Init},
		}
	}
	m.zygote = zygoteNone
	m.zygoteAt = now.Add(m.zygoteBackoff())
	acts := []Action{Log{Error, text}}
	return append(acts, m.maybeGone(now)...)
}

func (m *machine) zygoteBackoff() time.Duration {
	m.zygoteFails++
	return backoff(m.zygoteFails)
}

// backoff doubles from firstBackoff to maxBackoff.
func backoff(n int) time.Duration {
	d := firstBackoff
	for ; n > 1 && d < maxBackoff; n-- {
		d *= 2
	}
	return min(d, maxBackoff)
}

func (m *machine) said(msg worker.Message, now time.Time) []Action {
	switch msg.Kind {
	case worker.Loaded:
		return m.loaded(msg, now)
	case worker.Forked:
		return m.forked(msg, now)
	case worker.Ready:
		return m.workerReady(msg, now)
	case worker.Served:
		return m.served(msg, now)
	case worker.Reload:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.ReloadAll)}}}
	case worker.Stop:
		return []Action{Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.Stop)}}}
	}
	return nil
}

// loaded: the import ended. Without an app and without need-app the workers start all the same and answer 500, as
// uWSGI's "full dynamic mode" does; the parent is told, because in an overlap reload it then keeps the old stack.
func (m *machine) loaded(msg worker.Message, now time.Time) []Action {
	if m.zygote != zygoteLoading || m.phase == leaving {
		return nil
	}
	var acts []Action
	switch {
	case msg.OK && !m.set.Conf.LazyApps:
		acts = append(acts, Log{Info, fmt.Sprintf("WSGI app 0 (mountpoint='') ready in %d seconds on interpreter %s pid: %d (default app)", msg.Usec/1e6, "python", m.zygotePID)})
	case !msg.OK:
		acts = append(acts, Log{Error, "unable to load app 0 (mountpoint='') (callable not found or import error)"}) // uWSGI's words
		acts = append(acts, m.tellFailed("the application could not be imported")...)
		if m.set.NeedApp {
			m.phase = ended
			return append(acts, Log{Error, "*** no app loaded. GAME OVER ***"}, Exit{verdict.FailedApp})
		}
		acts = append(acts, Log{Error, "*** no app loaded. going in full dynamic mode ***"})
	}
	m.zygote = zygoteReady
	m.zygoteFails = 0
	if m.phase == loading {
		acts = append(acts, RunHooks{PostApp}, Log{Info, fmt.Sprintf("spawned uWSGI master process (pid: %d)", m.selfID)}, RunHooks{MasterStart})
	}
	m.phase = serving
	return append(acts, m.forkDue(now)...)
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
	if m.zygote != zygoteReady || m.phase != serving {
		return nil
	}
	var acts []Action
	for i := range m.slots {
		s := &m.slots[i]
		if s.state == slotWaiting && !s.due.After(now) {
			m.seq++
			s.seq = m.seq
			s.deadline = now.Add(forkPatience)
			s.to(slotForking)
			acts = append(acts, Fork{s.id, s.seq, s.spawns})
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
		acts = append(acts, m.quitZygote(now)...)
	}
	for i := range m.slots {
		acts = append(acts, m.dismiss(&m.slots[i], now)...)
	}
	return append(acts, m.maybeGone(now)...)
}

func (m *machine) quitZygote(now time.Time) []Action {
	m.zygoteKill = now.Add(brutalMercy)
	switch m.zygote {
	case zygoteNone, zygoteQuitting:
		return nil
	case zygoteLoading: // an import cannot be interrupted by a message
		m.zygote = zygoteQuitting
		return []Action{Kill{m.zygotePID, unix.SIGKILL}}
	}
	m.zygote = zygoteQuitting
	if m.zygotePID == 0 {
		return nil // ZygoteStarted follows and sends it
	}
	return []Action{QuitZygote{}}
}

// maybeGone ends the master once nothing that it started is left.
func (m *machine) maybeGone(now time.Time) []Action {
	if m.phase != leaving || m.zygotePID != 0 || m.zygote == zygoteStarting || !m.unitsGone() {
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
	var acts []Action
	if m.zygote == zygoteNone && m.phase != leaving && !m.zygoteAt.After(now) {
		m.zygote = zygoteStarting
		acts = append(acts, StartZygote{})
	}
	if m.zygote == zygoteQuitting && m.zygotePID != 0 && !m.zygoteKill.After(now) {
		m.zygoteKill = now.Add(brutalMercy)
		acts = append(acts, Kill{m.zygotePID, unix.SIGKILL})
	}
	for i := range m.slots {
		acts = append(acts, m.slots[i].overdue(now)...)
	}
	acts = append(acts, m.unanswered(now)...)
	return append(acts, m.forkDue(now)...)
}

// unanswered: a zygote that does not fork when asked is of no use (out of memory, or stuck in an at-fork handler of the
// app). It is killed; the next one is asked again for what this one owes.
func (m *machine) unanswered(now time.Time) []Action {
	if m.zygote != zygoteReady {
		return nil
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.state == slotForking && !s.deadline.After(now) {
			s.deadline = now.Add(forkPatience)
			return []Action{
				Log{Error, fmt.Sprintf("The Python zygote (pid: %d) did not fork worker %d in %d seconds: starting another", m.zygotePID, s.id, int(forkPatience.Seconds()))},
				Kill{m.zygotePID, unix.SIGKILL},
			}
		}
	}
	return nil
}

// next is when woke should be called, zero when nothing is pending.
func (m *machine) next() time.Time {
	var at time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if m.zygote == zygoteNone && m.phase != leaving {
		consider(m.zygoteAt)
	}
	if m.zygote == zygoteQuitting && m.zygotePID != 0 {
		consider(m.zygoteKill)
	}
	for _, u := range m.units {
		consider(u.next())
	}
	for i := range m.slots {
		s := &m.slots[i]
		switch {
		case s.state == slotWaiting && m.phase == serving && m.zygote == zygoteReady:
			consider(s.due)
		case s.state == slotLeaving, s.state == slotForking && m.zygote == zygoteReady:
			consider(s.deadline)
		}
	}
	return at
}

// dead is what Mark needs to know about the end of a worker.
func dead(slot int, cause metrics.Cause) Action {
	return Mark{Slot: slot, What: MarkDied, Cause: cause}
}
