package metrics

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
)

// TestLocksShowTheirOwner: a lock that another process holds has its pid.
func TestLocksShowTheirOwner(t *testing.T) {
	var s Store
	if got := s.Locks(1); len(got) != 1 || got[0] != (LockInfo{Name: "user 0"}) {
		t.Errorf("without a generation: %+v", got)
	}
	b := newTestBoard(t, 1, 1, 1)
	s.Add(b)
	cmd := exec.Command("python3", "-c", "import fcntl, sys\nfcntl.lockf(3, fcntl.LOCK_EX, 1, 2)\nprint('held', flush=True)\nsys.stdin.read()")
	cmd.ExtraFiles = []*os.File{b.File()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("no Python here: %v", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q %v", line, err)
	}
	got := s.Locks(3)
	if len(got) != 3 || got[0].PID != 0 || got[1].PID != 0 || got[2] != (LockInfo{Name: "user 2", PID: cmd.Process.Pid}) {
		t.Errorf("locks are %+v, the third is held by %d", got, cmd.Process.Pid)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := s.Locks(3); got[2].PID != 0 {
		t.Errorf("a dead process holds %+v", got[2])
	}
	if got := s.Locks(1 << 30); len(got) != maxLocks {
		t.Errorf("%d locks are asked for", len(got))
	}
}
