package master

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// slotState is the life of one worker's place in the table.
type slotState uint8

const (
	slotWaiting  slotState = iota // for its first fork, or for a back-off to pass (due)
	slotForking                   // the zygote was asked
	slotStarting                  // the process exists, it does not accept yet
	slotRunning
	slotLeaving // was told to end
	slotCheap   // ended to save resources, or not needed yet
	slotEmpty   // ended, and nobody wants it back
)

func (s slotState) String() string {
	return [...]string{"waiting", "forking", "starting", "running", "leaving", "cheap", "empty"}[s]
}

// slot is one worker's place; the id stays, the process changes.
type slot struct {
	id       int
	state    slotState
	pid      int
	seq      uint64 // of the fork request that is under way
	lost     uint64 // seq of one whose zygote ended, and whose answer may still come
	lostBy   time.Time
	zygote   uint64 // the number of the one that forks it
	epoch    uint64 // of its code
	spawns   int
	born     time.Time
	due      time.Time     // waiting: not before
	deadline time.Time     // leaving: SIGKILL then
	quick    int           // deaths in a row that came too soon
	told     time.Time     // when it was told to leave
	order    unix.Signal   // what it was told with
	why      metrics.Cause // of the end that we are bringing about; CauseExit = none
	overdue  bool          // harakiri: it has a request that takes too long
	softened bool          // harakiri: the graceful signal was sent
	surplus  bool          // forking, leaving: nobody comes after it

	recycle    bool // wants to be replaced, when its turn comes
	recycleWhy metrics.Cause
}

func (s *slot) to(next slotState) { s.state = next }

// alive tells whether a process of this slot exists or is about to.
func (s *slot) alive() bool {
	return s.state == slotForking || s.state == slotStarting || s.state == slotRunning || s.state == slotLeaving
}

// wanted tells whether a process should be there.
func (s *slot) wanted() bool { return s.state != slotCheap && s.state != slotEmpty }

// forked: the intermediate child tells the pid of the worker it made. The packet was sent before that child could exit,
// hence before the worker could become ours, hence before its end can be seen by wait4: the loop reads packets after it
// has reaped and handles them first, so this always comes before Exited. It may come after the end of the zygote, though.
func (m *machine) forked(msg worker.Message, now time.Time) []Action {
	if msg.Slot > len(m.slots) || msg.PID <= 1 || msg.PID == m.selfID || m.knows(msg.PID) {
		return []Action{Log{Warn, fmt.Sprintf("Ignoring a worker message that cannot be true: slot %d, pid %d", msg.Slot, msg.PID)}}
	}
	s := &m.slots[msg.Slot-1]
	late := s.lost != 0 && s.lost == msg.Seq && now.Before(s.lostBy)
	switch {
	case late && s.state == slotWaiting: // it is what the slot waits for
		s.lost = 0
	case late:
		s.lost = 0
		return m.astray(msg, now)
	case s.state != slotForking || s.seq != msg.Seq:
		return []Action{Log{Warn, fmt.Sprintf("Ignoring an answer to no question: slot %d is %v", msg.Slot, s.state)}}
	}
	s.pid = msg.PID
	s.born = now
	s.spawns++
	s.to(slotStarting)
	text := fmt.Sprintf("spawned uWSGI worker %d (pid: %d, cores: %d)", s.id, s.pid, m.set.Conf.Threads)
	if s.spawns > 1 {
		text = fmt.Sprintf("Respawned uWSGI worker %d (new pid: %d)", s.id, s.pid)
	}
	acts := []Action{
		Log{Info, text},
		Mark{Slot: s.id, What: MarkSpawned, PID: s.pid},
		Tell{jail.Message{Type: jail.MsgNote, Event: "spawned", Slot: s.id, PID: s.pid}},
	}
	if m.phase == leaving {
		return append(acts, m.dismiss(s, now)...)
	}
	if s.surplus {
		acts = append(acts, m.cheapen(s, now)...)
	}
	return acts
}

