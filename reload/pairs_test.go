package reload

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/pairs"
	"gowsgi/reload/verdict"
)

// testdata/pairs-plan.txt says for each state of the plan and each event what is done and which state is next.

type situation struct {
	name  string
	steps []step
}

func ev(e event) step { return step{ev: e} }

func situations() []situation {
	boot := []step{ev(evBoot{}), ev(evReady{1})}
	hold := func(more ...step) []step { return append(slices.Clone(boot), more...) }
	hup, stop := ev(evAsked{verdict.ReloadAll}), ev(evAsked{verdict.Stop})
	loaded, overlap := ev(evLoaded{}), ev(evLoaded{overlap: true})
	return []situation{
		{"nothing", nil},
		{"starting", boot[:1]},
		{"starting-broken", []step{boot[0], ev(evFailed{1, true, "ImportError"})}},
		{"starting-asked", []step{boot[0], hup}},
		{"restarting", hold(hup, loaded, ev(evEnded{1, exit0}))},
		{"serving", hold()},
		{"serving-paused", hold(ev(evAsked{verdict.Pause}))},
		{"serving-loading", hold(hup)},
		{"serving-delayed", hold(stop)},
		{"serving-probing", hold(ev(evUpgrade{}))},
		{"serving-beside-old", hold(hup, overlap, ev(evReady{2}))},
		{"draining", hold(hup, loaded)},
		{"draining-asked", hold(hup, loaded, hup)},
		{"overlapping", hold(hup, overlap)},
		{"overlapping-asked", hold(hup, overlap, hup)},
		{"overlapping-delayed", hold(hup, overlap, stop)},
		{"waiting", hold(ev(evEnded{1, sigkill}), ev(evWoke{}), ev(evEnded{2, sigkill}))},
		{"stopping", hold(stop, stop)},
		{"stopping-brutally", hold(stop, ev(evAsked{verdict.BrutalStop}))},
		{"stopping-two", hold(hup, overlap, ev(evReady{2}), stop, stop)},
		{"finished", hold(stop, stop, ev(evEnded{1, exit0}))},
	}
}

// happening is an event, made for the state that it meets. The first word of its name is that of its type.
type happening struct {
	name string
	ev   func(p *plan) event
}

// of gives the ids that a plan knows, and otherwise one that nobody has.
func of(which string, p *plan) uint64 {
	g := map[string]*gen{"current": p.current, "next": p.next}[which]
	if which == "old" && len(p.old) > 0 {
		g = p.old[0]
	}
	if g == nil {
		return 99
	}
	return g.id
}

func happenings(t *testing.T) (all []happening) {
	plainly := func(name string, e event) { all = append(all, happening{name, func(*plan) event { return e }}) }
	plainly("evBoot", evBoot{})
	known := map[string]verdict.Action{
		"None": verdict.None, "ReloadAll": verdict.ReloadAll, "BrutalReload": verdict.BrutalReload, "Stop": verdict.Stop,
		"BrutalStop": verdict.BrutalStop, "ReloadWorkers": verdict.ReloadWorkers, "BrutalReloadWorkers": verdict.BrutalReloadWorkers,
		"ChainReload": verdict.ChainReload, "Pause": verdict.Pause,
	}
	for _, name := range pairs.Constants(t, "verdict", "Action") {
		a, there := known[name]
		if !there {
			t.Errorf("verdict.%s is in no pair", name)
		}
		plainly("evAsked "+name, evAsked{a})
	}
	plainly("evLoaded", evLoaded{})
	plainly("evLoaded overlap", evLoaded{overlap: true})
	plainly("evLoaded not", evLoaded{err: errors.New("x")})
	for _, which := range []string{"current", "next", "old"} {
		add := func(name string, make func(id uint64) event) {
			all = append(all, happening{name + " " + which, func(p *plan) event { return make(of(which, p)) }})
		}
		add("evNotStarted", func(id uint64) event { return evNotStarted{id, errors.New("EPERM")} })
		add("evEntered", func(id uint64) event { return evEntered{id} })
		add("evFailed", func(id uint64) event { return evFailed{id, false, "no rootfs"} })
		add("evFailed app", func(id uint64) event { return evFailed{id, true, "ImportError"} })
		add("evReady", func(id uint64) event { return evReady{id} })
		add("evEnded 0", func(id uint64) event { return evEnded{id, exit0} })
		add("evEnded 1", func(id uint64) event { return evEnded{id, exit1} })
		add("evEnded 22", func(id uint64) event { return evEnded{id, exit22} })
		add("evEnded killed", func(id uint64) event { return evEnded{id, sigkill} })
	}
	plainly("evUpgrade", evUpgrade{})
	plainly("evProbed", evProbed{})
	plainly("evProbed not", evProbed{errors.New("x")})
	plainly("evNotReplaced", evNotReplaced{err: errors.New("x")})
	plainly("evAdopted", evAdopted{})
	plainly("evAdopted not", evAdopted{errors.New("x")})
	plainly("evWoke", evWoke{})
	plainly("evWoke late", evWoke{})
	return all
}

