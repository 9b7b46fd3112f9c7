package master

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// words renders the actions that matter shortly; logs only when their text is asked for.
func words(acts []Action) string {
	var out []string
	for _, a := range acts {
		switch a := a.(type) {
		case StartZygote:
			out = append(out, "zygote")
		case Fork:
			out = append(out, fmt.Sprintf("fork %d/%d", a.Slot, a.Seq))
		case RunHooks:
			out = append(out, string(a.Phase))
		case QuitZygote:
			out = append(out, "quit")
		case Kill:
			name := strings.TrimPrefix(unix.SignalName(a.Signal), "SIG")
			if a.Signal == signalOverdue {
				name = "overdue"
			}
			out = append(out, fmt.Sprintf("%s %d", name, a.PID))
		case Tell:
			if a.Type == jail.MsgNote && strings.HasSuffix(a.Event, "renewed") {
				out = append(out, a.Event)
			} else if a.Type != jail.MsgNote {
				out = append(out, strings.TrimSpace(fmt.Sprintf("tell %s %s", a.Type, a.Action)))
			}
		case Mark:
			switch a.What {
			case MarkDied:
				out = append(out, "died "+a.Cause.String())
			case MarkCheap:
				out = append(out, fmt.Sprintf("cheap %d", a.Slot))
			}
		case WatchSockets:
			out = append(out, "watch")
		case SetPaused:
			out = append(out, fmt.Sprintf("paused %v", a.On))
		case Exit:
			out = append(out, fmt.Sprintf("exit %d", a.Code))
		}
	}
	return strings.Join(out, ", ")
}

func exited(pid, code int) Exited          { return Exited{PID: pid, Status: unix.WaitStatus(code << 8)} }
func killed(pid int, s unix.Signal) Exited { return Exited{PID: pid, Status: unix.WaitStatus(s)} }
func loadedMsg(ok bool) Said               { return loadedBy(1, ok) }
func loadedBy(zygote uint64, ok bool) Said {
	return Said{worker.Message{Kind: worker.Loaded, OK: ok}, zygote}
}
func forkedMsg(slot int, seq uint64, pid int) Said {
	return Said{worker.Message{Kind: worker.Forked, Slot: slot, Seq: seq, PID: pid}, 1}
}
func readyMsg(slot, pid int, ok bool) Said {
	return Said{worker.Message{Kind: worker.Ready, Slot: slot, PID: pid, OK: ok}, 1}
}

type step struct {
	ev   Event
	want string
	wait time.Duration // before the event
}