// knows tells whether a pid is that of a zygote or a worker.
func (m *machine) knows(pid int) bool {
	if slices.ContainsFunc(m.strays, func(s stray) bool { return s.pid == pid }) {
		return true
	}
	return m.zygoteWith(pid) != nil || slices.ContainsFunc(m.slots, func(s slot) bool { return s.pid == pid })
}

// speaker is the worker that a message claims to come from, nil when that worker was told to leave meanwhile, is not in the state in
// which it would say this, or the claim is not true.
func (m *machine) speaker(msg worker.Message, state slotState) *slot {
	if msg.Slot > len(m.slots) {
		return nil
	}
	if s := &m.slots[msg.Slot-1]; s.pid == msg.PID && s.state == state {
		return s
	}
	return nil
}

func (m *machine) workerReady(msg worker.Message, now time.Time) []Action {
	s := m.speaker(msg, slotStarting)
	if s == nil {
		return nil
	}
	s.to(slotRunning)
	acts := append([]Action{Mark{Slot: s.id, What: MarkRunning}}, m.lookAtPause(s)...)
	if !msg.OK && m.set.Conf.LazyApps {
		acts = append(acts, m.tellFailed(fmt.Sprintf("worker %d could not import the application", s.id))...)
		acts = append(acts, m.stopChain(s)...)
	}
	acts = append(acts, m.announce()...)
	if m.sleep.asleep { // it was on its way when all were told to leave
		return append(acts, m.cheapen(s, now)...)
	}
	return append(acts, m.turnOver(now)...)
}

// announce tells the parent, once, that all wanted workers accept.
func (m *machine) announce() []Action {
	if m.announced || m.phase != serving {
		return nil
	}
	count := 0
	for i := range m.slots {
		switch s := &m.slots[i]; {
		case s.state == slotRunning:
			count++
		case s.wanted():
			return nil
		}
	}
	m.announced = true
	return []Action{Tell{jail.Message{Type: jail.MsgReady, Workers: count}}}
}

// dismiss tells one worker to end: SIGHUP = finish the request first, SIGINT = at once.
func (m *machine) dismiss(s *slot, now time.Time) []Action {
	switch s.state {
	case slotWaiting, slotCheap:
		s.to(slotEmpty)
		return nil
	case slotForking, slotEmpty:
		return nil // forked() comes back here when the process exists
	}
	sig, mercy := unix.SIGHUP, m.set.mercy()
	text := fmt.Sprintf("Gracefully killing worker %d (pid: %d)...", s.id, s.pid)
	if m.brutal {
		sig, mercy = unix.SIGINT, brutalMercy
		text = fmt.Sprintf("Killing worker %d (pid: %d)...", s.id, s.pid)
	}
	return m.sendOff(s, s.why, text, sig, mercy, now)
}

// sendOff tells a worker to leave, and why.
func (m *machine) sendOff(s *slot, why metrics.Cause, text string, sig unix.Signal, mercy time.Duration, now time.Time) []Action {
	s.recycle, s.why = false, why
	s.told, s.order, s.deadline = now, sig, now.Add(mercy)
	s.to(slotLeaving)
	return []Action{Log{Info, text}, Mark{Slot: s.id, What: MarkStopping}, Kill{s.pid, sig}}
}

// repeat tells those that are leaving, and those that are to pause, once more. Python runs a signal handler between two instructions of
// its own: a signal that comes just before accept(2) is seen only when the next connection ends that.
func (m *machine) repeat(now time.Time) (acts []Action) {
	for i := range m.slots {
		switch s := &m.slots[i]; {
		case s.state == slotLeaving && now.Sub(s.told) >= repeatAfter && s.deadline.After(now) && !s.softened:
			acts = append(acts, Kill{s.pid, s.order})
		case s.state == slotRunning && m.paused:
			acts = append(acts, Kill{s.pid, unix.SIGTSTP})
		}
	}
	return acts
}

