package reload

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"gowsgi/reload/verdict"
)

// words renders actions shortly: "start 2", "leave 1", "count app", ...
func words(acts []action) string {
	var out []string
	for _, a := range acts {
		switch a := a.(type) {
		case actLoad:
			out = append(out, "load")
		case actStart:
			out = append(out, fmt.Sprintf("start %d", a.gen))
		case actLeave:
			if a.brutal {
				out = append(out, fmt.Sprintf("leave! %d", a.gen))
			} else {
				out = append(out, fmt.Sprintf("leave %d", a.gen))
			}
		case actRenew:
			out = append(out, fmt.Sprintf("renew %d %v %v", a.gen, a.chain, a.brutal))
		case actPause:
			out = append(out, fmt.Sprintf("pause %d %v", a.gen, a.on))
		case actKill:
			out = append(out, fmt.Sprintf("kill %d", a.gen))
		case actRevert:
			out = append(out, "revert")
		case actCount:
			out = append(out, "count "+orOK(a.failed))
		case actServing:
			out = append(out, "serving")
		case actProbe:
			out = append(out, "probe")
		case actReplace:
			out = append(out, "replace")
		case actUpgraded:
			out = append(out, "upgraded "+orOK(a.failed))
		case actExit:
			out = append(out, fmt.Sprintf("exit %d", a.code))
		}
	}
	return strings.Join(out, ", ")
}

const exit0, exit1, exit22, sigkill = syscall.WaitStatus(0), syscall.WaitStatus(1 << 8), syscall.WaitStatus(22 << 8), syscall.WaitStatus(9)

type step struct {
	ev   event
	want string
	wait time.Duration // before the event
}

