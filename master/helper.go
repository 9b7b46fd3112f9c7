package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// HelperSettings say how mules and spoolers live; which there are is in worker.Conf.
type HelperSettings struct {
	MuleMercy       time.Duration `json:"mule_mercy"`    // to finish a message before SIGKILL
	MuleHarakiri    time.Duration `json:"mule_harakiri"` // longest message or signal, 0 = no limit
	MuleMsgSize     int           `json:"mule_msg_size"` // bytes of a queue, 0 = the system's
	TouchMules      []string      `json:"touch_mules,omitempty"`
	SpoolerMercy    time.Duration `json:"spooler_mercy"`
	SpoolerHarakiri time.Duration `json:"spooler_harakiri"`
	TouchSpoolers   []string      `json:"touch_spoolers,omitempty"`
}

// Events and actions of helpers.
type (
	// HelperSampled is what a look at a helper found; the loop makes one for each every second.
	HelperSampled struct {
		Place int
		Busy  time.Duration // of the message, signal or task that it handles, 0 = none
	}
	// HelpersTouched means that a file changed whose change restarts all helpers of a kind.
	HelpersTouched struct {
		Kind worker.HelperKind
		File string
	}
	// StartHelper asks the zygote for a helper; the answer is a Said with worker.Started.
	StartHelper struct {
		Zygote uint64
		Kind   worker.HelperKind
		ID     int
		Seq    uint64
		Spawns int
	}
	// MarkHelper writes the pid of a helper to the scoreboard, 0 when it ended.
	MarkHelper struct{ Place, PID int }
)

func (HelperSampled) event()  {}
func (HelpersTouched) event() {}
func (StartHelper) action()   {}
func (MarkHelper) action()    {}

// recyclePause is how soon a spooler that has done its number of tasks comes back: it may be a very small number.
const recyclePause = 100 * time.Millisecond

// helper is one process beside the workers; its place is that in the scoreboard.
type helper struct {
	kind     worker.HelperKind
	id       int // 1-based, of its kind
	place    int
	state    slotState
	pid      int
	seq      uint64
	lost     uint64 // seq of a request whose zygote ended, and whose answer may still come
	lostBy   time.Time
	zygote   uint64 // that was asked for it
	spawns   int
	born     time.Time
	due      time.Time // waiting: not before
	deadline time.Time // leaving: SIGKILL then; forking: the zygote is asked again
	quick    int       // deaths in a row that came too soon
	brutal   bool      // was told to end at once
}

func (h *helper) alive() bool {
	return h.state == slotForking || h.state == slotRunning || h.state == slotLeaving
}

func (h *helper) String() string { return fmt.Sprintf("%s %d", h.kind, h.id) }

// helpers is the unit of mules and spoolers: forked from the zygote like workers, replaced when they die, told to end after
// the last worker, so that what a worker still hands over finds somebody.
type helpers struct {
	set     *Settings
	zygotes forkers
	list    []helper
	seq     uint64
	leaving bool
	brutal  bool
}

// forkers is what the helpers have to know of the zygotes.
type forkers interface {
	// forker is the zygote to ask, 0 while there is none.
	forker() uint64
	// zygoteThere tells whether a zygote may still answer.
	zygoteThere(number uint64) bool
}

func (m *machine) forker() uint64 {
	if m.zygote.state != zygoteReady || m.phase != serving {
		return 0
	}
	return m.zygote.number
}

func (m *machine) zygoteThere(number uint64) bool { return m.zygoteBy(number) != nil }

func newHelpers(set *Settings, zygotes forkers) *helpers {
	u := &helpers{set: set, zygotes: zygotes}
	add := func(kind worker.HelperKind, n int) {
		for id := 1; id <= n; id++ {
			u.list = append(u.list, helper{kind: kind, id: id, place: len(u.list)})
		}
	}
	add(worker.Mule, len(set.Conf.Helpers.Mules))
	add(worker.Spooler, set.Conf.Helpers.Spool.Count())
	return u
}

func (u *helpers) gone() bool {
	for i := range u.list {
		if u.list[i].alive() {
			return false
		}
	}
	return true
}