// mercyOver kills a worker whose time is over.
func (m *machine) mercyOver(s *slot, now time.Time) []Action {
	if s.state != slotLeaving || s.deadline.After(now) {
		return nil
	}
	if soft := m.set.Limits.HarakiriGraceful; s.overdue && soft > 0 && !s.softened {
		s.softened, s.deadline = true, now.Add(soft)
		return []Action{
			Log{Warn, fmt.Sprintf("*** GRACEFUL HARAKIRI ON WORKER %d (pid: %d) ***", s.id, s.pid)},
			Kill{s.pid, unix.Signal(m.set.Limits.HarakiriSignal)},
		}
	}
	s.deadline = now.Add(brutalMercy) // SIGKILL cannot be refused, but a process in the D state takes its time
	text := fmt.Sprintf("worker %d (pid: %d) is taking too much time to die...NO MERCY !!!", s.id, s.pid)
	if s.overdue {
		text = fmt.Sprintf("worker %d (pid: %d) is killed for its overdue request", s.id, s.pid)
	}
	return []Action{Log{Warn, text}, Kill{s.pid, unix.SIGKILL}}
}

// exited takes the end of a child: the zygote, a worker, or an orphan that was reparented to us, which is no news.
func (m *machine) exited(ev Exited, now time.Time) []Action {
	if z := m.zygoteWith(ev.PID); z != nil {
		return m.zygoteExited(z, ev.Status, now)
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.alive() && s.pid == ev.PID && s.pid != 0 {
			return m.workerExited(s, ev, now)
		}
	}
	if m.strayed(ev.PID) {
		return m.maybeGone(now)
	}
	return nil
}

func (m *machine) workerExited(s *slot, ev Exited, now time.Time) []Action {
	pid, was, why, status := s.pid, s.state, s.why, ev.Status
	unwanted := was == slotLeaving && (why == metrics.CauseCheap || s.surplus)
	s.pid, s.why, s.recycle, s.overdue, s.softened, s.surplus = 0, metrics.CauseExit, false, false, false, false
	cause := causeOf(was, m.brutal, ev)
	if why != metrics.CauseExit && (why == metrics.CauseHarakiri || !crashed(status)) {
		cause = why
	}
	acts := []Action{
		dead(s.id, cause),
		Tell{jail.Message{Type: jail.MsgNote, Event: "died", Slot: s.id, PID: pid, Cause: cause.String()}},
	}
	if was == slotLeaving && cause != why && crashed(status) {
		acts = append(acts, Log{Warn, fmt.Sprintf("worker %d (pid: %d) crashed while it left: %s", s.id, pid, explain(cause, status))})
	}
	if m.phase == leaving {
		s.to(slotEmpty)
		acts = append(acts, Log{Info, fmt.Sprintf("worker %d buried after %d seconds", s.id, int(now.Sub(m.leftAt).Seconds()))})
		return append(acts, m.maybeGone(now)...)
	}
	if status.Exited() && status.ExitStatus() == verdict.FailedApp && m.set.NeedApp {
		m.phase = ended
		acts = append(acts, m.tellFailed(fmt.Sprintf("worker %d could not import the application", s.id))...)
		return append(acts, Log{Error, fmt.Sprintf("OOPS ! failed loading app in worker %d (pid: %d)", s.id, pid)}, Exit{verdict.FailedApp})
	}
	if unwanted || m.sleep.asleep {
		return append(acts, m.cheaped(s, pid, now)...)
	}
	if was == slotLeaving {
		return append(acts, m.recycled(s, now)...)
	}
	acts = append(acts, Log{Warn, obituary(s.id, pid, status)})
	if text := explain(cause, status); text != "" {
		acts = append(acts, Log{Warn, fmt.Sprintf("worker %d (pid: %d) ended by itself: %s", s.id, pid, text)})
	}
	acts = append(acts, m.respawn(s, now)...)
	return append(acts, m.turnOver(now)...)
}

