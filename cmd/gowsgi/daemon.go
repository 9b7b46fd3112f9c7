package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
	"gowsgi/reload/verdict"
)

// daemonVariable names the descriptor on which a process in the background tells its caller that it serves.
const daemonVariable = "GOWSGI_DAEMON_FD"

// daemon is a process that daemonize has started: it has a caller, who waits until it serves, and then no more.
type daemon struct {
	caller   *os.File // nil: we were started otherwise
	detached atomic.Bool
}

// asDaemon finds out whether we are one, and takes that out of the environment.
func asDaemon(env []string) (*daemon, []string) {
	d := &daemon{}
	value := os.Getenv(daemonVariable)
	if value == "" {
		return d, env
	}
	_ = os.Unsetenv(daemonVariable)
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, daemonVariable+"=") })
	var st unix.Stat_t
	fd, err := strconv.Atoi(value)
	if err == nil && fd > 2 && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		unix.CloseOnExec(fd)
		d.caller = os.NewFile(uintptr(fd), "caller")
	}
	return d, env
}

func (d *daemon) started() bool { return d.caller != nil }

// tellCaller repeats warnings and errors on the caller's terminal until the caller is gone.
func (d *daemon) tellCaller(stderr io.Writer) zerolog.Hook {
	return zerolog.HookFunc(func(_ *zerolog.Event, level zerolog.Level, text string) {
		if level >= zerolog.WarnLevel && !d.detached.Load() {
			fmt.Fprintln(stderr, text)
		}
	})
}

// detach lets the caller go: we serve. What was its terminal is /dev/null from now on.
func (d *daemon) detach() {
	if !d.started() || d.detached.Swap(true) {
		return
	}
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = unix.Dup3(int(null.Fd()), fd, 0)
		}
		_ = null.Close()
	}
	_, _ = d.caller.Write([]byte{1})
	_ = d.caller.Close()
}

// background starts this program again in a session of its own and waits until it serves. A start that fails is told here, with its exit
// code: uWSGI is gone from the terminal before it has tried anything.
func background(stdin []byte, stderr io.Writer) int {
	pid, ready, err := startDaemon(stdin)
	if err != nil {
		fmt.Fprintf(stderr, "cannot go to the background: %v\n", err)
		return verdict.Init
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	go func() {
		for range signals { // whoever waits here for the start gives up
			_ = unix.Kill(pid, unix.SIGINT)
		}
	}()
	var b [1]byte
	if n, _ := ready.Read(b[:]); n == 1 {
		return verdict.OK
	}
	status, err := waitFor(pid)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "cannot wait for the process in the background: %v\n", err)
		return verdict.Init
	case status.Signaled():
		fmt.Fprintf(stderr, "The process in the background was killed by signal %d before it served\n", status.Signal())
		return verdict.Init
	}
	fmt.Fprintf(stderr, "The process in the background ended before it served (exit code %d); more is in its log\n", status.ExitStatus())
	return status.ExitStatus()
}

// startDaemon executes our own binary with the same arguments. The descriptors that we were given stay, and what we have read from
// standard input is there to be read again.
func startDaemon(stdin []byte) (pid int, ready *os.File, err error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, nil, err
	}
	in := os.NewFile(uintptr(fd), "stdin")
	defer in.Close()
	if _, err := in.WriteAt(stdin, 0); err != nil {
		return 0, nil, err
	}
	ready, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer w.Close()
	// Not by position: a number below may be that of a socket which was handed to us.
	there, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD, 10)
	if err != nil {
		return 0, nil, err
	}
	defer unix.Close(there)
	pid, err = hook.Fork("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), daemonVariable+"="+strconv.Itoa(there)),
		Files: []uintptr{in.Fd(), 1, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	return pid, ready, err
}
