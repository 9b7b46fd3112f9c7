package master

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/pairs"
	"gowsgi/worker"
)

// unitCase is a kind of unit with its states, and what happens to it; the machine's table has the other side of each event.
type unitCase struct {
	file   string
	states []situation
	make   func() unit
	events []happening
	shown  func(u unit) (state, more string)
	unseen []string // states that this unit does not have
	typ    string
}

func TestDaemonPairs(t *testing.T) {
	job, smart := Job{"daemon", 0}, Job{"daemon", 1}
	serving := []step{ev(Serving{}), ev(Alone{})}
	hold := func(more ...step) []step { return append(slices.Clone(serving), more...) }
	stop := ev(WorkersGone{})
	shown := func(u unit) (string, string) {
		d := u.(*daemons)
		return daemonWords[d.list[0].state], daemonWords[d.list[1].state]
	}
	checkUnit(t, unitCase{
		file: "testdata/pairs-daemon.txt", typ: "daemonState", shown: shown,
		make: func() unit {
			u := newDaemons([]Daemon{
				{Command: "plain", StopSignal: unix.SIGTERM, Mercy: 5 * time.Second, MaxThrottle: 9 * time.Second, Touch: []string{"/t"}},
				{Command: "smart", Pidfile: "/p", Freq: 10 * time.Second, StopSignal: unix.SIGTERM, Mercy: 5 * time.Second, MaxThrottle: 9 * time.Second},
			})
			u.jitter = func(d time.Duration) time.Duration { return d }
			return u
		},
		// The names are those of the states of the plain and the smart one.
		states: []situation{
			{"waiting/waiting", nil},
			{"launching/clearing", hold()},
			{"running/launching", hold(ev(Launched{job, 21}), ev(Cleared{smart}))},
			{"running/settling", hold(ev(Launched{job, 21}), ev(Cleared{smart}), ev(Launched{smart, 22}))},
			{"running/running", hold(ev(Launched{job, 21}), ev(Cleared{smart}), ev(Launched{smart, 22}), ev(PIDFile{"/p", 23}), ev(exited(22, 0)))},
			{"throttled/throttled", hold(ev(LaunchFailed{Job: job}), ev(Cleared{smart}), ev(LaunchFailed{Job: smart}))},
			{"restarting/clearing", hold(ev(Launched{job, 21}), ev(Touched{"/t"}))},
			{"stopping/stopping", hold(ev(Launched{job, 21}), ev(Cleared{smart}), ev(Launched{smart, 22}), ev(PIDFile{"/p", 23}), ev(exited(22, 0)), ev(Leaving{}), stop)},
			{"launching/ended", hold(ev(Leaving{}), stop)},
			{"ended/stopping", hold(ev(Launched{job, 21}), ev(Cleared{smart}), ev(Launched{smart, 22}), ev(Leaving{}), stop, ev(exited(21, 0)), ev(left(21, false)))},
			{"draining/stopping", hold(ev(Launched{job, 21}), ev(Cleared{smart}), ev(Launched{smart, 22}), ev(Leaving{}), stop, ev(exited(21, 0)))},
		},
		events: []happening{
			plainly("GroupLeft none", left(21, false)), plainly("GroupLeft some", left(21, true)), plainly("GroupLeft stranger", left(99, false)),
			plainly("Launched", Launched{job, 31}), plainly("Launched smart", Launched{smart, 32}), plainly("LaunchFailed", LaunchFailed{Job: job}),
			plainly("LaunchFailed smart", LaunchFailed{Job: smart}), plainly("Cleared", Cleared{smart}), plainly("PIDFile", PIDFile{"/p", 33}),
			plainly("Touched", Touched{"/t"}), plainly("Exited plain", exited(21, 1)), plainly("Exited launcher", exited(22, 0)),
			plainly("Exited launcher failed", exited(22, 1)), plainly("Exited smart", exited(23, 1)), plainly("Exited stranger", exited(99, 0)),
			plainly("Woke", Woke{}), plainly("Woke late", Woke{}), plainly("Serving", Serving{}), plainly("Alone", Alone{}), plainly("Leaving", Leaving{}),
			plainly("Leaving brutally", Leaving{true}), plainly("WorkersGone", WorkersGone{}),
		},
	})
}

var daemonWords = [...]string{"waiting", "clearing", "launching", "settling", "running", "stopping", "ended"}

// oneZygote is a zygote that is there, or not.
type oneZygote uint64

func (z *oneZygote) forker() uint64            { return uint64(*z) }
func (z *oneZygote) zygoteThere(n uint64) bool { return n == uint64(*z) }

