package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how to start a server.
type Options struct {
	Args []string
	Env  []string // added to the caller's
	Dir  string   // working directory, the test's own when empty
	Wrap []string // words before the binary: a program that executes the rest of its arguments (unshare, setpriv, sh -c '... exec "$@"' sh)
	UID  int      // ordinary user to start as, 0 = ours

	Files   []*os.File // descriptors from 3 on
	Program []string   // another program than the one under test
}

// Server is a running binary.
type Server struct {
	T    testing.TB
	PID  int // of the process the harness started: the parent, or the first word of Wrap
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Binary returns the words that start the program under test.
func Binary() []string {
	words := []string{os.Getenv("GOWSGI_BINARY")}
	if words[0] == "" {
		words[0] = filepath.Join(Repo(), "build", "gowsgi")
	}
	return append(words, strings.Fields(os.Getenv("GOWSGI_ARGS"))...)
}

// IsUWSGI tells whether the tests are being tried on the original.
func IsUWSGI() bool { return filepath.Base(Binary()[0]) == "uwsgi" }

// Repo returns the directory of go.mod, found upward from where the test runs.
func Repo() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Start runs the binary with these arguments.
func (e *Env) Start(args ...string) *Server {
	e.T.Helper()
	return e.StartWith(Options{Args: args})
}

// StartWith runs the binary; its output goes to a file, so that no reader can block it. The server is ended when the test ends.
func (e *Env) StartWith(o Options) *Server {
	e.T.Helper()
	log, err := os.Create(filepath.Join(e.Dir, fmt.Sprintf("server-%d.log", serial.Add(1))))
	if err != nil {
		e.T.Fatal(err)
	}
	defer log.Close()
	program := o.Program
	if program == nil {
		program = Binary()
	}
	words := slices.Concat(o.Wrap, program, o.Args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, o.Dir
	if cmd.Dir == "" {
		cmd.Dir = e.Dir
	}
	cmd.ExtraFiles = o.Files
	cmd.Env = append(os.Environ(), o.Env...)
	// A session of its own, as a service has: the kernel shares CPU time by session (sched(7), autogroup), and gowsgi makes its own for a
	// jail. A program that stays in the test's session would be measured under other conditions.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if o.UID != 0 && os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}
	}
	if err := cmd.Start(); err != nil {
		e.T.Fatalf("cannot start %s: %v", strings.Join(words, " "), err)
	}
	e.known[cmd.Process.Pid] = true
	s := &Server{T: e.T, PID: cmd.Process.Pid, cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(s.done)
	}()
	e.T.Cleanup(func() {
		s.End()
		if e.T.Failed() {
			e.T.Logf("command: %s\nlog:\n%s", strings.Join(words, " "), tail(withoutRequests(s.Log()), 8000))
		}
	})
	return s
}

// withoutRequests drops the request lines, of which a test can make thousands.
func withoutRequests(log string) string {
	var out strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "=> generated") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func tail(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return "...\n" + text[len(text)-size:]
}

// Log returns everything written so far.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// Forget empties the log, so that WaitLog waits for new lines only.
func (s *Server) Forget() {
	_ = os.Truncate(s.log, 0)
}

// WaitLog waits until a line matches and returns its submatches; the test fails when none does in time.
func (s *Server) WaitLog(timeout time.Duration, expr string) []string {
	s.T.Helper()
	re := regexp.MustCompile("(?m)" + expr)
	var m []string
	if !Eventually(timeout, func() bool { m = re.FindStringSubmatch(s.Log()); return m != nil || s.gone() }) || m == nil {
		m = re.FindStringSubmatch(s.Log())
	}
	if m == nil {
		s.T.Fatalf("no log line matches %q after %s (running: %v)", expr, timeout, !s.gone())
	}
	return m
}

// WaitServing waits until addr answers GET / with any status; the test fails when it does not in time.
func (s *Server) WaitServing(proto, addr string) {
	s.T.Helper()
	var last error
	ok := Eventually(20*time.Second, func() bool {
		_, last = Fetch(proto, addr, "/", time.Second)
		return last == nil || s.gone()
	})
	if !ok || last != nil {
		s.T.Fatalf("%s %s does not answer: %v (running: %v)", proto, addr, last, !s.gone())
	}
}

func (s *Server) gone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Running tells whether the process the harness started is there.
func (s *Server) Running() bool { return !s.gone() }

// Signal sends a signal to the process the harness started.
func (s *Server) Signal(sig syscall.Signal) {
	s.T.Helper()
	if err := unix.Kill(s.PID, sig); err != nil {
		s.T.Fatalf("cannot send %v to %d: %v", sig, s.PID, err)
	}
}

// WaitExit waits for the end and returns the exit code, or 128 plus the signal that ended it; the test fails when it does not end.
func (s *Server) WaitExit(timeout time.Duration) int {
	s.T.Helper()
	select {
	case <-s.done:
	case <-time.After(timeout):
		s.T.Fatalf("still running after %s", timeout)
	}
	status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// End ends the server if it runs: SIGINT (uWSGI's stop), after five seconds SIGKILL for its whole tree.
func (s *Server) End() {
	if s.gone() {
		return
	}
	tree := Tree(s.PID)
	_ = unix.Kill(s.PID, unix.SIGINT)
	if len(tree) > 1 && strings.Contains(tree[0].Cmdline(), "unshare") {
		_ = unix.Kill(tree[1].PID, unix.SIGINT)
	}
	select {
	case <-s.done:
		return
	case <-time.After(5 * time.Second):
	}
	if !IsUWSGI() {
		s.T.Errorf("server %d did not stop on SIGINT within 5 s", s.PID)
	}
	for _, p := range Tree(s.PID) {
		_ = unix.Kill(p.PID, unix.SIGKILL)
	}
	<-s.done
}

// Master returns the host's pid of the only child of the parent: the master.
func (s *Server) Master() int {
	s.T.Helper()
	var children []Proc
	Eventually(5*time.Second, func() bool { children = Children(s.PID); return len(children) == 1 })
	if len(children) != 1 {
		s.T.Fatalf("the parent has %d children, not one", len(children))
	}
	return children[0].PID
}

// CountLog counts the lines that match.
func (s *Server) CountLog(expr string) int {
	return len(regexp.MustCompile("(?m)"+expr).FindAllString(s.Log(), -1))
}

// LogLines returns the lines of the log.
func (s *Server) LogLines() []string {
	var lines []string
	for line := range bytes.Lines([]byte(s.Log())) {
		lines = append(lines, strings.TrimRight(string(line), "\n"))
	}
	return lines
}
