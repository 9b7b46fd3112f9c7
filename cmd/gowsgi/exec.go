package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// maxOutput bounds what a command of the configuration may print, in bytes.
const maxOutput = 1 << 20

// shellOutput runs /bin/sh -c cmd for @(exec://cmd) and returns its standard output. It waits for exactly its own child, so
// it does not take an end that the parent's reaper waits for; it must run in the goroutine that reaps.
func shellOutput(cmd string) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer r.Close()
	pid, err := hook.Fork("/bin/sh", []string{"sh", "-c", cmd}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, w.Fd(), 2},
	})
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot execute /bin/sh: %w", err)
	}
	out, readErr := io.ReadAll(io.LimitReader(r, maxOutput+1))
	r.Close() // a command that still writes gets SIGPIPE instead of waiting for us
	status, err := waitFor(pid)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot wait for %q: %w", cmd, err)
	case readErr != nil:
		return nil, fmt.Errorf("cannot read the output of %q: %w", cmd, readErr)
	case len(out) > maxOutput:
		return nil, fmt.Errorf("cannot use the output of %q: more than %d bytes", cmd, maxOutput)
	case status.Signaled():
		return nil, fmt.Errorf("cannot use the output of %q: killed by signal %d", cmd, status.Signal())
	case status.ExitStatus() != 0:
		return nil, fmt.Errorf("cannot use the output of %q: exit code %d", cmd, status.ExitStatus())
	}
	return out, nil
}

// waitFor waits for the end of exactly this child.
func waitFor(pid int) (status unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
			return status, err
		}
	}
}

// readFD reads an inherited descriptor to its end, for @(fd://N).
func readFD(fd int) ([]byte, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot use descriptor %d: %w", fd, err)
	}
	f := os.NewFile(uintptr(own), fmt.Sprintf("fd %d", fd))
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxOutput))
}
