package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// zygoteState is the life of a Python zygote.
type zygoteState uint8

const (
	zygoteNone zygoteState = iota // not running; started again at its time
	zygoteStarting
	zygoteLoading
	zygoteReady
	zygoteQuitting
)

// zygote is a Python process that imports the app and forks. There is one; while new code is tried a second one stands
// beside it. Each start has a number and a channel of its own, so that no zygote finds orders that another one left unread.
type zygote struct {
	number uint64
	state  zygoteState
	pid    int
	began  time.Time
	at     time.Time // none: when to start it again
	kill   time.Time // quitting: when to kill it
}

// coming tells whether the answer to StartZygote is still to come.
func (z *zygote) coming() bool {
	return z.state == zygoteStarting || (z.state == zygoteQuitting && z.pid == 0)
}

// start gives the zygote's place a new process.
func (m *machine) startZygote(z *zygote, now time.Time) Action {
	m.zygotes++
	*z = zygote{number: m.zygotes, state: zygoteStarting, began: now}
	return StartZygote{z.number}
}

// zygoteBy finds the zygote of a number, nil when it is gone.
func (m *machine) zygoteBy(number uint64) *zygote {
	if m.zygote.number == number {
		return &m.zygote
	}
	if m.second != nil && m.second.number == number {
		return m.second
	}
	for _, z := range m.retired {
		if z.number == number {
			return z
		}
	}
	return nil
}

// zygoteWith finds the zygote of a pid.
func (m *machine) zygoteWith(pid int) *zygote {
	for _, z := range append([]*zygote{&m.zygote, m.second}, m.retired...) {
		if z != nil && z.pid == pid && pid != 0 {
			return z
		}
	}
	return nil
}

func (m *machine) zygoteStarted(ev ZygoteStarted) []Action {
	z := m.zygoteBy(ev.Number)
	if z == nil || !z.coming() {
		return nil
	}
	z.pid = ev.PID
	if z.state == zygoteQuitting { // told to leave while it was being started
		return []Action{QuitZygote{z.number}}
	}
	z.state = zygoteLoading
	return nil
}

// zygoteFailed: the interpreter could not be executed at all. Nothing can ever be served, so a start fails; in service
// (the zygote had died) the workers that live go on and it is tried again.
func (m *machine) zygoteFailed(ev ZygoteFailed, now time.Time) []Action {
	z := m.zygoteBy(ev.Number)
	if z == nil || !z.coming() {
		return nil
	}
	text := ev.Err.Error()
	acts := []Action{DropZygote{ev.Number}}
	switch {
	case m.forgetRetired(z):
		return append(acts, m.maybeGone(now)...)
	case z == m.second:
		m.second = nil
		return append(append(acts, Log{Error, text}), m.notRenewed(text, now)...)
	}
	*z = zygote{}
	if m.phase == loading {
		m.phase = ended
		return []Action{
			Tell{jail.Message{Type: jail.MsgStepFailed, Step: "python", Message: text}},
			Log{Error, text}, Exit{verdict.Init},
		}
	}
	z.at = now.Add(m.zygoteBackoff())
	return append(append(acts, Log{Error, text}), m.maybeGone(now)...)
}

func (m *machine) zygoteBackoff() time.Duration {
	m.zygoteFails++
	return m.backoff(m.zygoteFails)
}

func (m *machine) forgetRetired(z *zygote) bool {
	for i, old := range m.retired {
		if old == z {
			m.retired = append(m.retired[:i:i], m.retired[i+1:]...)
			return true
		}
	}
	return false
}

// loaded: an import ended. Without an app and without need-app the workers start all the same and answer 500, as
// uWSGI's "full dynamic mode" does; the parent is told, because in an overlap reload it then keeps the old stack.
func (m *machine) loaded(msg Said, now time.Time) []Action {
	z := m.zygoteBy(msg.Zygote)
	if z == nil || z.state != zygoteLoading || m.phase == leaving {
		return nil
	}
	var acts []Action
	if msg.OK && !m.set.Conf.LazyApps {
		acts = append(acts, Log{Info, fmt.Sprintf("WSGI app 0 (mountpoint='') ready in %d seconds on interpreter %s pid: %d (default app)", msg.Usec/1e6, "python", z.pid)})
	} else if !msg.OK {
		acts = append(acts, Log{Error, "unable to load app 0 (mountpoint='') (callable not found or import error)"}) // uWSGI's words
	}
	if z == m.second {
		return append(acts, m.renewed(msg.OK, now)...)
	}
	if !msg.OK {
		acts = append(acts, m.tellFailed("the application could not be imported")...)
		if m.set.NeedApp {
			m.phase = ended
			return append(acts, Log{Error, "*** no app loaded. GAME OVER ***"}, Exit{verdict.FailedApp})
		}
		acts = append(acts, Log{Error, "*** no app loaded. going in full dynamic mode ***"})
	}
	z.state = zygoteReady
	m.zygoteFails = 0
	first := m.phase == loading
	m.phase = serving
	if first {
		acts = append(acts, RunHooks{PostApp})
		acts = append(acts, m.asUser(true)...)
		acts = append(acts, Log{Info, fmt.Sprintf("spawned uWSGI master process (pid: %d)", m.selfID)}, RunHooks{MasterStart})
		acts = append(acts, m.settle(now)...)
	}
	acts = append(acts, m.forkDue(now)...)
	acts = append(acts, m.announce()...) // when none is wanted yet
	acts = append(acts, m.renewAgain(now)...)
	return append(acts, m.turnOver(now)...)
}

