package master

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// TestTouchExec: a command runs at each touch, is told to end when the workers are gone, and is never waited for without end.
func TestTouchExec(t *testing.T) {
	job := func(n int) Job { return Job{"touch-exec", n} }
	runs := []step{{ev: TouchedExec{0}, want: "launch 1 one"}, {ev: Launched{job(1), 80}}}
	then := func(more ...step) []step { return append(runs[:len(runs):len(runs)], more...) }
	var many []step
	for i := range execRuns {
		many = append(many, step{ev: TouchedExec{1}, want: fmt.Sprintf("launch %d two", i+1)})
	}
	for name, tt := range map[string]struct {
		steps []step
		gone  bool
	}{
		"runs and ends":        {then(step{ev: exited(80, 3)}), true},
		"again while it runs":  {then(step{ev: TouchedExec{0}, want: "launch 2 one"}), false},
		"cannot be run":        {[]step{{ev: TouchedExec{1}, want: "launch 1 two"}, {ev: LaunchFailed{job(1), errors.New("no")}}}, true},
		"too many at once":     {append(many, step{ev: TouchedExec{1}}), false},
		"another one's end":    {then(step{ev: exited(81, 0)}, step{ev: Launched{Job{"cron", 1}, 9}}), false},
		"leaving":              {then(step{ev: Leaving{}}, step{ev: WorkersGone{}, want: "TERM group 80"}, step{ev: WorkersGone{}}, step{ev: exited(80, 0)}), true},
		"leaving, and is deaf": {then(step{ev: WorkersGone{}, want: "TERM group 80"}, step{ev: Woke{}, wait: execMercy, want: "KILL group 80"}, step{ev: killed(80, unix.SIGKILL)}), true},
		"no more then":         {[]step{{ev: Leaving{}}, {ev: TouchedExec{0}}}, true},
		"started meanwhile":    {[]step{{ev: TouchedExec{0}, want: "launch 1 one"}, {ev: Leaving{}}, {ev: Launched{job(1), 80}, want: "TERM group 80"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := newTouchExecs([]TouchExec{{Path: "/a", Command: "one"}, {Path: "/b", Command: "two"}})
			runUnit(t, u, time.Unix(1000, 0), tt.steps)
			if u.gone() != tt.gone {
				t.Errorf("gone is %v", u.gone())
			}
		})
	}
}

// TestClerkTouch: what changes after the start is an event, also of a file that is not there yet.
func TestClerkTouch(t *testing.T) {
	dir := t.TempDir()
	c := newClerk(nil, newTouched(&Settings{Around: Around{
		TouchExec: []TouchExec{{Path: dir + "/file"}},
		Daemons:   []Daemon{{Touch: []string{dir + "/file"}}, {Touch: []string{dir + "/file"}}},
	}}))
	c.start()
	if err := writeSmall(dir+"/file", unix.O_TRUNC, "x", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Event{TouchedExec{0}, Touched{dir + "/file"}} {
		select {
		case got := <-c.out:
			if got != want {
				t.Errorf("%#v, want %#v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %#v", want)
		}
	}
}

// TestTouchHook: a hook runs at a touch, once at a time, and none is begun when the stack leaves.
func TestTouchHook(t *testing.T) {
	u := newTouchExecs([]TouchExec{{Path: "/a", Hook: &hook.Hook{Phase: "touch", Action: "unlink", Arg: "/b"}}})
	count := func(ev Event) (runs, lines int) {
		for _, a := range u.handle(ev, time.Unix(1000, 0)) {
			switch a.(type) {
			case RunTouchHook:
				runs++
			case Log:
				lines++
			}
		}
		return runs, lines
	}
	for i, step := range []struct {
		ev          Event
		runs, lines int
	}{
		{TouchedExec{0}, 1, 1}, {TouchedExec{0}, 0, 1}, {TouchHookSaid{"x"}, 0, 1}, {TouchHookDone{0, errors.New("no")}, 0, 1}, {TouchedExec{0}, 1, 1},
		{TouchHookDone{0, nil}, 0, 0}, {Leaving{}, 0, 0}, {TouchedExec{0}, 0, 0},
	} {
		if runs, lines := count(step.ev); runs != step.runs || lines != step.lines {
			t.Errorf("step %d, %T: %d runs, %d lines", i, step.ev, runs, lines)
		}
	}
	if !u.gone() {
		t.Error("something is left")
	}
}
