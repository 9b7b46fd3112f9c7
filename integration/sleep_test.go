package integration

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"gowsgi/integration/harness"
)

// TestSupervisorsSleepThroughRequests: workers accept for themselves, so parent and master have no reason to run when a request comes. A
// listening socket in the epoll set of Go's runtime is enough to wake them each time, and costs a third of a request's processor time.
func TestSupervisorsSleepThroughRequests(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 2, "--disable-logging")
			const requests = 500
			supervisors := map[string]int{"parent": s.PID, "master": s.Master()}
			before := map[string]int{}
			for name, pid := range supervisors {
				before[name] = switches(pid)
			}
			for range requests {
				getBody(t, "http", addr, "/")
			}
			for name, pid := range supervisors {
				if woke := switches(pid) - before[name]; woke > requests/5 {
					t.Errorf("the %s woke up %d times in %d requests", name, woke, requests)
				}
			}
		})
	}
}

// switches returns how often the threads of a process gave up a processor or lost it (proc(5), status).
func switches(pid int) (sum int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			for _, value := range harness.StatusField(pid, name, filepath.Base(task)) {
				n, _ := strconv.Atoi(value)
				sum += n
			}
		}
	}
	return sum
}
