package python_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gowsgi/worker"
)

var (
	requestLine = regexp.MustCompile(`(?m)^\[pid: .*$`)
	volatile    = regexp.MustCompile(`pid: \d+|in \d+ msecs|\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]`)
)

// TestRequestLine compares the request lines with those that the real uWSGI writes for the same requests and app.
func TestRequestLine(t *testing.T) {
	if _, err := exec.LookPath("uwsgi"); err != nil {
		t.Skip("no uwsgi to compare with")
	}
	m, _ := startApp(t, func(c *worker.Conf) { c.LogRequests = true; c.NeedApp = true }, "uwsgi")
	addr := freeAddr(t)
	logPath := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command("uwsgi", "--plugin", "python3", "--socket", addr, "--master", "--processes", "1", "--module", "app", "--pythonpath", m.dir, "--logto", logPath)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGINT); cmd.Wait() })
	waitFor(t, addr)
	requests := [][]byte{
		get("/ignore"),
		get("/gen", "REMOTE_USER", "joe", "HTTP_USER_AGENT", `a"b`, "QUERY_STRING", "x=1", "REQUEST_URI", "/gen?x=\xe9"),
		get("/empty"),
		get("/writes"),
		append(get("/echo", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", "5", "SERVER_PROTOCOL", "HTTP/1.0"), "12345"...),
		get("/length", "REQUEST_METHOD", "DELETE", "QUERY_STRING", "10"),
	}
	for _, data := range requests {
		talk(t, m.addrs[0], data)
		talk(t, addr, data)
	}
	m.waitLogs("[pid: ", len(requests))
	theirs := linesOf(logPath, requestLine, len(requests))
	ours := requestLine.FindAllString(m.log.String(), -1)
	if len(theirs) != len(ours) {
		t.Fatalf("%d lines from uwsgi, %d from gowsgi", len(theirs), len(ours))
	}
	for i := range ours {
		a, b := volatile.ReplaceAllString(ours[i], "~"), volatile.ReplaceAllString(theirs[i], "~")
		if a != b {
			t.Errorf("request %.60q\n gowsgi %s\n uwsgi  %s", requests[i][20:], ours[i], theirs[i])
		}
		if strings.Count(a, "~") != 3 {
			t.Errorf("pid, time or duration is not where it belongs: %s", ours[i])
		}
	}
}

// TestJSONLines has every line of the runtime be one JSON object, whatever the client sends.
func TestJSONLines(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) { c.LogRequests, c.LogJSON = true, true }, "uwsgi")
	talk(t, m.addrs[0], get("/ignore", "REQUEST_URI", "/\"\\\x00\x01\n\r\t\x7f\xe2\x80\xa8</é", "HTTP_USER_AGENT", `"}`+"\n{", "HTTP_HOST", "h"))
	talk(t, m.addrs[0], packet(5, "A", "b"))
	m.waitLogs("\n", 2)
	var seen []map[string]any
	for line := range strings.Lines(m.log.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339, object["time"].(string)); err != nil {
			t.Error(err)
		}
		seen = append(seen, object)
	}
	if got := seen[0]["uri"]; got != "/\"\\\x00\x01\n\r\t\x7f\u00e2\u0080\u00a8</\u00c3\u00a9" {
		t.Errorf("uri is %q", got)
	}
	if seen[0]["status"] != 200.0 || seen[0]["rsize"] != 7.0 || seen[0]["method"] != "GET" || seen[0]["host"] != "h" {
		t.Errorf("the request is %v", seen[0])
	}
	if seen[1]["message"] != "-- unavailable modifier requested: 5 --" {
		t.Errorf("the runtime's own line is %v", seen[1])
	}
}

// TestForgedLine has no client make two lines of one in the plain log.
func TestForgedLine(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) { c.LogRequests = true }, "uwsgi")
	talk(t, m.addrs[0], get("/ignore", "REQUEST_URI", "/a\n[pid: 1|app: 0|req: 9/9] forged\r"))
	m.waitLog(`GET /a\n[pid: 1|app: 0|req: 9/9] forged\r => generated 7 bytes`)
	m.waitLogs("\n", 1)
}

