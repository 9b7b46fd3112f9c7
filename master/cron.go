package master

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// Cron is one cron job.
type Cron struct {
	CronTime
	Command  string        `json:"command"`
	Unique   bool          `json:"unique,omitempty"`   // not while an earlier run of it goes on
	Harakiri time.Duration `json:"harakiri,omitempty"` // a run that takes longer is killed, 0 = none is
}

const (
	// cronRuns is how many runs of a job that is not unique may go on at a time: one that never ends must not fill the jail.
	cronRuns = 100
	// cronLook is how often the wall clock is looked at: timers do not run while a machine is suspended.
	cronLook = 15 * time.Second
)

// cronRun is a command that runs, or is about to.
type cronRun struct {
	job      int
	pid      int
	started  time.Time
	deadline time.Time // SIGKILL then, zero = never
	told     bool      // to end
}

// crons is the unit of the cron jobs. They run when the app is loaded and the former stack is gone, so that no two stacks run the same
// one; the parent keeps the minute that was looked at last for the next stack.
type crons struct {
	jobs    []Cron
	times   []CronTime
	runs    map[int]*cronRun // by number
	last    int              // number of the latest run
	started []int64          // when each job ran last, unix seconds
	cal     calendar
	mercy   time.Duration
	serving bool
	alone   bool
	leaving bool
	looked  time.Time
}

func newCrons(jobs []Cron, where *time.Location, mercy time.Duration) *crons {
	u := &crons{jobs: jobs, runs: map[int]*cronRun{}, cal: calendar{where: where}, mercy: mercy, started: make([]int64, len(jobs))}
	for _, j := range jobs {
		u.times = append(u.times, j.CronTime)
	}
	return u
}

func (u *crons) handle(ev Event, now time.Time) []Action {
	var acts []Action
	switch ev := ev.(type) {
	case Booted:
		for _, j := range u.jobs {
			acts = append(acts, Log{Info, fmt.Sprintf("[uwsgi-cron] command %q registered as cron task", j.Command)})
		}
	case Serving:
		u.serving = true
	case Alone:
		if u.alone = true; ev.Since > 0 {
			u.cal.since(ev.Since)
		}
	case Leaving:
		u.leaving = true
		if ev.Brutal {
			acts = u.stopAll(now, min(u.mercy, brutalMercy))
		}
	case WorkersGone:
		acts = u.stopAll(now, u.mercy)
	case Launched:
		if r := u.of(ev.Job); r != nil {
			acts = u.launched(r, ev.PID, now)
		}
	case LaunchFailed:
		if r := u.of(ev.Job); r != nil {
			acts = []Action{Log{Error, fmt.Sprintf("[uwsgi-cron] cannot run %q: %v", u.jobs[r.job].Command, ev.Err)}}
			delete(u.runs, ev.Job.N)
		}
	case Exited:
		acts = u.exited(ev, now)
	case Woke:
		acts = u.overdue(now)
	}
	return append(acts, u.look(now)...)
}

func (u *crons) of(job Job) *cronRun {
	if job.Unit != "cron" {
		return nil
	}
	return u.runs[job.N]
}

func (u *crons) ready() bool { return u.serving && u.alone && !u.leaving }

// look starts what the clock asks for.
func (u *crons) look(now time.Time) []Action {
	if !u.ready() {
		return nil
	}
	same := !u.looked.IsZero() && u.looked.Unix()/60 == now.Unix()/60
	u.looked = now
	if same {
		return nil
	}
	before := u.cal.real
	var acts []Action
	for i, due := range u.cal.due(now, u.times) {
		if due {
			acts = append(acts, u.start(i)...)
		}
	}
	if u.cal.real != before {
		acts = append(acts, Tell{jail.Message{Type: jail.MsgNote, Event: "cron-minute", At: now.Unix()}})
	}
	return acts
}

