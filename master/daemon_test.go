package master

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// unitWords renders what a unit wants done, without its log lines and notes.
func unitWords(acts []Action) string {
	var out []string
	name := func(s unix.Signal) string { return strings.TrimPrefix(unix.SignalName(s), "SIG") }
	for _, a := range acts {
		switch a := a.(type) {
		case Launch:
			out = append(out, fmt.Sprintf("launch %d %s", a.Job.N, a.Program.Command))
			if a.Program.Input != nil {
				out[len(out)-1] += fmt.Sprintf(" <%s>", a.Program.Input)
			}
		case KillGroup:
			out = append(out, fmt.Sprintf("%s group %d", name(a.Signal), a.PID))
		case Kill:
			out = append(out, fmt.Sprintf("%s %d", name(a.Signal), a.PID))
		case FileTask:
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.What, a.Path, a.Text)))
		case AskGroup:
			out = append(out, fmt.Sprintf("group %d?", a.PID))
		case Raise:
			out = append(out, fmt.Sprintf("raise %d", a.Signal))
		case Message:
			out = append(out, fmt.Sprintf("message %d <%s>", a.Mule, a.Text))
		case Tell:
			if a.Type != jail.MsgNote {
				out = append(out, strings.TrimSpace(fmt.Sprintf("tell %s %s", a.Type, a.Action)))
			}
		}
	}
	return strings.Join(out, ", ")
}

// runUnit feeds a unit and compares; a unit that has something pending must say when it wants to be woken.
func runUnit(t *testing.T, u unit, start time.Time, steps []step) {
	t.Helper()
	now := start
	for i, s := range steps {
		now = now.Add(s.wait)
		if got := unitWords(u.handle(s.ev, now)); got != s.want {
			t.Fatalf("step %d, %T %+v: %q, want %q", i+1, s.ev, s.ev, got, s.want)
		}
	}
}

func left(group int, alive bool) GroupLeft { return GroupLeft{Job{"daemon", 0}, group, alive} }

func launched(n, pid int) Launched { return Launched{Job{"daemon", n}, pid} }

