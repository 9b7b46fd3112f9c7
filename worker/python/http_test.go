package python_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// TestHTTPRefused sends what must not be served: ambiguous requests above all, which a proxy in front may read otherwise.
func TestHTTPRefused(t *testing.T) {
	const get, post = "GET /ignore HTTP/1.1\r\nHost: x\r\n", "POST /echo HTTP/1.1\r\nHost: x\r\n"
	tests := []struct {
		name, data string
		status     string
	}{
		{"both lengths", post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"both lengths, other order", post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "400"},
		{"two lengths", post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n12345", "400"},
		{"the same length twice", post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n1234", "400"},
		{"a list of lengths", post + "Content-Length: 4, 4\r\n\r\n1234", "400"},
		{"signed length", post + "Content-Length: +4\r\n\r\n1234", "400"},
		{"negative length", post + "Content-Length: -4\r\n\r\n1234", "400"},
		{"hexadecimal length", post + "Content-Length: 0x4\r\n\r\n1234", "400"},
		{"length with an underscore", post + "Content-Length: 1_0\r\n\r\n1234567890", "400"},
		{"empty length", post + "Content-Length:\r\n\r\n", "400"},
		{"superscript length", post + "Content-Length: \xb2\r\n\r\n12", "400"},
		{"huge length", post + "Content-Length: 99999999999999999999\r\n\r\n", "400"},
		{"unknown coding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
		{"two codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "400"},
		{"chunked with a tab", post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "501"},
		{"coding in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"space before the colon", post + "Content-Length : 4\r\n\r\n1234", "400"},
		{"space before the name", get + " X: y\r\n\r\n", "400"},
		{"folded line", get + "X: y\r\n z\r\n\r\n", "400"},
		{"folded with a tab", get + "X: y\r\n\tz\r\n\r\n", "400"},
		{"bare CR", get + "X: y\rContent-Length: 4\r\n\r\n", "400"},
		{"bare LF", get + "X: y\nContent-Length: 4\r\n\r\n", "400"},
		{"only LF", "GET /ignore HTTP/1.1\nHost: x\n\n", "400"},
		{"NUL", get + "X: a\x00b\r\n\r\n", "400"},
		{"no colon", get + "GARBAGE\r\n\r\n", "400"},
		{"no name", get + ": y\r\n\r\n", "400"},
		{"name with a bracket", get + "X[: y\r\n\r\n", "400"},
		{"name outside ASCII", get + "X\xe9: y\r\n\r\n", "400"},
		{"no host", "GET /ignore HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", get + "Host: y\r\n\r\n", "400"},
		{"garbage", "GARBAGE\r\n\r\n", "400"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"},
		{"no version", "GET /ignore\r\n\r\n", "400"},
		{"two spaces", "GET  /ignore HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"tabs", "GET\t/ignore\tHTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"lower case version", "GET /ignore http/1.1\r\nHost: x\r\n\r\n", "400"},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
		{"HTTP/1.11", "GET /ignore HTTP/1.11\r\nHost: x\r\n\r\n", "400"},
		{"method with a bracket", "G(T /ignore HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"bad target", "GET ignore HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"control character in the target", "GET /ign\x01ore HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"other expectation", get + "Expect: miracles\r\n\r\n", "417"},
		{"big head", get + "X: " + strings.Repeat("y", 5000) + "\r\n\r\n", "431"},
		{"big head without an end", get + "X: " + strings.Repeat("y", 50000), "431"},
		{"bad chunk size", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
		{"negative chunk size", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "400"},
		{"chunk size with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x4\r\n1234\r\n0\r\n\r\n", "400"},
		{"chunk size with an underscore", post + "Transfer-Encoding: chunked\r\n\r\n1_0\r\n1234567890123456\r\n0\r\n\r\n", "400"},
		{"no chunk size", post + "Transfer-Encoding: chunked\r\n\r\n\r\n", "400"},
		{"huge chunk size", post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "400"},
		{"chunk longer than its size", post + "Transfer-Encoding: chunked\r\n\r\n2\r\n1234\r\n0\r\n\r\n", "400"},
		{"chunk size line with bare LF", post + "Transfer-Encoding: chunked\r\n\r\n4\n1234\r\n0\r\n\r\n", "400"},
		{"chunk ends with bare LF", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\n0\r\n\r\n", "400"},
		{"bare CR in a chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n4;\r=1\r\n1234\r\n0\r\n\r\n", "400"},
		{"endless chunk extension", post + "Transfer-Encoding: chunked\r\n\r\n4;" + strings.Repeat("y", 5000), "400"},
		{"endless trailer", post + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 2000) + "\r\n", "400"},
	}
	m, _ := startApp(t, nil, "http", "http11")
	for _, test := range tests {
		for i, addr := range m.addrs {
			conn := dial(t, addr)
			go io.WriteString(conn, test.data+"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
			got, err := io.ReadAll(conn)
			if !strings.HasPrefix(string(got), "HTTP/1.1 "+test.status) || strings.Count(string(got), "HTTP/1.1") != 1 || err != nil {
				t.Errorf("%s on socket %d: got %.200q, %v, want one answer %s", test.name, i, got, err, test.status)
			}
			if !strings.Contains(string(got), "Connection: close\r\n") {
				t.Errorf("%s on socket %d: the connection is not closed: %q", test.name, i, got)
			}
			conn.Close()
		}
	}
	if strings.Contains(m.log.String(), "Traceback") || strings.Contains(m.log.String(), "smuggled") {
		t.Errorf("a bad request came through:\n%s", m.log)
	}
	if got := talk(t, m.addrs[0], []byte(get+"\r\n")); body(got) != "ignored" {
		t.Errorf("after all that the worker answers %q", got)
	}
}

// TestHTTPEnviron compares the variables made of a request.
func TestHTTPEnviron(t *testing.T) {
	m, _ := startApp(t, nil, "http", "http+unix")
	port := m.addrs[0][strings.LastIndex(m.addrs[0], ":")+1:]
	tests := []struct {
		line, headers string
		want          []string
	}{
		{"GET /env?a=b&c=%20 HTTP/1.1", "", []string{"REQUEST_METHOD='GET'", "REQUEST_URI='/env?a=b&c=%20'", "PATH_INFO='/env'", "QUERY_STRING='a=b&c=%20'",
			"SERVER_PROTOCOL='HTTP/1.1'", "SCRIPT_NAME=''", "SERVER_NAME='testnode'", "SERVER_PORT='" + port + "'", "REMOTE_ADDR='127.0.0.1'", "HTTP_HOST='x'",
			"wsgi.url_scheme='http'", "wsgi.input=<_gowsgi.body.NoBody"}},
		{"GET /%65nv HTTP/1.0", "", []string{"PATH_INFO='/env'", "REQUEST_URI='/%65nv'", "SERVER_PROTOCOL='HTTP/1.0'"}},
		{"GET /a/../env HTTP/1.1", "", []string{"PATH_INFO='/env'"}},
		{"GET /a/./b/../../../env HTTP/1.1", "", []string{"PATH_INFO='/env'"}},
		{"GET http://other:81/env?q HTTP/1.1", "", []string{"PATH_INFO='/env'", "HTTP_HOST='other:81'", "QUERY_STRING='q'"}},
		{"OPTIONS * HTTP/1.1", "", []string{"REQUEST_METHOD='OPTIONS'", "PATH_INFO=''"}},
		{"WEIRD-METHOD /env HTTP/1.1", "", []string{"REQUEST_METHOD='WEIRD-METHOD'"}},
		{"\r\nGET /env HTTP/1.1", "", []string{"REQUEST_METHOD='GET'"}},
		{"GET /env HTTP/1.1", "X-Two: a\r\nX-TWO: b\r\nCookie: a=1\r\nCookie: b=2\r\nX_User: evil\r\nContent-Type: a/b\r\nX-Latin: \xe9\r\nX-Space:  \t y z\t \r\nX-Empty:\r\n",
			[]string{"HTTP_X_TWO='a, b'", "HTTP_COOKIE='a=1; b=2'", "CONTENT_TYPE='a/b'", "HTTP_X_LATIN='\xc3\xa9'", "HTTP_X_SPACE='y z'", "HTTP_X_EMPTY=''"}},
		{"GET /env HTTP/1.1", "X-Forwarded-Proto: https\r\n", []string{"wsgi.url_scheme='https'"}},
		{"POST /env HTTP/1.1", "Content-Length: 0\r\n", []string{"CONTENT_LENGTH='0'"}},
	}
	for _, test := range tests {
		got := body(talk(t, m.addrs[0], []byte(test.line+"\r\nHost: x\r\n"+test.headers+"\r\n")))
		for _, want := range test.want {
			if !strings.Contains("\n"+got+"\n", "\n"+want) {
				t.Errorf("%q: no %s in\n%s", test.line, want, got)
			}
		}
		if strings.Contains(got, "evil") || strings.Contains(got, "HTTP_CONTENT_TYPE") {
			t.Errorf("%q: what should be dropped is in\n%s", test.line, got)
		}
	}
	if got := body(talk(t, m.addrs[1], []byte("GET /env HTTP/1.0\r\n\r\n"))); !strings.Contains(got, "REMOTE_ADDR=''") || !strings.Contains(got, "SERVER_PORT='80'") {
		t.Errorf("over a unix socket:\n%s", got)
	}
}

// TestPaths compares PATH_INFO with what uWSGI 2.0.21 makes of the same targets; its oddities that a bug explains
// (an empty path for /.., NUL for a bad escape) are not copied.
func TestPaths(t *testing.T) {
	m := startMaster(t, newConf("app", "http"), "def app(e, s):\n    s('200 OK', [])\n    return [e['PATH_INFO'].encode('latin-1')]\n")
	m.loaded()
	m.fork(1)
	for target, want := range map[string]string{
		"/a/./b/../c//d/..": "/a/c//", "/x/../../y": "/y", "/a/.": "/a/", "/a/..b": "/a/..b", "/%2e%2e/q": "/../q", "/a%2fb": "/a/b",
		"/..": "/", "/a%zz%4": "/a%zz%4", "/%": "/%", "/%+1": "/%+1", "/a//b": "/a//b", "/%e9%C3": "/\xe9\xc3", "/.a/b.": "/.a/b.", "/": "/",
	} {
		if got := body(talk(t, m.addrs[0], []byte("GET "+target+" HTTP/1.0\r\n\r\n"))); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

// TestBodies reads request bodies in every way, by length and in chunks, in one piece and byte by byte.
func TestBodies(t *testing.T) {
	text := "first line\nsecond\nthird without end"
	chunked := ""
	for i := 0; i < len(text); i += 5 {
		part := text[i:min(i+5, len(text))]
		chunked += fmt.Sprintf("%X;ext=\"v\"\r\n%s\r\n", len(part), part)
	}
	chunked += "000\r\nTrailer: x\r\n\r\n"
	linesWant := `[b'firs', b't line\n', [b'second\n'], [b'third without end'], b'']`
	smallWant := ""
	for i := 0; i < len(text); i += 3 {
		smallWant += "|" + text[i:min(i+3, len(text))]
	}
	for _, buffering := range []int64{0, 8, 4096} {
		m, _ := startApp(t, func(c *worker.Conf) { c.PostBuf = buffering }, "http", "http11", "uwsgi")
		for path, want := range map[string]string{"/echo": text, "/lines": linesWant, "/small_reads": smallWant[1:]} {
			for i, data := range []string{
				fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(text), text),
				fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n%s", path, chunked),
				string(get(path, "REQUEST_METHOD", "POST", "CONTENT_LENGTH", fmt.Sprint(len(text)))) + text,
			} {
				for _, slowly := range []bool{false, true} {
					conn := dial(t, m.addrs[i])
					if slowly {
						for j := range len(data) {
							conn.Write([]byte{data[j]})
						}
					} else {
						io.WriteString(conn, data)
					}
					got, _ := io.ReadAll(conn)
					if !strings.Contains(string(got), want) {
						t.Errorf("post-buffering %d, %s on socket %d: got %q, want %q\n%s", buffering, path, i, got, want, m.log)
					}
				}
			}
		}
	}
}

// TestExpect has the server ask for a body when the application first reads it, and only then.
func TestExpect(t *testing.T) {
	m, _ := startApp(t, nil, "http", "http11")
	for i, addr := range m.addrs {
		for _, framing := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
			conn := dial(t, addr)
			fmt.Fprintf(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n%s\r\n\r\n", framing)
			r := bufio.NewReader(conn)
			first, _ := r.ReadString('\n')
			second, _ := r.ReadString('\n')
			if first+second != "HTTP/1.1 100 Continue\r\n\r\n" {
				t.Fatalf("socket %d: got %q before the body", i, first+second)
			}
			if framing[0] == 'C' {
				io.WriteString(conn, "12345")
			} else {
				io.WriteString(conn, "5\r\n12345\r\n0\r\n\r\n")
			}
			if got, _ := io.ReadAll(r); !strings.Contains(string(got), "12345") {
				t.Errorf("socket %d: got %q", i, got)
			}
			conn = dial(t, addr)
			fmt.Fprintf(conn, "POST /ignore HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%s\r\n\r\n", framing)
			conn.(interface{ CloseWrite() error }).CloseWrite()
			if got, _ := io.ReadAll(conn); !strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n") || body(string(got)) != "ignored" {
				t.Errorf("socket %d: an application that does not read: got %q", i, got)
			}
		}
	}
}

// TestKeepAlive walks one connection of an http11-socket through answers of every framing.
func TestKeepAlive(t *testing.T) {
	m, pid := startApp(t, nil, "http11", "http11+unix", "http11+mptcp")
	for i, addr := range m.addrs {
		conn := dial(t, addr)
		r := bufio.NewReader(conn)
		for _, test := range []struct {
			request, body string
			chunked       bool
		}{
			{"GET /ignore HTTP/1.1\r\nHost: x\r\n\r\n", "ignored", false},
			{"GET /gen HTTP/1.1\r\nHost: x\r\n\r\n", "ab", true},
			{"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "", false},
			{"HEAD /gen HTTP/1.1\r\nHost: x\r\n\r\n", "", false},
			{"HEAD /ignore HTTP/1.1\r\nHost: x\r\n\r\n", "", false},
			{"GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", "", false},
			{"GET /length?10 HTTP/1.1\r\nHost: x\r\n\r\n", "0123456789", false},
			{"GET /length?6 HTTP/1.1\r\nHost: x\r\n\r\n", "012345", false},
			{"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", testApp(t)[3:], false},
			{"GET /blocks HTTP/1.1\r\nHost: x\r\n\r\n", "0123456789", true},
			{"GET /writes HTTP/1.1\r\nHost: x\r\n\r\n", "one two three", true},
			{"POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345", "ignored", false},
			{"POST /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n", "ignored", false},
			{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345", "12345", false},
			{"GET /replaces HTTP/1.1\r\nHost: x\r\n\r\n", "replaced", false},
			{"GET /ignore HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "ignored", false},
			{"GET /big HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("0123456789abcdef", 65536*4), false},
		} {
			io.WriteString(conn, test.request)
			method, _, _ := strings.Cut(test.request, " ")
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("socket %d, %.40q: %v\n%s", i, test.request, err, m.log)
			}
			got, err := io.ReadAll(resp.Body)
			if string(got) != test.body || err != nil || resp.Close || (len(resp.TransferEncoding) > 0) != test.chunked {
				t.Errorf("socket %d, %.40q: got %.60q, %v, close %v, coding %v", i, test.request, got, err, resp.Close, resp.TransferEncoding)
			}
		}
		io.WriteString(conn, "GET /gen HTTP/1.0\r\n\r\n")
		if got, _ := io.ReadAll(r); !strings.HasSuffix(string(got), "Connection: close\r\n\r\nab") {
			t.Errorf("socket %d: HTTP/1.0 without keep-alive: %q", i, got)
		}
		testKeptEnds(t, m, addr)
	}
	idle := dial(t, m.addrs[0])
	io.WriteString(idle, "GET /ignore HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
		t.Fatal(err)
	}
	unix.Kill(pid, unix.SIGHUP)
	if status := m.wait(pid, 2*time.Second); status.ExitStatus() != 17 {
		t.Errorf("with an idle connection the worker ended with %v", status)
	}
}

// testKeptEnds closes kept connections in the ways that end them, and pipelines.
func testKeptEnds(t *testing.T, m *testMaster, addr string) {
	t.Helper()
	for request, status := range map[string]string{
		"GET /raises_late HTTP/1.1\r\nHost: x\r\n\r\n":                              "200",
		"GET /raises HTTP/1.1\r\nHost: x\r\n\r\n":                                   "500",
		"GET /length?20 HTTP/1.1\r\nHost: x\r\n\r\n":                                "200",
		"GET /ignore HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":              "200",
		"POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n1":       "200",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n": "400",
	} {
		conn := dial(t, addr)
		io.WriteString(conn, request)
		if strings.Contains(request, "999999") {
			conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		begin := time.Now()
		got, err := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 "+status) || err != nil || time.Since(begin) > 900*time.Millisecond {
			t.Errorf("%.40q: got %q, %v after %s", request, got, err, time.Since(begin))
		}
		if strings.Contains(request, "raises_late") && strings.HasSuffix(string(got), "0\r\n\r\n") {
			t.Errorf("an answer that broke off looks whole: %q", got)
		}
	}
	pipelined := strings.Repeat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", 3) +
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\nGET /ignore HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	got := talk(t, addr, []byte(pipelined))
	if !regexp.MustCompile(`(?s)^(HTTP/1.1 200.{1,100}?ab){3}HTTP/1.1 200.{1,100}?cdHTTP/1.1 200.*ignored$`).MatchString(got) {
		t.Errorf("pipelined: %q\n%s", got, m.log)
	}
	idle := dial(t, addr)
	io.WriteString(idle, "GET /ignore HTTP/1.1\r\nHost: x\r\n\r\n")
	begin := time.Now()
	if got := talk(t, addr, []byte("GET /ignore HTTP/1.0\r\n\r\n")); body(got) != "ignored" || time.Since(begin) > 500*time.Millisecond {
		t.Errorf("an idle kept connection holds the worker: %q after %s", got, time.Since(begin))
	}
	if _, err := io.ReadAll(idle); err != nil || time.Since(begin) > 2500*time.Millisecond {
		t.Errorf("an idle kept connection was closed after %s (%v), want about 1 s", time.Since(begin), err)
	}
}

// TestCatchExceptions shows the traceback to the client when asked to.
func TestCatchExceptions(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) { c.CatchExc = true }, "http", "http11")
	for i, addr := range m.addrs {
		got := talk(t, addr, []byte("GET /raises HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		if !strings.HasPrefix(got, "HTTP/1.1 500 Internal Server Error\r\n") || !strings.HasSuffix(got, "ValueError: boo before\n") {
			t.Errorf("socket %d: got %q", i, got)
		}
	}
}

// TestNoFileWrapper hides wsgi.file_wrapper when asked to.
func TestNoFileWrapper(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) { c.NoWrapper = true }, "http")
	if got := talk(t, m.addrs[0], []byte("GET /env HTTP/1.0\r\n\r\n")); strings.Contains(got, "file_wrapper") {
		t.Errorf("got %s", got)
	}
}

// TestBoardDuringRequest reads the area of a core while it works: the start comes before the flag, for harakiri.
func TestBoardDuringRequest(t *testing.T) {
	m, _ := startApp(t, nil, "http")
	done := make(chan string, 1)
	var before, after unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &before)
	go func() { done <- talk(t, m.addrs[0], []byte("GET /slow?0.3 HTTP/1.0\r\n\r\n")) }()
	m.waitLog("slow begins")
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &after)
	start := int64(m.field(1, 0, fieldStart))
	if m.core32(1, fieldBusy) != 1 || start < before.Nano() || start > after.Nano() {
		t.Errorf("busy %d, start %d, want 1 and between %d and %d", m.core32(1, fieldBusy), start, before.Nano(), after.Nano())
	}
	got := <-done
	m.waitField(1, 0, fieldSent, uint64(len(got)))
	if m.core32(1, fieldBusy) != 0 || m.field(1, 0, 24) < 290000 || m.field(1, 0, 48) < 145000 {
		t.Errorf("after the request: busy %d, running %d us, average %d us", m.core32(1, fieldBusy), m.field(1, 0, 24), m.field(1, 0, 48))
	}
}
