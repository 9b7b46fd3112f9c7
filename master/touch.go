package master

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
	"gowsgi/worker"
)

// touched is a file whose change is an event; the clerk looks at it.
type touched struct {
	name string
	ev   Event
	last fileStamp
}

// fileStamp is what of a file tells that it changed.
type fileStamp struct {
	exists     bool
	mtime      int64
	ino, bytes uint64
}

func stampOf(name string) fileStamp {
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil {
		return fileStamp{}
	}
	return fileStamp{true, st.Mtim.Nano(), st.Ino, uint64(st.Size)}
}

func newTouched(set *Settings) []touched {
	var list []touched
	add := func(name string, ev Event) { list = append(list, touched{name: name, ev: ev}) }
	for _, name := range set.Helpers.TouchMules {
		add(name, HelpersTouched{worker.Mule, name})
	}
	for _, name := range set.Helpers.TouchSpoolers {
		add(name, HelpersTouched{worker.Spooler, name})
	}
	for _, f := range set.Signals.Touch {
		add(f.Path, Raised{byte(f.Signal)})
	}
	for i, t := range set.TouchExec {
		add(t.Path, TouchedExec{i})
	}
	daemons := map[string]bool{}
	for i := range set.Daemons {
		for _, name := range set.Daemons[i].Touch {
			if !daemons[name] { // the event is for all daemons that name the file
				daemons[name] = true
				add(name, Touched{name})
			}
		}
	}
	return list
}

// TouchExec is a command or a hook that runs when a file changes.
type TouchExec struct {
	Path    string     `json:"path"`
	Command string     `json:"command,omitempty"`
	Hook    *hook.Hook `json:"hook,omitempty"` // in place of a command
}

// RunTouchHook is an action: run the hook, not in the owner, which answers with TouchHookDone.
type RunTouchHook struct{ N int }

// TouchHookDone is an event: a hook has come to its end.
type TouchHookDone struct {
	N   int
	Err error
}

// TouchHookSaid is an event: what a hook prints.
type TouchHookSaid struct{ Text string }

func (RunTouchHook) action() {}
func (TouchHookSaid) event() {}
func (TouchHookDone) event() {}

// TouchedExec is an event: the file of a touch-exec changed.
type TouchedExec struct{ N int }

func (TouchedExec) event() {}

const (
	execRuns  = 16              // of one command at a time; a touch beyond that starts none
	execMercy = 5 * time.Second // that a running command has when the stack leaves
)

// touchExecs is the unit of the commands that run when a file changes.
type touchExecs struct {
	list    []TouchExec
	runs    commandRuns  // by number
	hooks   map[int]bool // of the list, those that run
	started int
	leaving bool
}

func newTouchExecs(list []TouchExec) *touchExecs {
	return &touchExecs{list: list, runs: commandRuns{}, hooks: map[int]bool{}}
}

func (u *touchExecs) handle(ev Event, now time.Time) []Action {
	switch ev := ev.(type) {
	case TouchedExec:
		if u.list[ev.N].Hook != nil {
			return u.runHook(ev.N)
		}
		return u.run(ev.N)
	case TouchHookSaid:
		return []Action{Log{Info, ev.Text}}
	case TouchHookDone:
		delete(u.hooks, ev.N)
		if ev.Err != nil {
			return []Action{Log{Error, ev.Err.Error()}}
		}
	case Launched:
		if r := u.of(ev.Job); r != nil {
			if r.pid = ev.PID; u.leaving {
				return u.stop(r, now)
			}
		}
	case LaunchFailed:
		if r := u.of(ev.Job); r != nil {
			delete(u.runs, ev.Job.N)
			return []Action{Log{Error, fmt.Sprintf("[uwsgi-touch-exec] cannot run %q: %v", u.list[r.of].Command, ev.Err)}}
		}
	case Exited:
		return u.exited(ev)
	case Leaving:
		u.leaving = true
	case WorkersGone:
		var acts []Action
		for _, n := range slices.Sorted(maps.Keys(u.runs)) {
			acts = append(acts, u.stop(u.runs[n], now)...)
		}
		return acts
	case Woke:
		return u.overdue(now)
	}
	return nil
}

func (u *touchExecs) of(job Job) *commandRun {
	if job.Unit != "touch-exec" {
		return nil
	}
	return u.runs[job.N]
}

// runHook runs a hook once at a time: one that waits would only wait twice.
func (u *touchExecs) runHook(n int) []Action {
	h := u.list[n].Hook
	switch {
	case u.leaving:
		return nil
	case u.hooks[n]:
		return []Action{Log{Warn, fmt.Sprintf("Hook %q is not run: it runs already", h.Shown())}}
	}
	u.hooks[n] = true
	return []Action{Log{Info, h.Announcement()}, RunTouchHook{n}}
}

func (u *touchExecs) run(cmd int) []Action {
	if u.leaving {
		return nil
	}
	going := 0
	for _, r := range u.runs {
		if r.of == cmd {
			going++
		}
	}
	command := u.list[cmd].Command
	if going >= execRuns {
		return []Action{Log{Error, fmt.Sprintf("[uwsgi-touch-exec] %q is not run: %d runs of it go on", command, going)}}
	}
	u.started++
	u.runs[u.started] = &commandRun{of: cmd}
	return []Action{
		Log{Info, "[uwsgi-touch-exec] running " + command},
		Launch{Job{"touch-exec", u.started}, Program{Command: command, UID: -1, GID: -1}},
	}
}

func (u *touchExecs) exited(ev Exited) []Action {
	for n, r := range u.runs {
		if r.pid != ev.PID || r.pid == 0 {
			continue
		}
		delete(u.runs, n)
		level := Info
		if !ev.Status.Exited() || ev.Status.ExitStatus() != 0 {
			level = Warn
		}
		return []Action{Log{level, fmt.Sprintf("[uwsgi-touch-exec] %q (pid: %d) %s", u.list[r.of].Command, r.pid, howEnded(ev.Status))}}
	}
	return nil
}

func (u *touchExecs) stop(r *commandRun, now time.Time) []Action {
	if r.pid == 0 || !r.deadline.IsZero() {
		return nil // launched comes back here; or it was told already
	}
	r.deadline = now.Add(execMercy)
	return []Action{KillGroup{r.pid, unix.SIGTERM}}
}

func (u *touchExecs) overdue(now time.Time) []Action { return u.runs.overdue(now) }

func (u *touchExecs) next() time.Time { return u.runs.next() }

func (u *touchExecs) gone() bool { return len(u.runs) == 0 }
