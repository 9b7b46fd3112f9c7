package integration

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestHTTPSocket talks HTTP/1.0 and 1.1 to an http-socket.
func TestHTTPSocket(t *testing.T) {
	e := harness.New(t)
	_, addr := plain(e, 2)
	for _, c := range []struct {
		name, send string
		body       string
	}{
		{"1.0", "GET /exc-info HTTP/1.0\r\n\r\n", "replaced"},
		{"1.1", "GET /exc-info HTTP/1.1\r\nHost: x\r\n\r\n", "replaced"},
		{"body by length", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		{"chunked body", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n", "hello world"},
		{"empty chunked body", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
		{"empty line first", "\r\nGET /exc-info HTTP/1.1\r\nHost: x\r\n\r\n", "replaced"},
		{"absolute form", "GET http://x/exc-info HTTP/1.1\r\nHost: x\r\n\r\n", "replaced"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := harness.Exchange(addr, c.send, false, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			r, err := harness.ReadResponse(bufio.NewReader(strings.NewReader(answer)), "GET")
			if err != nil || r.Body != c.body {
				t.Errorf("answer %q: %v", answer, err)
			}
		})
	}
	t.Run("HEAD has no body", func(t *testing.T) {
		answer, err := harness.Exchange(addr, "HEAD /exc-info HTTP/1.1\r\nHost: x\r\n\r\n", false, 5*time.Second)
		if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 503 ") || !strings.HasSuffix(answer, "\r\n\r\n") {
			t.Errorf("answer %q, %v", answer, err)
		}
	})
	t.Run("path is decoded", func(t *testing.T) {
		var v map[string]any
		getJSON(t, "http", addr, "/%65nviron?q=%41", &v)
		if v["PATH_INFO"] != "/environ" || v["QUERY_STRING"] != "q=%41" || v["REQUEST_URI"] != "/%65nviron?q=%41" {
			t.Errorf("PATH_INFO %v, QUERY_STRING %v, REQUEST_URI %v", v["PATH_INFO"], v["QUERY_STRING"], v["REQUEST_URI"])
		}
	})
}

// TestExpectContinue: the interim answer comes when the app first reads, before the body is sent.
func TestExpectContinue(t *testing.T) {
	e := harness.New(t)
	_, addr := plain(e, 1)
	c, err := harness.Dial(addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("instead of 100: %q, %v", line, err)
	}
	if line, err = in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("after 100: %q, %v", line, err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if r, err := harness.ReadResponse(in, "POST"); err != nil || r.Body != "hello" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestHTTP11Socket keeps the connection open: requests one after the other, pipelined, and with bodies the app does not read.
func TestHTTP11Socket(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := e.Start("--http11-socket", addr, "--chdir", appDir(e), "--module", "probe", "--master", "--processes", "1")
	s.WaitServing("http", addr)
	c, err := harness.Dial(addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	ask := func(requests string, want ...string) {
		t.Helper()
		if _, err := io.WriteString(c, requests); err != nil {
			t.Fatal(err)
		}
		for _, body := range want {
			r, err := harness.ReadResponse(in, "GET")
			if err != nil || r.Body != body {
				t.Fatalf("%.60q: got %+v, %v, want %q", requests, r, err, body)
			}
		}
	}
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	worker := getPIDOver(t, c, in)
	ask(get("/closing"), "abc") // length not known: chunked
	ask(get("/big?5")+get("/closing")+get("/big?3"), "bbbbb", "abc", "bbb")
	ask("POST /big?4 HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"+strings.Repeat("u", 50)+get("/big?2"), "bbbb", "bb")
	ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+get("/big?1"), "abc", "b")
	if now := getPIDOver(t, c, in); now != worker {
		t.Errorf("the worker was %s and is %s", worker, now)
	}
	ask("GET /big?6 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "bbbbbb")
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("after Connection: close came %q, %v", rest, err)
	}
}

func getPIDOver(t *testing.T, c io.Writer, in *bufio.Reader) string {
	t.Helper()
	if _, err := fmt.Fprint(c, "GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := harness.ReadResponse(in, "GET")
	if err != nil {
		t.Fatal(err)
	}
	return r.Body
}

// TestCurl lets a real client speak to the http-socket.
func TestCurl(t *testing.T) {
	e := harness.New(t)
	_, addr := plain(e, 2)
	body := e.Write("body", strings.Repeat("line\n", 100000))
	for _, args := range [][]string{
		{"--data-binary", "@" + body},
		{"--data-binary", "@" + body, "-H", "Transfer-Encoding: chunked"},
		{"--data-binary", "@" + body, "--http1.0"},
		{"--data-binary", "@" + body, "-H", "Expect: 100-continue"},
	} {
		out := e.Run("curl", append([]string{"-sS", "--fail", "--max-time", "20", "http://" + addr + "/echo"}, args...)...)
		if len(out) != 500000 {
			t.Errorf("curl %v got %d bytes back", args, len(out))
		}
	}
	if out := e.Run("curl", "-sS", "--head", "--max-time", "5", "http://"+addr+"/big?77"); !strings.Contains(out, "Content-Length: 77") {
		t.Errorf("curl --head: %s", out)
	}
}
