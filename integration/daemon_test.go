package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// named returns the processes below the server with this command line.
func named(s *harness.Server, text string) []harness.Proc {
	var list []harness.Proc
	for _, p := range harness.Tree(s.PID) {
		if strings.TrimSpace(p.Cmdline()) == text {
			list = append(list, p)
		}
	}
	return list
}

// waitNamed waits until so many of them are there.
func waitNamed(t *testing.T, s *harness.Server, text string, count int) []harness.Proc {
	t.Helper()
	var list []harness.Proc
	if !harness.Eventually(8*time.Second, func() bool { list = named(s, text); return len(list) == count }) {
		t.Fatalf("%d processes %q, want %d", len(list), text, count)
	}
	return list
}

func noZombies(t *testing.T, s *harness.Server) {
	t.Helper()
	if !harness.Eventually(3*time.Second, func() bool {
		for _, p := range harness.Tree(s.PID) {
			if p.State == 'Z' {
				return false
			}
		}
		return true
	}) {
		t.Error("there are zombies")
	}
}

// checkJailed: a daemon has the ids and namespaces of the master, no capability, and three descriptors.
func checkJailed(t *testing.T, d harness.Proc, master int) {
	t.Helper()
	if d.PPID != master {
		t.Errorf("the daemon's parent is %d, not the master %d", d.PPID, master)
	}
	for _, kind := range jailNamespaces {
		if got, want := harness.NamespaceInode(d.PID, kind), harness.NamespaceInode(master, kind); got != want {
			t.Errorf("%s namespace %s, want %s", kind, got, want)
		}
	}
	worker := harness.StatusField(master, "Uid")
	if got := harness.StatusField(d.PID, "Uid"); fmt.Sprint(got) != fmt.Sprint(worker) || got[0] == "0" {
		t.Errorf("ids %v, the master has %v", got, worker)
	}
	for _, field := range []string{"CapPrm", "CapEff", "CapAmb", "SigIgn", "SigBlk"} {
		got := harness.StatusField(d.PID, field)
		if field == "SigIgn" { // glibc's posix_spawn, as make uses it, leaves its own signals 32 and 33 ignored in what it starts
			mask, _ := strconv.ParseUint(got[0], 16, 64)
			got[0] = fmt.Sprintf("%x", mask&^(3<<31))
		}
		if strings.Trim(got[0], "0") != "" {
			t.Errorf("%s is %s", field, got[0])
		}
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.PID))
	if err != nil || len(fds) != 3 {
		t.Errorf("descriptors %v, want 0, 1 and 2 (%v)", fds, err)
	}
}