// budget: table, a row for each course of events.
func TestPlan(t *testing.T) {
	hup := evAsked{verdict.ReloadAll}
	term, kill := evAsked{verdict.Stop}, evAsked{verdict.BrutalStop}
	pause := evAsked{verdict.Pause}
	boot := []step{{ev: evBoot{}, want: "start 1"}, {ev: evEntered{1}}, {ev: evReady{1}, want: "serving"}}
	tests := map[string][]step{
		"reload into a fresh jail": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evReady{2}, want: "count ok"}),
		"a broken config changes nothing": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{err: errors.New("x")}, want: "count config"},
			step{ev: hup, want: "load"}),
		"new code for the workers": append(boot[:len(boot):len(boot)],
			step{ev: evAsked{verdict.ReloadWorkers}, want: "renew 1 false false"}, step{ev: evAsked{verdict.ChainReload}, want: "renew 1 true false"},
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evAsked{verdict.BrutalReloadWorkers}, want: "renew 1 false true, renew 2 false true"}),
		"new code for the workers while the stack is built anew": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: evAsked{verdict.ChainReload}},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evAsked{verdict.ChainReload}, want: "renew 2 true false"}),
		"overlap": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evReady{2}, want: "leave 1, count ok"}, step{ev: evEnded{1, exit0}},
			step{ev: term, want: "leave 2"}, step{ev: evEnded{2, exit0}, want: "exit 0"}),
		"overlap with an app that does not import": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evFailed{2, true, "ImportError"}, want: "count app, kill 2, revert"},
			step{ev: evReady{2}}, step{ev: evEnded{2, sigkill}},
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 3"}, step{ev: evReady{3}, want: "leave 1, count ok"}),
		"overlap with a jail that cannot be built": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evFailed{2, false, "no rootfs"}, want: "count jail, kill 2, revert"}, step{ev: evEnded{2, exit1}}),
		"overlap whose master dies": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evEnded{2, sigkill}, want: "count jail, kill 2, revert"}, step{ev: term, want: "leave 1"}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"overlap that never gets ready": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evWoke{}, wait: overlapPatience, want: "count timeout, kill 2, revert"}, step{ev: evEnded{2, sigkill}}),
		"overlap while the old stack dies": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: evEnded{1, sigkill}, want: ""}, step{ev: evReady{2}, want: "count ok"}),
		"reloads that come too fast are not lost": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: hup}, step{ev: hup},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evReady{2}, want: "count ok, load"},
			step{ev: evLoaded{}, want: "leave 2"}),
		"a start that fails ends the whole": {
			{ev: evBoot{}, want: "start 1"}, {ev: evFailed{1, false, "cannot open /ns"}}, {ev: evEnded{1, exit1}, want: "exit 1"}},
		"a clone that fails ends the whole": {
			{ev: evBoot{}, want: "start 1"}, {ev: evNotStarted{1, errors.New("EPERM")}, want: "exit 1"}},
		"need-app": {
			{ev: evBoot{}, want: "start 1"}, {ev: evFailed{1, true, "ImportError"}}, {ev: evEnded{1, exit22}, want: "exit 22"}},
		"without need-app a broken app is served as 500": {
			{ev: evBoot{}, want: "start 1"}, {ev: evFailed{1, true, "ImportError"}}, {ev: evReady{1}, want: "serving"}},
		"a reload into a broken app without need-app is counted as failed": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: evEnded{1, exit0}, want: "start 2"},
			step{ev: evFailed{2, true, "ImportError"}}, step{ev: evReady{2}, want: "count app"}),
		"a reload into a jail that fails goes back to the old configuration": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: evEnded{1, exit0}, want: "start 2"},
			step{ev: evFailed{2, false, "no rootfs"}}, step{ev: evEnded{2, exit1}, want: "count jail, revert"},
			step{ev: evWoke{}, want: "start 3"}, step{ev: evReady{3}}),
		"a master that dies in service is built again at once, later with a pause": append(boot[:len(boot):len(boot)],
			step{ev: evEnded{1, sigkill}, wait: steady}, step{ev: evWoke{}, want: "start 2"}, step{ev: evReady{2}},
			step{ev: evEnded{2, sigkill}}, step{ev: evWoke{}, want: "start 3"},
			step{ev: evEnded{3, sigkill}}, step{ev: evWoke{}}, step{ev: evWoke{}, wait: firstPause, want: "start 4"}),
		"pause": append(boot[:len(boot):len(boot)],
			step{ev: pause, want: "pause 1 true"}, step{ev: pause, want: "pause 1 false"}, step{ev: pause, want: "pause 1 true"},
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: pause}, step{ev: evEnded{1, exit0}, want: "start 2"},
			step{ev: pause, want: "pause 2 true"}, step{ev: pause, want: "pause 2 false"}, step{ev: evReady{2}, want: "count ok"}, step{ev: pause, want: "pause 2 true"},
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 3"}, step{ev: pause, want: "pause 2 false"},
			step{ev: pause, want: "pause 2 true"}, step{ev: evReady{3}, want: "leave 2, count ok"}, step{ev: pause, want: "pause 3 true"}),
		"pause before anything serves": {{ev: evBoot{}, want: "start 1"}, {ev: pause, want: "pause 1 true"}, {ev: evReady{1}, want: "serving"}, {ev: pause, want: "pause 1 false"}},
		"pause when nothing runs": append(boot[:len(boot):len(boot)],
			step{ev: term, want: "leave 1"}, step{ev: pause}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"stop three times": append(boot[:len(boot):len(boot)],
			step{ev: term, want: "leave 1"}, step{ev: term, want: "leave! 1"}, step{ev: term, want: "kill 1"},
			step{ev: evEnded{1, sigkill}, want: "exit 0"}),
		"stop at once": append(boot[:len(boot):len(boot)],
			step{ev: kill, want: "leave! 1"}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"stop before the jail stands": {{ev: evBoot{}, want: "start 1"}, {ev: term, want: "kill 1"}, {ev: evEnded{1, sigkill}, want: "exit 0"}},
		"stop while the app loads": {{ev: evBoot{}, want: "start 1"}, {ev: evEntered{1}}, {ev: term, want: "leave 1"}, {ev: kill, want: "leave! 1"},
			{ev: evEnded{1, exit0}, want: "exit 0"}},
		"stop while draining": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{}, want: "leave 1"}, step{ev: term, want: "leave 1"},
			step{ev: hup}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"stop while overlapping kills what was not ready": append(boot[:len(boot):len(boot)],
			step{ev: hup, want: "load"}, step{ev: evLoaded{overlap: true}, want: "start 2"},
			step{ev: term, want: "kill 2, leave 1"}, step{ev: evEnded{2, sigkill}}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"stop while waiting": append(boot[:len(boot):len(boot)],
			step{ev: evEnded{1, sigkill}}, step{ev: term, want: "exit 0"}),
		"a master that does not leave is killed": append(boot[:len(boot):len(boot)],
			step{ev: term, want: "leave 1"}, step{ev: evWoke{}}, step{ev: evWoke{}, wait: 61*time.Second + leaveGrace, want: "kill 1"},
			step{ev: evEnded{1, sigkill}, want: "exit 0"}),
		"reload while starting": {
			{ev: evBoot{}, want: "start 1"}, {ev: hup}, {ev: hup}, {ev: evReady{1}, want: "serving, load"},
			{ev: evLoaded{}, want: "leave 1"}, {ev: evEnded{1, exit0}, want: "start 2"}, {ev: evReady{2}, want: "count ok"}},
		"reload while an import hangs": {
			{ev: evBoot{}, want: "start 1"}, {ev: hup}, {ev: evWoke{}}, {ev: evWoke{}, wait: startPatience, want: "load"},
			{ev: evLoaded{overlap: true}, want: "leave 1"}, {ev: evEnded{1, exit0}, want: "start 2"},
			{ev: hup, wait: startPatience, want: "load"}, {ev: evLoaded{}, want: "leave 2"}, {ev: evEnded{2, exit0}, want: "start 3"},
			{ev: evReady{3}, want: "serving, count ok"}},
		"brutal reload": append(boot[:len(boot):len(boot)],
			step{ev: evAsked{verdict.BrutalReload}, want: "load"}, step{ev: evLoaded{overlap: true}, want: "leave! 1"},
			step{ev: evEnded{1, exit0}, want: "start 2"}, step{ev: evReady{2}, want: "count ok"}),
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			p := &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false }}
			now := time.Unix(1000, 0)
			for i, s := range steps {
				now = now.Add(s.wait)
				if got := words(p.handle(s.ev, now)); got != s.want {
					t.Fatalf("step %d, %T%+v: %q, want %q (stage %v)", i+1, s.ev, s.ev, got, s.want, p.stage)
				}
			}
		})
	}
}

func TestPlanExitOnReload(t *testing.T) {
	p := &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return true }}
	now := time.Unix(1000, 0)
	p.handle(evBoot{}, now)
	p.handle(evReady{1}, now)
	if got := words(p.handle(evAsked{verdict.ReloadAll}, now)); got != "leave 1" {
		t.Fatalf("reload with exit-on-reload: %q, want leave 1", got)
	}
	if got := words(p.handle(evEnded{1, exit0}, now)); got != "exit 0" {
		t.Fatalf("after the end: %q, want exit 0", got)
	}
}

// TestPlanWakes checks that a plan which waits for a time also asks to be woken.
func TestPlanWakes(t *testing.T) {
	p := &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false }}
	now := time.Unix(1000, 0)
	p.handle(evBoot{}, now)
	p.handle(evReady{1}, now)
	if !p.nextWake().IsZero() {
		t.Fatal("a plan that serves wants to be woken")
	}
	p.handle(evAsked{verdict.Stop}, now)
	if got := p.nextWake(); !got.Equal(now.Add(time.Minute + leaveGrace)) {
		t.Fatalf("a plan that stops wants to be woken at %v", got)
	}
}

func orOK(failed string) string {
	if failed == "" {
		return "ok"
	}
	return failed
}
