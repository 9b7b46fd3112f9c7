package integration

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// alarmApp raises what the query asks for and dies when told to.
const alarmApp = `
import os
import signal
import uwsgi


def application(environ, start_response):
    what = environ['PATH_INFO']
    if what == '/alarm':
        uwsgi.alarm('file', 'from the app: ' + environ['QUERY_STRING'])
        uwsgi.alarm(b'unknown', b'nobody hears this')
    elif what == '/long':
        uwsgi.alarm('command', 'x' * 100000)
    elif what == '/flood':
        for n in range(5000):
            uwsgi.alarm('command', 'flood %d' % n)
    elif what == '/crash':
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == '/stop':
        os.kill(os.getpid(), signal.SIGSTOP)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(os.getpid()).encode()]
`

// TestAlarms: hooks, the app, a segmentation fault and a full listen queue raise alarms: a line of the log or of a file, a command with
// the message on its standard input.
func TestAlarms(t *testing.T) {
	e := harness.New(t)
	file, out := e.Dir+"/alarms", e.Dir+"/commands"
	e.Write("app/alarming.py", alarmApp)
	addr := harness.FreePort(t)
	s := e.Start("--http-socket", addr, "--chdir", e.Dir+"/app", "--module", "alarming", "--master", "--listen", "5", "--alarm-freq", "1",
		"--alarm", "file file:"+file, "--alarm", "command cmd:cat >> "+out+"; echo >> "+out, "--alarm", "log log:[page]",
		"--hook-master-start", "alarm:log the master starts", "--hook-post-fork", "alarm:file a worker starts",
		"--alarm-segfault", "file,command", "--alarm-backlog", "file")
	s.WaitServing("http", addr)
	has := func(path, want string) {
		t.Helper()
		if !harness.Eventually(5*time.Second, func() bool {
			text, _ := os.ReadFile(path)
			return strings.Contains(string(text), want+"\n")
		}) {
			text, _ := os.ReadFile(path)
			t.Errorf("%s has no line %.80q: %.500q", path, want, text)
		}
	}
	s.WaitLog(time.Second, `^ALARM: \[page\] the master starts$`)
	has(file, "a worker starts")
	getBody(t, "http", addr, "/alarm?one")
	has(file, "from the app: one")
	s.WaitLog(time.Second, `there is no alarm "unknown"`)
	getBody(t, "http", addr, "/long")
	has(out, strings.Repeat("x", 8192))
	_, _ = harness.Fetch("http", addr, "/crash", 5*time.Second)
	if !harness.Eventually(5*time.Second, func() bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "got Segmentation Fault")
	}) {
		t.Error("no alarm for a segmentation fault")
	}
	s.WaitServing("http", addr)
	getBody(t, "http", addr, "/flood")
	if n := lineCount(out); n > 150 {
		t.Errorf("%d commands for a flood of alarms", n)
	}
	noZombies(t, s)
	go func() { _, _ = harness.Fetch("http", addr, "/stop", 5*time.Second) }()
	for range 12 {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			break // the queue is full
		}
		defer conn.Close()
	}
	s.WaitLog(5*time.Second, `\*\*\* uWSGI listen queue of socket "127\.0\.0\.1:\d+" \(fd: \d+\) full !!! \(\d+/5\) \*\*\*`)
	if !harness.Eventually(3*time.Second, func() bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "listen queue of socket")
	}) {
		t.Error("no alarm for a full listen queue")
	}
}

// TestBadAlarms: what does not exist is said at the start.
func TestBadAlarms(t *testing.T) {
	e := harness.New(t)
	for _, row := range [][3]string{
		{"--alarm", "page", `not NAME KIND:ARGUMENT`},
		{"--alarm", "page xmpp:a@b", `alarms of the kind xmpp cannot be raised here.*sendxmpp`},
		{"--alarm", "page nonsense:x", `no alarm of the kind "nonsense"`},
		{"--alarm-backlog", "page", `there is no alarm "page"`},
		{"--hook-as-user", "alarm:page x", `alarms can only be raised once the master runs`},
	} {
		s := e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe", row[0], row[1])
		if code := s.WaitExit(5 * time.Second); code != 1 {
			t.Errorf("%s: exit code %d", row[1], code)
		}
		s.WaitLog(time.Second, row[2])
	}
}

// TestLogAlarms: a line of the log raises an alarm, also one that the app only prints; not-log-alarm spares what it matches.
func TestLogAlarms(t *testing.T) {
	e := harness.New(t)
	file := e.Dir + "/alarms"
	s, addr := plain(e, 1, "--alarm", "file file:"+file, "--alarm", "log log:[page]",
		"--not-log-alarm", "file generated .* bytes", "--log-alarm", "file,log probe said|/nothing", "--attach-daemon", "echo probe said this; exec sleep 1030")
	hits := func() string {
		text, _ := os.ReadFile(file)
		return string(text)
	}
	if !harness.Eventually(5*time.Second, func() bool { return strings.Contains(hits(), "probe said this\n") }) {
		t.Fatalf("no alarm for a printed line: %q", hits())
	}
	s.WaitLog(2*time.Second, `^ALARM: \[page\] probe said this$`)
	_, _ = harness.Fetch("http", addr, "/nothing", 2*time.Second)
	s.WaitLog(3*time.Second, `GET /nothing => generated`)
	if strings.Contains(hits(), "/nothing") {
		t.Errorf("a line that was to be spared raised an alarm: %q", hits())
	}
	if n := s.CountLog("^ALARM: "); n > 2 {
		t.Errorf("%d alarms in the log: they raise each other", n)
	}
}