func (u *crons) start(job int) []Action {
	j, going := &u.jobs[job], 0
	for _, r := range u.runs {
		if r.job == job {
			going++
		}
	}
	if j.Unique && going > 0 {
		return nil
	}
	if going >= cronRuns {
		return []Action{Log{Error, fmt.Sprintf("[uwsgi-cron] %q is not run: %d runs of it go on", j.Command, going)}}
	}
	u.last++
	u.runs[u.last] = &cronRun{job: job}
	return []Action{Launch{Job{"cron", u.last}, Program{Command: j.Command, UID: -1, GID: -1}}}
}

func (u *crons) launched(r *cronRun, pid int, now time.Time) []Action {
	j := &u.jobs[r.job]
	r.pid, r.started = pid, now
	u.started[r.job] = now.Unix()
	if j.Harakiri > 0 {
		r.deadline = now.Add(j.Harakiri)
	}
	acts := []Action{Log{Info, fmt.Sprintf("[uwsgi-cron] running %q (pid %d)", j.Command, pid)}, u.tell(r.job)}
	if u.leaving {
		acts = append(acts, u.stop(r, now, u.mercy)...)
	}
	return acts
}

func (u *crons) exited(ev Exited, now time.Time) []Action {
	for n, r := range u.runs {
		if r.pid != ev.PID || r.pid == 0 {
			continue
		}
		delete(u.runs, n)
		text := fmt.Sprintf("[uwsgi-cron] command %q running with pid %d exited after %d second(s)", u.jobs[r.job].Command, r.pid, int(now.Sub(r.started).Seconds()))
		level := Info
		if !ev.Status.Exited() || ev.Status.ExitStatus() != 0 {
			text += ": it " + howEnded(ev.Status)
			level = Warn
		}
		return []Action{Log{level, text}, u.tell(r.job)}
	}
	return nil
}

func (u *crons) stopAll(now time.Time, mercy time.Duration) []Action {
	var acts []Action
	for _, n := range slices.Sorted(maps.Keys(u.runs)) {
		acts = append(acts, u.stop(u.runs[n], now, mercy)...)
	}
	return acts
}

func (u *crons) stop(r *cronRun, now time.Time, mercy time.Duration) []Action {
	deadline := now.Add(mercy)
	if r.pid == 0 {
		return nil // launched() comes back here
	}
	r.deadline = earliest(r.deadline, deadline)
	if r.told {
		return nil
	}
	r.told = true
	return []Action{Log{Info, fmt.Sprintf("[uwsgi-cron] stopping %q (pid %d)", u.jobs[r.job].Command, r.pid)}, KillGroup{r.pid, unix.SIGTERM}}
}

// overdue kills what takes too long.
func (u *crons) overdue(now time.Time) []Action {
	var acts []Action
	for _, n := range slices.Sorted(maps.Keys(u.runs)) {
		r := u.runs[n]
		if r.deadline.IsZero() || r.deadline.After(now) {
			continue
		}
		r.deadline = now.Add(brutalMercy)
		text := fmt.Sprintf("*** HARAKIRI ON CRON %q (pid: %d) ***", u.jobs[r.job].Command, r.pid)
		acts = append(acts, Log{Warn, text}, KillGroup{r.pid, unix.SIGKILL})
	}
	return acts
}

// tell keeps the parent's figures up to date: of several runs the latest counts.
func (u *crons) tell(job int) Action {
	msg := jail.Message{Type: jail.MsgNote, Event: "cron", Slot: job + 1, PID: -1, At: u.started[job]}
	latest := 0
	for n, r := range u.runs {
		if r.job == job && r.pid != 0 && n > latest {
			latest, msg.PID = n, r.pid
		}
	}
	return Tell{msg}
}

func (u *crons) next() time.Time {
	var at time.Time
	if u.ready() && !u.looked.IsZero() {
		at = earliest(u.cal.next(u.looked), u.looked.Add(cronLook))
	}
	for _, r := range u.runs {
		if r.pid != 0 {
			at = earliest(at, r.deadline)
		}
	}
	return at
}

func (u *crons) gone() bool { return len(u.runs) == 0 }
