package integration

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// manager is a service manager's notification socket.
type manager struct {
	conn  *net.UnixConn
	lines chan string
}

func newManager(e *harness.Env) (*manager, string) {
	e.T.Helper()
	name := e.Dir + "/notify.sock"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		e.T.Fatal(err)
	}
	e.T.Cleanup(func() { conn.Close() })
	m := &manager{conn, make(chan string, 1000)}
	go func() {
		buf := make([]byte, 8192)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.lines <- string(buf[:n])
		}
	}()
	return m, name
}

// next returns the next message that is no sign of life.
func (m *manager) next(t *testing.T) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case text := <-m.lines:
			if text != "WATCHDOG=1" {
				return text
			}
		case <-limit:
			t.Fatal("nothing is told to the service manager")
		}
	}
}

// TestNotify: the transcript of a service manager over a start, a reload, a failing one, and the end.
func TestNotify(t *testing.T) {
	e := harness.New(t)
	m, name := newManager(e)
	w := newSite(e, true)
	s := e.StartWith(harness.Options{Args: []string{"--ini", w.write()}, Env: []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=600000"}})
	if got := m.next(t); got != "READY=1\nSTATUS=uWSGI is ready" {
		t.Fatalf("first: %q", got)
	}
	if env := getFacts(t, "http", w.http).Environment; env["NOTIFY_SOCKET"] != "" || env["WATCHDOG_USEC"] != "" {
		t.Errorf("the app sees the service manager's variables: %v", env)
	}
	s.Signal(unix.SIGHUP)
	if got := m.next(t); !strings.HasPrefix(got, "RELOADING=1\n") || !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("reload: %q", got)
	}
	if got := m.next(t); got != "READY=1\nSTATUS=uWSGI is ready" {
		t.Errorf("after the reload: %q", got)
	}
	w.breakCode()
	s.Signal(unix.SIGHUP)
	if got := m.next(t); !strings.HasPrefix(got, "RELOADING=1\n") {
		t.Errorf("second reload: %q", got)
	}
	if got := m.next(t); !strings.HasPrefix(got, "READY=1\nSTATUS=Reload failed (app)") {
		t.Errorf("after the failing reload: %q", got)
	}
	// A master that does not answer is no sign of life.
	quiet := func() bool {
		for len(m.lines) > 0 {
			<-m.lines
		}
		select {
		case <-m.lines:
			return false
		case <-time.After(700 * time.Millisecond):
			return true
		}
	}
	if quiet() {
		t.Error("no sign of life from a stack that serves")
	}
	master := s.Master()
	_ = unix.Kill(master, unix.SIGSTOP)
	if !harness.Eventually(5*time.Second, quiet) {
		t.Error("signs of life although the master stands still")
	}
	_ = unix.Kill(master, unix.SIGCONT)
	if !harness.Eventually(5*time.Second, func() bool { return !quiet() }) {
		t.Error("no sign of life after the master goes on")
	}
	s.Signal(unix.SIGINT)
	if got := m.next(t); got != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("end: %q", got)
	}
	if code := s.WaitExit(5 * time.Second); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestActivation: sockets of a service manager, one configured by its address and one not at all, survive reloads and are not unlinked.
func TestActivation(t *testing.T) {
	e := harness.New(t)
	path := e.Dir + "/activated.sock"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	var files []*os.File
	for _, l := range []interface{ File() (*os.File, error) }{l.(*net.UnixListener), tcp.(*net.TCPListener)} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	// As systemd does it: the descriptors from 3 on, and LISTEN_PID is the pid of what is executed.
	script := `export LISTEN_PID=$$; exec "$@"`
	s := e.StartWith(harness.Options{
		Args:  []string{"--http-socket", path, "--protocol", "http", "--chdir", appDir(e), "--module", "probe", "--vacuum", "--processes", "2"},
		Env:   []string{"LISTEN_FDS=2"},
		Wrap:  []string{"sh", "-c", script, "sh"},
		Files: files,
	})
	addr := tcp.Addr().String()
	s.WaitServing("http", addr)
	for i := range 3 {
		for _, a := range []string{addr, path} {
			if r := harness.Get(t, "http", a, "/pid"); r.Status != 200 {
				t.Errorf("round %d, %s: %d", i, a, r.Status)
			}
		}
		if env := getFacts(t, "http", addr).Environment; env["LISTEN_FDS"] != "" || env["LISTEN_PID"] != "" {
			t.Errorf("the app sees the service manager's variables: %v", env)
		}
		s.Forget()
		s.Signal(unix.SIGHUP)
		s.WaitLog(5*time.Second, "spawned uWSGI worker 2")
		s.WaitServing("http", addr)
	}
	s.Signal(unix.SIGINT)
	s.WaitExit(5 * time.Second)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the manager's socket was removed: %v", err)
	}
}

// TestHealth: probes of an orchestrator, and a stop that waits for it.
func TestHealth(t *testing.T) {
	e := harness.New(t)
	health := harness.FreePort(t)
	s, addr := plain(e, 1, "--health", health, "--stop-delay", "2", "--die-on-term")
	status := func(path string) int {
		r, err := harness.Fetch("http", health, path, 3*time.Second)
		if err != nil {
			return 0
		}
		return r.Status
	}
	want := func(when string, live, ready int) {
		t.Helper()
		if !harness.Eventually(5*time.Second, func() bool { return status("/live") == live && status("/ready") == ready }) {
			t.Errorf("%s: live %d, ready %d, want %d and %d", when, status("/live"), status("/ready"), live, ready)
		}
	}
	want("serving", 200, 200)
	if code := status("/drain"); code != 200 {
		t.Errorf("drain: %d", code)
	}
	want("drained", 200, 503)
	if r := harness.Get(t, "http", addr, "/pid"); r.Status != 200 {
		t.Errorf("a drained server answers %d", r.Status)
	}
	if r, err := harness.FetchRaw(health, "DELETE /drain HTTP/1.0\r\n\r\n", 3*time.Second); err != nil || r.Status != 200 {
		t.Errorf("taking it back: %v", err)
	}
	want("taken back", 200, 200)
	s.Signal(unix.SIGTSTP)
	want("paused", 200, 503)
	s.Signal(unix.SIGTSTP)
	want("resumed", 200, 200)
	began := time.Now()
	s.Signal(unix.SIGTERM)
	want("stopping soon", 200, 503)
	for time.Since(began) < 1500*time.Millisecond {
		if r, err := harness.Fetch("http", addr, "/pid", 5*time.Second); err != nil || r.Status != 200 {
			t.Fatalf("in the delay: %v", err)
		}
	}
	if code := s.WaitExit(5 * time.Second); code != 0 || time.Since(began) < 2*time.Second {
		t.Errorf("exit %d after %v", code, time.Since(began))
	}
}
