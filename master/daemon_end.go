package master

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
)

func (u *daemons) exited(ev Exited, now time.Time) []Action {
	for i := range u.list {
		d := &u.list[i]
		switch {
		case d.pid != 0 && d.pid == ev.PID:
			return u.daemonExited(d, ev.Status, now)
		case d.launcher != 0 && d.launcher == ev.PID:
			return u.launcherExited(d, ev.Status, now)
		}
	}
	return u.askGroups()
}

// askGroups asks what is left of the groups of daemons that stop: whoever ended may have been the last one.
func (u *daemons) askGroups() []Action {
	var acts []Action
	for i := range u.list {
		if d := &u.list[i]; d.group != 0 {
			acts = append(acts, AskGroup{u.job(d), d.group})
		}
	}
	return acts
}

// groupLeft: a daemon that stops has ended when nobody of its group is left. Its first process may be a shell that the signal ended at once,
// with the program that it ran still at work.
func (u *daemons) groupLeft(d *daemonSlot, ev GroupLeft, now time.Time) []Action {
	if d.group != ev.PID || ev.Alive {
		return nil
	}
	return u.stopped(d, ev.PID, now)
}

func (u *daemons) stopped(d *daemonSlot, pid int, now time.Time) []Action {
	d.group, d.state = 0, daemonEnded
	if d.restart && !u.leaving {
		d.state, d.due, d.restart = daemonWaiting, now, false
	}
	return []Action{Log{Info, fmt.Sprintf("daemon %q (pid: %d) annihilated", d.Command, pid)}, u.tell(d)}
}

func (u *daemons) daemonExited(d *daemonSlot, status unix.WaitStatus, now time.Time) []Action {
	pid := d.pid
	d.pid = 0
	if d.launcher == pid {
		d.launcher = 0
	}
	switch {
	case d.state == daemonStopping && d.smart():
		return u.stopped(d, pid, now)
	case d.state == daemonStopping:
		d.group = pid
		return []Action{AskGroup{u.job(d), pid}}
	}
	var acts []Action
	if !d.smart() {
		// What it left in its group would be in the way of the next one. The number is not given away while the group has members.
		acts = append(acts, Kill{-pid, unix.SIGKILL})
	}
	text := fmt.Sprintf("[uwsgi-daemons] %q (pid: %d) %s after %d second(s)", d.Command, pid, howEnded(status), int(now.Sub(d.born).Seconds()))
	if status.Exited() && status.ExitStatus() == 0 && !d.smart() && now.Sub(d.born) < daemonYoung {
		text += "; if it went into the background, it needs smart-attach-daemon and a pidfile"
	}
	acts = append(acts, Log{Warn, text})
	if d.Control && !u.leaving {
		d.state = daemonEnded
		acts = append(acts, u.tell(d), Log{Warn, "graceful shutdown triggered..."}) // uWSGI's words
		return append(acts, Tell{jail.Message{Type: jail.MsgAsked, Action: jail.Action(verdict.Stop)}})
	}
	return append(acts, u.lost(d, false, now)...)
}

// launcherExited: the command of a smart daemon has done its work, or has not.
func (u *daemons) launcherExited(d *daemonSlot, status unix.WaitStatus, now time.Time) []Action {
	pid := d.launcher
	d.launcher = 0
	switch {
	case d.state == daemonStopping && d.pid == 0:
		d.state = daemonEnded
	case d.state == daemonSettling && (status.Signaled() || status.ExitStatus() != 0):
		text := fmt.Sprintf("[uwsgi-daemons] %q (pid: %d) %s", d.Command, pid, howEnded(status))
		return append([]Action{Log{Warn, text}}, u.lost(d, true, now)...)
	}
	return nil
}

