package python_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

func testApp(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/app.py")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startApp starts one worker of the behaviour tests' application on sockets of the given protocols.
func startApp(t testing.TB, change func(*worker.Conf), protos ...string) (m *testMaster, pid int) {
	t.Helper()
	conf := newConf("app", protos...)
	if change != nil {
		change(&conf)
	}
	m = startMaster(t, conf, testApp(t))
	if !m.loaded() {
		t.Fatalf("app did not load:\n%s", m.log)
	}
	pid, _ = m.fork(1)
	return m, pid
}

// body cuts the head off a response.
func body(response string) string {
	_, after, _ := strings.Cut(response, "\r\n\r\n")
	return after
}

// TestAnswers runs what PEP 3333 lets an application do, on both protocols.
func TestAnswers(t *testing.T) {
	const start = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	const failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n"
	tests := []struct {
		path string
		head string // without the server's own header and the empty line
		body string
		log  string
		exc  uint64 // exceptions counted
	}{
		{path: "/gen", head: start, body: "ab", log: "generator closed"},
		{path: "/empty", head: start},
		{path: "/none", head: "HTTP/1.1 204 No Content\r\n"},
		{path: "/text", head: failed, body: "Internal Server Error", log: "TypeError: the application sent str, not bytes", exc: 1},
		{path: "/raises", head: failed, body: "Internal Server Error", log: "ValueError: boo before", exc: 1},
		{path: "/raises_after", head: failed, body: "Internal Server Error", log: "ValueError: boo after start_response", exc: 1},
		{path: "/raises_late", head: start, body: "begun", log: "ValueError: boo late", exc: 1},
		{path: "/exits", head: failed, body: "Internal Server Error", log: "SystemExit: 3", exc: 1},
		{path: "/replaces", head: "HTTP/1.1 503 Sorry\r\nX-Error: 1\r\n", body: "replaced"},
		{path: "/replaces_late", head: start, body: "sent", log: "ValueError: raised again", exc: 1},
		{path: "/twice", head: failed, body: "Internal Server Error", log: "start_response was called twice", exc: 1},
		{path: "/writes", head: start, body: "one two three"},
		{path: "/split", head: failed, body: "Internal Server Error", log: "holds a line break", exc: 1},
		{path: "/integer", head: failed, body: "Internal Server Error", log: "list of (str, str) pairs", exc: 1},
		{path: "/file", head: start, body: testApp(t)[3:]},
		{path: "/blocks", head: start, body: "0123456789"},
		{path: "/big", head: start, body: strings.Repeat("0123456789abcdef", 65536*4)},
	}
	m, _ := startApp(t, nil, "uwsgi", "http", "uwsgi+unix")
	var requests, exceptions uint64
	for _, test := range tests {
		for i, own := range []string{"", "Connection: close\r\n", ""} {
			data := get(test.path)
			if i == 1 {
				data = []byte("GET " + test.path + " HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			got := talk(t, m.addrs[i], data)
			if want := test.head + own + "\r\n" + test.body; got != want {
				t.Errorf("%s on socket %d: got %.300q, want %.300q", test.path, i, got, want)
			}
			if test.log != "" {
				m.waitLog(test.log)
			}
			requests, exceptions = requests+1, exceptions+test.exc
			m.waitField(1, 0, fieldRequests, requests)
			m.waitField(1, 0, fieldExceptions, exceptions)
		}
	}
	if strings.Contains(m.log.String(), "_gowsgi/core.py") {
		t.Errorf("an application's traceback begins in the runtime:\n%s", m.log)
	}
}

// TestHead sends HEAD: the application's body is not sent, on either protocol.
func TestHead(t *testing.T) {
	m, _ := startApp(t, nil, "uwsgi", "http", "http11")
	for i, own := range []string{"", "Connection: close\r\n", "Connection: close\r\n"} {
		data := get("/ignore", "REQUEST_METHOD", "HEAD")
		if i > 0 {
			data = []byte("HEAD /ignore HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}
		want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + own + "\r\n"
		if got := talk(t, m.addrs[i], data); got != want {
			t.Errorf("socket %d: got %q, want %q", i, got, want)
		}
	}
}

// TestValidator runs wsgiref.validate over requests with and without bodies on every protocol.
func TestValidator(t *testing.T) {
	app := `
from wsgiref.validate import validator
def inner(environ, start_response):
    data = environ["wsgi.input"].read(10) + environ["wsgi.input"].read(100)
    data += b"".join(environ["wsgi.input"]) + environ["wsgi.input"].readline() + b"".join(environ["wsgi.input"].readlines())
    environ["wsgi.errors"].write("errors written\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [data + b"."]
application = validator(inner)
`
	m := startMaster(t, newConf("app", "uwsgi", "http", "http11"), app)
	m.loaded()
	m.fork(1)
	for range 2 {
		for i, data := range []string{
			string(get("/")), "GET /?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		} {
			if got := talk(t, m.addrs[i], []byte(data)); !strings.HasPrefix(got, "HTTP/1.1 200 OK") || !strings.Contains(body(got), ".") {
				t.Errorf("GET on socket %d: %q\n%s", i, got, m.log)
			}
		}
	}
	post := get("/", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", "5", "CONTENT_TYPE", "a/b", "HTTP_CONTENT_LENGTH", "5", "HTTP_CONTENT_TYPE", "a/b")
	head := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: a/b\r\n"
	for i, data := range []string{
		string(post) + "12345", head + "Content-Length: 5\r\n\r\n12345", head + "Transfer-Encoding: chunked\r\n\r\n2\r\n12\r\n3\r\n345\r\n0\r\n\r\n",
	} {
		if got := talk(t, m.addrs[i], []byte(data)); !strings.Contains(got, "12345.") {
			t.Errorf("POST on socket %d: %q\n%s", i, got, m.log)
		}
	}
	if strings.Contains(m.log.String(), "Warning") || strings.Contains(m.log.String(), "Error") {
		t.Errorf("the validator complained:\n%s", m.log)
	}
	m.waitLogs("errors written", 9)
}

// TestThreads has the cores of one worker serve at the same time, each with its own area of the board.
func TestThreads(t *testing.T) {
	m, pid := startApp(t, func(c *worker.Conf) { c.Threads = 3; c.Timeout = 4 }, "http")
	begin := time.Now()
	results := make(chan string, 3)
	for range 3 {
		go func() { results <- talk(t, m.addrs[0], []byte("GET /slow?0.5 HTTP/1.1\r\nHost: x\r\n\r\n")) }()
	}
	for range 3 {
		if got := <-results; body(got) != "slow" {
			t.Errorf("got %q", got)
		}
	}
	if took := time.Since(begin); took > 1400*time.Millisecond {
		t.Errorf("three requests of 0.5 s on three cores took %s", took)
	}
	for core := range 3 {
		m.waitField(1, core, fieldRequests, 1)
	}
	got := body(talk(t, m.addrs[0], []byte("GET /env HTTP/1.1\r\nHost: x\r\n\r\n")))
	if !strings.Contains(got, "wsgi.multithread=True") || !regexp.MustCompile(`uwsgi.core=[012]\n`).MatchString(got) {
		t.Errorf("environ of a worker with threads:\n%s", got)
	}
	if !strings.Contains(body(talk(t, m.addrs[0], []byte("GET /module HTTP/1.1\r\nHost: x\r\n\r\n"))), "True") {
		t.Error("the uwsgi module finds no request in a thread")
	}
	unix.Kill(pid, unix.SIGHUP)
	if status := m.wait(pid, 3*time.Second); status.ExitStatus() != 17 {
		t.Errorf("the worker ended with %v, want exit code 17\n%s", status, m.log)
	}
}

// TestModule looks at the uwsgi module from inside a request.
func TestModule(t *testing.T) {
	m, pid := startApp(t, func(c *worker.Conf) {
		c.LogRequests, c.LogJSON = true, true
		c.Processes = 2
		c.Opt = [][2]string{{"master", ""}, {"socket", "a"}, {"socket", "b"}, {"module", "app"}}
	}, "http")
	post := "POST /module HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
	got := body(talk(t, m.addrs[0], []byte(post)))
	want := fmt.Sprintf(`[1, %d, 2, 1, b'testnode', b'2.0.21', (2, 0, 21), {'master': True, 'socket': [b'a', b'b'], 'module': b'app'}, 3, b'va"lue\n', None, 0, True, 2, True, False]`, os.Getpid())
	if got != want {
		t.Errorf("got  %s\nwant %s\n%s", got, want, m.log)
	}
	m.waitLog(`"logged by the app"`)
	m.waitLog(`"key":"va\"lue\n"}`)
	if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) != "renamed\n" {
		t.Errorf("comm is %q", comm)
	}
	for _, ask := range []string{"reload", "stop"} {
		if got := body(talk(t, m.addrs[0], []byte("GET /asks?"+ask+" HTTP/1.0\r\n\r\n"))); got != "True" {
			t.Errorf("uwsgi.%s() returned %q", ask, got)
		}
		if got := m.next(); got != ask {
			t.Errorf("uwsgi.%s() sent %q", ask, got)
		}
	}
}

// TestLocks holds a lock in one worker and looks at it from another; a dead worker leaves none.
func TestLocks(t *testing.T) {
	m, first := startApp(t, func(c *worker.Conf) { c.Processes = 2; c.Timeout = 4 }, "http", "http")
	second, _ := m.fork(2)
	results := make(chan string)
	go func() { results <- talk(t, m.addrs[0], []byte("GET /locked?hold HTTP/1.0\r\n\r\n")) }()
	m.waitLog("lock held")
	if got := body(talk(t, m.addrs[0], []byte("GET /locked HTTP/1.0\r\n\r\n"))); got != "True" {
		t.Errorf("is_locked() of the other worker is %s", got)
	}
	release := filepath.Join(m.dir, "release")
	m.must(os.WriteFile(release, nil, 0o644))
	if got := body(<-results); got != "held" {
		t.Errorf("the holder answered %q", got)
	}
	if got := body(talk(t, m.addrs[0], []byte("GET /locked HTTP/1.0\r\n\r\n"))); got != "False" {
		t.Errorf("is_locked() after unlock is %s", got)
	}
	m.must(os.Remove(release))
	go func() { results <- talk(t, m.addrs[0], []byte("GET /locked?hold HTTP/1.0\r\n\r\n")) }()
	m.waitLogs("lock held", 2)
	victim := first
	if m.core32(2, fieldBusy) == 1 {
		victim = second
	}
	unix.Kill(victim, unix.SIGKILL)
	m.wait(victim, 10*time.Second)
	<-results
	if got := body(talk(t, m.addrs[0], []byte("GET /locked HTTP/1.0\r\n\r\n"))); got != "False" {
		t.Errorf("is_locked() after the holder's death is %s", got)
	}
}
