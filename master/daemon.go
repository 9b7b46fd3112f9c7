package master

import (
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// Daemon is one attached daemon.
type Daemon struct {
	Command      string        `json:"command"`
	Pidfile      string        `json:"pidfile,omitempty"`
	Freq         time.Duration `json:"freq,omitempty"`      // how long the pidfile may take to name the daemon
	Daemonize    bool          `json:"daemonize,omitempty"` // with a pidfile: the command stays in the foreground, we write the file
	Control      bool          `json:"control,omitempty"`   // its end is the end of the whole
	Overlap      bool          `json:"overlap,omitempty"`   // starts although the former stack still leaves
	Touch        []string      `json:"touch,omitempty"`     // a change of one of these files restarts it
	StopSignal   unix.Signal   `json:"stop_signal"`
	ReloadSignal unix.Signal   `json:"reload_signal,omitempty"` // sent at a touch, instead of a restart
	Mercy        time.Duration `json:"mercy"`                   // from the stop signal to SIGKILL
	MaxThrottle  time.Duration `json:"max_throttle"`
	UID          int           `json:"uid"` // -1 = the jail's
	GID          int           `json:"gid"`
	NewPID       bool          `json:"new_pid,omitempty"`
	Dir          string        `json:"dir,omitempty"`
}

// smart daemons put themselves into the background and tell by their pidfile who they are.
func (d *Daemon) smart() bool { return d.Pidfile != "" && !d.Daemonize }

// daemonState is the life of one daemon.
type daemonState uint8

const (
	daemonWaiting   daemonState = iota // for its first start, or for a back-off to pass (due)
	daemonClearing                     // its stale pidfile is being removed
	daemonLaunching                    // the loop was asked to execute the command
	daemonSettling                     // the command runs or has run, the pidfile does not name the daemon yet
	daemonRunning
	daemonStopping // was told to end
	daemonEnded    // and nobody wants it back
)

const (
	daemonYoung    = 3 * time.Second // one that lived shorter died at once
	daemonThrottle = time.Second     // the first back-off
)

type daemonSlot struct {
	*Daemon
	state    daemonState
	pid      int // of the daemon, 0 = not known
	launcher int // of the command of a smart one while that runs
	group    int // stopping: its first process ended, and this group of processes may not have
	spawns   int
	quick    int  // ends in a row that came too soon
	restart  bool // stopping in order to be started again
	born     time.Time
	due      time.Time // waiting: not before
	deadline time.Time // clearing, settling: patience; stopping: SIGKILL then
}

// daemons is the unit of the attached daemons. They start when the app is loaded and the former stack is gone, and are stopped when
// the workers are gone, so that the last requests still find them.
type daemons struct {
	list    []daemonSlot
	serving bool
	alone   bool
	leaving bool
	jitter  func(time.Duration) time.Duration
}

func newDaemons(list []Daemon) *daemons {
	u := &daemons{list: make([]daemonSlot, len(list)), jitter: jitter}
	for i := range list {
		u.list[i].Daemon = &list[i]
	}
	return u
}

// jitter adds up to a quarter, so that what died together does not come back together for ever.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

func (u *daemons) handle(ev Event, now time.Time) []Action {
	var acts []Action
	switch ev := ev.(type) {
	case Serving:
		u.serving = true
	case Alone:
		u.alone = true
	case Leaving:
		u.leaving = true
		if ev.Brutal {
			acts = u.stopAll(now, brutalMercy)
		}
	case WorkersGone:
		acts = u.stopAll(now, time.Hour)
	case Cleared:
		if d := u.of(ev.Job); d != nil && d.state == daemonClearing {
			acts = u.launch(d)
		}
	case Launched:
		if d := u.of(ev.Job); d != nil && d.state == daemonLaunching {
			acts = u.launched(d, ev.PID, now)
		}
	case LaunchFailed:
		if d := u.of(ev.Job); d != nil && d.state == daemonLaunching {
			acts = append(acts, Log{Error, fmt.Sprintf("[uwsgi-daemons] cannot start %q: %v", d.Command, ev.Err)})
			acts = append(acts, u.lost(d, true, now)...)
		}
	case Exited:
		acts = u.exited(ev, now)
	case GroupLeft:
		if d := u.of(ev.Job); d != nil {
			acts = u.groupLeft(d, ev, now)
		}
	case PIDFile:
		acts = u.named(ev, now)
	case Touched:
		acts = u.touched(ev.Path, now)
	case Woke:
		acts = u.overdue(now)
	}
	return append(acts, u.startDue(now)...)
}

func (u *daemons) of(job Job) *daemonSlot {
	if job.Unit != "daemon" || job.N < 0 || job.N >= len(u.list) {
		return nil
	}
	return &u.list[job.N]
}

func (u *daemons) job(d *daemonSlot) Job {
	for i := range u.list {
		if d == &u.list[i] {
			return Job{"daemon", i}
		}
	}
	return Job{}
}

func (u *daemons) startDue(now time.Time) []Action {
	if !u.serving || u.leaving {
		return nil
	}
	var acts []Action
	for i := range u.list {
		d := &u.list[i]
		if d.state != daemonWaiting || d.due.After(now) || (!u.alone && !d.Overlap) {
			continue
		}
		re := ""
		if d.spawns > 0 {
			re = "re"
		}
		acts = append(acts, Log{Info, fmt.Sprintf("[uwsgi-daemons] %sspawning %q", re, d.Command)})
		if d.smart() {
			d.state, d.deadline = daemonClearing, now.Add(d.Freq)
			acts = append(acts, FileTask{What: ClearPidfile, Path: d.Pidfile, Job: u.job(d)})
			continue
		}
		acts = append(acts, u.launch(d)...)
	}
	return acts
}

func (u *daemons) launch(d *daemonSlot) []Action {
	d.state = daemonLaunching
	return []Action{Launch{u.job(d), Program{Command: d.Command, Dir: d.Dir, UID: d.UID, GID: d.GID, NewPID: d.NewPID}}}
}

func (u *daemons) launched(d *daemonSlot, pid int, now time.Time) []Action {
	d.spawns++
	d.born = now
	var acts []Action
	if d.smart() {
		d.launcher, d.state, d.deadline = pid, daemonSettling, now.Add(d.Freq)
	} else {
		d.pid, d.state = pid, daemonRunning
		acts = append(acts, u.tell(d))
		if d.Pidfile != "" {
			acts = append(acts, FileTask{What: WritePidfile, Path: d.Pidfile, PID: pid})
		}
	}
	if u.leaving {
		acts = append(acts, u.stop(d, now, d.Mercy)...)
	}
	return acts
}

// named: a pidfile names a child of ours.
func (u *daemons) named(ev PIDFile, now time.Time) []Action {
	for i := range u.list {
		if u.list[i].pid == ev.PID {
			return nil
		}
	}
	for i := range u.list {
		d := &u.list[i]
		if !d.smart() || d.Pidfile != ev.Path {
			continue
		}
		switch d.state {
		case daemonSettling:
			d.state = daemonRunning
			text := fmt.Sprintf("[uwsgi-daemons] found valid/active pidfile for %q (pid: %d)", d.Command, ev.PID)
			d.pid, d.born = ev.PID, now
			return []Action{Log{Info, text}, u.tell(d)}
		case daemonRunning:
			text := fmt.Sprintf("[uwsgi-daemons] found changed pidfile for %q (old_pid: %d new_pid: %d)", d.Command, d.pid, ev.PID)
			d.pid = ev.PID
			return []Action{Log{Info, text}, u.tell(d)}
		}
		return nil
	}
	return nil
}

// touched: what the files of a daemon stand for has changed.
func (u *daemons) touched(path string, now time.Time) []Action {
	var acts []Action
	for i := range u.list {
		d := &u.list[i]
		for _, t := range d.Touch {
			if t != path || d.state != daemonRunning || u.leaving {
				continue
			}
			text := fmt.Sprintf("*** %s has been touched... reloading daemon %q (pid: %d) !!! ***", path, d.Command, d.pid)
			acts = append(acts, Log{Info, text})
			if d.ReloadSignal != 0 {
				acts = append(acts, KillGroup{d.pid, d.ReloadSignal})
				continue
			}
			d.restart = true
			acts = append(acts, u.stop(d, now, d.Mercy)...)
		}
	}
	return acts
}

// tell keeps the parent's figures up to date.
func (u *daemons) tell(d *daemonSlot) Action {
	return Tell{jail.Message{Type: jail.MsgNote, Event: "daemon", Slot: u.job(d).N + 1, PID: d.pid, Count: max(d.spawns-1, 0)}}
}

func (u *daemons) next() time.Time {
	var at time.Time
	for i := range u.list {
		d := &u.list[i]
		switch d.state {
		case daemonWaiting:
			if u.serving && !u.leaving && (u.alone || d.Overlap) {
				at = earliest(at, d.due)
			}
		case daemonClearing, daemonSettling, daemonStopping:
			at = earliest(at, d.deadline)
		}
	}
	return at
}

func (u *daemons) gone() bool {
	for i := range u.list {
		switch u.list[i].state {
		case daemonLaunching, daemonSettling, daemonRunning, daemonStopping:
			return false
		}
	}
	return true
}