func TestHelperPairs(t *testing.T) {
	zygote := new(oneZygote)
	hold := func(more ...step) []step { return append([]step{ev(Serving{})}, more...) }
	run := ev(Said{worker.Message{Kind: worker.Started, Helper: worker.Mule, Slot: 1, Seq: 1, PID: 21}, 1})
	touch := ev(HelpersTouched{worker.Mule, "/t"})
	said := func(kind worker.MessageKind) Said {
		return Said{worker.Message{Kind: kind, Helper: worker.Mule, Slot: 1, Seq: 1, PID: 31}, 1}
	}
	checkUnit(t, unitCase{
		file: "testdata/pairs-helper.txt", typ: "slotState", unseen: []string{"slotStarting", "slotCheap"},
		shown: func(u unit) (string, string) { return u.(*helpers).list[0].state.String(), "" },
		make: func() unit {
			*zygote = 1
			set := &Settings{Helpers: HelperSettings{MuleMercy: 5 * time.Second, MuleHarakiri: 2 * time.Second}}
			set.Conf.Helpers.Mules = make([]string, 1)
			return newHelpers(set, zygote)
		},
		states: []situation{
			{"waiting", nil}, {"forking", hold()}, {"running", hold(run)}, {"restarting", hold(run, touch)},
			{"throttled", hold(ev(said(worker.Unstarted)))},
			{"leaving", hold(run, ev(Leaving{}), ev(WorkersGone{}))}, {"leaving-brutally", hold(run, ev(Leaving{true}), ev(WorkersGone{}))},
			{"leaving-forking", hold(ev(Leaving{}), ev(WorkersGone{}))}, {"empty", []step{ev(Leaving{})}},
		},
		events: []happening{
			plainly("Serving", Serving{}), plainly("Said loaded", loadedMsg(true)), plainly("Said started", said(worker.Started)),
			plainly("Said unstarted", said(worker.Unstarted)), plainly("Exited mule", exited(21, 1)), plainly("Exited stranger", exited(99, 0)),
			{"Exited zygote", func(*machine) Event { *zygote = 0; return killed(5, unix.SIGKILL) }},
			plainly("HelperSampled", HelperSampled{Busy: time.Second}), plainly("HelperSampled overdue", HelperSampled{Busy: 3 * time.Second}),
			plainly("HelpersTouched", HelpersTouched{worker.Mule, "/t"}), plainly("Leaving", Leaving{}), plainly("Leaving brutally", Leaving{true}),
			plainly("WorkersGone", WorkersGone{}), plainly("Woke", Woke{}), plainly("Woke late", Woke{}),
		},
	})
}

// checkUnit compares a unit with its table. Every event that the machine's table has and the unit's does not is to do nothing.
func checkUnit(t *testing.T, c unitCase) {
	t.Helper()
	var states, names []string
	for _, s := range c.states {
		states = append(states, s.name)
	}
	for _, e := range c.events {
		names = append(names, e.name)
	}
	reach := func(state string) (unit, time.Time) {
		u, now := c.make(), time.Unix(1000, 0)
		for _, s := range c.states[slices.Index(states, state)].steps {
			u.handle(s.ev, now)
		}
		return u, now
	}
	seen := map[string]bool{}
	for _, state := range states {
		u, now := reach(state)
		first, second := c.shown(u)
		seen[first], seen[second] = true, true
		for _, h := range happenings() {
			if typ := strings.Fields(h.name)[0]; slices.ContainsFunc(names, func(n string) bool { return strings.Fields(n)[0] == typ }) {
				continue
			}
			m, _ := reachMachine()
			if acts := u.handle(h.ev(m), now); len(acts) > 0 {
				t.Errorf("%s: %s in %s does something: %v", c.file, h.name, state, acts)
			}
		}
	}
	for _, name := range pairs.Constants(t, ".", c.typ) {
		word := strings.ToLower(strings.TrimPrefix(name, strings.TrimSuffix(c.typ, "State")))
		if !seen[word] && !slices.Contains(c.unseen, name) {
			t.Errorf("%s: no situation is %s", c.file, word)
		}
	}
	pairs.Check(t, c.file, states, names, func(state, event string) string {
		u, now := reach(state)
		h := c.events[slices.Index(names, event)]
		if strings.HasSuffix(event, "late") {
			now = now.Add(11 * time.Second)
		}
		before := map[string]string{}
		before["first"], before["second"] = c.shown(u)
		acts := u.handle(h.ev(nil), now)
		after := map[string]string{}
		after["first"], after["second"] = c.shown(u)
		return told(pairWords(acts), changes(before, after))
	})
}

func reachMachine() (*machine, time.Time) { return reach(situation{steps: up}) }

// pairWords renders the actions of units shortly.
func pairWords(acts []Action) string {
	var out []string
	for _, a := range acts {
		switch a := a.(type) {
		case Launch:
			out = append(out, fmt.Sprintf("launch %d", a.Job.N))
		case StartHelper:
			out = append(out, fmt.Sprintf("start %d/%d", a.ID, a.Seq))
		case KillGroup:
			out = append(out, fmt.Sprintf("group %s %d", strings.TrimPrefix(unix.SignalName(a.Signal), "SIG"), a.PID))
		case AskGroup:
			out = append(out, fmt.Sprintf("group %d?", a.PID))
		case FileTask:
			out = append(out, string(a.What))
		case Tell, Kill:
			if w := words([]Action{a}); w != "" {
				out = append(out, w)
			}
		}
	}
	return strings.Join(out, ", ")
}
