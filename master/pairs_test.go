package master

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/pairs"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// The pairs: testdata/pairs-*.txt say for each state of a machine and each event what is done and which state is next. The states are
// reached by events, as the real ones are; the worker looked at is the second (pid 12), beside a first one that runs.

// pairSettings have all limits, and workers that can be taken away.
func pairSettings() Settings {
	set := Settings{Limits: Limits{Harakiri: 2 * time.Second, ReloadRSS: 100, EvilRSS: 200}, MercySeconds: 60}
	set.Cheaper = Cheaper{Min: 1, Initial: 2, Algo: "manual"}
	set.Conf.Processes, set.Conf.Threads = 2, 1
	return set
}

// situation is a state, and how the machine gets there.
type situation struct {
	name  string
	steps []step
}

// ev is a step whose actions are looked at elsewhere.
func ev(e Event) step { return step{ev: e} }

func later(wait time.Duration, e Event) step { return step{ev: e, wait: wait} }

// situations are named phase/zygote/worker.
func situations() []situation {
	hold := func(more ...step) []step { return append(after(), more...) }
	dies := later(time.Minute, killed(12, unix.SIGKILL))
	renew := []step{ev(Renew{}), ev(ZygoteStarted{2, 6})}
	return []situation{
		{"loading/none", nil},
		{"loading/starting", up[:1]},
		{"loading/loading", up[:2]},
		{"serving/waiting", hold(ev(exited(12, 1)), ev(forkedMsg(2, 3, 13)), ev(exited(13, 1)))},
		{"serving/forking", hold(dies)},
		{"serving/surplus", hold(dies, ev(Scale{Delta: -1}))},
		{"serving/starting", hold(dies, ev(forkedMsg(2, 3, 12)))},
		{"serving/running", hold()},
		{"serving/recycled", hold(ev(servedMsg(2, 12)))},
		{"serving/taken-away", hold(ev(Scale{Delta: -1}))},
		{"serving/cheap", hold(ev(Scale{Delta: -1}), ev(exited(12, 17)))},
		{"serving/overdue", hold(ev(Sampled{Slot: 2, Busy: 3 * time.Second}))},
		{"serving/paused", hold(ev(Pause{true}))},
		{"serving/no-zygote/running", hold(ev(killed(5, unix.SIGKILL)))},
		{"serving/no-zygote/waiting", hold(ev(killed(5, unix.SIGKILL)), dies)},
		{"serving/zygote-starting", hold(ev(killed(5, unix.SIGKILL)), later(2*time.Second, Woke{}))},
		{"serving/zygote-loading", hold(ev(killed(5, unix.SIGKILL)), later(2*time.Second, Woke{}), ev(ZygoteStarted{2, 6}))},
		{"serving/lost", hold(dies, ev(killed(5, unix.SIGKILL)))},
		{"serving/asked-anew", hold(dies, ev(killed(5, unix.SIGKILL)), later(2*time.Second, Woke{}), ev(ZygoteStarted{2, 6}), ev(loadedBy(2, true)))},
		{"renewing/starting", hold(renew[0])},
		{"renewing/loading", hold(renew...)},
		{"renewing/replacing", hold(append(renew, ev(loadedBy(2, true)))...)},
		{"asleep/forking", hold(dies, ev(Scale{Cheap: true}))},
		{"asleep/leaving", hold(ev(Scale{Cheap: true}))},
		{"asleep/wanted", hold(ev(Scale{Cheap: true}), ev(exited(11, 17)), ev(Scale{Delta: 2}), ev(Scale{Cheap: true}), ev(Scale{Delta: 1}))},
		{"asleep/cheap", hold(ev(Scale{Cheap: true}), ev(exited(11, 17)), ev(exited(12, 17)))},
		{"leaving/forking", hold(dies, ev(Leave{}))},
		{"leaving/leaving", hold(ev(Leave{}))},
		{"leaving/brutally", hold(ev(Leave{Brutal: true}))},
		{"leaving/empty", hold(ev(Leave{}), ev(exited(12, 17)))},
		{"leaving/no-zygote", hold(ev(Leave{}), ev(exited(5, 0)))},
		{"leaving/last", hold(ev(Leave{}), ev(exited(5, 0)), ev(exited(11, 17)))},
		{"ended", hold(ev(Orphaned{}))},
	}
}

// happening is an event, made for the state that it meets. The first word of its name is that of its type; for what processes say it is
// Said and then the kind.
type happening struct {
	name string
	ev   func(m *machine) Event
}

func plainly(name string, e Event) happening {
	return happening{name, func(*machine) Event { return e }}
}

func untold(kind string, msg worker.Message) happening {
	msg.Kind = worker.MessageKind(kind)
	return happening{"Said " + kind, func(m *machine) Event { return Said{msg, m.zygote.number} }}
}