func reach(s situation) (*plan, time.Time) {
	p := &plan{
		mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false },
		stopDelay: func() time.Duration { return 10 * time.Second },
	}
	now := time.Unix(1000, 0)
	for _, s := range s.steps {
		now = now.Add(s.wait)
		p.handle(s.ev, now)
	}
	return p, now
}

// stands describes where a plan is.
func stands(p *plan) string {
	who := func(g *gen) string {
		if g == nil {
			return "none"
		}
		return fmt.Sprint(g.id)
	}
	words := []string{p.stage.String(), who(p.current)}
	for what, on := range map[string]bool{"+" + who(p.next): p.next != nil, "asked": p.again, "paused": p.paused, "upgrade": p.upgrade.phase != noUpgrade, "upgrade-asked": p.upgrade.wanted, "delayed": !p.stopAt.IsZero() && p.stage != stopping && p.stage != finished} {
		if on {
			words = append(words, what)
		}
	}
	for _, g := range p.old {
		words = append(words, "-"+who(g))
	}
	slices.Sort(words[2:])
	return strings.Join(words, " ")
}

func TestPlanPairs(t *testing.T) {
	all, events := situations(), happenings(t)
	var states, names []string
	seen := map[stage]bool{}
	for _, s := range all {
		states = append(states, s.name)
		p, _ := reach(s)
		seen[p.stage] = true
	}
	for i, name := range pairs.Constants(t, ".", "stage") {
		if !seen[stage(i)] {
			t.Errorf("no situation is %s", name)
		}
	}
	for _, h := range events {
		names = append(names, h.name)
	}
	pairs.Named(t, "event", pairs.Receivers(t, ".", "event"), names)
	pairs.Check(t, "testdata/pairs-plan.txt", states, names, func(state, event string) string {
		p, now := reach(all[slices.Index(states, state)])
		h := events[slices.Index(names, event)]
		if event == "evWoke late" {
			now = now.Add(6 * time.Minute)
		}
		before := stands(p)
		acts := words(p.handle(h.ev(p), now))
		after := stands(p)
		holds(t, state, event, p)
		switch {
		case after == before && acts == "":
			return "-"
		case after == before:
			return acts
		}
		return strings.TrimSpace(acts + " -> " + after)
	})
}

// holds is true of the plan after any pair.
func holds(t *testing.T, state, event string, p *plan) {
	t.Helper()
	wake := p.nextWake()
	if (p.next != nil) != (p.stage == overlapping) {
		t.Errorf("%s in %s: the stage is %v, and a next generation is there: %v", event, state, p.stage, p.next != nil)
	}
	if p.current == nil && p.stage != waiting && p.stage != stopping && p.stage != finished && state != "nothing" {
		t.Errorf("%s in %s: nothing runs and nobody waits for anything (%v)", event, state, p.stage)
	}
	if (p.stage == stopping || p.stage == draining || p.stage == waiting) && wake.IsZero() {
		t.Errorf("%s in %s: nobody looks after the end of %v", event, state, p.stage)
	}
}
