package python_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// TestMain keeps what the test process itself inherited out of the zygote.
func TestMain(m *testing.M) {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintf(os.Stderr, "cannot mark descriptors close-on-exec: %v\n", err)
	}
	os.Exit(m.Run())
}

// interpreter is the Python the tests run; GOWSGI_TEST_PYTHON names another.
func interpreter(t testing.TB) string {
	t.Helper()
	path := os.Getenv("GOWSGI_TEST_PYTHON")
	if path == "" {
		path = "/usr/bin/python3"
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no Python to test with: %v", err)
	}
	return path
}

// testMaster plays the master: it starts the zygote, holds its channel, board and lifeline, and reaps the workers, which
// are reparented to the test process as to a child subreaper.
type testMaster struct {
	t        testing.TB
	conf     worker.Conf
	channel  int
	board    *os.File
	mem      []byte
	lifeline *os.File
	zygote   int
	log      *logBuffer
	messages chan string
	addrs    []string
	shared   []int // a descriptor of ours for each socket
	dir      string
	seq      uint64
	done     bool
}

// logBuffer collects what the zygote and the workers write to 1 and 2.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newConf is a configuration with the values that the option defaults give.
func newConf(module string, protos ...string) worker.Conf {
	conf := worker.Conf{
		Version: "0", UWSGIVersion: "2.0.21", Processes: 1, Threads: 1, Module: module, Node: "testnode",
		MasterPID: os.Getpid(), BufferSize: 4096, Timeout: 1, LogFD: 2, RequestLog: worker.RequestLog{All: true},
	}
	for _, proto := range protos {
		family := "inet"
		if strings.HasSuffix(proto, "+unix") {
			proto, family = strings.TrimSuffix(proto, "+unix"), "unix"
		} else if strings.HasSuffix(proto, "+mptcp") {
			proto, family = strings.TrimSuffix(proto, "+mptcp"), "mptcp"
		}
		conf.Sockets = append(conf.Sockets, worker.Listener{Proto: proto, Family: family})
	}
	return conf
}

// startMaster writes app as app.py, binds the sockets and starts the zygote.
func startMaster(t testing.TB, conf worker.Conf, app string) *testMaster {
	t.Helper()
	python := interpreter(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Skipf("cannot become a child subreaper: %v", err)
	}
	m := &testMaster{t: t, conf: conf, log: &logBuffer{}, messages: make(chan string, 64), dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(m.dir, "app.py"), []byte(app), 0o644); err != nil {
		t.Fatal(err)
	}
	m.conf.PythonPath = append([]string{m.dir}, conf.PythonPath...)
	m.conf.Sockets = append([]worker.Listener(nil), conf.Sockets...)
	m.makeBoard()
	m.spawn(python)
	t.Cleanup(m.kill)
	return m
}

