package integration

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// living starts the app of these tests.
func living(e *harness.Env, processes int, more ...string) (s *harness.Server, addr string) {
	e.T.Helper()
	addr = harness.FreePort(e.T)
	args := []string{"--http-socket", addr, "--chdir", appDir(e, "life.py"), "--module", "life", "--processes", fmt.Sprint(processes)}
	s = e.Start(append(args, more...)...)
	s.WaitServing("http", addr)
	return s, addr
}

// TestHarakiriAnswers: the client of a request that takes too long gets 504 when it has got nothing yet; whatever keeps the
// worker busy.
func TestHarakiriAnswers(t *testing.T) {
	for _, c := range []struct {
		path   string
		status int
		args   []string
	}{
		{path: "/sleep?20", status: 504},
		{path: "/spin?20", status: 504},
		{path: "/sleep?20", status: 504, args: []string{"--harakiri-verbose", "--namespace", "@host:life"}},
		{path: "/sleep?20", status: 504, args: []string{"--harakiri-graceful-timeout", "5"}},
		{path: "/late?20", status: 200},
	} {
		t.Run(c.path+strings.Join(c.args, ""), func(t *testing.T) {
			e := harness.New(t)
			s, addr := living(e, 1, append([]string{"--harakiri", "1"}, c.args...)...)
			r, err := harness.Fetch("http", addr, c.path, 10*time.Second)
			if r == nil || r.Status != c.status || (c.status == 504) != (err == nil && r.Body == "Gateway Timeout") {
				t.Errorf("%s: %+v, %v", c.path, r, err)
			}
			s.WaitLog(3e9, `\*\*\* HARAKIRI ON WORKER 1 \(pid: \d+, try: 1\) \*\*\*`)
			s.WaitLog(3e9, `HARAKIRI \[core 0\] 127\.0\.0\.1 - GET `+strings.ReplaceAll(c.path, "?", `\?`)+` since \d+`)
			s.WaitLog(5e9, `Respawned uWSGI worker 1`)
			getBody(t, "http", addr, "/")
			if len(c.args) > 0 && c.args[0] == "--harakiri-graceful-timeout" && s.CountLog(`GRACEFUL HARAKIRI`) != 1 {
				t.Error("the worker was not asked first")
			}
			if len(c.args) > 0 && c.args[0] == "--harakiri-verbose" && s.CountLog(`life\.py", line \d+ in application`) == 0 {
				t.Error("no Python stack is in the log")
			}
		})
	}
}

// TestHarakiriSparesOtherThreads: only the client of the overdue request is cut; the others of that worker get their answers.
func TestHarakiriSparesOtherThreads(t *testing.T) {
	e := harness.New(t)
	s, addr := living(e, 1, "--threads", "4", "--harakiri", "3")
	var wait sync.WaitGroup
	ask := func(after time.Duration, path string, want int) {
		wait.Go(func() {
			time.Sleep(after)
			r, err := harness.Fetch("http", addr, path, 15*time.Second)
			if err != nil || r.Status != want {
				t.Errorf("%s: %+v, %v", path, r, err)
			}
		})
	}
	ask(0, "/sleep?30", 504)
	ask(2*time.Second, "/sleep?2.8", 200) // runs when the first one is overdue, and is in time
	ask(2*time.Second, "/sleep?2.5", 200)
	wait.Wait()
	s.WaitLog(5e9, `Respawned uWSGI worker 1`)
	if n := s.CountLog(`\*\*\* HARAKIRI ON WORKER`); n != 1 {
		t.Errorf("%d harakiri", n)
	}
}

