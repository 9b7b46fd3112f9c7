package integration

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestLogWords: the lines people grep for keep uWSGI's words.
func TestLogWords(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 2)
	for _, line := range []string{
		`spawned uWSGI worker 1 \(pid: \d+, cores: 1\)`,
		`spawned uWSGI worker 2 \(pid: \d+, cores: 1\)`,
		`spawned uWSGI master process \(pid: \d+\)`,
		`uwsgi socket 0 bound to TCP address ` + regexp.QuoteMeta(addr) + ` fd \d+`,
		`WSGI app 0 \(mountpoint=''\) ready in \d+ seconds`,
	} {
		s.WaitLog(3*time.Second, line)
	}
}

// TestRequestLine: the request line is uWSGI's default one.
func TestRequestLine(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1)
	for _, c := range []struct{ send, line string }{
		{"GET /code?x=1 HTTP/1.0\r\n\r\n", `GET /code\?x=1 => generated 2005 bytes in \d+ msecs \(HTTP/1\.0 200\) 2 headers in \d+ bytes \(\d+ switches on core 0\)`},
		{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", `POST /echo => generated 3 bytes in \d+ msecs \(HTTP/1\.1 200\) 2 headers in \d+ bytes \(\d+ switches on core 0\)`},
		{"GET /nowhere HTTP/1.0\r\n\r\n", `GET /nowhere => generated 12 bytes in \d+ msecs \(HTTP/1\.0 404\) 2 headers in \d+ bytes \(\d+ switches on core 0\)`},
	} {
		if _, err := harness.FetchRaw(addr, c.send, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		s.WaitLog(3*time.Second, `^\[pid: \d+\|app: 0\|req: \d+/\d+\] 127\.0\.0\.1 \(\) \{\d+ vars in \d+ bytes\} `+
			`\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] `+c.line+`$`)
	}
}

// TestDisableLogging turns off the request lines and nothing else.
func TestDisableLogging(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--disable-logging")
	getBody(t, "http", addr, "/code")
	getBody(t, "http", addr, "/log?said-by-the-app")
	s.WaitLog(3*time.Second, "said-by-the-app")
	time.Sleep(200 * time.Millisecond)
	if n := s.CountLog("generated"); n != 0 {
		t.Errorf("%d request lines", n)
	}
}

// TestLogFile: logto takes everything, appending, and is opened outside the jail.
func TestLogFile(t *testing.T) {
	e := harness.New(t)
	path := e.Write("logs/gowsgi.log", "a line from before\n")
	_, addr, _ := jailed(e, 1, "--logto", path)
	getBody(t, "http", addr, "/log?said-by-the-app")
	want := []string{"a line from before", "spawned uWSGI worker 1", "said-by-the-app", "GET /log?said-by-the-app => generated"}
	var text string
	if !harness.Eventually(3*time.Second, func() bool {
		content, _ := os.ReadFile(path)
		text = string(content)
		for _, words := range want {
			if !strings.Contains(text, words) {
				return false
			}
		}
		return true
	}) {
		t.Errorf("the file lacks one of %q:\n%s", want, text)
	}
}

// TestJSONLog: with log-format-json every line is one JSON object, whatever a client puts into it.
func TestJSONLog(t *testing.T) {
	for _, option := range []string{"--log-format-json", "--log-json"} {
		t.Run(option, func(t *testing.T) {
			e := harness.New(t)
			s, addr := plain(e, 2, option)
			for _, request := range []string{"GET /code HTTP/1.0\r\n\r\n", "GET /code?\"quote\\x HTTP/1.0\r\nUser-Agent: \"a\\\"b\x01\xff\r\n\r\n",
				"GET /nowhere HTTP/1.0\r\nReferer: </script>\r\n\r\n"} {
				_, _ = harness.FetchRaw(addr, request, 5*time.Second)
			}
			_, _ = harness.Fetch("http", addr, "/exit?1", 5*time.Second)
			s.WaitLog(5*time.Second, "Respawned uWSGI worker")
			s.WaitServing("http", addr)
			s.End()
			requests := 0
			for _, line := range s.LogLines() {
				var object map[string]any
				if err := json.Unmarshal([]byte(line), &object); err != nil {
					t.Errorf("not JSON: %q", line)
				}
				if object["uri"] != nil || object["status"] != nil {
					requests++
				}
			}
			if requests < 3 {
				t.Errorf("%d request lines, at least 3 requests were made", requests)
			}
		})
	}
}
