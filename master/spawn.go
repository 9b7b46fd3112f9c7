package master

import (
	"fmt"
	"os"
	"syscall"

	"gowsgi/jail"
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
	conf.MasterPID = os.Getpid()
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
		Direct:    l.res.Direct,
		Queues:    l.queues,
	})
	if err != nil {
		return 0, err
	}
	defer z.Close()
	pid, err := syscall.ForkExec(z.Path, z.Argv, &syscall.ProcAttr{Files: z.Files, Env: l.set.Env})
	if err != nil {
		return 0, fmt.Errorf("cannot execute the Python interpreter %s: %w", z.Path, err)
	}
	// The interpreter has barely begun; what it forks later inherits the limits.
	if err := jail.SetLimits(pid, l.set.Resources); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return 0, err
	}
	return pid, nil
}