// TestReloadOnException: the worker that raised is replaced, after its answer; others are not.
func TestReloadOnException(t *testing.T) {
	for _, c := range []struct{ option, value, hit, miss string }{
		{"--reload-on-exception", "", "/raise?Vx", ""},
		{"--reload-on-exception-type", "ValueError", "/raise?Vx", "/raise?Kx"},
		{"--reload-on-exception-value", "this", "/raise?Vthis", "/raise?Vthat"},
		{"--reload-on-exception-repr", "ValueError: this", "/raise?Vthis", "/raise?Vthat"},
	} {
		t.Run(c.option, func(t *testing.T) {
			e := harness.New(t)
			args := []string{c.option}
			if c.value != "" {
				args = append(args, c.value)
			}
			s, addr := living(e, 1, args...)
			before := getBody(t, "http", addr, "/")
			if c.miss != "" {
				harness.Get(t, "http", addr, c.miss)
				if got := getBody(t, "http", addr, "/"); got != before {
					t.Errorf("replaced after %s", c.miss)
				}
			}
			if r := harness.Get(t, "http", addr, c.hit); r.Status != 500 {
				t.Errorf("status %d", r.Status)
			}
			s.WaitLog(5e9, `monitored exception detected, respawning worker 1`)
			if !harness.Eventually(5*time.Second, func() bool { return getBody(t, "http", addr, "/") != before }) {
				t.Errorf("not replaced after %s", c.hit)
			}
		})
	}
}

// TestDeathCauses: each end has its cause in the log and as a label.
func TestDeathCauses(t *testing.T) {
	e := harness.New(t)
	metrics := harness.FreePort(t)
	s, addr := living(e, 1, "--prometheus", metrics)
	for _, c := range []struct {
		signal     unix.Signal
		says, name string
	}{{unix.SIGSEGV, `ended by itself: SIGSEGV`, "signal"}, {unix.SIGKILL, `ended by itself: somebody sent SIGKILL`, "killed"}, {unix.SIGSYS, `the filter forbids \(SIGSYS\)`, "seccomp"}} {
		_, _ = harness.Fetch("http", addr, fmt.Sprintf("/kill?%d", c.signal), 3*time.Second)
		s.WaitLog(5e9, c.says)
		label := fmt.Sprintf(`gowsgi_worker_deaths_total{cause="%s"} 1`, c.name)
		if !harness.Eventually(3*time.Second, func() bool { return strings.Contains(harness.Get(t, "http", metrics, "/metrics").Body, label) }) {
			t.Errorf("%s is not among the metrics", label)
		}
		s.WaitServing("http", addr)
		time.Sleep(1100 * time.Millisecond) // not one of those that die at once
	}
}

// TestDeathByMemory: a worker that the kernel kills, because its control group is full, is told from one that somebody killed.
func TestDeathByMemory(t *testing.T) {
	harness.NeedRoot(t)
	group, limit := "/sys/fs/cgroup/memory/gowsgi-test-oom", "memory.limit_in_bytes=100000000"
	if !harness.Exists("/sys/fs/cgroup/memory") {
		group, limit = "/sys/fs/cgroup/gowsgi-test-oom", "memory.max=100000000"
	}
	t.Cleanup(func() { _ = os.Remove(group) })
	e := harness.New(t)
	s, addr := living(e, 1, "--namespace", "@host:oom", "--cgroup", group, "--cgroup-opt", limit)
	_, _ = harness.Fetch("http", addr, "/eat?300", 5*time.Second)
	s.WaitLog(5e9, `worker 1 \(pid: \d+\) ended by itself: the kernel killed it for want of memory`)
	s.WaitServing("http", addr)
}

// TestReloadOnPSS: a worker that holds too much is replaced.
func TestReloadOnPSS(t *testing.T) {
	for _, option := range []string{"--reload-on-uss", "--reload-on-pss"} {
		t.Run(option, func(t *testing.T) {
			e := harness.New(t)
			s, addr := living(e, 1, option, "60", "--min-worker-lifetime", "0", "--namespace", "@host:pss")
			before := getBody(t, "http", addr, "/")
			getBody(t, "http", addr, "/eat?80")
			if !harness.Eventually(6*time.Second, func() bool { return getBody(t, "http", addr, "/") != before }) {
				t.Error("not replaced")
			}
			s.WaitLog(1e9, `The work of process \d+ is done\. Seeya! \(rss\)`)
		})
	}
}