// lost brings a daemon back: at once when it had lived, later and later when it keeps dying young.
func (u *daemons) lost(d *daemonSlot, young bool, now time.Time) []Action {
	d.state, d.due = daemonWaiting, now
	acts := []Action{u.tell(d)}
	if u.leaving {
		d.state = daemonEnded
		return acts
	}
	if !young && now.Sub(d.born) >= daemonYoung {
		d.quick = 0
		return acts
	}
	wait := daemonThrottle
	for n := d.quick; n > 0 && wait < d.MaxThrottle; n-- {
		wait *= 2
	}
	wait = min(wait, d.MaxThrottle)
	d.quick++
	d.due = now.Add(u.jitter(wait))
	return append(acts, Log{Warn, fmt.Sprintf("[uwsgi-daemons] throttling %q for %d seconds", d.Command, int(wait.Seconds()))})
}

func (u *daemons) stopAll(now time.Time, most time.Duration) []Action {
	var acts []Action
	for i := range u.list {
		d := &u.list[i]
		acts = append(acts, u.stop(d, now, min(d.Mercy, most))...)
	}
	return acts
}

// stop tells one daemon to end. One that stops already is only given less time.
func (u *daemons) stop(d *daemonSlot, now time.Time, mercy time.Duration) []Action {
	deadline := now.Add(mercy)
	switch d.state {
	case daemonWaiting, daemonClearing:
		d.state = daemonEnded
		return nil
	case daemonLaunching, daemonEnded:
		return nil // launched() comes back here
	case daemonStopping:
		d.deadline = earliest(d.deadline, deadline)
		return nil
	}
	pid := d.known()
	d.state, d.deadline = daemonStopping, deadline
	if pid == 0 { // it is in the background and nobody knows where: the end of the master takes it along
		d.state = daemonEnded
		return nil
	}
	return []Action{Log{Info, fmt.Sprintf("[uwsgi-daemons] stopping daemon (pid: %d): %s", pid, d.Command)}, KillGroup{pid, d.StopSignal}}
}

// overdue carries out what the clock brings.
func (u *daemons) overdue(now time.Time) []Action {
	var acts []Action
	for i := range u.list {
		d := &u.list[i]
		if d.deadline.IsZero() || d.deadline.After(now) {
			continue
		}
		switch d.state {
		case daemonClearing: // the file system does not answer; the command may fare better
			acts = append(acts, u.launch(d)...)
		case daemonSettling:
			acts = append(acts, u.unsettled(d, now)...)
		case daemonStopping:
			pid := d.known()
			if d.group != 0 {
				text := fmt.Sprintf("[uwsgi-daemons] daemon did not die in time, killing what it left (group: %d): %s", d.group, d.Command)
				acts = append(acts, Log{Warn, text}, Kill{-d.group, unix.SIGKILL})
				acts = append(acts, u.stopped(d, d.group, now)...)
				continue
			}
			d.deadline = now.Add(brutalMercy)
			text := fmt.Sprintf("[uwsgi-daemons] daemon did not die in time, killing (pid: %d): %s", pid, d.Command)
			acts = append(acts, Log{Warn, text}, KillGroup{pid, unix.SIGKILL})
		}
	}
	return acts
}

// unsettled: the pidfile does not name a child of ours in time. A command that stays in the foreground is taken for the daemon.
func (u *daemons) unsettled(d *daemonSlot, now time.Time) []Action {
	if d.launcher == 0 {
		text := fmt.Sprintf("[uwsgi-daemons] %q left no pidfile %s that names it within %d seconds", d.Command, d.Pidfile, int(d.Freq.Seconds()))
		return append([]Action{Log{Warn, text}}, u.lost(d, true, now)...)
	}
	d.state, d.pid = daemonRunning, d.launcher
	return []Action{Log{Warn, fmt.Sprintf("[uwsgi-daemons] %q (pid: %d) did not daemonize !!!", d.Command, d.pid)}, u.tell(d)}
}

// known is the process that stands for the daemon: itself, or the command that is to put it into the background.
func (d *daemonSlot) known() int {
	if d.pid != 0 {
		return d.pid
	}
	return d.launcher
}