// up brings two workers with the pids 11 and 12 into service under the zygote 5.
var up = []step{
	{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2"},
	{ev: forkedMsg(1, 1, 11)}, {ev: forkedMsg(2, 2, 12)}, {ev: readyMsg(1, 11, true)}, {ev: readyMsg(2, 12, true), want: "tell ready"},
}

func after(more ...step) []step { return append(up[:len(up):len(up)], more...) }

// budget: table, a row for each state and event.
func TestMachine(t *testing.T) {
	tests := map[string]struct {
		set   Settings
		steps []step
	}{
		"a worker that is killed comes back": {steps: after(
			step{ev: killed(11, unix.SIGKILL), wait: time.Minute, want: "died killed, fork 1/3"},
			step{ev: forkedMsg(1, 3, 13)}, step{ev: readyMsg(1, 13, true)})},
		"a worker that dies young is throttled, more each time": {steps: after(
			step{ev: exited(11, 1), want: "died exit, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: exited(13, 1), want: "died exit"},
			step{ev: Woke{}, wait: time.Second}, step{ev: Woke{}, wait: time.Second, want: "fork 1/4"}, step{ev: forkedMsg(1, 4, 14)},
			step{ev: exited(14, 1), want: "died exit"}, step{ev: Woke{}, wait: 3 * time.Second}, step{ev: Woke{}, wait: time.Second, want: "fork 1/5"})},
		"a birth that cannot be true is ignored": {steps: after(
			step{ev: forkedMsg(1, 9, 99)}, step{ev: forkedMsg(7, 1, 99)}, step{ev: readyMsg(9, 9, true)},
			step{ev: exited(11, 1), want: "died exit, fork 1/3"}, step{ev: forkedMsg(1, 3, 1)}, step{ev: forkedMsg(1, 3, 5)},
			step{ev: forkedMsg(1, 3, 40)}, step{ev: killed(40, 9), wait: time.Minute, want: "died killed, fork 1/4"})},
		"each end has its cause": {steps: after(
			step{ev: killed(11, unix.SIGSYS), wait: time.Minute, want: "died seccomp, fork 1/3"}, step{ev: killed(12, unix.SIGSEGV), want: "died signal, fork 2/4"},
			step{ev: forkedMsg(1, 3, 13)}, step{ev: forkedMsg(2, 4, 14)},
			step{ev: Exited{PID: 13, Status: unix.WaitStatus(unix.SIGKILL), OOM: true}, wait: time.Minute, want: "died oom, fork 1/5"},
			step{ev: exited(14, 22), want: "died app-failed, fork 2/6"})},
		"orphans are no news": {steps: after(step{ev: exited(4711, 0)})},
		"leave": {steps: after(
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: Leave{}}, step{ev: exited(11, 17), want: "died reload"},
			step{ev: exited(5, 0)}, step{ev: exited(12, 17), want: "died reload, exit 0"})},
		"leave, a worker does not": {steps: after(
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: exited(5, 0)}, step{ev: exited(11, 17), want: "died reload"},
			step{ev: Woke{}, wait: time.Minute, want: "KILL 12"}, step{ev: killed(12, unix.SIGKILL), want: "died killed, exit 0"})},
		"leave, the zygote does not": {steps: after(
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: exited(11, 17), want: "died reload"}, step{ev: exited(12, 17), want: "died reload"},
			step{ev: Woke{}, wait: brutalMercy, want: "KILL 5"}, step{ev: killed(5, unix.SIGKILL), want: "exit 0"})},
		"ping": {steps: after(step{ev: Ping{}, want: "tell pong"})},
		"pause and resume": {steps: after(
			step{ev: Pause{On: true}, want: "paused true, TSTP 11, TSTP 12"}, step{ev: Pause{On: true}},
			step{ev: killed(11, unix.SIGKILL), wait: time.Minute, want: "died killed, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: readyMsg(1, 13, true), want: "TSTP 13"},
			step{ev: Pause{}, want: "paused false, TSTP 13, TSTP 12"}, step{ev: Pause{}})},
		"orders are given again": {steps: after(
			step{ev: Pause{On: true}, want: "paused true, TSTP 11, TSTP 12"}, step{ev: ticks(Load{}, Load{}), want: "TSTP 11, TSTP 12"},
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: ticks(Load{}, Load{})},
			step{ev: ticks(Load{}, Load{}), wait: time.Second, want: "HUP 11, HUP 12"}, step{ev: exited(11, 17), want: "died reload"},
			step{ev: ticks(), want: "HUP 12"})},
		"pause while loading": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: Pause{On: true}, want: "paused true"},
			{ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2"}, {ev: forkedMsg(1, 1, 11)}, {ev: readyMsg(1, 11, true), want: "TSTP 11"}}},
		"leave while paused": {steps: after(
			step{ev: Pause{On: true}, want: "paused true, TSTP 11, TSTP 12"}, step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: Pause{}})},
		"leave brutally": {steps: after(
			step{ev: Leave{Brutal: true}, want: "quit, INT 11, INT 12"}, step{ev: exited(5, 0)},
			step{ev: exited(11, 30), want: "died stop"}, step{ev: exited(12, 30), want: "died stop, exit 0"})},
		"leave, then brutally": {steps: after(
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: Leave{Brutal: true}, want: "INT 11, INT 12"})},
		"leave while loading": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: Leave{}, want: "KILL 5"}, {ev: killed(5, 9), want: "exit 0"}}},
		"leave while a fork is under way": {steps: after(
			step{ev: exited(11, 1), wait: time.Minute, want: "died exit, fork 1/3"}, step{ev: Leave{}, want: "quit, HUP 12"},
			step{ev: forkedMsg(1, 3, 13), want: "HUP 13"}, step{ev: exited(5, 0)}, step{ev: exited(12, 17), want: "died reload"},
			step{ev: exited(13, 17), want: "died reload, exit 0"})},
		"leave while a fork is under way that never comes": {steps: after(
			step{ev: exited(11, 1), wait: time.Minute, want: "died exit, fork 1/3"}, step{ev: Leave{}, want: "quit, HUP 12"},
			step{ev: exited(12, 17), want: "died reload"}, step{ev: exited(5, 0), want: "exit 0"})},
		"the app does not import": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(false), want: "tell app_failed, post-app, master-start, fork 1/1, fork 2/2"}}},
		"the app does not import, need-app": {set: Settings{NeedApp: true}, steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(false), want: "tell app_failed, exit 22"}}},
		"lazy-apps, the app does not import": {set: Settings{Conf: worker.Conf{LazyApps: true}}, steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2"},
			{ev: forkedMsg(1, 1, 11)}, {ev: forkedMsg(2, 2, 12)}, {ev: readyMsg(1, 11, false), want: "tell app_failed"},
			{ev: readyMsg(2, 12, false), want: "tell ready"}}},
		"lazy-apps, the app does not import, need-app": {set: Settings{NeedApp: true, Conf: worker.Conf{LazyApps: true}}, steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2"},
			{ev: forkedMsg(1, 1, 11)}, {ev: exited(11, 22), want: "died app-failed, tell app_failed, exit 22"}}},
		"the interpreter dies of the import": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: killed(5, unix.SIGSEGV), want: "tell app_failed"},
			{ev: Woke{}, wait: time.Second}, {ev: Woke{}, wait: time.Second, want: "zygote"}}},
		"the interpreter dies of the import, need-app": {set: Settings{NeedApp: true}, steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: killed(5, unix.SIGSEGV), want: "tell app_failed, exit 22"}}},
		"a hook that fails ends the start": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: HooksFailed{errors.New("x")}, want: "tell step_failed, exit 1"}, {ev: Woke{}}}},
		"no interpreter": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteFailed{1, errors.New("x")}, want: "tell step_failed, exit 1"}}},
		"the zygote dies in service": {steps: after(
			step{ev: killed(5, unix.SIGKILL)}, step{ev: exited(11, 1), wait: time.Second, want: "died exit"},
			step{ev: Woke{}, wait: time.Second, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "fork 1/3"})},
		"the zygote cannot be started again": {steps: after(
			step{ev: killed(5, unix.SIGKILL)}, step{ev: Woke{}, wait: 2 * time.Second, want: "zygote"},
			step{ev: ZygoteFailed{2, errors.New("x")}}, step{ev: Woke{}, wait: 4 * time.Second, want: "zygote"})},
		"the zygote does not fork": {steps: after(
			step{ev: exited(11, 1), wait: time.Minute, want: "died exit, fork 1/3"}, step{ev: Woke{}, wait: forkPatience, want: "KILL 5"},
			step{ev: killed(5, 9)}, step{ev: Woke{}, wait: 2 * time.Second, want: "zygote"}, step{ev: ZygoteStarted{2, 6}},
			step{ev: loadedBy(2, true), want: "fork 1/4"})},
		"a generation whose workers die at once is reported": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2"},
			{ev: forkedMsg(1, 1, 11)}, {ev: exited(11, 1), want: "died exit, fork 1/3"}, {ev: forkedMsg(1, 3, 12)},
			{ev: exited(12, 1), want: "died exit"}, {ev: Woke{}, wait: 2 * time.Second, want: "fork 1/4"}, {ev: forkedMsg(1, 4, 13)},
			{ev: exited(13, 1), want: "died exit, tell app_failed"}}},
		"signals and wishes go to the parent": {steps: after(
			step{ev: Asked{verdict.ReloadAll}, want: "tell asked reload"},
			step{ev: Said{worker.Message{Kind: worker.Reload}, 1}, want: "tell asked reload"},
			step{ev: Said{worker.Message{Kind: worker.Stop}, 1}, want: "tell asked stop"})},
		"the parent is gone": {steps: after(step{ev: Orphaned{}, want: "exit 1"}, step{ev: Woke{}})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			drive(t, tt.set, tt.steps)
		})
	}
}

