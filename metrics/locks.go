package metrics

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxLocks bounds how many user locks are asked for.
const maxLocks = 1024

// Locks returns the first n user locks of the newest generation with their owners, as the jail knows them. A lock is a
// record lock on a byte of the scoreboard's file (worker/python/src/locks.py), so the kernel tells who holds it.
func (s *Store) Locks(n int) []LockInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]LockInfo, 0, min(max(n, 0), maxLocks))
	for i := range cap(list) {
		one := LockInfo{Name: fmt.Sprintf("user %d", i)}
		if len(s.live) > 0 {
			one.PID = s.live[len(s.live)-1].board.lockOwner(i)
		}
		list = append(list, one)
	}
	return list
}

// lockOwner returns the pid that holds a lock, 0 none.
func (b *Board) lockOwner(n int) int {
	if b.mem == nil {
		return 0
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(n), Len: 1}
	if err := unix.FcntlFlock(b.file.Fd(), unix.F_GETLK, &l); err != nil || l.Type == unix.F_UNLCK || l.Pid <= 0 {
		return 0
	}
	return innermostPID(int(l.Pid))
}

// innermostPID returns how a process is called in its own pid namespace (NSpid, proc_pid_status(5)).
func innermostPID(pid int) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return pid
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 8192))
	_, rest, ok := bytes.Cut(text, []byte("\nNSpid:"))
	if !ok {
		return pid
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	words := bytes.Fields(line)
	if len(words) == 0 {
		return pid
	}
	if n, err := strconv.Atoi(string(words[len(words)-1])); err == nil {
		return n
	}
	return pid
}
