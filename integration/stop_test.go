package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// inFlight starts a request that takes so many seconds and returns where its answer (or error) will arrive.
func inFlight(addr string, seconds float64) <-chan string {
	answer := make(chan string, 1)
	go func() {
		r, err := harness.Fetch("http", addr, fmt.Sprintf("/sleep?%v", seconds), 30*time.Second)
		if err != nil {
			answer <- "error: " + err.Error()
			return
		}
		answer <- r.Body
	}()
	time.Sleep(400 * time.Millisecond)
	return answer
}

// TestStopSignals: the signals to the parent have uWSGI's meanings, with and without die-on-term. A stop is not graceful: that is uWSGI's
// way outside a container. A reload is known by its new master.
func TestStopSignals(t *testing.T) {
	type outcome int
	const (
		stops outcome = iota
		reloads
	)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		args   []string
		want   outcome
	}{
		{"TERM is a brutal reload", unix.SIGTERM, nil, reloads},
		{"INT stops", unix.SIGINT, nil, stops},
		{"QUIT stops", unix.SIGQUIT, nil, stops},
		{"die-on-term: TERM stops", unix.SIGTERM, []string{"--die-on-term"}, stops},
		{"die-on-term: INT stops", unix.SIGINT, []string{"--die-on-term"}, stops},
		{"die-on-term: QUIT is a brutal reload", unix.SIGQUIT, []string{"--die-on-term"}, reloads},
		{"HUP reloads", unix.SIGHUP, nil, reloads},
	} {
		for _, mode := range modes {
			t.Run(c.name+"/"+mode.name, func(t *testing.T) {
				e := harness.New(t)
				s, addr := mode.start(e, 2, c.args...)
				below := harness.Tree(s.PID)[1:]
				answer := inFlight(addr, 2)
				s.Signal(c.signal)
				if c.want == stops {
					if code := s.WaitExit(5 * time.Second); code != 0 {
						t.Errorf("exit code %d, want 0", code)
					}
					waitGone(t, "after the stop", below)
					harness.WaitGone(t, addr)
					s.WaitLog(time.Second, `goodbye to uWSGI\.`)
					return
				}
				waitGone(t, "after the reload", below)
				s.WaitServing("http", addr)
				if !s.Running() {
					t.Error("the parent ended")
				}
				if got := <-answer; c.signal == unix.SIGHUP && got != "slept" {
					t.Errorf("a graceful reload cut the request in flight: %s", got)
				}
			})
		}
	}
}

// TestDieOnTermIsGraceful: with die-on-term SIGTERM lets the request in flight finish; a second SIGTERM does not wait.
func TestDieOnTermIsGraceful(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 2, "--die-on-term")
			answer := inFlight(addr, 2)
			s.Signal(unix.SIGTERM)
			if code := s.WaitExit(8 * time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if got := <-answer; got != "slept" {
				t.Errorf("the request in flight got %q", got)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		e := harness.New(t)
		s, addr := plain(e, 2, "--die-on-term")
		answer := inFlight(addr, 20)
		s.Signal(unix.SIGTERM)
		time.Sleep(300 * time.Millisecond)
		s.Signal(unix.SIGTERM)
		if code := s.WaitExit(8 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if got := <-answer; got == "slept" {
			t.Error("the second signal waited")
		}
	})
}

// TestContainerInit: as PID 1 of a container SIGTERM is a graceful stop: the request in flight is finished, the exit code is 0.
func TestContainerInit(t *testing.T) {
	harness.NeedRoot(t)
	for _, c := range []struct {
		name string
		args func(e *harness.Env, addr string) []string
	}{
		{"no namespace", func(e *harness.Env, addr string) []string {
			return []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--master", "--processes", "2"}
		}},
		{"jail", func(e *harness.Env, addr string) []string { return jailArgs(e.RootfsCopy(), addr, 2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			addr := harness.FreePort(t)
			s := e.StartWith(harness.Options{Args: c.args(e, addr), Wrap: []string{"unshare", "--pid", "--fork", "--mount", "--mount-proc",
				"--propagation", "private"}})
			s.WaitServing("http", addr)
			parent := s.Master() // the only child of unshare is the parent, PID 1 of the container
			if ids := harness.StatusField(parent, "NSpid"); ids[len(ids)-1] != "1" {
				t.Fatalf("pid in the container is %v", ids)
			}
			answer := inFlight(addr, 2)
			if err := unix.Kill(parent, unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := s.WaitExit(10 * time.Second); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			if got := <-answer; got != "slept" {
				t.Errorf("the request in flight got %q", got)
			}
			harness.WaitGone(t, addr)
		})
	}
}

// TestContainerOrphans: as PID 1 of a container the parent reaps what is reparented to it.
func TestContainerOrphans(t *testing.T) {
	harness.NeedRoot(t)
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{Args: []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--master"},
		Wrap: []string{"unshare", "--pid", "--fork", "--mount", "--mount-proc", "--propagation", "private"}})
	s.WaitServing("http", addr)
	getBody(t, "http", addr, "/orphans?50")
	var counts struct{ All, Zombies int }
	if !harness.Eventually(5*time.Second, func() bool {
		getJSON(t, "http", addr, "/zombies", &counts)
		return counts.Zombies == 0 && counts.All < 10
	}) {
		t.Errorf("%d processes, %d zombies", counts.All, counts.Zombies)
	}
	_ = unix.Kill(s.Master(), unix.SIGTERM)
	s.WaitExit(10 * time.Second)
}

// TestExitOnReload: with exit-on-reload a reload ends the server, for a supervisor above to start it anew.
func TestExitOnReload(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--exit-on-reload")
	s.Signal(unix.SIGHUP)
	if code := s.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	harness.WaitGone(t, addr)
}

// TestMercy: a worker that does not end within worker-reload-mercy is killed, so that a reload comes to its end.
func TestMercy(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--worker-reload-mercy", "1")
	old := s.Master()
	answer := inFlight(addr, 30)
	s.Signal(unix.SIGHUP)
	if !harness.Eventually(8*time.Second, func() bool { c := harness.Children(s.PID); return len(c) == 1 && c[0].PID != old }) {
		t.Error("the reload waits for the slow request beyond its mercy")
	}
	if got := <-answer; got == "slept" {
		t.Error("the slow request was answered")
	}
	s.WaitServing("http", addr)
}
