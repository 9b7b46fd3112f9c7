package integration

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestCrashLoopIsThrottled: workers that die at once are not respawned as fast as the machine can.
func TestCrashLoopIsThrottled(t *testing.T) {
	e := harness.New(t)
	dir := appDir(e)
	e.Write(dir+"/dies.py", "import os\nos._exit(1)\n")
	s := e.Start("--http-socket", harness.FreePort(t), "--chdir", dir, "--module", "dies", "--lazy-apps", "--master", "--processes", "2")
	s.WaitLog(10e9, `worker respawning too fast`)
	time.Sleep(4 * time.Second)
	if n := s.CountLog(`DAMN ! worker \d+ \(pid: \d+\) died`); n > 20 {
		t.Errorf("%d deaths in some seconds", n)
	} else if n < 2 {
		t.Errorf("only %d deaths: not tried again", n)
	}
	if !s.Running() {
		t.Error("the server gave up")
	}
}

// TestImportError: the traceback is there exactly once; without need-app workers answer 500, with it the whole thing exits 22.
func TestImportError(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		needApp bool
	}{
		{name: "zygote"},
		{name: "lazy-apps", args: []string{"--lazy-apps"}},
		{name: "zygote, need-app", args: []string{"--need-app"}, needApp: true},
		{name: "lazy-apps, need-app", args: []string{"--lazy-apps", "--need-app"}, needApp: true},
		{name: "lazy, need-app", args: []string{"--lazy", "--need-app"}, needApp: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			addr := harness.FreePort(t)
			dir := appDir(e, "broken.py")
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", dir, "--module", "broken", "--master", "--processes", "1"}, c.args...)...)
			if c.needApp {
				if code := s.WaitExit(15e9); code != 22 {
					t.Errorf("exit code %d, want 22", code)
				}
			} else {
				s.WaitServing("http", addr)
				r := harness.Get(t, "http", addr, "/")
				if r.Status != 500 || !strings.Contains(r.Body, "Internal Server Error") {
					t.Errorf("answer: %d %q", r.Status, r.Body)
				}
				s.WaitLog(5e9, `--- no python application found, check your startup logs for errors ---`)
			}
			if n := s.CountLog(`^Traceback \(most recent call last\)`); n != 1 {
				t.Errorf("%d tracebacks, want one", n)
			}
			if n := s.CountLog(`ImportError: broken on purpose`); n != 1 {
				t.Errorf("the error is there %d times, want once", n)
			}
		})
	}
}

// TestZygoteImportsOnce: without lazy-apps the app is imported once for all workers, with it once in each.
func TestZygoteImportsOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want int
	}{{"zygote", nil, 1}, {"lazy-apps", []string{"--lazy-apps"}, 3}, {"lazy", []string{"--lazy"}, 3}} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			dir, addr := appDir(e), harness.FreePort(t)
			e.Write(dir+"/counted.py", "import os\nfrom probe import application\nos.write(1, b'imported in %d\\n' % os.getpid())\n")
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", dir, "--module", "counted", "--master", "--processes", "3"}, c.args...)...)
			s.WaitServing("http", addr)
			harness.Eventually(3*time.Second, func() bool { return s.CountLog(`imported in \d+`) >= c.want })
			if n := s.CountLog(`imported in \d+`); n != c.want {
				t.Errorf("imported %d times, want %d", n, c.want)
			}
		})
	}
}

// TestWorkerExitCodes: a worker that leaves by itself is replaced, whatever its exit code.
func TestWorkerExitCodes(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1)
	for _, code := range []string{"0", "1", "42"} {
		old := getBody(t, "http", addr, "/pid")
		_, _ = harness.Fetch("http", addr, "/exit?"+code, 5*time.Second)
		ok := harness.Eventually(10*time.Second, func() bool {
			r, err := harness.Fetch("http", addr, "/pid", 5*time.Second)
			return err == nil && r.Body != old
		})
		if !ok {
			t.Errorf("no new worker after exit %s", code)
		}
	}
	if !s.Running() {
		t.Error("the server ended")
	}
}

// TestThreads: one worker with threads answers while another of its threads is busy.
func TestThreads(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--threads", "4")
	s.WaitLog(5e9, `spawned uWSGI worker 1 \(pid: \d+, cores: 4\)`)
	done := make(chan error, 1)
	go func() {
		_, err := harness.Fetch("http", addr, "/sleep?2", 10*time.Second)
		done <- err
	}()
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	getBody(t, "http", addr, "/pid")
	if took := time.Since(began); took > time.Second {
		t.Errorf("a second request waited %s", took)
	}
	if err := <-done; err != nil {
		t.Errorf("the slow request: %v", err)
	}
	var v map[string]any
	getJSON(t, "http", addr, "/environ", &v)
	if v["wsgi.multithread"] != true {
		t.Errorf("wsgi.multithread is %v", v["wsgi.multithread"])
	}
}

// TestModule looks at the uwsgi module the app can import.
func TestModule(t *testing.T) {
	e := harness.New(t)
	_, addr, _ := jailed(e, 3)
	var m struct {
		Numproc   int
		Hostname  string
		Version   string
		WorkerID  int `json:"worker_id"`
		Masterpid int
		Opt       map[string]string
	}
	getJSON(t, "http", addr, "/module", &m)
	if m.Numproc != 3 || m.WorkerID < 1 || m.WorkerID > 3 || m.Masterpid != 1 || !strings.HasPrefix(m.Version, "2.0") {
		t.Errorf("the module says %+v", m)
	}
	if m.Opt["module"] != "probe" || m.Opt["master"] != "True" || m.Opt["processes"] != "3" {
		t.Errorf("uwsgi.opt is %v", m.Opt)
	}
}

// TestDaemonOfWorkerSurvivesItsWorker: the death of a worker is no reason to kill what it started.
func TestDaemonOfWorkerSurvivesItsWorker(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1)
	daemon := hostPID(t, s, getBody(t, "http", addr, "/daemon"))
	worker := hostPID(t, s, getBody(t, "http", addr, "/pid"))
	if err := unix.Kill(worker, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.WaitLog(5e9, `Respawned uWSGI worker 1`)
	if p, ok := harness.ReadProc(daemon); !ok || p.State == 'Z' {
		t.Error("the daemon is gone")
	}
}