// budget: table, a row for each state and event.
func TestDaemons(t *testing.T) {
	plain := Daemon{Command: "d", StopSignal: unix.SIGTERM, Mercy: 3 * time.Second, MaxThrottle: 5 * time.Second, UID: -1, GID: -1}
	with := func(change func(d *Daemon)) Daemon {
		d := plain
		change(&d)
		return d
	}
	control := with(func(d *Daemon) { d.Control = true })
	smart := with(func(d *Daemon) { d.Pidfile, d.Freq = "/p", 10*time.Second })
	touch := with(func(d *Daemon) { d.Touch = []string{"/a", "/b"} })
	runs := []step{{ev: Alone{}}, {ev: Serving{}, want: "launch 0 d"}, {ev: launched(0, 50)}}
	settled := []step{{ev: Serving{}}, {ev: Alone{}, want: "clear pidfile /p"}, {ev: Cleared{Job{"daemon", 0}}, want: "launch 0 d"},
		{ev: launched(0, 50)}}
	then := func(first []step, more ...step) []step { return append(first[:len(first):len(first)], more...) }
	tests := map[string]struct {
		daemon Daemon
		steps  []step
		gone   bool
	}{
		"starts when serving and alone": {plain, []step{{ev: Serving{}}, {ev: Woke{}}, {ev: Alone{}, want: "launch 0 d"}}, false},
		"overlap does not wait":         {with(func(d *Daemon) { d.Overlap = true }), []step{{ev: Serving{}, want: "launch 0 d"}}, false},
		"is stopped when the workers are gone": {plain, then(runs, step{ev: Leaving{}}, step{ev: WorkersGone{}, want: "TERM group 50"},
			step{ev: WorkersGone{}}, step{ev: exited(50, 0), want: "group 50?"}, step{ev: left(50, false)}), true},
		"is stopped at once when it has to be": {plain, then(runs, step{ev: Leaving{Brutal: true}, want: "TERM group 50"}), false},
		"does not stop": {plain, then(runs, step{ev: Leaving{}}, step{ev: WorkersGone{}, want: "TERM group 50"},
			step{ev: Woke{}, wait: 2 * time.Second}, step{ev: Woke{}, wait: time.Second, want: "KILL group 50"},
			step{ev: killed(50, unix.SIGKILL), want: "group 50?"}, step{ev: left(50, false)}), true},
		"what its shell ran has its time": {plain, then(runs, step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: killed(50, 15), want: "group 50?"},
			step{ev: left(50, true)}, step{ev: WorkersGone{}}, step{ev: exited(51, 0), want: "group 50?"}, step{ev: left(49, false)}, step{ev: left(50, true)}), false},
		"what its shell ran ends": {plain, then(runs, step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: killed(50, 15), want: "group 50?"},
			step{ev: left(50, true)}, step{ev: exited(51, 0), want: "group 50?"}, step{ev: left(50, false)}), true},
		"what its shell ran does not end": {plain, then(runs, step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: killed(50, 15), want: "group 50?"},
			step{ev: left(50, true)}, step{ev: Woke{}, wait: 3 * time.Second, want: "KILL -50"}, step{ev: exited(51, 0)}), true},
		"does not stop, then brutally": {with(func(d *Daemon) { d.Mercy = time.Minute }), then(runs, step{ev: Leaving{}},
			step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: Leaving{Brutal: true}},
			step{ev: Woke{}, wait: brutalMercy, want: "KILL group 50"}), false},
		"comes back at once when it had lived": {plain, then(runs, step{ev: killed(50, 9), wait: time.Minute, want: "KILL -50, launch 0 d"}), false},
		"is throttled, more each time, up to a limit": {plain, then(runs,
			step{ev: exited(50, 1), want: "KILL -50"}, step{ev: Woke{}, wait: 999 * time.Millisecond}, step{ev: Woke{}, wait: time.Millisecond, want: "launch 0 d"},
			step{ev: launched(0, 51)}, step{ev: exited(51, 1), want: "KILL -51"}, step{ev: Woke{}, wait: time.Second}, step{ev: Woke{}, wait: time.Second, want: "launch 0 d"},
			step{ev: launched(0, 52)}, step{ev: exited(52, 1), want: "KILL -52"}, step{ev: Woke{}, wait: 4 * time.Second, want: "launch 0 d"},
			step{ev: launched(0, 53)}, step{ev: exited(53, 1), want: "KILL -53"}, step{ev: Woke{}, wait: 5 * time.Second, want: "launch 0 d"},
			step{ev: launched(0, 54)}, step{ev: exited(54, 1), wait: 3 * time.Second, want: "KILL -54, launch 0 d"},
			step{ev: launched(0, 55)}, step{ev: exited(55, 1), want: "KILL -55"}, step{ev: Woke{}, wait: time.Second, want: "launch 0 d"}), false},
		"cannot be executed": {plain, []step{{ev: Alone{}}, {ev: Serving{}, want: "launch 0 d"},
			{ev: LaunchFailed{Job{"daemon", 0}, errors.New("no")}}, {ev: Woke{}, wait: time.Second, want: "launch 0 d"}}, false},
		"is told to leave while it is launched": {plain, []step{{ev: Alone{}}, {ev: Serving{}, want: "launch 0 d"}, {ev: Leaving{}},
			{ev: WorkersGone{}}, {ev: launched(0, 50), want: "TERM group 50"}, {ev: killed(50, 15), want: "group 50?"}, {ev: left(50, false)}}, true},
		"dies while the workers leave":          {plain, then(runs, step{ev: Leaving{}}, step{ev: exited(50, 0), want: "KILL -50"}, step{ev: Woke{}, wait: time.Hour}), true},
		"leaving before it ever ran":            {plain, []step{{ev: Leaving{}}, {ev: WorkersGone{}}, {ev: Alone{}}}, true},
		"a control daemon ends":                 {control, then(runs, step{ev: exited(50, 0), want: "KILL -50, tell asked stop"}), true},
		"a control daemon ends while all leave": {control, then(runs, step{ev: Leaving{}}, step{ev: exited(50, 0), want: "KILL -50"}), true},
		"a touched file restarts it": {touch, then(runs, step{ev: Touched{"/x"}}, step{ev: Touched{"/b"}, want: "TERM group 50"},
			step{ev: Touched{"/a"}}, step{ev: killed(50, 15), want: "group 50?"}, step{ev: left(50, false), want: "launch 0 d"}), false},
		"a touched file sends a signal": {with(func(d *Daemon) { d.Touch, d.ReloadSignal = []string{"/a"}, unix.SIGHUP }),
			then(runs, step{ev: Touched{"/a"}, want: "HUP group 50"}), false},
		"smart: named by its pidfile": {smart, then(settled, step{ev: exited(50, 0)}, step{ev: PIDFile{"/q", 60}}, step{ev: PIDFile{"/p", 60}},
			step{ev: PIDFile{"/p", 60}}, step{ev: Leaving{}}, step{ev: WorkersGone{}, want: "TERM group 60"}, step{ev: exited(60, 0)}), true},
		"smart: named before its command ends": {smart, then(settled, step{ev: PIDFile{"/p", 60}}, step{ev: exited(50, 0)},
			step{ev: exited(60, 1), wait: time.Minute, want: "clear pidfile /p"}), true},
		"smart: changes its pid": {smart, then(settled, step{ev: exited(50, 0)}, step{ev: PIDFile{"/p", 60}}, step{ev: PIDFile{"/p", 61}},
			step{ev: exited(60, 0)}, step{ev: Leaving{Brutal: true}, want: "TERM group 61"}), false},
		"smart: never named": {smart, then(settled, step{ev: exited(50, 0)}, step{ev: Woke{}, wait: 10 * time.Second},
			step{ev: Woke{}, wait: time.Second, want: "clear pidfile /p"}), true},
		"smart: the command says no": {smart, then(settled, step{ev: exited(50, 1)}, step{ev: Woke{}, wait: time.Second, want: "clear pidfile /p"}), true},
		"smart: stays in the foreground": {smart, then(settled, step{ev: Woke{}, wait: 10 * time.Second}, step{ev: Leaving{}},
			step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: killed(50, 15)}), true},
		"smart: leaving while it settles":           {smart, then(settled, step{ev: Leaving{}}, step{ev: WorkersGone{}, want: "TERM group 50"}, step{ev: killed(50, 15)}), true},
		"smart: leaving while nobody knows its pid": {smart, then(settled, step{ev: exited(50, 0)}, step{ev: Leaving{}}, step{ev: WorkersGone{}}), true},
		"smart: the file system hangs": {smart, []step{{ev: Serving{}}, {ev: Alone{}, want: "clear pidfile /p"},
			{ev: Woke{}, wait: 10 * time.Second, want: "launch 0 d"}, {ev: Cleared{Job{"daemon", 0}}}}, false},
		"smart2: we write the pidfile": {with(func(d *Daemon) { d.Pidfile, d.Daemonize = "/p", true }), []step{{ev: Alone{}},
			{ev: Serving{}, want: "launch 0 d"}, {ev: launched(0, 50), want: "write pidfile /p"}, {ev: PIDFile{"/p", 60}}}, false},
		"a claim about another's daemon": {plain, then(runs, step{ev: launched(7, 99)}, step{ev: launched(-1, 99)}, step{ev: Launched{Job{"cron", 0}, 99}},
			step{ev: PIDFile{"", 99}}, step{ev: exited(99, 0)}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := newDaemons([]Daemon{tt.daemon})
			u.jitter = func(d time.Duration) time.Duration { return d }
			runUnit(t, u, time.Unix(1000, 0), tt.steps)
			if u.gone() != tt.gone {
				t.Errorf("gone is %v", u.gone())
			}
			if s := u.list[0].state; (s == daemonStopping || s == daemonSettling) && u.next().IsZero() {
				t.Errorf("nothing wakes the unit in state %d", s)
			}
		})
	}
}

func TestJitter(t *testing.T) {
	for range 1000 {
		if d := jitter(4 * time.Second); d < 4*time.Second || d > 5*time.Second {
			t.Fatalf("jitter made %v of 4 s", d)
		}
	}
}