// TestDaemonLife: a daemon has the jail's ids and namespaces, the log and nothing else of ours; it comes back when it is killed, is
// a new one after a reload and gone after a stop, also the one that ignores SIGTERM and the one that has forked twice.
func TestDaemonLife(t *testing.T) {
	e := harness.New(t)
	stats := harness.FreePort(t)
	s, addr, _ := jailed(e, 1,
		"--attach-daemon", "exec sleep 1001",
		"--attach-daemon", "trap '' TERM; while :; do sleep 1002; done",
		"--attach-daemon", "setsid sleep 1003 & exec sleep 1004",
		"--attach-daemon2", "cmd=true,uid=0,gid=0", "--attach-daemon2", "cmd=true,ns_pid=1",
		"--stats", stats, "--reload-mercy", "1")
	s.WaitLog(5*time.Second, `cannot start "true": cannot change to uid 0 and gid 0: operation not permitted`)
	s.WaitLog(5*time.Second, `cannot start "true": cannot make a pid namespace for it: operation not permitted`)
	d := waitNamed(t, s, "sleep 1001", 1)[0]
	waitNamed(t, s, "sleep 1003", 1)
	master := s.Master()
	checkJailed(t, d, master)
	list, _ := readStats(t, stats)["daemons"].([]any)
	if len(list) != 5 {
		t.Fatalf("stats have the daemons %v", list)
	}
	first := list[0].(map[string]any)
	if first["cmd"] != "exec sleep 1001" || first["respawns"] != 0.0 || first["pid"].(float64) < 2 {
		t.Errorf("stats have %v", first)
	}

	if err := unix.Kill(d.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.WaitLog(5*time.Second, `"exec sleep 1001" \(pid: \d+\) was killed by signal 9`)
	s.WaitLog(5*time.Second, `\[uwsgi-daemons\] respawning "exec sleep 1001"`)
	waitNamed(t, s, "sleep 1001", 1)
	old := harness.Tree(master)
	s.Signal(unix.SIGHUP)
	waitGone(t, "after the reload", old)
	s.WaitLog(2*time.Second, `daemon did not die in time, killing`)
	s.WaitServing("http", addr)
	for _, name := range []string{"sleep 1001", "sleep 1002", "sleep 1003", "sleep 1004"} {
		waitNamed(t, s, name, 1)
	}
	noZombies(t, s)
	below := harness.Tree(s.PID)[1:]
	s.Signal(unix.SIGINT)
	if code := s.WaitExit(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, "after the stop", below)
}

// TestDaemonsDieWithTheMaster: a master that is killed leaves no daemon, jailed or not, and the stack that is built next has its own.
func TestDaemonsDieWithTheMaster(t *testing.T) {
	start := map[string]func(*harness.Env, ...string) *harness.Server{
		"plain":  func(e *harness.Env, args ...string) *harness.Server { s, _ := plain(e, 1, args...); return s },
		"jailed": func(e *harness.Env, args ...string) *harness.Server { s, _, _ := jailed(e, 1, args...); return s },
	}
	for name, server := range start {
		t.Run(name, func(t *testing.T) {
			e := harness.New(t)
			s := server(e, "--attach-daemon", "trap '' TERM HUP; sleep 1005 & wait", "--attach-daemon", "setsid sleep 1006 & sleep 1007")
			waitNamed(t, s, "sleep 1005", 1)
			waitNamed(t, s, "sleep 1006", 1)
			old := harness.Tree(s.Master())
			if err := unix.Kill(s.Master(), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitGone(t, "after the master", old)
			waitNamed(t, s, "sleep 1005", 1)
			waitNamed(t, s, "sleep 1006", 1)
			below := harness.Tree(s.PID)
			if err := unix.Kill(s.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitGone(t, "after the parent", below)
		})
	}
}

// TestDaemonThatDies: one that ends at once is tried again with growing pauses, and the app serves on.
func TestDaemonThatDies(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--attach-daemon", "exit 3", "--attach-daemon2", "cmd=/no/such/program,max_throttle=1", "--attach-daemon2", "cmd=x,chdir=/nowhere")
	s.WaitLog(5*time.Second, `"exit 3" \(pid: \d+\) exited with code 3`)
	s.WaitLog(9*time.Second, `throttling "exit 3" for 2 seconds`)
	s.WaitLog(2*time.Second, `"x" \(pid: \d+\) exited with code [12]`)
	if n := s.CountLog(`spawning "exit 3"`); n > 4 {
		t.Errorf("tried %d times", n)
	}
	getBody(t, "http", addr, "/pid")
	noZombies(t, s)
}

// TestSmartDaemon: a daemon in the background is known by its pidfile: it is restarted when it is killed and stopped with the rest. A
// pidfile of another time is not believed, and none may name a worker.
func TestSmartDaemon(t *testing.T) {
	e := harness.New(t)
	pidfile, written := e.Dir+"/smart.pid", e.Dir+"/written.pid"
	stranger := e.Holder("sleep", "60")
	if err := os.WriteFile(pidfile, []byte("999999\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.Dir+"/stranger.pid", fmt.Appendln(nil, stranger), 0o644); err != nil {
		t.Fatal(err)
	}
	s, _ := plain(e, 1,
		"--smart-attach-daemon", pidfile+",3 setsid sleep 1008 & echo $! > "+pidfile,
		"--smart-attach-daemon2", written+" exec sleep 1009",
		"--smart-attach-daemon", e.Dir+"/stranger.pid,2 sleep 0")
	s.WaitLog(5*time.Second, `found valid/active pidfile for .*sleep 1008`)
	d := waitNamed(t, s, "sleep 1008", 1)[0]
	if err := unix.Kill(d.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitNamed(t, s, "sleep 1008", 1)
	if !harness.Eventually(3*time.Second, func() bool {
		text, _ := os.ReadFile(written)
		return strings.TrimSpace(string(text)) == fmt.Sprint(waitNamed(t, s, "sleep 1009", 1)[0].PID)
	}) {
		t.Errorf("%s does not name the daemon", written)
	}
	s.WaitLog(5*time.Second, fmt.Sprintf(`cannot take pidfile .*stranger.pid over: pid %d lives and is not ours`, stranger))
	s.WaitLog(6*time.Second, `left no pidfile .*stranger.pid that names it`)
	below := harness.Tree(s.PID)[1:]
	s.Signal(unix.SIGINT)
	s.WaitExit(6 * time.Second)
	waitGone(t, "after the stop", below)
	if unix.Kill(stranger, 0) != nil {
		t.Error("the process of a pidfile that was not ours is gone")
	}
}

// TestControlDaemon: its end is the end of the whole. TestTouchedDaemon is in it: a touched file restarts a daemon or sends a signal.
func TestControlDaemon(t *testing.T) {
	e := harness.New(t)
	file, out := e.Write("touched", ""), e.Dir+"/signalled"
	s, _ := plain(e, 1,
		"--attach-daemon2", "cmd=exec sleep 1010,touch="+file,
		"--attach-daemon2", "cmd=trap 'echo > "+out+"' USR1; while :; do sleep 0.1; done,touch="+file+",reloadsignal=USR1",
		"--attach-control-daemon", "exec sleep 1011")
	d := waitNamed(t, s, "sleep 1010", 1)[0]
	control := waitNamed(t, s, "sleep 1011", 1)[0]
	time.Sleep(600 * time.Millisecond) // so that the clerk knows the file as it was
	e.Write("touched", "again")
	waitGone(t, "touched", []harness.Proc{d})
	waitNamed(t, s, "sleep 1010", 1)
	if !harness.Eventually(3*time.Second, func() bool { return harness.Exists(out) }) {
		t.Error("the daemon with a reloadsignal got no signal")
	}
	below := harness.Tree(s.PID)[1:]
	if err := unix.Kill(control.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := s.WaitExit(8 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, "after the control daemon", below)
}

// TestDaemonsInAnOverlap: in a reload with two stacks at once there is never a second daemon of its kind, unless it asks for it.
func TestDaemonsInAnOverlap(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--reload-overlap", "--attach-daemon", "mkdir "+e.Dir+"/lock && trap 'rmdir "+e.Dir+"/lock; exit' TERM; while :; do sleep 0.05; done",
		"--attach-daemon2", "cmd=exec sleep 1012,overlap=1")
	waitNamed(t, s, "sleep 1012", 1)
	old := s.Master()
	answer := inFlight(addr, 2)
	s.Signal(unix.SIGHUP)
	waitNamed(t, s, "sleep 1012", 2)
	if got := <-answer; got != "slept" {
		t.Errorf("the request in flight got %q", got)
	}
	if !harness.Eventually(5*time.Second, func() bool { _, there := harness.ReadProc(old); return !there }) {
		t.Fatal("the old master is still there")
	}
	waitNamed(t, s, "sleep 1012", 1)
	if !harness.Eventually(3*time.Second, func() bool { return s.CountLog(`\[uwsgi-daemons\] spawning "mkdir`) == 2 }) {
		t.Error("the new stack did not start its daemon")
	}
	if n := s.CountLog(`cannot create directory`); n != 0 {
		t.Errorf("two daemons ran at once (%d)", n)
	}
	getBody(t, "http", addr, "/pid")
}

// TestBadDaemons: what is wrong in the configuration is said before anything starts.
func TestBadDaemons(t *testing.T) {
	e := harness.New(t)
	for value, want := range map[string]string{
		"freq=3":               `no command`,
		"cmd=x,stdin=1":        `stdin: what is on the parent's standard input stays outside`,
		"cmd=x,uid=www-data":   `uid: an id is a number here`,
		"cmd=x,stopsignal=FOO": `stopsignal: no such signal`,
		"cmd=x,nonsense=1":     `unknown key "nonsense"`,
		"cmd=x,daemonize=1":    `daemonize without a pidfile`,
	} {
		s := e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe", "--attach-daemon2", value)
		if code := s.WaitExit(5 * time.Second); code != 1 {
			t.Errorf("%s: exit code %d", value, code)
		}
		s.WaitLog(time.Second, want)
	}
}
