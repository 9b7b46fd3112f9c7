// Package hook runs uWSGI's hooks: one line, `action:argument`, at a named phase of a start.
//
// A Hook is data that has been checked (Parse); running one is a function of a table. The phases before the clone run in the parent, on
// the host; those from in-jail on in the master, inside. Whoever runs a hook is the only one to wait for children then: a command is
// waited for by its pid.
//
// A line that begins with '!' is not shown in the log (Hook.Shown), because it may hold a secret.
package hook

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Phase is when a hook runs, by uWSGI's name of it.
type Phase string

// The phases of a jail's start. Those of apps and workers (pre-app, post-fork, ...) are the master's and the workers'.
const (
	Asap     Phase = "asap"     // parent: the configuration is read
	PreJail  Phase = "pre-jail" // parent: before the clone
	PostJail Phase = "post-jail"
	InJail   Phase = "in-jail" // master: the first thing it does
	AsRoot   Phase = "as-root" // master: the root has changed, the uid has not
	AsUser   Phase = "as-user" // master: the uid has changed
)

// Hook is one line of one phase.
type Hook struct {
	Phase   Phase  `json:"phase"`
	Action  string `json:"action"`
	Arg     string `json:"arg,omitempty"`
	Private bool   `json:"private,omitempty"` // not shown in the log
	Kind    string `json:"kind,omitempty"`    // mount, umount or exec when it is of the option of that name
}

// uwsgiPhases are the phases that uWSGI's log calls otherwise than its options do.
var uwsgiPhases = map[Phase]string{AsRoot: "as root", AsUser: "as user", "pre-app": "pre app", "post-app": "post app", "as-user-atexit": "atexit"}

// Announcement is the line before the hook runs, in uWSGI's words.
func (h Hook) Announcement() string {
	verb, shown, when := "running", h.Shown(), string(h.Phase)
	if word := uwsgiPhases[h.Phase]; word != "" {
		when = word
	}
	switch {
	case h.Kind == "mount":
		verb, shown = "mounting", h.Arg
	case h.Kind == "umount":
		verb, shown = "un-mounting", h.Arg
	case h.Kind == "exec" && h.Phase == AsUser:
		return fmt.Sprintf("running %q (as uid: %d gid: %d) ...", h.Arg, os.Geteuid(), os.Getegid())
	case h.Kind == "exec":
		shown = h.Arg
	}
	return fmt.Sprintf("%s %q (%s)...", verb, shown, when)
}

// Parse takes a line of hook-PHASE. An action that does not exist, or cannot exist here, is an error, as is an argument that is malformed
// for it; nothing is looked at outside the line.
func Parse(phase Phase, line string) (Hook, error) {
	h := Hook{Phase: phase}
	rest := line
	if rest, h.Private = strings.CutPrefix(line, "!"); !h.Private {
		rest = line
	}
	var ok bool
	h.Action, h.Arg, ok = strings.Cut(rest, ":")
	if !ok {
		return Hook{}, fmt.Errorf("cannot use hook %q: no action before a colon", line)
	}
	if why := refused[h.Action]; why != "" {
		return Hook{}, fmt.Errorf("cannot use hook action %q: %s", h.Action, why)
	}
	a, ok := actions[h.Action]
	if !ok {
		return Hook{}, fmt.Errorf("cannot use hook action %q: there is no such action", h.Action)
	}
	if n := len(strings.Fields(h.Arg)); n < a.words {
		return Hook{}, fmt.Errorf("cannot use hook %q: %s wants %q", line, h.Action, a.usage)
	}
	if a.check != nil {
		if err := a.check(h.Arg); err != nil {
			return Hook{}, fmt.Errorf("cannot use hook %q: %w", line, err)
		}
	}
	return h, nil
}

// Shown is the hook for a log line.
func (h Hook) Shown() string {
	if h.Private {
		return "--- PRIVATE HOOK ---"
	}
	return h.Action + ":" + h.Arg
}

