package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/metrics"
)

// A renewal replaces the workers by ones with the code as it is now, without a new jail. A second zygote imports the code
// beside the first; only when that worked are workers replaced, one after the other (chain) or all at once, and the first
// zygote leaves. With lazy-apps the zygote holds no code and is kept.

// renewal is what is under way.
type renewal struct {
	want   Renew  // what the second zygote is for
	again  *Renew // asked for while that was not possible
	chain  bool   // slots of an older epoch are replaced one after the other
	active bool
}

// importPatience is how long an import may take before another renewal gives it up.
const importPatience = 30 * time.Second

// renewAsked starts a renewal, or remembers it while an import is under way, so that code which changed since is not missed.
func (m *machine) renewAsked(ev Renew, now time.Time) []Action {
	switch {
	case m.phase == leaving:
		return nil
	case m.phase == loading || m.zygote.state != zygoteReady,
		m.second != nil && now.Sub(m.second.began) < importPatience:
		m.renewal.again = &ev
		return []Action{Log{Info, "Workers reload asked for while the app is imported: it follows"}}
	}
	var acts []Action
	if m.second != nil {
		acts = append(acts, Log{Warn, "The import of the new code takes too long: giving it up for another one"})
		acts = append(acts, m.retire(*m.second, now)...)
		m.second = nil
	}
	m.renewal.want = ev
	if m.set.Conf.LazyApps {
		return append(acts, m.replaceAll(now)...)
	}
	m.second = &zygote{}
	return append(acts, Log{Info, "Importing the new code beside the old one..."}, m.startZygote(m.second, now))
}

func (m *machine) renewAgain(now time.Time) []Action {
	again := m.renewal.again
	if again == nil {
		return nil
	}
	m.renewal.again = nil
	return m.renewAsked(*again, now)
}

// renewed: the second zygote has imported the code, or could not.
func (m *machine) renewed(ok bool, now time.Time) []Action {
	z := m.second
	m.second = nil
	z.state = zygoteReady // to be told to quit, at least
	if !ok {
		acts := m.retire(*z, now)
		return append(acts, m.notRenewed("the application could not be imported", now)...)
	}
	acts := m.retire(m.zygote, now)
	m.zygote = *z
	m.zygoteFails = 0
	acts = append(acts, m.replaceAll(now)...)
	return append(acts, m.renewAgain(now)...)
}

// notRenewed: nothing was touched.
func (m *machine) notRenewed(why string, now time.Time) []Action {
	if m.phase == leaving {
		return m.maybeGone(now)
	}
	acts := []Action{
		Log{Error, "Workers reload abandoned, the workers go on with the old code: " + why},
		Tell{jail.Message{Type: jail.MsgNote, Event: jail.NoteNotRenewed, Message: why}},
	}
	return append(acts, m.renewAgain(now)...)
}

// replaceAll makes every process that was forked so far one of an older epoch.
func (m *machine) replaceAll(now time.Time) []Action {
	m.epoch++
	m.renewal.active, m.renewal.chain = true, m.renewal.want.Chain
	acts := []Action{Log{Info, "...gracefully killing workers..."}}
	if m.renewal.want.Brutal {
		acts[0] = Log{Info, "...brutally killing workers..."}
	} else if m.renewal.chain {
		acts[0] = Log{Info, "chain reloading starts"}
	}
	for i := range m.slots {
		if s := &m.slots[i]; s.state == slotWaiting { // in a back-off that the old code has earned
			s.due, s.quick = now, 0
		}
	}
	acts = append(acts, m.forkDue(now)...)
	return append(acts, m.turnOver(now)...)
}

// turnOver carries on with whatever replaces workers; to be called when a slot has changed. While no zygote is there to fork the next one, a
// worker is better than none.
func (m *machine) turnOver(now time.Time) []Action {
	if m.phase != serving || m.zygote.state != zygoteReady {
		return nil
	}
	return append(m.replace(now), m.recycle(now)...)
}

// replace takes what is next of a renewal.
func (m *machine) replace(now time.Time) []Action {
	r := &m.renewal
	if !r.active {
		return nil
	}
	var acts []Action
	stale, settled := 0, true
	var victim *slot
	for i := range m.slots {
		s := &m.slots[i]
		old := s.alive() && s.epoch != m.epoch
		if old {
			stale++
		}
		settled = settled && (s.state == slotRunning || !s.wanted())
		switch {
		case s.state != slotRunning || !old:
		case !r.chain:
			acts = append(acts, m.replaceOne(s, now)...)
		case victim == nil:
			victim = s
		}
	}
	switch {
	case stale == 0 && settled:
		r.active = false
		if r.chain {
			acts = append(acts, Log{Info, "chain reloading complete"})
		}
		return append(acts, Tell{jail.Message{Type: jail.MsgNote, Event: jail.NoteRenewed}})
	case r.chain && settled && victim != nil:
		acts = append(acts, Log{Info, fmt.Sprintf("chain next victim is worker %d", victim.id)})
		acts = append(acts, m.replaceOne(victim, now)...)
	}
	return acts
}

func (m *machine) replaceOne(s *slot, now time.Time) []Action {
	if m.renewal.want.Brutal {
		return m.sendOff(s, metrics.CauseReload, fmt.Sprintf("Killing worker %d (pid: %d)...", s.id, s.pid), unix.SIGINT, brutalMercy, now)
	}
	return m.sendOff(s, metrics.CauseReload, fmt.Sprintf("Gracefully killing worker %d (pid: %d)...", s.id, s.pid), unix.SIGHUP, m.set.mercy(), now)
}

// stopChain: with lazy-apps the first worker of the chain shows that the code is broken; the others keep the old one.
func (m *machine) stopChain(s *slot) []Action {
	if !m.renewal.active || !m.renewal.chain || s.epoch != m.epoch {
		return nil
	}
	m.renewal.active = false
	why := fmt.Sprintf("worker %d could not import the application", s.id)
	return []Action{
		Log{Error, "chain reloading stopped, the other workers go on with the old code: " + why},
		Tell{jail.Message{Type: jail.MsgNote, Event: jail.NoteNotRenewed, Message: why}},
	}
}