func (u *helpers) next() time.Time {
	var at time.Time
	for i := range u.list {
		h := &u.list[i]
		t := h.deadline
		if h.state == slotWaiting && u.zygotes.forker() != 0 && !u.leaving {
			t = h.due
		} else if h.state != slotForking && h.state != slotLeaving {
			continue
		}
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

func (u *helpers) handle(ev Event, now time.Time) []Action {
	switch ev := ev.(type) {
	case Serving:
		return u.startDue(now)
	case Said:
		switch ev.Kind {
		case worker.Started:
			return u.started(ev.Message, now)
		case worker.Unstarted:
			return u.unstarted(ev.Message, now)
		case worker.Loaded:
			return u.startDue(now)
		}
	case Exited:
		return u.exited(ev, now)
	case HelperSampled:
		return u.sampled(ev)
	case HelpersTouched:
		return u.restart(ev, now)
	case Leaving:
		return u.leave(ev.Brutal, now)
	case WorkersGone:
		return u.dismissAll(now)
	case Woke:
		return u.woke(now)
	}
	return nil
}

// startDue asks for every helper that waits and whose time has come.
func (u *helpers) startDue(now time.Time) []Action {
	zygote := u.zygotes.forker()
	if zygote == 0 || u.leaving {
		return nil
	}
	var acts []Action
	for i := range u.list {
		h := &u.list[i]
		if h.state != slotWaiting || h.due.After(now) {
			continue
		}
		u.seq++
		h.seq, h.zygote, h.state, h.deadline = u.seq, zygote, slotForking, now.Add(forkPatience)
		acts = append(acts, StartHelper{zygote, h.kind, h.id, h.seq, h.spawns})
	}
	return acts
}

// started: the intermediate child tells the pid of a helper; see machine.forked for the order of things.
func (u *helpers) started(msg worker.Message, now time.Time) []Action {
	for i := range u.list {
		h := &u.list[i]
		late := h.lost != 0 && h.lost == msg.Seq && now.Before(h.lostBy)
		if h.kind != msg.Helper || h.id != msg.Slot || msg.PID <= 1 || (!late && (h.state != slotForking || h.seq != msg.Seq)) {
			continue
		}
		if late && h.state != slotWaiting {
			h.lost = 0
			text := fmt.Sprintf("%s (pid: %d) comes after its place was filled anew: telling it to leave", h, msg.PID)
			return []Action{Log{Warn, text}, Kill{msg.PID, unix.SIGHUP}}
		}
		h.pid, h.born, h.state = msg.PID, now, slotRunning
		if late {
			h.lost = 0
		}
		h.spawns++
		acts := []Action{
			Log{Info, fmt.Sprintf("spawned uWSGI %s (pid: %d)", h, h.pid)},
			MarkHelper{h.place, h.pid},
		}
		if u.leaving {
			acts = append(acts, u.dismiss(h, now)...)
		}
		return acts
	}
	return []Action{Log{Warn, fmt.Sprintf("Ignoring an answer to no question: %s %d, pid %d", msg.Helper, msg.Slot, msg.PID)}}
}

// unstarted: the fork failed, for want of memory or processes.
func (u *helpers) unstarted(msg worker.Message, now time.Time) []Action {
	for i := range u.list {
		h := &u.list[i]
		if h.kind != msg.Helper || h.id != msg.Slot || h.state != slotForking || h.seq != msg.Seq {
			continue
		}
		h.quick++
		u.waits(h, u.backoff(h.quick), now)
		return []Action{Log{Warn, fmt.Sprintf("%s could not be forked: trying again", h)}}
	}
	return nil
}

// waits has a helper come back after a while, or not at all.
func (u *helpers) waits(h *helper, pause time.Duration, now time.Time) {
	h.state, h.due = slotWaiting, now.Add(pause)
	if u.leaving {
		h.state = slotEmpty
	}
}

func (u *helpers) backoff(n int) time.Duration { return min(firstBackoff<<min(n-1, 10), maxBackoff) }

func (u *helpers) exited(ev Exited, now time.Time) []Action {
	for i := range u.list {
		h := &u.list[i]
		if h.state == slotForking && !u.zygotes.zygoteThere(h.zygote) {
			h.lost, h.lostBy = h.seq, now.Add(forkPatience)
			u.waits(h, 0, now) // the next one is asked
		} else if h.pid == ev.PID && h.pid != 0 {
			return append(u.ended(h, ev.Status, now), u.startDue(now)...)
		}
	}
	return u.startDue(now)
}

// ended takes the end of a helper: it comes back, at once the first time, later and later when it keeps dying young.
func (u *helpers) ended(h *helper, status unix.WaitStatus, now time.Time) []Action {
	pid, was := h.pid, h.state
	h.pid = 0
	acts := []Action{MarkHelper{Place: h.place}}
	if u.leaving {
		h.state = slotEmpty
		return append(acts, Log{Info, fmt.Sprintf("%s (pid: %d) annihilated", h, pid)})
	}
	h.state, h.due = slotWaiting, now
	if was == slotLeaving {
		h.quick = 0
		return acts
	}
	if h.kind == worker.Spooler && status.Exited() && status.ExitStatus() == verdict.Graceful {
		h.quick, h.due = 0, now.Add(recyclePause)
		return append(acts, Log{Info, fmt.Sprintf("...The work of %s (pid: %d) is done. Seeya!", h, pid)})
	}
	how := fmt.Sprintf("ended with exit code %d", status.ExitStatus())
	if status.Signaled() {
		how = fmt.Sprintf("was killed by signal %d", status.Signal())
	}
	acts = append(acts, Log{Warn, fmt.Sprintf("OOOPS %s (pid: %d) crippled (it %s)...trying respawn...", h, pid, how)})
	h.quick++
	if now.Sub(h.born) >= tooSoon {
		h.quick = 0
	}
	if h.quick > 1 {
		wait := u.backoff(h.quick - 1)
		h.due = now.Add(wait)
		acts = append(acts, Log{Warn, fmt.Sprintf("%s is respawning too fast: waiting %d seconds", h, int(wait.Seconds()))})
	}
	return acts
}

// sampled applies harakiri.
func (u *helpers) sampled(ev HelperSampled) []Action {
	for i := range u.list {
		h := &u.list[i]
		if h.place != ev.Place || h.state != slotRunning || ev.Busy == 0 {
			continue
		}
		limit := u.set.Helpers.MuleHarakiri
		if h.kind == worker.Spooler {
			limit = u.set.Helpers.SpoolerHarakiri
		}
		if limit > 0 && ev.Busy > limit {
			return []Action{
				Log{Warn, fmt.Sprintf("*** HARAKIRI ON %s (pid: %d), busy since %d seconds ***", h, h.pid, int(ev.Busy.Seconds()))},
				Kill{h.pid, unix.SIGKILL},
			}
		}
	}
	return nil
}

// restart replaces all helpers of a kind; each finishes what it does.
func (u *helpers) restart(ev HelpersTouched, now time.Time) []Action {
	acts := []Action{Log{Info, fmt.Sprintf("*** %s has been touched... reloading all %ss !!! ***", ev.File, ev.Kind)}}
	for i := range u.list {
		if h := &u.list[i]; h.kind == ev.Kind && !u.leaving {
			acts = append(acts, u.dismiss(h, now)...)
		}
	}
	return acts
}

func (u *helpers) leave(brutal bool, now time.Time) []Action {
	u.leaving, u.brutal = true, brutal
	for i := range u.list {
		if h := &u.list[i]; h.state == slotWaiting {
			h.state = slotEmpty
		}
	}
	if brutal {
		return u.dismissAll(now)
	}
	return nil // WorkersGone follows
}

func (u *helpers) dismissAll(now time.Time) []Action {
	var acts []Action
	for i := range u.list {
		acts = append(acts, u.dismiss(&u.list[i], now)...)
	}
	return acts
}

// dismiss tells one helper to end: SIGHUP = finish first, SIGINT = at once.
func (u *helpers) dismiss(h *helper, now time.Time) []Action {
	if h.pid == 0 || h.state == slotLeaving && h.brutal == u.brutal {
		return nil // one that is being forked is told when it is there
	}
	h.brutal = u.brutal
	sig, mercy := unix.SIGHUP, u.mercy(h)
	if u.brutal {
		sig, mercy = unix.SIGINT, brutalMercy
	}
	h.state, h.deadline = slotLeaving, now.Add(mercy)
	return []Action{Kill{h.pid, sig}}
}

func (u *helpers) mercy(h *helper) time.Duration {
	if h.kind == worker.Spooler {
		return u.set.Helpers.SpoolerMercy
	}
	return u.set.Helpers.MuleMercy
}

// woke starts what is due, kills those whose mercy is over, and asks again for what a zygote owes for too long.
func (u *helpers) woke(now time.Time) []Action {
	var acts []Action
	for i := range u.list {
		h := &u.list[i]
		if h.deadline.After(now) {
			continue
		}
		switch h.state {
		case slotLeaving:
			h.deadline = now.Add(brutalMercy)
			acts = append(acts,
				Log{Warn, fmt.Sprintf("%s (pid: %d) is taking too much time to die...NO MERCY !!!", h, h.pid)},
				Kill{h.pid, unix.SIGKILL})
		case slotForking:
			h.lost, h.lostBy = h.seq, now.Add(forkPatience)
			u.waits(h, 0, now)
		}
	}
	return append(acts, u.startDue(now)...)
}