// TestLogFormat compares lines of log-format with those of the real uWSGI: every variable that both can know.
func TestLogFormat(t *testing.T) {
	if _, err := exec.LookPath("uwsgi"); err != nil {
		t.Skip("no uwsgi to compare with")
	}
	const format = `%(uri)|%(method)|%(user)|%(addr)|%(host)|%(proto)|%(uagent)|%(referer)|%(status)|%(rsize)|%(hsize)|%(size)|%(cl)|` +
		`%(wid)|%(switches)|%(vars)|%(core)|%(pktsize)|%(modifier1)|%(modifier2)|%(headers)|%(werr)|%(rerr)|%(ioerr)|%(var.HTTP_X)|%(nothing)|100% of it`
	const timed = `{%(micros)|%(msecs)|%(secs)|%(tmsecs)|%(tmicros)|%(time)|%(ltime)|%(ftime)|%(ctime)|%(epoch)|%(pid)}`
	m, _ := startApp(t, func(c *worker.Conf) {
		c.LogRequests, c.NeedApp = true, true
		c.RequestLog = worker.RequestLog{All: true, Format: "line " + format + timed, XFF: true}
	}, "uwsgi")
	addr := freeAddr(t)
	logPath := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command("uwsgi", "--plugin", "python3", "--socket", addr, "--master", "--processes", "1", "--module", "app", "--pythonpath", m.dir,
		"--logto", logPath, "--log-x-forwarded-for", "--log-format", "line "+format+timed)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGINT); cmd.Wait() })
	waitFor(t, addr)
	requests := [][]byte{
		get("/ignore"),
		get("/gen", "REMOTE_USER", "joe", "HTTP_USER_AGENT", `a"b`, "HTTP_REFERER", "http://x/%s", "HTTP_X", "\xe9", "REQUEST_URI", "/gen?x=\xe9"),
		get("/empty", "HTTP_HOST", "h", "HTTP_X_FORWARDED_FOR", "1.2.3.4, 5.6.7.8"),
		append(get("/echo", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", "5", "SERVER_PROTOCOL", "HTTP/1.0"), "12345"...),
	}
	for _, data := range requests {
		talk(t, m.addrs[0], data)
		talk(t, addr, data)
	}
	m.waitLogs("line ", len(requests))
	lines := regexp.MustCompile(`(?m)^line .*$`)
	theirs := linesOf(logPath, lines, len(requests))
	ours := lines.FindAllString(m.log.String(), -1)
	if len(theirs) != len(requests) || len(ours) != len(requests) {
		t.Fatalf("%d lines from uwsgi, %d from gowsgi", len(theirs), len(ours))
	}
	shape := regexp.MustCompile(`\{\d+\|\d+\|\d+\.\d{6}\|\d{13}\|\d{16}\|\d{10}\|\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\|\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\|` +
		`\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\|\d{10}\|\d+\}$`)
	for i := range ours {
		a, b := shape.ReplaceAllString(ours[i], "~"), shape.ReplaceAllString(theirs[i], "~")
		if a != b || !strings.HasSuffix(a, "~") {
			t.Errorf("request %d\n gowsgi %q\n uwsgi  %q", i, ours[i], theirs[i])
		}
	}
}

// TestLogSome: with disable-logging only what the conditions name is logged.
func TestLogSome(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) {
		c.LogRequests = true
		c.RequestLog = worker.RequestLog{E4xx: true, Zero: true, Micros: true, Memory: true}
	}, "uwsgi")
	talk(t, m.addrs[0], get("/ignore"))
	talk(t, m.addrs[0], get("/empty"))
	talk(t, m.addrs[0], get("/ignore"))
	m.waitLogs("=> generated", 1)
	if !regexp.MustCompile(`(?m)^\{address space usage: \d+ bytes/\d+MB\} \{rss usage: \d+ bytes/\d+MB\} \[pid: .* GET /empty => generated 0 bytes in \d+ micros \(`).MatchString(m.log.String()) {
		t.Errorf("the log is\n%s", m.log.String())
	}
}

// TestLogFormatEscapes: values are escaped in a format that makes JSON, and no client makes two lines of one in another.
func TestLogFormatEscapes(t *testing.T) {
	for format, want := range map[string]string{
		`{"uri": "%(uri)", "n": %(rsize)}`: `{"uri": "/a\"\n\\", "n": 7}`,
		`uri %(uri)`:                       `uri /a"\n\`,
	} {
		m, _ := startApp(t, func(c *worker.Conf) {
			c.LogRequests = true
			c.RequestLog = worker.RequestLog{All: true, Format: format, Escape: strings.HasPrefix(format, "{")}
		}, "uwsgi")
		talk(t, m.addrs[0], get("/ignore", "REQUEST_URI", "/a\"\n\\"))
		m.waitLog(want)
	}
}

// linesOf waits until a log has so many lines of a kind, and returns those that it has.
func linesOf(logPath string, kind *regexp.Regexp, want int) (lines []string) {
	for range 100 {
		out, _ := os.ReadFile(logPath)
		if lines = kind.FindAllString(string(out), -1); len(lines) == want {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return lines
}
