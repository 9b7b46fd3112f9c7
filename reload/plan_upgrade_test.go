package reload

import (
	"errors"
	"testing"
	"time"

	"gowsgi/reload/verdict"
)

// budget: table, a row for each course of events.
func TestPlanUpgrade(t *testing.T) {
	hup, up, stop := evAsked{verdict.ReloadAll}, evUpgrade{}, evAsked{verdict.Stop}
	broken := errors.New("exec format error")
	boot := []step{{ev: evBoot{}, want: "start 1"}, {ev: evReady{1}, want: "serving"}}
	with := func(more ...step) []step { return append(boot[:len(boot):len(boot)], more...) }
	for name, steps := range map[string][]step{
		"a binary that is no good": with(
			step{ev: up, want: "probe"}, step{ev: evProbed{broken}, want: "upgraded probe"}, step{ev: evProbed{}},
			step{ev: hup, want: "load"}),
		"a good one that the system does not execute": with(
			step{ev: up, want: "probe"}, step{ev: evProbed{}, want: "replace"}, step{ev: evNotReplaced{err: broken}, want: "upgraded exec"},
			step{ev: up, want: "probe"}),
		"asked for twice": with(
			step{ev: up, want: "probe"}, step{ev: up}, step{ev: evProbed{broken}, want: "upgraded probe, probe"}, step{ev: evProbed{broken}, want: "upgraded probe"}),
		"asked for while the stack starts": {
			{ev: evBoot{}, want: "start 1"}, {ev: up}, {ev: evReady{1}, want: "serving, probe"}},
		"asked for while a reload drains": with(
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: up},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evReady{2}, want: "count ok, probe"}),
		"asked for while a reload overlaps: the old stack has to be gone": with(
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"}, step{ev: up},
			step{ev: evReady{2}, want: "leave 1, count ok"}, step{ev: evEnded{1, exit0}, want: "probe"}),
		"another reload is before it": with(
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: hup}, step{ev: up},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evReady{2}, want: "count ok, load"},
			step{ev: evLoaded{err: errors.New("x")}, want: "count config, probe"}),
		"a reload waits for it": with(
			step{ev: up, want: "probe"}, step{ev: hup}, step{ev: evProbed{broken}, want: "upgraded probe, load"}),
		"the stack ends meanwhile": with(
			step{ev: up, want: "probe"}, step{ev: evEnded{1, sigkill}}, step{ev: evProbed{}}, step{ev: evWoke{}, want: "start 2"},
			step{ev: evReady{2}, want: "probe"}),
		"the stack has just ended": with(
			step{ev: up, want: "probe"}, step{ev: evProbed{}, want: "replace"}, step{ev: evNotReplaced{later: true}, want: "probe"}),
		"a stop is before it": with(
			step{ev: up, want: "probe"}, step{ev: stop, want: "leave 1"}, step{ev: evProbed{}}, step{ev: up, want: "upgraded exec"},
			step{ev: evEnded{1, exit0}, want: "exit 0"}),
	} {
		t.Run(name, func(t *testing.T) { follow(t, newTestPlan(), steps) })
	}
}

func newTestPlan() *plan {
	return &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false }}
}

func follow(t *testing.T, p *plan, steps []step) {
	t.Helper()
	now := time.Unix(1000, 0)
	for i, s := range steps {
		now = now.Add(s.wait)
		if got := words(p.handle(s.ev, now)); got != s.want {
			t.Fatalf("step %d, %T: %q, want %q", i+1, s.ev, got, s.want)
		}
	}
}

// A new image goes on with the stack that it found, and has the numbers of those who wait.
func TestPlanAdopts(t *testing.T) {
	state := planState{Last: 7, Asked: 3, Upgrades: 2, Covered: 2, Paused: true, Again: true}
	for name, steps := range map[string][]step{
		"and reloads": {
			{ev: evAdopted{}, want: "load"}, {ev: evLoaded{}, want: "leave 7"}, {ev: evEnded{7, exit0}, want: "start 8"},
			{ev: evReady{8}, want: "count ok, upgraded ok"}, {ev: evAsked{verdict.ReloadAll}, want: "load"}},
		"and overlaps": {
			{ev: evAdopted{}, want: "load"}, {ev: evLoaded{overlap: true}, want: "start 8"}, {ev: evReady{8}, want: "leave 7, count ok, upgraded ok"}},
		"and its configuration is broken": {
			{ev: evAdopted{}, want: "load"}, {ev: evLoaded{err: errors.New("x")}, want: "count config, upgraded config"},
			{ev: evUpgrade{}, want: "probe"}},
		"and the stack ends at once": {
			{ev: evAdopted{}, want: "load"}, {ev: evEnded{7, sigkill}}, {ev: evLoaded{}, want: "start 8"},
			{ev: evReady{8}, want: "count ok, upgraded ok"}},
		"and the old image is back": {
			{ev: evAdopted{errors.New("x")}, want: "upgraded adopt, load"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPlan()
			p.adopt(&state, 7)
			if !p.paused {
				t.Error("the pause is forgotten")
			}
			follow(t, p, steps)
			if p.upgrade.covered < 2 || p.covered < 3 {
				t.Errorf("upgrade %d and reload %d are answered", p.upgrade.covered, p.covered)
			}
		})
	}
}