// budget: table, an event a line.
func happenings() []happening {
	secondPID := func(m *machine) int { return m.slots[1].pid }
	dies := func(name string, status unix.WaitStatus) happening {
		return happening{"Exited " + name, func(m *machine) Event { return Exited{PID: secondPID(m), Status: status} }}
	}
	claims := func(name string, kind worker.MessageKind, ok bool) happening {
		return happening{"Said " + name, func(m *machine) Event {
			s := &m.slots[1]
			msg := worker.Message{Kind: kind, Slot: 2, PID: s.pid, Seq: s.seq, OK: ok}
			if kind == worker.Forked {
				msg.PID = 22
			}
			return Said{msg, m.zygote.number}
		}}
	}
	ofZygote := func(name string, of func(m *machine, z *zygote) Event) []happening {
		return []happening{
			{name, func(m *machine) Event { return of(m, &m.zygote) }},
			{name + " second", func(m *machine) Event {
				if m.second == nil {
					return of(m, &zygoteNobody)
				}
				return of(m, m.second)
			}},
		}
	}
	all := []happening{plainly("Booted", Booted{}), plainly("HooksFailed", HooksFailed{errors.New("x")})}
	all = append(all, ofZygote("ZygoteStarted", func(_ *machine, z *zygote) Event { return ZygoteStarted{z.number, 7} })...)
	all = append(all, ofZygote("ZygoteFailed", func(_ *machine, z *zygote) Event { return ZygoteFailed{z.number, errors.New("x")} })...)
	all = append(all, ofZygote("Exited zygote", func(_ *machine, z *zygote) Event { return killed(z.pid, unix.SIGKILL) })...)
	all = append(all, ofZygote("Said loaded", func(_ *machine, z *zygote) Event { return loadedBy(z.number, true) })...)
	all = append(all, ofZygote("Said loaded broken", func(_ *machine, z *zygote) Event { return loadedBy(z.number, false) })...)
	return append(all,
		claims("forked", worker.Forked, true), plainly("Said forked untrue", forkedMsg(2, 99, 22)),
		plainly("Said forked late", forkedMsg(2, 3, 22)),
		claims("unforked", worker.Unforked, true),
		claims("ready", worker.Ready, true), plainly("Said ready untrue", readyMsg(2, 99, true)),
		claims("served", worker.Served, true), claims("monitored", worker.Monitored, true),
		untold("reload", worker.Message{}), untold("stop", worker.Message{}), untold("alarm", worker.Message{}),
		untold("started", worker.Message{Slot: 1, PID: 22}), untold("unstarted", worker.Message{Slot: 1}), untold("signal", worker.Message{}),
		untold("register", worker.Message{}), untold("timer", worker.Message{}), untold("sigcron", worker.Message{}), untold("filemon", worker.Message{}),
		dies("of a signal", unix.WaitStatus(unix.SIGSEGV)), dies("with 17", 17<<8), dies("with 22", 22<<8), plainly("Exited stranger", exited(4711, 0)),
		plainly("Asked", Asked{verdict.ReloadAll}), plainly("Leave", Leave{}), plainly("Leave brutally", Leave{true}),
		plainly("Renew", Renew{}), plainly("Renew chain", Renew{Chain: true}), plainly("Renew brutally", Renew{Brutal: true}),
		plainly("Ping", Ping{}), plainly("Pause", Pause{true}), plainly("Pause ends", Pause{false}), plainly("Orphaned", Orphaned{}),
		plainly("Woke", Woke{}), plainly("Woke late", Woke{}), plainly("Sampled", Sampled{Slot: 2, Busy: time.Second, RSS: 99}),
		plainly("Sampled overdue", Sampled{Slot: 2, Busy: 3 * time.Second}), plainly("Sampled big", Sampled{Slot: 2, RSS: 100}),
		plainly("Sampled huge", Sampled{Slot: 2, RSS: 200}), plainly("Ticked", Ticked{Workers: make([]Load, 2), Queue: 1}), plainly("Knocked", Knocked{}),
		plainly("Scale up", Scale{Delta: 1}), plainly("Scale down", Scale{Delta: -1}), plainly("Scale cheap", Scale{Cheap: true}),
		plainly("Serving", Serving{}), plainly("Leaving", Leaving{}), plainly("WorkersGone", WorkersGone{}), plainly("Alone", Alone{}),
		plainly("Launched", Launched{}), plainly("LaunchFailed", LaunchFailed{}), plainly("Alert", Alert{}), plainly("Cleared", Cleared{}),
		plainly("PIDFile", PIDFile{PID: 12}), plainly("Touched", Touched{}), plainly("HelperSampled", HelperSampled{}),
		plainly("HelpersTouched", HelpersTouched{}), plainly("Raised", Raised{}), plainly("changed", changed{}),
		plainly("TouchedExec", TouchedExec{}), plainly("TouchHookSaid", TouchHookSaid{}), plainly("TouchHookDone", TouchHookDone{}), plainly("GroupLeft", GroupLeft{}))
}

var zygoteNobody = zygote{number: 99, pid: 99}