// drive feeds the steps to a machine of two workers and compares what it answers.
func drive(t *testing.T, set Settings, steps []step) {
	t.Helper()
	set.Conf.Processes, set.Conf.Threads, set.MercySeconds = 2, 1, 60
	m := newMachine(&set, 1)
	m.jitter = func() float64 { return 0 }
	now := time.Unix(1000, 0)
	for i, s := range steps {
		now = now.Add(s.wait)
		if s.wait > 0 && s.ev == (Woke{}) && s.want != "" && (m.next().IsZero() || m.next().After(now)) {
			t.Fatalf("step %d: something is due at %v, but the machine does not ask to be woken before %v", i+1, now, m.next())
		}
		if got := words(m.handle(s.ev, now)); got != s.want {
			t.Fatalf("step %d, %T%+v: %q, want %q (phase %v)", i+1, s.ev, s.ev, got, s.want, m.phase)
		}
	}
}

func servedMsg(slot, pid int) Said {
	return Said{worker.Message{Kind: worker.Served, Slot: slot, PID: pid}, 1}
}

func monitoredMsg(slot, pid int) Said {
	return Said{worker.Message{Kind: worker.Monitored, Slot: slot, PID: pid}, 1}
}

// budget: table, a row for each limit.
func TestLimits(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		lim   Limits
		steps []step
	}{
		"harakiri": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 1, Busy: 2 * s}}, step{ev: Sampled{Slot: 1, Busy: 3 * s}, want: "overdue 11, HUP 11"},
			step{ev: Sampled{Slot: 1, Busy: 4 * s}}, step{ev: Woke{}, wait: lastWords, want: "KILL 11"},
			step{ev: killed(11, unix.SIGKILL), wait: s, want: "died harakiri, fork 1/3"})},
		"harakiri with the stacks first": {Limits{Harakiri: 2 * s, HarakiriVerbose: true}, after(
			step{ev: Sampled{Slot: 1, Busy: 3 * s}, want: "USR2 11, overdue 11, HUP 11"}, step{ev: Woke{}, wait: lastWords, want: "KILL 11"},
			step{ev: killed(11, unix.SIGKILL), want: "died harakiri, fork 1/3"})},
		"harakiri that asks first": {Limits{Harakiri: 2 * s, HarakiriGraceful: 4 * s, HarakiriSignal: 15}, after(
			step{ev: Sampled{Slot: 1, Busy: 3 * s}, want: "overdue 11, HUP 11"}, step{ev: Woke{}, wait: lastWords, want: "TERM 11"},
			step{ev: Sampled{Slot: 1, Busy: 5 * s}}, step{ev: Woke{}, wait: 4 * s, want: "KILL 11"},
			step{ev: killed(11, unix.SIGKILL), want: "died harakiri, fork 1/3"})},
		"harakiri lets the other threads finish": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 1, Busy: 3 * s, Others: 2}, want: "overdue 11, HUP 11"}, step{ev: Sampled{Slot: 1, Busy: 4 * s, Others: 1}, wait: s},
			step{ev: Woke{}, wait: s}, step{ev: Sampled{Slot: 1, Busy: 6 * s}, want: "overdue 11"}, step{ev: Sampled{Slot: 1, Busy: 6 * s}},
			step{ev: Woke{}, wait: lastWords, want: "KILL 11"}, step{ev: killed(11, unix.SIGKILL), want: "died harakiri, fork 1/3"})},
		"harakiri lets the other threads finish, not for ever": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 1, Busy: 3 * s, Others: 2}, want: "overdue 11, HUP 11"}, step{ev: Woke{}, wait: 60 * s, want: "KILL 11"})},
		"harakiri of a request that ends after all": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 1, Busy: 3 * s}, want: "overdue 11, HUP 11"}, step{ev: exited(11, 17), want: "died harakiri, fork 1/3"})},
		"harakiri only when others wait": {Limits{Harakiri: 2 * s, HarakiriQueue: 3}, after(
			step{ev: Ticked{Workers: make([]Load, 2), Queue: 3}}, step{ev: Sampled{Slot: 1, Busy: 3 * s}},
			step{ev: Ticked{Workers: make([]Load, 2), Queue: 4}}, step{ev: Sampled{Slot: 1, Busy: 3 * s}, want: "overdue 11, HUP 11"})},
		"a monitored exception, whatever the least lifetime": {Limits{MinLifetime: 10 * s}, after(
			step{ev: monitoredMsg(1, 99)}, step{ev: monitoredMsg(1, 11), want: "HUP 11"}, step{ev: monitoredMsg(2, 12)},
			step{ev: exited(11, 17), want: "died exception, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)}, step{ev: readyMsg(1, 13, true), want: "HUP 12"})},
		"reload on what a worker holds alone, or shares": {Limits{ReloadUSS: 100, ReloadPSS: 200}, after(
			step{ev: Sampled{Slot: 1, USS: 99, PSS: 199}}, step{ev: Sampled{Slot: 1, USS: 99, PSS: 200}, want: "HUP 11"},
			step{ev: exited(11, 17), want: "died rss, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)}, step{ev: readyMsg(1, 13, true)},
			step{ev: Sampled{Slot: 2, USS: 100}, want: "HUP 12"})},
		"harakiri spares a request that ends in time": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 1, Busy: s}}, step{ev: Sampled{Slot: 1}})},
		"a worker that is not there has no limit": {Limits{Harakiri: 2 * s}, after(
			step{ev: Sampled{Slot: 0, Busy: 9 * s}}, step{ev: Sampled{Slot: 3, Busy: 9 * s}},
			step{ev: exited(11, 1), wait: s, want: "died exit, fork 1/3"}, step{ev: Sampled{Slot: 1, Busy: 9 * s}})},
		"evil reload": {Limits{EvilRSS: 100}, after(
			step{ev: Sampled{Slot: 2, RSS: 99}}, step{ev: Sampled{Slot: 2, RSS: 100}, want: "KILL 12"},
			step{ev: killed(12, unix.SIGKILL), wait: s, want: "died rss, fork 2/3"})},
		"reload on rss finishes the request first": {Limits{ReloadRSS: 100}, after(
			step{ev: Sampled{Slot: 2, RSS: 100}, want: "HUP 12"}, step{ev: Sampled{Slot: 2, RSS: 100}},
			step{ev: exited(12, 17), want: "died rss, fork 2/3"})},
		"reload on as": {Limits{ReloadAS: 100}, after(step{ev: Sampled{Slot: 1, VSZ: 101}, want: "HUP 11"})},
		"not before the least lifetime": {Limits{ReloadRSS: 100, MinLifetime: 10 * s}, after(
			step{ev: Sampled{Slot: 1, RSS: 100}, wait: 9 * s}, step{ev: Sampled{Slot: 1, RSS: 100}, wait: s, want: "HUP 11"})},
		"the longest lifetime, one after the other": {Limits{MaxLifetime: 60 * s, LifetimeDelta: 5 * s}, after(
			step{ev: Sampled{Slot: 1}, wait: 60 * s, want: "HUP 11"}, step{ev: Sampled{Slot: 2}, wait: 5 * s},
			step{ev: exited(11, 17), want: "died lifetime, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: Sampled{Slot: 2}}, step{ev: readyMsg(1, 13, true), want: "HUP 12"},
			step{ev: exited(12, 17), want: "died lifetime, fork 2/4"})},
		"max-requests, one after the other": {Limits{}, after(
			step{ev: servedMsg(1, 11), want: "HUP 11"}, step{ev: servedMsg(2, 12)}, step{ev: servedMsg(2, 99)},
			step{ev: exited(11, 17), want: "died max-requests, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: readyMsg(1, 13, true), want: "HUP 12"}, step{ev: exited(12, 17), want: "died max-requests, fork 2/4"})},
		"max-requests waits for the least lifetime": {Limits{MinLifetime: 10 * s}, after(
			step{ev: servedMsg(1, 11), wait: 2 * s}, step{ev: Sampled{Slot: 1}, wait: 7 * s}, step{ev: Sampled{Slot: 1}, wait: s, want: "HUP 11"})},
		"a recycled worker that does not leave": {Limits{}, after(
			step{ev: servedMsg(1, 11), want: "HUP 11"}, step{ev: Woke{}, wait: 60 * s, want: "KILL 11"},
			step{ev: killed(11, unix.SIGKILL), want: "died max-requests, fork 1/3"})},
		"leaving while one is recycled": {Limits{}, after(
			step{ev: servedMsg(1, 11), want: "HUP 11"}, step{ev: Leave{}, want: "quit, HUP 11, HUP 12"},
			step{ev: exited(11, 17), want: "died max-requests"}, step{ev: exited(5, 0)}, step{ev: exited(12, 17), want: "died reload, exit 0"})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { drive(t, Settings{Limits: tt.lim}, tt.steps) })
	}
}

// TestMachineWords checks the lines that people grep for.
func TestMachineWords(t *testing.T) {
	set := Settings{MercySeconds: 60}
	set.Conf.Processes, set.Conf.Threads = 2, 4
	m := newMachine(&set, 1)
	now := time.Unix(1000, 0)
	var log []string
	for _, s := range after(step{ev: killed(11, unix.SIGSEGV)}, step{ev: forkedMsg(1, 3, 13)}, step{ev: exited(13, 1)}) {
		for _, a := range m.handle(s.ev, now) {
			if l, ok := a.(Log); ok {
				log = append(log, l.Text)
			}
		}
	}
	for _, want := range []string{
		"spawned uWSGI worker 1 (pid: 11, cores: 4)", "spawned uWSGI worker 2 (pid: 12, cores: 4)",
		"DAMN ! worker 1 (pid: 11) died, killed by signal 11 :( trying respawn ...", "Respawned uWSGI worker 1 (new pid: 13)",
		"DAMN ! worker 1 (pid: 13) died :( trying respawn ...", "worker respawning too fast !!! i have to sleep a bit (2 seconds)...",
	} {
		found := false
		for _, line := range log {
			found = found || line == want
		}
		if !found {
			t.Errorf("%q is not in the log %q", want, log)
		}
	}
}
