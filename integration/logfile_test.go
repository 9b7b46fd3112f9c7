package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// fileHas waits until a file holds what matches.
func fileHas(t *testing.T, path, expr string) {
	t.Helper()
	re := regexp.MustCompile("(?m)" + expr)
	var text []byte
	if !harness.Eventually(5*time.Second, func() bool {
		text, _ = os.ReadFile(path)
		return re.Match(text)
	}) {
		t.Errorf("%s does not match %q:\n%.3000s", path, expr, text)
	}
}

// TestDaemonize: the caller waits until the app serves, then it ends with 0, and everything goes on without it.
func TestDaemonize(t *testing.T) {
	outer := harness.New(t)
	for _, option := range []string{"--daemonize", "--daemonize2"} {
		e := outer.With(t)
		addr := harness.FreePort(t)
		logFile, pidfile, pidfile2 := e.Dir+"/log"+option, e.Dir+"/pid", e.Dir+"/pid2"
		s := e.StartWith(harness.Options{Args: []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe",
			option, logFile, "--pidfile", pidfile, "--safe-pidfile2", pidfile2, "--log-date=%Y date"}})
		if code := s.WaitExit(10 * time.Second); code != 0 {
			t.Fatalf("the caller ends with %d: %s", code, s.Log())
		}
		getBody(t, "http", addr, "/code") // it serves already
		fileHas(t, logFile, `^\d{4} date - spawned uWSGI worker 1`)
		fileHas(t, logFile, `^\[pid: .*GET /code => generated`)
		text, _ := os.ReadFile(pidfile)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid == s.PID {
			t.Fatalf("the pidfile holds %q", text)
		}
		if text2, _ := os.ReadFile(pidfile2); string(text2) != string(text) {
			t.Errorf("safe-pidfile2 holds %q, pidfile %q", text2, text)
		}
		for fd := range 3 {
			if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); link != "/dev/null" {
				t.Errorf("descriptor %d of the daemon is %s", fd, link)
			}
		}
		if got := s.Log(); got != "" && option == "--daemonize" { // the file of daemonize2 is not open from the first line on
			t.Errorf("the terminal got %q", got)
		}
		if err := unix.Kill(pid, unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		fileHas(t, logFile, `goodbye to uWSGI\.$`)
		e.CheckLeftovers()
	}
}

// TestDaemonizeFails: a start that fails is told to the caller, with its exit code.
func TestDaemonizeFails(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	taken, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := e.Start("--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--daemonize", e.Dir+"/log")
	if code := s.WaitExit(10 * time.Second); code != 1 {
		t.Errorf("exit code %d", code)
	}
	s.WaitLog(time.Second, "address already in use")
	s = e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "nowhere", "--need-app", "--daemonize", e.Dir+"/log")
	if code := s.WaitExit(10 * time.Second); code != 22 {
		t.Errorf("exit code %d", code)
	}
	fileHas(t, e.Dir+"/log", "No module named 'nowhere'")
	s = e.Start("--http-socket", addr, "--module", "probe", "--daemonize", e.Dir+"/missing/log")
	if code := s.WaitExit(10 * time.Second); code != 1 {
		t.Errorf("exit code %d", code)
	}
	s.WaitLog(time.Second, "cannot open the log.*missing")
}

