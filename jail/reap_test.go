package jail

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runAlone runs a test of this binary again as a process of its own, so that it may adopt and reap whatever it likes.
func runAlone(t *testing.T, test string, flags uintptr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), "JAIL_TEST_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("%v\n%s", err, out)
	}
}

func alone(t *testing.T) {
	t.Helper()
	if os.Getenv("JAIL_TEST_ALONE") == "" {
		t.Skip("run as a process of its own by TestReapingAlone")
	}
}

func TestReapingAlone(t *testing.T) {
	runAlone(t, "TestOrphansAreReaped", 0)
	runAlone(t, "TestKillChildren", 0)
	runAlone(t, "TestKillChildrenButKeepsSome", 0)
}

func TestReapingAsPID1(t *testing.T) {
	needRoot(t)
	runAlone(t, "TestOrphansAreReaped", unix.CLONE_NEWPID)
	runAlone(t, "TestKillChildren", unix.CLONE_NEWPID)
}

// shell starts a shell without anything that waits for it but Reap.
func shell(t *testing.T, script string) int {
	t.Helper()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestOrphansAreReaped(t *testing.T) {
	alone(t)
	if err := SetSubreaper(); err != nil {
		t.Fatal(err)
	}
	const orphans = 1000
	pid := shell(t, "i=0; while [ $i -lt 1000 ]; do (exit 3 & ) ; i=$((i+1)); done; exit 5")
	ended := map[int]int{}
	deadline := time.Now().Add(120 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		children := reap(func(pid int, status unix.WaitStatus, ru *unix.Rusage) { ended[pid] = status.ExitStatus() })
		if !children {
			break
		}
		<-tick.C
	}
	if ended[pid] != 5 {
		t.Errorf("the child ended with %d, want 5", ended[pid])
	}
	threes := 0
	for _, code := range ended {
		if code == 3 {
			threes++
		}
	}
	if threes != orphans {
		t.Errorf("%d of %d orphans were reaped", threes, orphans)
	}
}

func TestKillChildren(t *testing.T) {
	alone(t)
	if err := SetSubreaper(); err != nil {
		t.Fatal(err)
	}
	shell(t, "trap '' TERM HUP; (setsid sh -c '(sleep 60 &) ; sleep 60' &) ; sleep 60 & sleep 60")
	for deadline := time.Now().Add(60 * time.Second); len(descendants(t)) < 4 && time.Now().Before(deadline); {
		<-time.After(5 * time.Millisecond)
	}
	if !KillChildren() {
		t.Error("there are children left")
	}
	if left := descendants(t); len(left) > 0 {
		t.Errorf("still alive: %v", left)
	}
	if !KillChildren(time.Second) {
		t.Error("with no child there is one left")
	}
}

// descendants lists this process's children and theirs, by /proc, with zombies.
func descendants(t *testing.T) []string {
	t.Helper()
	if os.Getpid() == 1 {
		// /proc is still that of the outer namespace; what is alive in ours can be asked for by number.
		var found []string
		for pid := 2; pid < 5000; pid++ {
			if unix.Kill(pid, 0) == nil && unix.Tgkill(1, pid, 0) != nil { // a thread answers to kill as well
				found = append(found, fmt.Sprint(pid))
			}
		}
		return found
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents := map[string]string{}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		parents[filepath.Base(filepath.Dir(stat))] = f[1]
	}
	var found []string
	for pid := range parents {
		for up := parents[pid]; up != "" && up != "0"; up = parents[up] {
			if up == fmt.Sprint(os.Getpid()) {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

func TestKillChildrenButKeepsSome(t *testing.T) {
	alone(t)
	if err := SetSubreaper(); err != nil {
		t.Fatal(err)
	}
	kept := shell(t, "sleep 60")
	shell(t, "(setsid sleep 60 &) ; sleep 60")
	ended := shell(t, "exit 4")
	codes := map[int]int{}
	if !KillChildrenBut([]int{kept, ended}, func(pid int, status unix.WaitStatus, _ *unix.Rusage) { codes[pid] = status.ExitStatus() }) {
		t.Error("there are children left that were not to be kept")
	}
	if unix.Kill(kept, 0) != nil {
		t.Error("the child to keep is gone")
	}
	if !KillChildren() {
		t.Error("there are children left")
	}
}