func (m *testMaster) listen(i int) *os.File {
	l := &m.conf.Sockets[i]
	if l.Family == "unix" {
		l.Addr = filepath.Join(m.dir, fmt.Sprintf("%d.sock", i))
	}
	network, addr := "tcp", "127.0.0.1:0"
	if l.Family == "unix" {
		network, addr = "unix", l.Addr
	}
	// Go listens with multipath TCP where the kernel has it: "+mptcp" in a test's protocol keeps that.
	var config net.ListenConfig
	config.SetMultipathTCP(l.Family == "mptcp")
	if l.Family == "mptcp" {
		l.Family = "inet"
	}
	listener, err := config.Listen(context.Background(), network, addr)
	m.must(err)
	l.Addr = listener.Addr().String()
	m.addrs = append(m.addrs, l.Addr)
	var f *os.File
	switch listener := listener.(type) {
	case *net.TCPListener:
		f, err = listener.File()
	case *net.UnixListener:
		listener.SetUnlinkOnClose(false)
		f, err = listener.File()
	}
	m.must(err)
	listener.Close()
	if l.Family != "unix" {
		limit := unix.Timeval{Sec: int64(m.conf.Timeout)}
		m.must(unix.SetsockoptTimeval(int(f.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
		m.must(unix.SetsockoptTimeval(int(f.Fd()), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
	}
	own, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	m.must(err)
	m.t.Cleanup(func() { unix.Close(own) })
	m.shared = append(m.shared, own)
	return f // it blocks: workers with this socket alone wait in accept(2), those with more make it non-blocking
}

func (m *testMaster) spawn(python string) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	m.must(err)
	m.channel = pair[0]
	theirs := os.NewFile(uintptr(pair[1]), "channel")
	life, ours, err := os.Pipe()
	m.must(err)
	m.lifeline = ours
	null, err := os.Open("/dev/null")
	m.must(err)
	logRead, logWrite, err := os.Pipe()
	m.must(err)
	files := worker.ZygoteFiles{Channel: theirs, Board: m.board, Lifeline: life, Stdin: null, Log: logWrite}
	for i := range m.conf.Sockets {
		files.Listeners = append(files.Listeners, m.listen(i))
	}
	z, err := worker.NewZygote(python, m.conf, files)
	m.must(err)
	env := []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	m.zygote, err = syscall.ForkExec(z.Path, z.Argv, &syscall.ProcAttr{Dir: m.dir, Env: env, Files: z.Files})
	m.must(err)
	m.must(z.Close())
	for _, f := range append(files.Listeners, theirs, life, null, logWrite) {
		f.Close()
	}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := logRead.Read(buf)
			if err != nil {
				logRead.Close()
				return
			}
			m.log.Write(buf[:n])
			if testing.Verbose() && os.Getenv("GOWSGI_TEST_LOG") != "" {
				os.Stderr.Write(buf[:n])
			}
		}
	}()
	go func() {
		defer close(m.messages)
		buf := make([]byte, 4096)
		for {
			n, err := unix.Read(m.channel, buf)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			m.messages <- string(buf[:n])
		}
	}()
}

func (m *testMaster) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// next waits for a message.
func (m *testMaster) next() string {
	m.t.Helper()
	select {
	case msg, ok := <-m.messages:
		if !ok {
			m.t.Fatalf("the channel ended; log:\n%s", m.log)
		}
		return msg
	case <-time.After(30 * time.Second):
		m.t.Fatalf("no message within 30 s; log:\n%s", m.log)
	}
	return ""
}

// loaded waits for the end of the import and returns its verdict.
func (m *testMaster) loaded() bool {
	m.t.Helper()
	msg, err := worker.ParseMessage([]byte(m.next()))
	m.must(err)
	if msg.Kind != worker.Loaded {
		m.t.Fatalf("first message is %q, want loaded", msg.Kind)
	}
	return msg.OK
}

// fork asks for a worker, and returns its pid and whether it has an app once it is ready.
func (m *testMaster) fork(slot int) (pid int, app bool) {
	m.t.Helper()
	pid = m.forkOnly(slot)
	ready, err := worker.ParseMessage([]byte(m.next()))
	m.must(err)
	if ready.Kind != worker.Ready || ready.PID != pid || ready.Slot != slot {
		m.t.Fatalf("got %+v, want ready of slot %d pid %d; log:\n%s", ready, slot, pid, m.log)
	}
	return pid, ready.OK
}

func (m *testMaster) forkOnly(slot int) int {
	m.t.Helper()
	m.seq++
	_, err := unix.Write(m.channel, worker.ForkCommand(slot, m.seq, 0))
	m.must(err)
	forked, err := worker.ParseMessage([]byte(m.next()))
	for err == nil && forked.Kind == worker.Ready { // of one that was ended before it was read
		forked, err = worker.ParseMessage([]byte(m.next()))
	}
	m.must(err)
	if forked.Kind != worker.Forked || forked.Seq != m.seq || forked.Slot != slot {
		m.t.Fatalf("got %+v, want the answer to fork %d of slot %d", forked, m.seq, slot)
	}
	return forked.PID
}

// wait reaps a child and returns its status; it fails the test when that takes longer than limit.
func (m *testMaster) wait(pid int, limit time.Duration) unix.WaitStatus {
	m.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		if got == pid {
			return status
		}
		// A worker becomes our child when its intermediate parent has exited, a moment after `forked`.
		if err != nil && err != unix.EINTR && (err != unix.ECHILD || time.Now().After(deadline)) {
			m.t.Fatalf("cannot wait for %d: %v; log:\n%s", pid, err, m.log)
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("process %d did not end within %s; log:\n%s", pid, limit, m.log)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// kill ends everything the test started.
func (m *testMaster) kill() {
	if m.done {
		return
	}
	m.done = true
	unix.Kill(m.zygote, unix.SIGKILL)
	unix.Wait4(m.zygote, nil, 0, nil)
	m.lifeline.Close()
	for m.reapAny() {
		time.Sleep(2 * time.Millisecond)
	}
	unix.Shutdown(m.channel, unix.SHUT_RDWR)
	for range m.messages {
	}
	unix.Close(m.channel)
	m.board.Close()
	unix.Munmap(m.mem)
}

// reapAny kills and reaps the reparented workers; false when no child is left.
func (m *testMaster) reapAny() bool {
	for _, pid := range children() {
		unix.Kill(pid, unix.SIGKILL)
	}
	_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	return err == nil || err == unix.EINTR
}

// children lists the test process's own children.
func children() []int {
	var pids []int
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(text)) {
			var pid int
			if _, err := fmt.Sscan(word, &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// waitLog waits until the log holds want.
func (m *testMaster) waitLog(want string) {
	m.t.Helper()
	if !m.inLog(want, 1) {
		m.t.Fatalf("the log has no %q:\n%s", want, m.log)
	}
}

// waitLogs waits until the log holds want so often, and not more often.
func (m *testMaster) waitLogs(want string, times int) {
	m.t.Helper()
	if !m.inLog(want, times) || strings.Count(m.log.String(), want) != times {
		m.t.Fatalf("the log has %d times %q, want %d:\n%s", strings.Count(m.log.String(), want), want, times, m.log)
	}
}

func (m *testMaster) inLog(want string, times int) bool {
	deadline := time.Now().Add(20 * time.Second)
	for strings.Count(m.log.String(), want) < times {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}
