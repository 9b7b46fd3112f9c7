package main

import (
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/master"
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

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