// quitZygote tells one to leave.
func (m *machine) quitZygote(z *zygote, now time.Time) []Action {
	z.kill = now.Add(brutalMercy)
	switch z.state {
	case zygoteNone, zygoteQuitting:
		return nil
	case zygoteLoading: // an import cannot be interrupted by a message
		z.state = zygoteQuitting
		return []Action{Kill{z.pid, unix.SIGKILL}}
	}
	z.state = zygoteQuitting
	if z.pid == 0 {
		return nil // ZygoteStarted follows and sends it
	}
	return []Action{QuitZygote{z.number}}
}

// retire takes a zygote out of service; it is remembered until it has ended.
func (m *machine) retire(z zygote, now time.Time) []Action {
	if z.state == zygoteNone {
		return nil
	}
	m.retired = append(m.retired, &z)
	return m.quitZygote(&z, now)
}

// zygoteExited: what it means depends on when. Workers that live do not need it; forks that were under way are asked
// again of the next one.
func (m *machine) zygoteExited(z *zygote, status unix.WaitStatus, now time.Time) []Action {
	was := *z
	acts := []Action{DropZygote{was.number}}
	for i := range m.slots {
		if s := &m.slots[i]; s.state == slotForking && s.zygote == was.number {
			s.lost, s.lostBy = s.seq, now.Add(forkPatience)
			acts = append(acts, m.unfilled(s)...)
		}
	}
	how := fmt.Sprintf("exit code %d", status.ExitStatus())
	if status.Signaled() {
		how = fmt.Sprintf("signal %d", status.Signal())
	}
	switch {
	case m.forgetRetired(z):
		acts = append(acts, m.forkDue(now)...)
		return append(acts, m.maybeGone(now)...)
	case z == m.second:
		m.second = nil
		return append(acts, m.notRenewed("the interpreter ended while it imported the application: "+how, now)...)
	}
	*z = zygote{}
	if m.phase == leaving || was.state == zygoteQuitting {
		return append(acts, m.maybeGone(now)...)
	}
	pause := m.zygoteBackoff()
	text := fmt.Sprintf("The Python zygote (pid: %d) ended (%s)", was.pid, how)
	if was.state == zygoteLoading {
		text += " while it imported the application"
	}
	acts = append(acts, Log{Error, fmt.Sprintf("%s; the workers that run go on, another is started in %.1f seconds", text, pause.Seconds())})
	if was.state == zygoteLoading {
		acts = append(acts, m.tellFailed("the interpreter ended while it imported the application: "+how)...)
		if m.set.NeedApp && m.phase == loading {
			m.phase = ended
			return append(acts, Log{Error, "*** no app loaded. GAME OVER ***"}, Exit{verdict.FailedApp})
		}
	}
	z.at = now.Add(pause)
	return acts
}

// zygotesDue starts what is to be started again and kills what does not leave.
func (m *machine) zygotesDue(now time.Time) []Action {
	var acts []Action
	if m.zygote.state == zygoteNone && m.zygotes > 0 && m.phase != leaving && !m.zygote.at.After(now) {
		acts = append(acts, m.startZygote(&m.zygote, now))
	}
	for _, z := range append([]*zygote{&m.zygote}, m.retired...) {
		if z.state == zygoteQuitting && z.pid != 0 && !z.kill.After(now) {
			z.kill = now.Add(brutalMercy)
			acts = append(acts, Kill{z.pid, unix.SIGKILL})
		}
	}
	return append(acts, m.unanswered(now)...)
}

// nextZygote tells consider when zygotesDue has something to do.
func (m *machine) nextZygote(consider func(time.Time)) {
	if m.zygote.state == zygoteNone && m.phase != leaving {
		consider(m.zygote.at)
	}
	for _, z := range append([]*zygote{&m.zygote}, m.retired...) {
		if z.state == zygoteQuitting && z.pid != 0 {
			consider(z.kill)
		}
	}
}

// unanswered: a zygote that does not fork when asked is of no use (stuck in an at-fork handler of the app). It is killed;
// the next one is asked again for what this one owes.
func (m *machine) unanswered(now time.Time) []Action {
	if m.zygote.state != zygoteReady {
		return nil
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.state == slotForking && s.zygote == m.zygote.number && !s.deadline.After(now) {
			s.deadline = now.Add(forkPatience)
			return []Action{
				Log{Error, fmt.Sprintf("The Python zygote (pid: %d) did not fork worker %d in %d seconds: starting another", m.zygote.pid, s.id, int(forkPatience.Seconds()))},
				Kill{m.zygote.pid, unix.SIGKILL},
			}
		}
	}
	return nil
}

// unforked: the fork failed, for want of memory or processes. The slot waits, longer each time.
func (m *machine) unforked(msg worker.Message, now time.Time) []Action {
	if msg.Slot > len(m.slots) {
		return nil
	}
	s := &m.slots[msg.Slot-1]
	if s.state != slotForking || s.seq != msg.Seq {
		return nil
	}
	acts := m.unfilled(s)
	if s.state != slotWaiting {
		return append(acts, m.maybeGone(now)...)
	}
	s.quick++
	wait := m.backoff(s.quick)
	s.due = now.Add(wait)
	return append(acts, Log{Warn, fmt.Sprintf("worker %d could not be forked: trying again in %.1f seconds", s.id, wait.Seconds())})
}

// unfilled: the process that a place waited for does not come. It waits on, if one is still wanted there.
func (m *machine) unfilled(s *slot) []Action {
	switch {
	case m.phase == leaving:
		s.to(slotEmpty)
	case s.surplus || m.sleep.asleep:
		return m.emptied(s)
	default:
		s.to(slotWaiting)
	}
	return nil
}