// Context is what a hook may use of the process it runs in.
type Context struct {
	Shell []string // what runs commands, with -c before the command; tried in order. Nil: /bin/sh
	Env   []string // environment of commands beside the process's own
	Out   *os.File // standard output and error of commands, and print. Nil: the process's standard error
	Print func(text string)
	Alarm func(name, text string) // nil: alarms cannot be raised from here
	Stop  <-chan struct{}         // closed when everything is to end: what waits gives up. Nil: never
}

// ErrStopped is the cause of a hook that gave up because everything is to end.
var ErrStopped = errors.New("told to stop")

// ExitError is the wish of an exit hook: the process is to end with the code.
type ExitError struct {
	Code int
}

func (e ExitError) Error() string { return fmt.Sprintf("exit hook: code %d", e.Code) }

// Run does what the hook says. The error names the hook and the cause; it is an ExitError for exit.
func Run(h Hook, c Context) error {
	a, ok := actions[h.Action]
	if !ok {
		return fmt.Errorf("cannot run hook %q: there is no such action", h.Shown())
	}
	err := a.run(h.Arg, c)
	if exit, ok := err.(ExitError); ok {
		return exit
	}
	if err != nil {
		return fmt.Errorf("cannot run hook %q: %w", h.Shown(), err)
	}
	return nil
}

func (c Context) out() *os.File {
	if c.Out != nil {
		return c.Out
	}
	return os.Stderr
}

// command runs a shell command to its end. A command killed by a signal has failed.
func (c Context) command(line string) error {
	shells := c.Shell
	if shells == nil {
		shells = []string{"/bin/sh"}
	}
	out := descriptor(c.out())
	null, err := os.Open(os.DevNull)
	in := uintptr(0)
	if err == nil {
		defer null.Close()
		in = descriptor(null)
	}
	// A process group of its own, so that all of it can be ended.
	attr := &syscall.ProcAttr{Env: append(os.Environ(), c.Env...), Files: []uintptr{in, out, out}, Sys: &syscall.SysProcAttr{Setpgid: true}}
	for i, shell := range shells {
		pid, err := Fork(shell, []string{shell, "-c", line}, attr)
		if err == nil {
			return c.wait(pid)
		}
		if i == len(shells)-1 || err != syscall.ENOENT && err != syscall.EACCES {
			return fmt.Errorf("cannot execute %s: %w", shell, err)
		}
	}
	return fmt.Errorf("cannot execute a command: no shell is named")
}

// descriptor is the file's number. (*os.File).Fd would make the log, which others write to as well, blocking.
func descriptor(f *os.File) uintptr {
	fd := ^uintptr(0)
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fd = n })
	}
	return fd
}

// killAfter is how long a command that is told to end may take.
const killAfter = time.Second

// wait waits for a command; when everything is to end its process group is told to, and then killed. The process is reaped only when nobody signals
// it any more, so that no other one gets its number meanwhile.
func (c Context) wait(pid int) error {
	over, watched, stopped := make(chan struct{}), make(chan struct{}), false
	go func() {
		defer close(watched)
		select {
		case <-over:
			return
		case <-c.Stop:
			stopped = true
			_ = unix.Kill(-pid, unix.SIGTERM)
		}
		late := time.NewTimer(killAfter)
		defer late.Stop()
		select {
		case <-over:
		case <-late.C:
			_ = unix.Kill(-pid, unix.SIGKILL)
		}
	}()
	err := ended(pid)
	close(over)
	<-watched
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot wait for the command: %w", err)
		}
		break
	}
	switch {
	case stopped:
		return ErrStopped
	case status.Signaled():
		return fmt.Errorf("the command was killed by signal %d", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("the command exited with code %d", status.ExitStatus())
	}
	return nil
}

// ended waits for the end of a process and leaves it to be reaped.
func ended(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot wait for the command: %w", err)
		}
		return nil
	}
}
