package reload

import (
	"fmt"
	"time"

	"gowsgi/reload/verdict"
)

func (p *plan) ended(ev evEnded, now time.Time) []action {
	if p.forget(ev.gen) {
		return p.maybeFinish()
	}
	if p.next != nil && p.next.id == ev.gen {
		v := verdict.OfMaster(ev.status, p.served)
		acts := p.giveUp("jail", v.Why)
		p.forget(ev.gen)
		return acts
	}
	if p.current == nil || p.current.id != ev.gen {
		return nil
	}
	switch p.stage {
	case stopping:
		p.current = nil
		return p.maybeFinish()
	case draining:
		return p.start(now)
	}
	return p.lost(verdict.OfMaster(ev.status, p.served), now)
}

func (p *plan) forget(id uint64) bool {
	for i, g := range p.old {
		if g.id == id {
			p.old = append(p.old[:i:i], p.old[i+1:]...)
			return true
		}
	}
	return false
}

// lost: the current generation is gone and nobody had asked for it.
func (p *plan) lost(v verdict.Verdict, now time.Time) []action {
	g := p.current
	p.current = nil
	why := v.Why
	if g.failure != "" {
		why = g.failure
	}
	if p.next != nil { // the one being built beside it takes its place
		p.current, p.next, p.paused = p.next, nil, false
		p.current.deadline = time.Time{}
		p.stage, p.reloading = starting, true
		return []action{actLog{bad: true, text: "The stack ended while its successor was being built: " + why}}
	}
	var acts []action
	if p.reloading {
		p.reloading = false
		reason := "jail"
		if v.Code == verdict.FailedApp {
			reason, why = "app", g.appError
		}
		acts = append(acts, p.count(reason, why), actRevert{})
	}
	if v.Exit {
		p.code = v.Code
		acts = append(acts, actLog{bad: true, text: "Leaving: " + why})
		return append(acts, p.stop(true, now)...)
	}
	pause := p.pause(g, now)
	p.stage = waiting
	p.resumeAt = now.Add(pause)
	return append(acts, actLog{bad: true, text: fmt.Sprintf("The stack ended (%s): building it again in %v, clients wait in the listen queue", why, pause)})
}

// pause: none after a stack that had served for a while, growing when it keeps ending young.
func (p *plan) pause(g *gen, now time.Time) time.Duration {
	if g.ready && now.Sub(g.readyAt) >= steady {
		p.pauses = 0
		return 0
	}
	p.pauses++
	if p.pauses == 1 {
		return 0
	}
	d := firstPause
	for n := 2; n < p.pauses && d < maxPause; n++ {
		d *= 2
	}
	return min(d, maxPause)
}

// togglePause is a switch, as in uWSGI. A stack that is built later, by a reload or after a crash, takes connections.
func (p *plan) togglePause() []action {
	if p.current == nil || p.stage == draining || p.stage == stopping {
		return []action{actLog{bad: true, text: fmt.Sprintf("cannot pause: no stack serves (%v)", p.stage)}}
	}
	p.paused = !p.paused
	text := "*** workers take connections again ***"
	if p.paused {
		text = "*** PAUSE (press start to resume, if you do not have a joypad send SIGTSTP) ***"
	}
	return []action{actLog{text: text}, actPause{p.current.id, p.paused}}
}

// stopSoon: a graceful stop may have to wait until no more requests are sent our way; asked again it does not wait.
func (p *plan) stopSoon(brutal bool, now time.Time) []action {
	if brutal || p.stopDelay == nil || !p.stopAt.IsZero() || p.stage == stopping || p.current == nil {
		return p.stop(brutal, now)
	}
	delay := p.stopDelay()
	if delay <= 0 {
		return p.stop(false, now)
	}
	p.stopAt = now.Add(delay)
	return []action{actStopping{}, actLog{text: fmt.Sprintf("Stopping in %v (stop-delay), serving until then", delay)}}
}

// stop: everything leaves. Asked again it is brutal, and a third time it kills.
func (p *plan) stop(brutal bool, now time.Time) []action {
	again := p.stage == stopping
	harder := brutal || again
	kill := again && p.brutal
	p.stage = stopping
	p.brutal = harder
	acts := []action{actStopping{}}
	next := p.next
	if p.next = nil; next != nil {
		p.old = append(p.old, next)
	}
	all := p.old
	if p.current != nil {
		all = append(all[:len(all):len(all)], p.current)
	}
	for _, g := range all {
		switch {
		case kill:
			acts = append(acts, actKill{g.id})
		case g == next, !g.entered && !g.ready: // nothing of it serves; a hook that waits would keep the master from hearing of a wish to leave
			acts = append(acts, actKill{g.id})
			g.deadline = now.Add(leaveGrace)
		default:
			acts = append(acts, p.leave(g, harder, now)...)
		}
	}
	return append(acts, p.maybeFinish()...)
}

// entered: the jail of a generation stands.
func (p *plan) entered(id uint64) {
	for _, g := range []*gen{p.current, p.next} {
		if g != nil && g.id == id {
			g.entered = true
		}
	}
}

func (p *plan) maybeFinish() []action {
	if p.stage != stopping || p.current != nil || len(p.old) > 0 {
		return nil
	}
	p.stage = finished
	return []action{actExit{p.code}}
}

// woke carries out what is due.
func (p *plan) woke(now time.Time) []action {
	var acts []action
	due := func(g *gen) bool { return g != nil && !g.deadline.IsZero() && !g.deadline.After(now) }
	for _, g := range append(p.old[:len(p.old):len(p.old)], p.current) {
		if due(g) {
			g.deadline = now.Add(leaveGrace)
			acts = append(acts, actLog{bad: true, text: fmt.Sprintf("Generation %d does not leave: killing it", g.id)}, actKill{g.id})
		}
	}
	if due(p.next) {
		acts = append(acts, p.giveUp("timeout", fmt.Sprintf("the new stack was not ready after %v", overlapPatience))...)
	}
	if p.stage == starting && p.again && p.current != nil && now.Sub(p.current.started) >= startPatience {
		acts = append(acts, p.followUp()...)
	}
	if !p.stopAt.IsZero() && p.stage != stopping && !p.stopAt.After(now) {
		return append(acts, p.stop(false, now)...)
	}
	if p.stage == waiting && !p.resumeAt.After(now) {
		acts = append(acts, p.start(now)...)
	}
	return acts
}

// nextWake is when woke should be called, zero when nothing is pending.
func (p *plan) nextWake() time.Time {
	var at time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, g := range append(p.old[:len(p.old):len(p.old)], p.current, p.next) {
		if g != nil {
			consider(g.deadline)
		}
	}
	if p.stage != stopping {
		consider(p.stopAt)
	}
	if p.stage == waiting {
		consider(p.resumeAt)
	}
	if p.stage == starting && p.again && p.current != nil {
		consider(p.current.started.Add(startPatience))
	}
	return at
}