// TestNames: what ps shows.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		args                   []string
		master, worker, zygote string
	}{
		{nil, "", "uWSGI worker 1", "uWSGI zygote"},
		{[]string{"--auto-procname"}, "uWSGI master", "uWSGI worker 1", "uWSGI zygote"},
		{[]string{"--procname-prefix-spaced", "shop", "--procname-append", "!", "--namespace", "@host:names"}, "shop uWSGI master!", "shop uWSGI worker 1!", "shop uWSGI zygote!"},
		{[]string{"--procname", "app", "--procname-master", "boss"}, "boss", "app", "app"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) { checkNames(t, c.args, c.master, c.worker, c.zygote) })
	}
}

func checkNames(t *testing.T, args []string, master, worker, zygote string) {
	e := harness.New(t)
	s, _ := living(e, 1, args...)
	names := map[string]bool{}
	tree := harness.Tree(s.Master())
	for _, p := range tree {
		names[strings.TrimSpace(p.Cmdline())] = true
	}
	// The master's own arguments are short, what does not fit is cut.
	title := strings.TrimSpace(tree[0].Cmdline())
	if !names[worker] || !names[zygote] || (master != "" && (title == "" || !strings.HasPrefix(master, title))) {
		t.Errorf("%v", names)
	}
}

// TestWorkerProcess: processors, priority, stacks.
func TestWorkerProcess(t *testing.T) {
	e := harness.New(t)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	s, addr := living(e, 2, "--cpu-affinity", "1", "--prio", "5", "--threads", "2", "--threads-stacksize", "256", "--namespace", "@host:one")
	if got := strings.Fields(getBody(t, "http", addr, "/cpus")); len(got) != 1 {
		t.Errorf("a worker may use the processors %q", got)
	}
	s.WaitLog(1e9, `mapping worker 2 to CPUs: \d+$`)
	if got := getBody(t, "http", addr, "/nice"); got != "5" {
		t.Errorf("nice %s", got)
	}
	if got := getBody(t, "http", addr, "/stack"); got != "262144" {
		t.Errorf("stack %s", got)
	}
	if os.Geteuid() == 0 {
		_, addr = living(e, 1, "--prio", "-3", "--namespace", "@host:two", "--uid", "nobody", "--gid", "nogroup")
		if got := getBody(t, "http", addr, "/nice"); got != "-3" {
			t.Errorf("nice %s", got)
		}
	}
}

// TestExitFunctions: atexit functions run at the end of a worker unless skip-atexit; a thread of the app keeps a worker unless no-threads-wait.
func TestExitFunctions(t *testing.T) {
	for _, c := range []struct {
		option string
		runs   int
	}{{"--master", 1}, {"--skip-atexit", 0}} {
		t.Run(c.option, func(t *testing.T) {
			e := harness.New(t)
			fifo := e.Dir + "/fifo"
			s, addr := living(e, 1, c.option, "--no-threads-wait", "--master-fifo", fifo)
			getBody(t, "http", addr, "/thread?20")
			began := time.Now()
			if err := os.WriteFile(fifo, []byte("q"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.WaitExit(10e9)
			if n := s.CountLog(`the exit function ran`); n != c.runs || time.Since(began) > 5*time.Second {
				t.Errorf("%s: the exit function ran %d times, the end took %v", c.option, n, time.Since(began))
			}
		})
	}
}

// TestWorkerExec: the worker is another program, which has the socket as standard input.
func TestWorkerExec(t *testing.T) {
	e := harness.New(t)
	script := e.Write("serve.py", `import socket
listener = socket.socket(fileno=0)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b'HTTP/1.0 200 OK\r\n\r\nanother program')
    connection.close()
`)
	addr := harness.FreePort(t)
	s := e.Start("--http-socket", addr, "--worker-exec", "/usr/bin/python3 "+script, "--processes", "1")
	s.WaitServing("http", addr)
	if got := getBody(t, "http", addr, "/"); got != "another program" {
		t.Errorf("answer %q", got)
	}
	if s.CountLog(`no app loaded`) > 0 {
		t.Error("the log misses an app")
	}
}
