package python_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// slowFork is an app whose zygote's children stop on their way: before they fork the worker, or after it and before they tell.
const slowFork = `
import os
import time
ZYGOTE = os.getpid()
def pause(where):
    while os.path.exists(where):
        time.sleep(0.01)
os.register_at_fork(after_in_child=lambda: os.getppid() == ZYGOTE and pause("before"),
                    after_in_parent=lambda: os.getpid() != ZYGOTE and pause("after"))
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
`

// TestKilledWhileForking kills the process between the zygote and a worker: the zygote tells it, and a worker of whom nobody was told ends.
func TestKilledWhileForking(t *testing.T) {
	for _, where := range []string{"before", "after"} {
		t.Run(where, func(t *testing.T) {
			m := startMaster(t, newConf("app", "http"), slowFork)
			m.loaded()
			m.must(os.WriteFile(m.dir+"/"+where, nil, 0o644))
			m.seq++
			_, err := unix.Write(m.channel, worker.ForkCommand(1, m.seq, 0))
			m.must(err)
			between := onlyChild(t, m.zygote)
			lost := 0
			if where == "after" {
				lost = onlyChild(t, between)
			}
			unix.Kill(between, unix.SIGKILL)
			if got, want := m.next(), fmt.Sprintf("unforked 1 %d", m.seq); got != want {
				t.Errorf("told is %q, want %q", got, want)
			}
			if lost != 0 {
				if status := m.wait(lost, 20*time.Second); status.ExitStatus() != 1 {
					t.Errorf("the worker that nobody knows ended with %v", status)
				}
			}
			m.must(os.Remove(m.dir + "/" + where))
			m.fork(1)
		})
	}
}

// onlyChild waits for the child of a process.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		var child int
		if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &child); err == nil {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}
