package master

import (
	"fmt"
	"os"
	"syscall"

	"gowsgi/worker"
)

// startZygote executes the jail's Python. It runs in the goroutine that owns the table, so the end of the process can
// never be seen before its start.
func (l *loop) startZygote(number uint64) (int, error) {
	path, err := worker.Interpreter(l.set.Interpreter, l.set.Home)
	if err != nil {
		return 0, err
	}
	conf := l.set.Conf
	conf.MasterPID, conf.Drop = os.Getpid(), l.drop()
	ch, err := l.chans.add(number)
	if err != nil {
		return 0, err
	}
	z, err := worker.NewZygote(path, conf, worker.ZygoteFiles{
		Channel:   ch.peer,
		Board:     l.res.Board,
		Lifeline:  l.lifeR,
		Listeners: l.res.Listeners,
		Stdin:     l.stdin,
		Log:       l.res.AppLog,
		LogLines:  l.res.Channel,
		Pipes:     l.res.Pipes[:max(len(l.res.Pipes)-len(l.set.Daemons), 0)],
		Queues:    l.queues,
	})
	if err != nil {
		return 0, err
	}
	defer z.Close()
	start := func() (int, error) {
		pid, err := syscall.ForkExec(z.Path, z.Argv, &syscall.ProcAttr{Files: z.Files, Env: l.set.Env})
		if err != nil {
			return 0, fmt.Errorf("cannot execute the Python interpreter %s: %w", z.Path, err)
		}
		return pid, nil
	}
	as := l.res.App
	if as != nil && as.AfterImport {
		as = nil // it becomes so by itself
	}
	// The interpreter has barely begun when it is limited; what it forks later inherits that.
	return as.StartLimited(start, l.set.Resources)
}

// drop is what Python has to become once the app is imported, nil when it is it from the start.
func (l *loop) drop() *worker.Drop {
	app := l.res.App
	if app == nil || !app.AfterImport {
		return nil
	}
	d := &worker.Drop{UID: app.UID, GID: app.GID, Groups: app.Groups, Capabilities: app.Capabilities, Guarded: app.Guarded}
	if d.Groups == nil {
		d.Groups = []int{}
	}
	return d
}