// respawn brings a worker back, at once the first time, later and later when it keeps dying young.
func (m *machine) respawn(s *slot, now time.Time) []Action {
	s.due = now
	s.to(slotWaiting)
	if now.Sub(s.born) >= tooSoon {
		s.quick = 0
		return m.forkDue(now)
	}
	s.quick++
	var acts []Action
	if !m.announced && s.quick >= hopeless {
		acts = append(acts, m.tellFailed(fmt.Sprintf("worker %d died %d times at once", s.id, s.quick))...)
	}
	if s.quick > 1 {
		wait := m.backoff(s.quick - 1)
		s.due = now.Add(wait)
		acts = append(acts, Log{Warn, fmt.Sprintf("worker respawning too fast !!! i have to sleep a bit (%d seconds)...", int(wait.Seconds()))})
	}
	return append(acts, m.forkDue(now)...)
}

// obituary is uWSGI's line for a worker that nobody had asked to die.
func obituary(id, pid int, status unix.WaitStatus) string {
	switch {
	case status.Signaled():
		return fmt.Sprintf("DAMN ! worker %d (pid: %d) died, killed by signal %d :( trying respawn ...", id, pid, status.Signal())
	case status.ExitStatus() == verdict.Graceful || status.ExitStatus() == verdict.OK:
		return fmt.Sprintf("...The work of process %d is done. Seeya!", pid)
	case status.ExitStatus() == verdict.FailedApp:
		return fmt.Sprintf("OOPS ! failed loading app in worker %d (pid: %d)", id, pid)
	}
	return fmt.Sprintf("DAMN ! worker %d (pid: %d) died :( trying respawn ...", id, pid)
}

// crashed tells whether a process ended by a fault of its own, and not by a signal that asks it to.
func crashed(status unix.WaitStatus) bool {
	if !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGABRT, unix.SIGILL, unix.SIGFPE, unix.SIGSYS, unix.SIGTRAP:
		return true
	}
	return false
}

// causeOf is the label under which a death is counted.
func causeOf(was slotState, brutal bool, ev Exited) metrics.Cause {
	status := ev.Status
	switch {
	case status.Signaled() && status.Signal() == unix.SIGSYS:
		return metrics.CauseSeccomp
	case status.Signaled() && status.Signal() == unix.SIGKILL && ev.OOM:
		return metrics.CauseOOM
	case was == slotLeaving && status.Signaled() && status.Signal() == unix.SIGKILL:
		return metrics.CauseKilled
	case was == slotLeaving && crashed(status):
		return metrics.CauseSignal
	case was == slotLeaving && brutal:
		return metrics.CauseStop
	case was == slotLeaving:
		return metrics.CauseReload
	case status.Signaled() && status.Signal() == unix.SIGKILL:
		return metrics.CauseKilled
	case status.Signaled():
		return metrics.CauseSignal
	case status.ExitStatus() == verdict.Graceful:
		return metrics.CauseReload
	case status.ExitStatus() == verdict.FailedApp:
		return metrics.CauseAppFailed
	}
	return metrics.CauseExit
}

// explain says what uWSGI's line about an end leaves out.
func explain(cause metrics.Cause, status unix.WaitStatus) string {
	switch {
	case cause == metrics.CauseOOM:
		return "the kernel killed it for want of memory"
	case cause == metrics.CauseKilled:
		return "somebody sent SIGKILL"
	case cause == metrics.CauseSeccomp:
		return "it made a system call that the filter forbids (SIGSYS)"
	case status.Signaled() && status.CoreDump():
		return fmt.Sprintf("%s, core dumped", unix.SignalName(status.Signal()))
	case status.Signaled():
		return unix.SignalName(status.Signal())
	case cause == metrics.CauseExit:
		return fmt.Sprintf("exit code %d", status.ExitStatus())
	}
	return ""
}
