package master

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

func alarmSettings() *Alarms {
	return &Alarms{
		List: []Alarm{
			{Name: "l", Kind: "log", Arg: "trouble:"}, {Name: "c", Kind: "cmd", Arg: "mail"}, {Name: "f", Kind: "file", Arg: "/var/alarm"},
			{Name: "s", Kind: "signal", N: 17}, {Name: "m", Kind: "mule", N: 2},
		},
		Freq: 3 * time.Second, MsgSize: 12,
		Segfault: []string{"c", "f"},
	}
}

func alarmJob(n int) Job { return Job{"alarm", n} }

// budget: table, a row for each state and event.
func TestAlarms(t *testing.T) {
	raised := []step{{ev: Alert{"c", "full"}, want: "launch 1 mail <full>"}, {ev: Launched{alarmJob(1), 80}}}
	then := func(more ...step) []step { return append(raised[:len(raised):len(raised)], more...) }
	tests := map[string]struct {
		steps []step
		gone  bool
	}{
		"a command": {then(step{ev: exited(80, 0)}), true},
		"the same again": {then(step{ev: Alert{"c", "full"}, wait: 2 * time.Second}, step{ev: Alert{"c", "other"}, want: "launch 2 mail <other>"},
			step{ev: Alert{"c", "full"}, want: "launch 3 mail <full>"}, step{ev: Alert{"c", "full"}, wait: 3 * time.Second, want: "launch 4 mail <full>"}), false},
		"a file":                    {[]step{{ev: Alert{"f", "one\ntwo\x00"}, want: "append to /var/alarm one two"}}, true},
		"a signal":                  {[]step{{ev: Alert{"s", "x"}, want: "raise 17"}}, true},
		"a mule":                    {[]step{{ev: Alert{"m", "a\nb"}, want: "message 2 <a\nb>"}}, true},
		"too long":                  {[]step{{ev: Alert{"f", "0123456789äöü"}, want: "append to /var/alarm 0123456789ä"}, {ev: Alert{"f", "0123456789äa"}}}, true},
		"no such alarm":             {[]step{{ev: Alert{"x", "y"}}, {ev: Alert{"", ""}}}, true},
		"from the app":              {[]step{{ev: Said{worker.Message{Kind: worker.RaiseAlarm, Name: "c", Text: "hi"}, 0}, want: "launch 1 mail <hi>"}}, false},
		"other words of the app":    {[]step{{ev: Said{worker.Message{Kind: worker.Reload, Name: "c", Text: "hi"}, 0}}}, true},
		"a command that cannot be":  {[]step{{ev: Alert{"c", "x"}, want: "launch 1 mail <x>"}, {ev: LaunchFailed{alarmJob(1), errors.New("no")}}}, true},
		"a segmentation fault":      {[]step{{ev: killed(99, unix.SIGSEGV), want: "launch 1 mail <!!! uWSGI pr>, append to /var/alarm !!! uWSGI pr"}}, false},
		"a core of it":              {[]step{{ev: killed(99, unix.SIGSEGV|0x80), want: "launch 1 mail <!!! uWSGI pr>, append to /var/alarm !!! uWSGI pr"}}, false},
		"another end":               {[]step{{ev: killed(99, unix.SIGKILL)}, {ev: exited(99, 11)}}, true},
		"a command that never ends": {then(step{ev: Woke{}, wait: time.Hour}), false},
		"leaving while one runs":    {then(step{ev: Leaving{}}, step{ev: WorkersGone{}}, step{ev: Woke{}, wait: 3 * time.Second, want: "KILL group 80"}, step{ev: killed(80, 9)}), true},
		"somebody else's answer":    {then(step{ev: Launched{Job{"cron", 1}, 81}}, step{ev: LaunchFailed{Job{"cron", 1}, nil}}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := newAlarms(alarmSettings())
			runUnit(t, u, time.Unix(1000, 0), tt.steps)
			if u.gone() != tt.gone {
				t.Errorf("gone is %v", u.gone())
			}
		})
	}
}

// TestAlarmFlood: an app that raises alarms without end has few commands started and few lines written.
func TestAlarmFlood(t *testing.T) {
	u := newAlarms(alarmSettings())
	now := time.Unix(1000, 0)
	commands, lines := 0, 0
	for i := range 100000 {
		now = now.Add(100 * time.Microsecond)
		for _, a := range u.handle(Alert{"c", fmt.Sprint(i)}, now) {
			switch a := a.(type) {
			case Launch:
				commands++
				u.handle(Launched{a.Job, 2000 + a.Job.N}, now)
				u.handle(exited(2000+a.Job.N, 0), now)
			case Log:
				lines++
			}
		}
	}
	if commands > 11*alarmRuns || commands < 10*alarmRuns || lines > 2 || lines < 1 {
		t.Errorf("in 10 seconds: %d commands, %d lines", commands, lines)
	}
	for i := range 100 {
		now = now.Add(time.Second)
		for _, a := range u.handle(Alert{"c", fmt.Sprint("x", i)}, now) {
			if l, ok := a.(Launch); ok {
				u.handle(Launched{l.Job, 9000 + i}, now)
			}
		}
	}
	if len(u.runs) != alarmRuns {
		t.Errorf("%d commands run at once, want %d", len(u.runs), alarmRuns)
	}
}

func TestAlarmLog(t *testing.T) {
	u := newAlarms(alarmSettings())
	acts := u.handle(Alert{"l", "a\nb"}, time.Unix(1000, 0))
	if len(acts) != 1 || acts[0].(Log).Text != "ALARM: trouble: a b" {
		t.Errorf("the log has %+v", acts)
	}
	if strings.Contains(oneLine("\x1b[31m"), "\x1b") {
		t.Error("an escape sequence gets through")
	}
}
