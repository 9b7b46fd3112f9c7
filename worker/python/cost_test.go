//go:build bench

package python_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCost compares the CPU time per request of the runtime's workers with that of uWSGI's own, hello world, 4 workers,
// request logging off, in turn in one run. It takes a minute and needs wrk, nginx and uwsgi, so it is no part of
// the tests: GOWSGI_BENCH=3 go test -tags bench -run TestCost -v ./worker/python runs three rounds.
func TestCost(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("GOWSGI_BENCH"))
	rounds = max(rounds, 1)
	for _, tool := range []string{"wrk", "nginx", "uwsgi"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s", tool)
		}
	}
	conf := newConf("app", "uwsgi", "http", "uwsgi+unix")
	conf.Processes = 4
	m := startMaster(t, conf, hello)
	if !m.loaded() {
		t.Fatal(m.log)
	}
	var ours []int
	for slot := 1; slot <= 4; slot++ {
		pid, _ := m.fork(slot)
		ours = append(ours, pid)
	}
	dir := t.TempDir()
	addrs := []string{freeAddr(t), freeAddr(t), filepath.Join(dir, "u.sock")}
	theirs := startUWSGI(t, m.dir, addrs)
	fronts := startNginx(t, dir, m.addrs[0], addrs[0], m.addrs[2], addrs[2])

	cases := []struct {
		name         string
		ours, theirs string
	}{
		{"uwsgi protocol behind nginx, TCP", fronts[0], fronts[1]},
		{"http-socket", m.addrs[1], addrs[1]},
		{"uwsgi protocol behind nginx, unix", fronts[2], fronts[3]},
	}
	for _, c := range cases {
		var a, b, ra, rb, ratios []float64
		for range rounds {
			ourCost, ourRate := measure(t, ours, c.ours)
			theirCost, theirRate := measure(t, theirs, c.theirs)
			a, b, ratios = append(a, ourCost), append(b, theirCost), append(ratios, ourCost/theirCost)
			ra, rb = append(ra, ourRate), append(rb, theirRate)
		}
		t.Logf("%-34s CPU per request: gowsgi %.1f us, uWSGI %.1f us, median ratio %.2f; requests/s %.0f, %.0f",
			c.name, median(a), median(b), median(ratios), median(ra), median(rb))
	}
}

func median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}

var wrkRequests = regexp.MustCompile(`(\d+) requests in`)

// measure loads addr for some seconds; it returns microseconds of CPU per request of the processes, and requests/s.
func measure(t *testing.T, pids []int, addr string) (cost, rate float64) {
	t.Helper()
	const seconds = 1
	before := cpu(t, pids)
	out, err := exec.Command("wrk", "-t1", "-c16", "-d"+strconv.Itoa(seconds), "http://"+addr+"/").CombinedOutput()
	if err != nil {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "Non-2xx") {
		t.Fatalf("wrk: %s", out)
	}
	used := cpu(t, pids) - before
	match := wrkRequests.FindSubmatch(out)
	if match == nil {
		t.Fatalf("wrk says no requests:\n%s", out)
	}
	n, _ := strconv.ParseFloat(string(match[1]), 64)
	return float64(used.Microseconds()) / n, n / seconds
}

// cpu is the time that all threads of the processes ran (proc_pid_schedstat: nanoseconds on the CPU).
func cpu(t *testing.T, pids []int) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if len(tasks) == 0 {
			t.Fatalf("process %d is gone", pid)
		}
		for _, path := range tasks {
			text, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			ns, _ := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// startUWSGI serves the same app with uWSGI and returns the pids of its master and workers.
func startUWSGI(t *testing.T, dir string, addrs []string) []int {
	t.Helper()
	cmd := exec.Command("uwsgi", "--plugin", "python3", "--socket", addrs[0], "--http-socket", addrs[1], "--socket", addrs[2],
		"--master", "--processes", "4", "--disable-logging", "--module", "app", "--pythonpath", dir, "--listen", "1000", "--need-app")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGINT); cmd.Wait() })
	waitFor(t, addrs[1])
	time.Sleep(500 * time.Millisecond)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{cmd.Process.Pid}
	for _, word := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(word)
		pids = append(pids, pid)
	}
	if len(pids) != 5 {
		t.Fatalf("uwsgi has processes %v, want a master and 4 workers", pids)
	}
	return pids
}