// TestLogRotation: by size, by a touched file, by letters of the master fifo, at a reload; no line is lost and everybody writes to the new
// file at once.
func TestLogRotation(t *testing.T) {
	e := harness.New(t)
	path, touch := e.Dir+"/log", e.Write("touch", "")
	s, addr := plain(e, 2, "--logto", path, "--log-backupname", path+".old", "--touch-logreopen", touch, "--log-reopen", "--master-fifo", e.Dir+"/fifo",
		"--log-maxsize", "60000")
	move := func(how string, do func()) {
		t.Helper()
		name := filepath.Join(e.Dir, how)
		if err := os.Rename(path, name); err != nil {
			t.Fatal(err)
		}
		do()
		if !harness.Eventually(5*time.Second, func() bool { return harness.Exists(path) }) {
			t.Fatalf("%s: there is no new log", how)
		}
		getBody(t, "http", addr, "/log?"+how)
		fileHas(t, path, "^"+how+"$")
		fileHas(t, path, `GET /log\?`+how+` => generated`)
	}
	letter := func(l string) {
		if err := os.WriteFile(e.Dir+"/fifo", []byte(l), 0); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1200 * time.Millisecond) // the file of touch-logreopen is looked at for the first time
	move("touched", func() { e.Write("touch", "again") })
	move("lettered", func() { letter("l") })
	move("reloaded", func() { s.Signal(unix.SIGHUP) })
	s.WaitServing("http", addr)
	getBody(t, "http", addr, "/log?before-the-rotation")
	fileHas(t, path, "^before-the-rotation$")
	letter("L")
	fileHas(t, path+".old", "before-the-rotation")
	getBody(t, "http", addr, "/log?"+strings.Repeat("x", 3000))
	for range 25 {
		getBody(t, "http", addr, "/log?"+strings.Repeat("y", 3000))
	}
	fileHas(t, path, "triggering rotation")
	fileHas(t, path+".old", "^y{900}y*$")
}

// TestLateLog: logto2 is opened with the rights of the app's user, below the jail's root.
func TestLateLog(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := e.RootfsCopy()
	if err := os.MkdirAll(root+"/logs", 0o755); err != nil {
		t.Fatal(err)
	}
	start := func() *harness.Server {
		return e.Start(append(jailArgs(root, harness.FreePort(t), 1), "--logto2", "/logs/app.log", "--pidfile2", "/logs/pid")...)
	}
	s := start()
	if code := s.WaitExit(10 * time.Second); code != 1 {
		t.Errorf("a directory of root's: exit code %d", code)
	}
	s.WaitLog(time.Second, "cannot open the log: /logs/app.log: permission denied")
	if err := os.Chmod(root+"/logs", 0o777); err != nil {
		t.Fatal(err)
	}
	secret := e.Write("secret", "")
	if err := os.Symlink(secret, root+"/logs/app.log"); err != nil {
		t.Fatal(err)
	}
	if code := start().WaitExit(10 * time.Second); code != 1 {
		t.Errorf("a link: exit code %d", code)
	}
	if err := os.Remove(root + "/logs/app.log"); err != nil {
		t.Fatal(err)
	}
	s = start()
	fileHas(t, root+"/logs/app.log", "spawned uWSGI worker 1")
	fileHas(t, root+"/logs/pid", fmt.Sprintf(`\A%d\n\z`, s.PID))
	var st unix.Stat_t
	if err := unix.Stat(root+"/logs/app.log", &st); err != nil || st.Uid == 0 {
		t.Errorf("the log belongs to %d, %v", st.Uid, err)
	}
}

// TestLoggers: the app's lines, the server's own and the request lines each go where they are sent.
func TestLoggers(t *testing.T) {
	e := harness.New(t)
	app, def, req := e.Dir+"/app.log", e.Dir+"/default.log", e.Dir+"/req.log"
	_, addr := plain(e, 2, "--logger", "app file:"+app, "--logger", "file:"+def, "--req-logger", "file:"+req,
		"--log-route", "app said-by", "--log-encoder", "format:app <${msg}>", "--log-req-encoder", "json {\"m\": \"${msg}\"}",
		"--log-drain", "drained-by", "--log-format", "%(method) \"%(uri)\" %(status)", "--disable-logging", "--log-4xx")
	getBody(t, "http", addr, "/log?said-by-the-app")
	getBody(t, "http", addr, "/log?drained-by-us")
	if r := harness.Get(t, "http", addr, "/nowhere"); r.Status != 404 {
		t.Errorf("status %d", r.Status)
	}
	fileHas(t, app, `\A(<said-by-the-app>\n)+\z`)
	fileHas(t, def, "^spawned uWSGI worker 1")
	fileHas(t, req, `\A(\{"m": "GET \\"/[^"]*\\" 404"\}\n)*\{"m": "GET \\"/nowhere\\" 404"\}\n\z`)
	for _, path := range []string{app, def, req} {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), "drained-by") {
			t.Errorf("%s has a line that is drained", path)
		}
	}
}
