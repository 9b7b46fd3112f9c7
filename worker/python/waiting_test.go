package python_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSharedFlag: somebody who shares the socket makes it non-blocking while the worker waits in accept(2). It goes on with epoll: it
// serves, leaves when it is told, and does not spin.
func TestSharedFlag(t *testing.T) {
	m, pid := startApp(t, nil, "http")
	unix.Kill(pid, unix.SIGTSTP) // neither does a signal that has no consequence end anything
	m.must(unix.SetNonblock(m.shared[0], true))
	for range 3 {
		if got := talk(t, m.addrs[0], []byte("GET / HTTP/1.0\r\n\r\n")); body(got) == "" {
			t.Fatalf("got %q", got)
		}
	}
	before := cpuTime(t, pid)
	time.Sleep(300 * time.Millisecond)
	if spent := cpuTime(t, pid) - before; spent > 100*time.Millisecond {
		t.Errorf("an idle worker used %v of CPU in 300 ms", spent)
	}
	unix.Kill(pid, unix.SIGHUP)
	if status := m.wait(pid, time.Second); status.ExitStatus() != 17 {
		t.Errorf("worker ended with %v", status)
	}
}

// cpuTime is what a process has used so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Skip(err)
	}
	var ns int64
	fmt.Sscan(string(text), &ns)
	return time.Duration(ns)
}
