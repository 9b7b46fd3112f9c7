package master

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// Alarm is one way to raise the alarm.
type Alarm struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // log, cmd, file, signal or mule
	Arg  string `json:"arg"`
	N    int    `json:"n,omitempty"` // number of a signal, or of a mule (0 = any)
}

// Alarms are the settings of all alarms.
type Alarms struct {
	List     []Alarm       `json:"list,omitempty"`
	Freq     time.Duration `json:"freq"`     // within which an alarm does not repeat a message
	MsgSize  int           `json:"msg_size"` // bytes
	Segfault []string      `json:"segfault,omitempty"`
}

// Alert is an event: somebody raises an alarm. Names and messages may come from the app.
type Alert struct{ Name, Text string }

func (Alert) event() {}

// alarmRuns is how many commands of alarms may run at once, and be started in a second: an app that raises one in a loop must not keep us
// busy with starting processes.
const alarmRuns = 16

// alarms is the unit of the alarms.
type alarms struct {
	set     *Alarms
	last    []alarmed
	runs    commandRuns
	started int
	second  int64     // unix, of recent
	recent  int       // commands started in that second
	dropped time.Time // when it was last said that some are dropped
	strange bool
}

// alarmed is what an alarm said last.
type alarmed struct {
	text string
	at   time.Time
}

func newAlarms(set *Alarms) *alarms {
	return &alarms{set: set, last: make([]alarmed, len(set.List)), runs: commandRuns{}}
}

func (u *alarms) handle(ev Event, now time.Time) []Action {
	switch ev := ev.(type) {
	case Alert:
		return u.raise(ev.Name, ev.Text, now)
	case Said:
		if ev.Kind == worker.RaiseAlarm {
			return u.raise(ev.Name, ev.Text, now)
		}
	case Exited:
		return u.exited(ev, now)
	case Launched:
		if r := u.of(ev.Job); r != nil {
			r.pid = ev.PID
		}
	case LaunchFailed:
		if r := u.of(ev.Job); r != nil {
			delete(u.runs, ev.Job.N)
			return []Action{Log{Error, fmt.Sprintf("[uwsgi-alarm] cannot raise %q: %v", u.set.List[r.of].Name, ev.Err)}}
		}
	case WorkersGone:
		for _, r := range u.runs {
			if r.deadline.IsZero() {
				r.deadline = now.Add(brutalMercy)
			}
		}
	case Woke:
		return u.overdue(now)
	}
	return nil
}

func (u *alarms) of(job Job) *commandRun {
	if job.Unit != "alarm" {
		return nil
	}
	return u.runs[job.N]
}

// raise carries an alarm out, but for a message that it has just had.
func (u *alarms) raise(name, text string, now time.Time) []Action {
	text = clip(text, u.set.MsgSize)
	for i := range u.set.List {
		if u.set.List[i].Name != name {
			continue
		}
		if last := &u.last[i]; last.text == text && now.Sub(last.at) < u.set.Freq && !last.at.IsZero() {
			return nil
		}
		u.last[i] = alarmed{text, now}
		return u.carryOut(i, text, now)
	}
	if u.strange { // the name may be the app's: said once
		return nil
	}
	u.strange = true
	return []Action{Log{Warn, fmt.Sprintf("[uwsgi-alarm] there is no alarm %.80q", name)}}
}

func (u *alarms) carryOut(i int, text string, now time.Time) []Action {
	a := &u.set.List[i]
	switch a.Kind {
	case "log":
		return []Action{Log{Warn, "ALARM: " + strings.TrimLeft(a.Arg+" "+oneLine(text), " ")}}
	case "file":
		return []Action{FileTask{What: AppendLine, Path: a.Arg, Text: oneLine(text)}}
	case "signal":
		return []Action{Raise{byte(a.N)}}
	case "mule":
		return []Action{Message{a.N, []byte(text)}}
	}
	if second := now.Unix(); second != u.second {
		u.second, u.recent = second, 0
	}
	if len(u.runs) >= alarmRuns || u.recent >= alarmRuns {
		if now.Sub(u.dropped) < 10*time.Second {
			return nil
		}
		u.dropped = now
		return []Action{Log{Warn, fmt.Sprintf("[uwsgi-alarm] too many at once: %q is dropped, and others may be (more is not said for 10 seconds)", a.Name)}}
	}
	u.recent++
	u.started++
	u.runs[u.started] = &commandRun{of: i}
	return []Action{Launch{Job{"alarm", u.started}, Program{Command: a.Arg, UID: -1, GID: -1, Input: []byte(text)}}}
}

func (u *alarms) exited(ev Exited, now time.Time) []Action {
	for n, r := range u.runs {
		if r.pid == ev.PID && r.pid != 0 {
			delete(u.runs, n)
			if ev.Status.Exited() && ev.Status.ExitStatus() == 0 {
				return nil
			}
			return []Action{Log{Error, fmt.Sprintf("[uwsgi-alarm] the command of %q (pid: %d) %s", u.set.List[r.of].Name, r.pid, howEnded(ev.Status))}}
		}
	}
	if !ev.Status.Signaled() || ev.Status.Signal() != unix.SIGSEGV {
		return nil
	}
	var acts []Action
	for _, name := range u.set.Segfault {
		acts = append(acts, u.raise(name, fmt.Sprintf("!!! uWSGI process %d got Segmentation Fault !!!", ev.PID), now)...)
	}
	return acts
}

func (u *alarms) overdue(now time.Time) []Action { return u.runs.overdue(now) }

func (u *alarms) next() time.Time { return u.runs.next() }

func (u *alarms) gone() bool { return len(u.runs) == 0 }

// clip cuts a text to so many bytes, between two letters.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}

// oneLine keeps a message from looking like several lines of the log.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}