// stands describes where a machine is: what changes in it is the next state.
func stands(m *machine) map[string]string {
	states := map[string]string{"phase": m.phase.String(), "zygote": zygoteWords[m.zygote.state], "worker": m.slots[1].state.String(), "first": m.slots[0].state.String()}
	states["second"] = "none"
	if m.second != nil {
		states["second"] = zygoteWords[m.second.state]
	}
	states["strays"] = fmt.Sprint(len(m.strays))
	states["wanted"] = fmt.Sprint(m.sleep.wanted)
	for what, on := range map[string]bool{"asleep": m.sleep.asleep, "paused": m.paused, "recycle": m.slots[1].recycle, "surplus": m.slots[1].surplus, "renewal": m.renewal.active, "again": m.renewal.again != nil} {
		states[what] = fmt.Sprint(on)
	}
	return states
}

var zygoteWords = [...]string{"none", "starting", "loading", "ready", "quitting"}

// changes are what differs between two stands.
func changes(before, after map[string]string) string {
	var out []string
	for _, what := range []string{"phase", "zygote", "second", "first", "worker", "asleep", "paused", "recycle", "surplus", "wanted", "strays", "renewal", "again"} {
		if before[what] != after[what] {
			out = append(out, what+" "+after[what])
		}
	}
	return strings.Join(out, ", ")
}

// told are the actions and the next state, as the rows have them.
func told(acts, changed string) string {
	switch {
	case acts == "" && changed == "":
		return "-"
	case changed == "":
		return acts
	}
	return strings.TrimSpace(acts + " -> " + changed)
}

// reach drives a machine into a situation.
func reach(s situation) (*machine, time.Time) {
	set := pairSettings()
	m := newMachine(&set, 1)
	m.jitter = func() float64 { return 0 }
	now := time.Unix(1000, 0)
	for _, s := range s.steps {
		now = now.Add(s.wait)
		m.handle(s.ev, now)
	}
	return m, now
}

func TestMachinePairs(t *testing.T) {
	all, events := situations(), happenings()
	var states, names []string
	seen := map[string]bool{}
	for _, s := range all {
		states = append(states, s.name)
		m, _ := reach(s)
		seen[fmt.Sprintf("phase %d", m.phase)], seen[fmt.Sprintf("slotState %d", m.slots[1].state)] = true, true
		for _, z := range append([]*zygote{&m.zygote, m.second}, m.retired...) {
			if z != nil {
				seen[fmt.Sprintf("zygoteState %d", z.state)] = true
			}
		}
	}
	for _, typ := range []string{"phase", "slotState", "zygoteState"} {
		for i, name := range pairs.Constants(t, ".", typ) {
			if !seen[fmt.Sprintf("%s %d", typ, i)] {
				t.Errorf("no situation has the %s %s", typ, name)
			}
		}
	}
	for _, h := range events {
		names = append(names, h.name)
	}
	pairs.Named(t, "event", pairs.Receivers(t, ".", "event"), names)
	for _, kind := range messageKinds(t) {
		if !slices.Contains(names, "Said "+kind) {
			t.Errorf("message %q is in no pair", kind)
		}
	}
	pairs.Check(t, "testdata/pairs-machine.txt", states, names, func(state, event string) string {
		m, now := reach(all[slices.Index(states, state)])
		h := events[slices.Index(names, event)]
		if event == "Woke late" {
			now = now.Add(61 * time.Second)
		}
		before := stands(m)
		acts := m.handle(h.ev(m), now)
		holds(t, state, event, m)
		return told(words(acts), changes(before, stands(m)))
	})
}

// holds is true of the machine after any pair: a process has a pid, what has to be looked after is, what is over is.
func holds(t *testing.T, state, event string, m *machine) {
	t.Helper()
	for i := range m.slots {
		s := &m.slots[i]
		if (s.pid != 0) != (s.state == slotStarting || s.state == slotRunning || s.state == slotLeaving) && m.phase != ended {
			t.Errorf("%s in %s: worker %d is %v with pid %d", event, state, s.id, s.state, s.pid)
		}
		if s.state == slotLeaving && m.phase != ended && m.next().IsZero() {
			t.Errorf("%s in %s: nobody looks after the mercy of worker %d", event, state, s.id)
		}
		if s.state == slotRunning && s.why != metrics.CauseExit && event != "Sampled huge" {
			t.Errorf("%s in %s: worker %d serves with the cause of its end %v", event, state, s.id, s.why)
		}
	}
}

// messageKinds are the words that processes say.
func messageKinds(t *testing.T) []string {
	var kinds []string
	known := map[string]worker.MessageKind{
		"Loaded": worker.Loaded, "Forked": worker.Forked, "Ready": worker.Ready, "Unforked": worker.Unforked, "Served": worker.Served,
		"Monitored": worker.Monitored, "Reload": worker.Reload, "Stop": worker.Stop, "RaiseAlarm": worker.RaiseAlarm, "Started": worker.Started,
		"Unstarted": worker.Unstarted, "Signal": worker.Signal, "Register": worker.Register, "Timer": worker.Timer, "SigCron": worker.SigCron,
		"FileMon": worker.FileMon,
	}
	for _, name := range pairs.Constants(t, "../worker", "MessageKind") {
		kind, there := known[name]
		if !there {
			t.Errorf("worker.%s is in no pair", name)
		}
		kinds = append(kinds, string(kind))
	}
	return kinds
}
