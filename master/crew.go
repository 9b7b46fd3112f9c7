package master

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// Program is a command that the master itself starts: a daemon, a cron job, the command of an alarm. It runs with the jail's ids,
// root and limits, in a session of its own, and inherits nothing but 0 (/dev/null or its input) and 1 and 2 (the log).
type Program struct {
	Command string
	Dir     string // working directory, "" = the master's
	UID     int    // -1 = the jail's
	GID     int    // -1 = the jail's
	NewPID  bool   // as PID 1 of a pid namespace of its own
	Input   []byte // standard input; it must fit into a pipe (maxInput)
}

// line is the command line for the shell. The shell changes the directory: we wait until a child has executed it, and a directory on a
// file system that hangs must hold up the child only.
func (p *Program) line() string {
	if p.Dir == "" {
		return p.Command
	}
	return "cd -- '" + strings.ReplaceAll(p.Dir, "'", `'\''`) + "' || exit\n" + p.Command
}

// maxInput is less than the smallest capacity of a pipe (pipe(7)), so that writing it never blocks.
const maxInput = 32 << 10

// Job names a process that a unit has started, by the unit and a number of the unit's own.
type Job struct {
	Unit string
	N    int
}

type (
	// Launch executes a program; the answer is Launched or LaunchFailed.
	Launch struct {
		Job     Job
		Program Program
	}
	// KillGroup sends a signal to a child that was not waited for yet, and to its process group when it leads one.
	KillGroup struct {
		PID    int
		Signal unix.Signal
	}
)

type (
	// AskGroup asks whether a process group has members; the answer is GroupLeft.
	AskGroup struct {
		Job Job
		PID int
	}
	// GroupLeft is the answer to AskGroup.
	GroupLeft struct {
		Job   Job
		PID   int
		Alive bool
	}
)

func (AskGroup) action() {}
func (GroupLeft) event() {}

func (Launch) action()    {}
func (KillGroup) action() {}

type (
	// Launched follows the action Launch.
	Launched struct {
		Job Job
		PID int
	}
	// LaunchFailed follows the action Launch when nothing could be executed.
	LaunchFailed struct {
		Job Job
		Err error
	}
	// Alone comes once: the stack that was before this one is gone. Since is up to when (unix seconds) earlier stacks looked after
	// cron, 0 at the first start.
	Alone struct{ Since int64 }
	// WorkersGone comes while leaving when no worker is left, perhaps several times.
	WorkersGone struct{}
)

func (Launched) event()     {}
func (LaunchFailed) event() {}
func (Alone) event()        {}
func (WorkersGone) event()  {}

// doUnit carries out what a unit asks for.
func (l *loop) doUnit(act Action) {
	switch act := act.(type) {
	case Launch:
		pid, err := l.launch(act.Program, l.logOf(act.Job))
		if err != nil {
			l.pending = append(l.pending, LaunchFailed{act.Job, err})
		} else {
			l.pending = append(l.pending, Launched{act.Job, pid})
		}
	case KillGroup:
		pid := act.PID
		if group, err := unix.Getpgid(pid); err == nil && group == pid {
			pid = -pid
		}
		if err := unix.Kill(pid, act.Signal); err != nil && !errors.Is(err, unix.ESRCH) {
			l.warn(fmt.Errorf("cannot signal pid %d: %w", act.PID, err))
		}
	case RunTouchHook:
		go l.touchHook(act.N)
	case AskGroup:
		l.pending = append(l.pending, GroupLeft{act.Job, act.PID, unix.Kill(-act.PID, 0) == nil})
	case FileTask:
		if !l.clerk.give(act) {
			l.log.Warn().Msgf("Cannot %s %s: the file system does not answer", act.What, act.Path)
		}
	}
}

// logOf is what a program writes to: daemons have pipes of their own, the last ones, so that long lines of several are not torn.
func (l *loop) logOf(job Job) *os.File {
	first := len(l.res.Pipes) - len(l.set.Daemons)
	if job.Unit == "daemon" && first > 0 {
		return l.res.Pipes[first+job.N]
	}
	return l.res.AppLog
}

// launch executes a program in the goroutine that owns the table of children, as startZygote does.
func (l *loop) launch(p Program, log *os.File) (int, error) {
	in := l.stdin
	if p.Input != nil {
		r, err := filledPipe(p.Input)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		in = r
	}
	sys := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if p.NewPID {
		sys.Cloneflags = unix.CLONE_NEWPID
	}
	if p.UID >= 0 || p.GID >= 0 {
		sys.Credential = credential(p)
	}
	out := rawFD(log)
	attr := &syscall.ProcAttr{Env: l.set.Env, Files: []uintptr{rawFD(in), out, out}, Sys: sys}
	pid, err := execShell(l.set.Shell, p.line(), attr)
	if p.NewPID && errors.Is(err, unix.EPERM) {
		return 0, fmt.Errorf("cannot make a pid namespace for it: %w (the jail has no CAP_SYS_ADMIN; leave ns_pid out and unshare pid for the whole)", unix.EPERM)
	}
	if sys.Credential != nil && errors.Is(err, unix.EPERM) {
		return 0, fmt.Errorf("cannot change to uid %d and gid %d: %w (the jail may not change ids: leave uid and gid out)", p.UID, p.GID, unix.EPERM)
	}
	if err != nil {
		return 0, err
	}
	if err := jail.SetLimits(pid, l.set.Resources); err != nil {
		_ = unix.Kill(-pid, unix.SIGKILL)
		return 0, err
	}
	return pid, nil
}

// credential drops the supplementary groups along with the ids: they were the other user's.
func credential(p Program) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if p.UID >= 0 {
		c.Uid = uint32(p.UID)
	}
	if p.GID >= 0 {
		c.Gid = uint32(p.GID)
	}
	same := int(c.Uid) == os.Geteuid() && int(c.Gid) == os.Getegid()
	c.NoSetGroups = same && os.Geteuid() != 0
	return c
}

// execShell runs a command line with the first shell that can be executed.
func execShell(shells []string, line string, attr *syscall.ProcAttr) (int, error) {
	if len(shells) == 0 {
		shells = []string{"/bin/sh"}
	}
	var err error
	for _, shell := range shells {
		var pid int
		pid, err = syscall.ForkExec(shell, []string{shell, "-c", line}, attr)
		if err == nil {
			return pid, nil
		}
		err = fmt.Errorf("cannot execute %s: %w", shell, err)
	}
	return 0, err
}

// filledPipe is the read end of a pipe that holds the text and has no writer any more.
func filledPipe(text []byte) (*os.File, error) {
	if len(text) > maxInput {
		text = text[:maxInput]
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a standard input: %w", err)
	}
	defer w.Close()
	if _, err := w.Write(text); err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot fill a standard input: %w", err)
	}
	return r, nil
}

// rawFD is the descriptor's number; (*os.File).Fd would make the log, which others write to as well, blocking.
func rawFD(f *os.File) uintptr {
	fd := ^uintptr(0)
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fd = n })
	}
	return fd
}

// howEnded says how a process ended, for a log line.
func howEnded(status unix.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("was killed by signal %d", status.Signal())
	}
	return fmt.Sprintf("exited with code %d", status.ExitStatus())
}

// earliest is the sooner of two moments, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
