package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// modes are the two ways everything about processes must hold in: with the jail's pid namespace, and without any namespace, where the
// master is a child subreaper.
var modes = []struct {
	name  string
	start func(e *harness.Env, processes int, more ...string) (*harness.Server, string)
}{
	{"jail", func(e *harness.Env, n int, more ...string) (*harness.Server, string) {
		s, addr, _ := jailed(e, n, more...)
		return s, addr
	}},
	{"no namespace", plain},
}

// TestOrphansAreReaped: 1,000 daemons that forked twice end, and no zombie is left.
func TestOrphansAreReaped(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 1)
			worker := getBody(t, "http", addr, "/pid")
			before := len(harness.Tree(s.PID))
			for range 10 {
				getBody(t, "http", addr, "/orphans?100")
			}
			var zombies, now int
			ok := harness.Eventually(5*time.Second, func() bool {
				zombies, now = 0, 0
				for _, p := range harness.Tree(s.PID) {
					now++
					if p.State == 'Z' {
						zombies++
					}
				}
				return zombies == 0 && now <= before
			})
			if !ok {
				t.Errorf("%d processes were there before, now %d, of which %d zombies", before, now, zombies)
			}
			if got := getBody(t, "http", addr, "/pid"); got != worker {
				t.Errorf("the worker was %s and is %s", worker, got)
			}
		})
	}
}

// TestOrphanBelongsToTheMaster: a daemon's new parent is the master, in the jail PID 1.
func TestOrphanBelongsToTheMaster(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 1)
			daemon := hostPID(t, s, getBody(t, "http", addr, "/daemon"))
			if p, _ := harness.ReadProc(daemon); p.PPID != s.Master() {
				t.Errorf("the daemon's parent is %d, the master is %d", p.PPID, s.Master())
			}
			all := harness.Tree(s.PID)[1:]
			s.Signal(unix.SIGINT)
			if code := s.WaitExit(10e9); code != 0 {
				t.Errorf("exit code %d", code)
			}
			waitGone(t, "after a stop", all)
		})
	}
}

// hostPID translates a pid as the jail sees it.
func hostPID(t *testing.T, s *harness.Server, inside string) int {
	t.Helper()
	for _, p := range harness.Tree(s.PID) {
		if ids := harness.StatusField(p.PID, "NSpid"); len(ids) > 0 && ids[len(ids)-1] == inside {
			return p.PID
		}
	}
	t.Fatalf("no process below the parent has pid %s inside", inside)
	return 0
}

// TestKill9: kill -9 of the master or of the parent leaves no process of the jail alive, not even a daemon in a session of its own.
func TestKill9(t *testing.T) {
	for _, mode := range modes {
		for _, victim := range []string{"master", "parent"} {
			t.Run(mode.name+"/"+victim, func(t *testing.T) {
				e := harness.New(t)
				s, addr := mode.start(e, 2)
				getBody(t, "http", addr, "/daemon")
				below := harness.Tree(s.PID)[1:]
				if len(below) < 4 {
					t.Fatalf("master, zygote, workers and daemon are %d processes", len(below))
				}
				pid := s.PID
				if victim == "master" {
					pid = s.Master()
				}
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				waitGone(t, "after kill -9 of the "+victim, below)
				if victim == "parent" {
					s.WaitExit(time.Second)
					harness.WaitGone(t, addr)
					return
				}
				s.WaitServing("http", addr) // the parent builds the stack anew
				if s.Master() == pid {
					t.Error("the master is the killed one")
				}
			})
		}
	}
}

// TestKill9WhileBusy: the parent dies while a request runs and a start is under way; nothing stays.
func TestKill9WhileBusy(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 2)
			go func() { _, _ = harness.Fetch("http", addr, "/sleep?30", 40*time.Second) }()
			time.Sleep(200 * time.Millisecond)
			s.Signal(unix.SIGHUP)
			time.Sleep(50 * time.Millisecond)
			below := harness.Tree(s.PID)[1:]
			s.Signal(unix.SIGKILL)
			waitGone(t, "after kill -9 of the parent", below)
		})
	}
}

// TestWorkerIsReplaced: a worker killed with SIGKILL is replaced, in uWSGI's words, and the others are left alone.
func TestWorkerIsReplaced(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := mode.start(e, 2)
			inside := s.WaitLog(5e9, `spawned uWSGI worker 1 \(pid: (\d+), cores: 1\)`)[1]
			other := s.WaitLog(5e9, `spawned uWSGI worker 2 \(pid: (\d+), cores: 1\)`)[1]
			if err := unix.Kill(hostPID(t, s, inside), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.WaitLog(5e9, fmt.Sprintf(`DAMN ! worker 1 \(pid: %s\) died, killed by signal 9 :\( trying respawn \.\.\.`, inside))
			next := s.WaitLog(5e9, `Respawned uWSGI worker 1 \(new pid: (\d+)\)`)[1]
			seen := workers(t, "http", addr, 2)
			if !seen[next] || !seen[other] {
				t.Errorf("answers come from %v, want %s and %s", seen, next, other)
			}
			if n, err := strconv.Atoi(next); err != nil || n < 2 {
				t.Errorf("new pid %q", next)
			}
		})
	}
}
