package reload

import (
	"fmt"
	"slices"
	"time"
)

// An upgrade replaces the parent's own image by the binary that is on disk now. It is done between two reloads only, when one generation
// serves and no other is there.

type (
	evUpgrade struct{} // somebody asked for it
	// evProbed answers actProbe: what the new binary, run as a child, says of itself.
	evProbed struct{ err error }
	// evNotReplaced answers actReplace: this image goes on. later: by something that passes, so it is tried again.
	evNotReplaced struct {
		err   error
		later bool
	}
	// evAdopted is the first event of a new image. err: it could not take over, and this is the old one again.
	evAdopted struct{ err error }
)

func (evUpgrade) event()     {}
func (evProbed) event()      {}
func (evNotReplaced) event() {}
func (evAdopted) event()     {}

type (
	actProbe    struct{} // try the new binary
	actReplace  struct{} // execute it
	actUpgraded struct { // an upgrade came to its end
		failed string // "" = it worked, else the label: probe, exec, adopt, or that of the reload which followed
		text   string
		ticket uint64 // the newest wish that this was the answer to
	}
)

func (actProbe) action()    {}
func (actReplace) action()  {}
func (actUpgraded) action() {}

type upgradePhase uint8

const (
	noUpgrade upgradePhase = iota
	probing
	replacing
	renewing // the new image has taken over and reloads, so that all is new
)

// upgrade is where one stands.
type upgrade struct {
	phase   upgradePhase
	wanted  bool   // asked for, and yet to begin
	asked   uint64 // upgrades asked for so far
	covered uint64 // how many of them the one under way answers
}

// handle takes one event. It is decide, and what an upgrade makes of it.
func (p *plan) handle(ev event, now time.Time) []action {
	acts := p.decide(ev, now)
	if p.upgrade.phase == renewing {
		for _, a := range acts {
			if c, ok := a.(actCount); ok {
				p.upgrade.phase = noUpgrade
				acts = append(acts, p.upgraded(c.failed, c.text))
				break
			}
		}
	}
	if !slices.Contains(acts, action(actLoad{})) {
		acts = append(acts, p.tryUpgrade()...)
	}
	return acts
}

func (p *plan) upgradeEvent(ev event) []action {
	u := &p.upgrade
	switch ev := ev.(type) {
	case evUpgrade:
		u.asked++
		if p.stage == stopping || !p.stopAt.IsZero() {
			u.covered = u.asked
			return []action{p.upgraded("exec", "the parent is about to end")}
		}
		u.wanted = true
		if u.phase != noUpgrade || !p.settled() {
			return []action{actLog{text: fmt.Sprintf("Upgrade asked for while the stack is %v: it follows", p.stage)}}
		}
	case evProbed:
		if u.phase != probing {
			return nil
		}
		if ev.err != nil {
			return p.noUpgrade("probe", ev.err)
		}
		if !p.settled() {
			u.phase, u.wanted = noUpgrade, true
			return p.followUpServing()
		}
		u.phase = replacing
		return []action{actReplace{}}
	case evNotReplaced:
		if u.phase != replacing {
			return nil
		}
		if !ev.later {
			return p.noUpgrade("exec", ev.err)
		}
		u.phase, u.wanted = noUpgrade, true
		return p.followUpServing()
	case evAdopted:
		if p.stage != serving {
			return nil
		}
		if ev.err != nil {
			return p.noUpgrade("adopt", ev.err)
		}
		u.phase = renewing
		p.again, p.brutal = false, false
		return p.load()
	}
	return nil
}

// settled tells whether one generation serves and nothing else is there.
func (p *plan) settled() bool {
	return p.stage == serving && len(p.old) == 0 && p.next == nil && p.stopAt.IsZero()
}

// tryUpgrade begins one that is wanted as soon as it can be.
func (p *plan) tryUpgrade() []action {
	u := &p.upgrade
	if !u.wanted || u.phase != noUpgrade || !p.settled() || p.again {
		return nil
	}
	u.wanted, u.phase, u.covered = false, probing, u.asked
	return []action{actProbe{}}
}

func (p *plan) noUpgrade(why string, err error) []action {
	p.upgrade.phase = noUpgrade
	acts := []action{
		actLog{bad: true, text: "Upgrade abandoned, the old binary serves on: " + err.Error()},
		p.upgraded(why, err.Error()),
	}
	return append(acts, p.followUpServing()...)
}

func (p *plan) upgraded(failed, text string) action {
	return actUpgraded{failed, text, p.upgrade.covered}
}

// followUpServing is for a reload that waited for the end of an upgrade.
func (p *plan) followUpServing() []action {
	if p.stage != serving {
		return nil
	}
	return p.followUp()
}
