package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SetSubreaper makes the calling process adopt orphaned descendants as a pid namespace's PID 1 does (PR_SET_CHILD_SUBREAPER, Linux 3.4).
func SetSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become a child subreaper: %w", err)
	}
	return nil
}

// Reap collects every child that has ended so far, without waiting, and calls each for it. SIGCHLD coalesces, so one call may have many to
// give or none. It must be the process's only wait.
func Reap(each func(pid int, status unix.WaitStatus, ru *unix.Rusage)) {
	reap(each)
}

// reap is Reap that tells whether there is any child left.
func reap(each func(pid int, status unix.WaitStatus, ru *unix.Rusage)) (children bool) {
	for {
		var status unix.WaitStatus
		var ru unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &ru)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // ECHILD
			return false
		case pid == 0:
			return true
		}
		each(pid, status, &ru)
	}
}

// DefaultGrace bounds KillChildren when no other time is given.
const DefaultGrace = 10 * time.Second

// KillChildren sends SIGKILL to every child, reaps, and again, until there is none: for a subreaper or a PID 1 that is the whole tree, since
// the children of what was killed become its own. It gives up after the time (DefaultGrace when none is given; a process in
// uninterruptible sleep does not die) and tells whether all are gone.
func KillChildren(grace ...time.Duration) bool {
	limit := DefaultGrace
	if len(grace) > 0 {
		limit = grace[0]
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		killOnce()
		if !reap(func(int, unix.WaitStatus, *unix.Rusage) {}) {
			return true
		}
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
}

func killOnce() {
	if unix.Getpid() == 1 {
		// Everything of our pid namespace but ourselves (kill(2)).
		_ = unix.Kill(-1, unix.SIGKILL)
		return
	}
	for _, pid := range children() {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// children lists the direct children of this process from /proc/self/task/TID/children, or by the parent pid in every /proc/PID/stat
// where the kernel was built without CONFIG_PROC_CHILDREN. A child cannot be replaced by a stranger with its pid while it is not reaped.
func children() []int {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if lists != nil {
		return pids
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		// pid (comm) state ppid; comm may hold anything, so count from its last parenthesis.
		line := string(text)
		f := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
