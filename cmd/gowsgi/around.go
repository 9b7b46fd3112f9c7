package main

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/master"
	"gowsgi/reload"
)

// daemons makes the master's list of attached daemons.
func daemons(c *config.Daemons) []master.Daemon {
	var list []master.Daemon
	for _, d := range c.List {
		mercy := d.StopMercy
		if mercy == 0 {
			mercy = c.Mercy
		}
		list = append(list, master.Daemon{
			Command: d.Command, Pidfile: d.Pidfile, Freq: seconds(d.Freq), Daemonize: d.Daemonize, Control: d.Control, Overlap: d.Overlap,
			Touch: d.Touch, StopSignal: unix.Signal(d.StopSignal), ReloadSignal: unix.Signal(d.ReloadSignal), Mercy: seconds(mercy),
			MaxThrottle: seconds(d.MaxThrottle), UID: d.UID, GID: d.GID, NewPID: d.NSPID, Dir: d.Chdir,
		})
	}
	return list
}

// crons makes the master's list of cron jobs, and how long a running one has when the stack leaves.
func crons(cfg *config.Config) ([]master.Cron, time.Duration) {
	var list []master.Cron
	for _, c := range cfg.Crons.List {
		harakiri := c.Harakiri
		if harakiri < 0 {
			harakiri = cfg.Crons.Harakiri
		}
		list = append(list, master.Cron{
			CronTime: master.CronTime{Minute: c.Minute, Hour: c.Hour, Day: c.Day, Month: c.Month, Week: c.Week},
			Command:  c.Command, Unique: c.Unique, Harakiri: seconds(harakiri),
		})
	}
	return list, seconds(reload.CronMercy(cfg))
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// alarms makes the master's settings of the alarms.
func alarms(a *config.Alarms) master.Alarms {
	set := master.Alarms{Freq: seconds(a.Freq), MsgSize: a.MsgSize, Segfault: a.Segfault}
	for _, one := range a.List {
		set.List = append(set.List, master.Alarm{Name: one.Name, Kind: one.Kind, Arg: one.Arg, N: one.N})
	}
	return set
}

// notOnTouch are the actions that would change the master for whatever it does later.
var notOnTouch = []string{"cd", "chdir", "putenv", "exit"}

// touchExecs makes the master's list of commands and hooks that run when a file changes.
func touchExecs(cfg *config.Config) ([]master.TouchExec, error) {
	var list []master.TouchExec
	for _, t := range cfg.TouchExec {
		list = append(list, master.TouchExec{Path: seenInside(cfg, t.Path), Command: t.Command})
	}
	lines := cfg.Isolation.PhaseHooks(config.TouchPhase)
	hooks, err := reload.ParseHooks(&cfg.Isolation, config.TouchPhase)
	if err != nil {
		return nil, err
	}
	for i, h := range hooks {
		if slices.Contains(notOnTouch, h.Action) {
			return nil, fmt.Errorf("%v: cannot run hook %q at a touch: it would change the master for all that follows", lines[i].Pos, h.Shown())
		}
		one := master.TouchExec{Path: seenInside(cfg, lines[i].File)}
		if h.Action == "exec" || h.Action == "safeexec" {
			one.Command = h.Arg
		} else {
			one.Hook = &h
		}
		list = append(list, one)
	}
	return list, nil
}
