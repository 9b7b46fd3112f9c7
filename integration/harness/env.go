// Package harness runs the gowsgi binary as a black box and watches that it leaves nothing behind.
//
// An Env belongs to one test. It holds a directory others can read, the processes the test started, and a picture of the machine taken
// when the test began. When the test ends everything it started is ended, and the test fails if a process of it is left, if a zombie is
// left, or if /proc/self/mountinfo differs in one byte. The test process is a child subreaper, so whatever a server orphans is reparented
// to the test and found, however it was daemonized. Tests of one package therefore run one after the other.
//
// The binary is build/gowsgi. GOWSGI_BINARY names another one and GOWSGI_ARGS words put before all arguments: with
// GOWSGI_BINARY=/usr/bin/uwsgi GOWSGI_ARGS="--plugin python3" the same tests run against uWSGI, to see what they expect of the original.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Env is what one test has: see the package comment.
type Env struct {
	T   testing.TB
	Dir string // mode 0755 all the way up, removed at the end

	NginxPID int // of the nginx started last

	mounts string
	known  map[int]bool // pids of children whose Wait is somebody's
}

// The process has one Env at a time, and names that are never used twice.
var (
	active atomic.Bool
	serial atomic.Int64
)

// New begins a test. It fails the test when another test of the process is still running.
func New(t testing.TB) *Env {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatalf("cannot become a child subreaper: %v", err)
	}
	dir, err := os.MkdirTemp("", "gowsgi-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if !active.CompareAndSwap(false, true) {
		t.Fatal("two tests with an Env at the same time: they would see each other's processes")
	}
	e := &Env{T: t, Dir: dir, mounts: Mountinfo(t), known: map[int]bool{}}
	t.Cleanup(func() {
		defer active.Store(false)
		e.CheckLeftovers()
		if now := Mountinfo(t); now != e.mounts {
			t.Errorf("the mount table has changed:\n%s", Diff(e.mounts, now))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("cannot remove the test's directory: %v", err)
		}
	})
	return e
}

// With returns the same Env for a subtest: what the subtest starts ends with it.
func (e *Env) With(t testing.TB) *Env {
	sub := *e
	sub.T = t
	return &sub
}

// NeedRoot skips the test for an ordinary user.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// NeedUser returns the ids of an ordinary user: nobody for root, else the caller's own.
func NeedUser() (uid, gid int) {
	if os.Geteuid() == 0 {
		return 65534, 65534
	}
	return os.Geteuid(), os.Getegid()
}

// Mountinfo returns /proc/self/mountinfo, optional fields and all.
func Mountinfo(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Diff names the lines that only one of two texts has.
func Diff(before, after string) string {
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out strings.Builder
	for _, line := range old {
		if !slices.Contains(now, line) {
			fmt.Fprintf(&out, "- %s\n", line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			fmt.Fprintf(&out, "+ %s\n", line)
		}
	}
	return out.String()
}

// Write puts a file into the test's directory, readable for all, and returns its path. The file appears whole (rename), as an editor or a
// deployment would do it, and a hard link that had the name keeps its content.
func (e *Env) Write(name, text string) string {
	e.T.Helper()
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.Dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		e.T.Fatal(err)
	}
	tmp := fmt.Sprintf("%s.%d.new", path, serial.Add(1))
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		e.T.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		e.T.Fatal(err)
	}
	return path
}

// Run executes a command to its end and returns what it printed; the test fails when the command does.
func (e *Env) Run(name string, args ...string) string {
	e.T.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		e.T.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// CheckLeftovers waits a little for what is on its way out, then ends and reports what stayed.
func (e *Env) CheckLeftovers() {
	var left []Proc
	Eventually(3*time.Second, func() bool {
		left = e.descendants()
		return len(left) == 0
	})
	for _, p := range left {
		e.T.Errorf("process left behind: pid %d, parent %d, state %c, %q", p.PID, p.PPID, p.State, p.Cmdline())
	}
	for deadline := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(deadline); left = e.descendants() {
		for _, p := range left {
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// descendants reaps the orphans that ended as our children, then lists who is left below us.
func (e *Env) descendants() []Proc {
	for _, p := range Children(os.Getpid()) {
		if p.State == 'Z' && !e.known[p.PID] {
			var status unix.WaitStatus
			_, _ = unix.Wait4(p.PID, &status, unix.WNOHANG, nil)
		}
	}
	return Tree(os.Getpid())[1:]
}

// Eventually asks every 10 ms until the answer is yes or the time is over, and returns the last answer.
func Eventually(timeout time.Duration, ask func() bool) bool {
	for deadline := time.Now().Add(timeout); ; {
		if ask() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Holder starts a helper process that is killed when the test ends, and returns its pid.
func (e *Env) Holder(name string, args ...string) int {
	e.T.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		e.T.Fatal(err)
	}
	e.known[cmd.Process.Pid] = true
	e.T.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}
