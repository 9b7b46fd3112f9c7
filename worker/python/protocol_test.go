package python_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gowsgi/worker"
)

// TestPackets sends the uwsgi socket what is not a whole request; each ends its own connection, with a line in the log.
func TestPackets(t *testing.T) {
	whole := get("/ignore")
	post := func(length, data string) []byte {
		return append(get("/echo", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", length), data...)
	}
	long := get("/", "X", strings.Repeat("y", 5000))
	exact := get("/ignore", "X", strings.Repeat("y", 4096-(len(whole)-4)-4-1))
	broken := get("/ignore")
	binary.LittleEndian.PutUint16(broken[4:], 60000)
	lastLength := get("/ignore", "K", "v")
	lastLength[len(lastLength)-3] = 9
	tests := []struct {
		name   string
		data   []byte
		half   bool   // the client closes its side
		answer string // body, "" = closed without a byte
		log    string
	}{
		{name: "whole", data: whole, answer: "ignored"},
		{name: "exactly the limit", data: exact, answer: "ignored"},
		{name: "second packet behind the first", data: append(get("/ignore"), whole...), answer: "ignored"},
		{name: "above the limit", data: long, log: fmt.Sprintf("invalid request block size: %d (max 4096)...skip", len(long)-4)},
		{name: "HTTP on a uwsgi socket", data: []byte("GET / HTTP/1.1\r\n\r\n"), log: "invalid request block size: 21573 (max 4096)...skip"},
		{name: "TLS on a uwsgi socket", data: []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), half: true, log: "the client closed in the middle of a uwsgi packet"},
		{name: "empty packet", data: []byte{0, 0, 0, 0}, log: "Empty python request. skip."},
		{name: "modifier 5", data: packet(5, "A", "b"), log: "-- unavailable modifier requested: 5 --"},
		{name: "modifier 255", data: packet(255, "A", "b"), log: "-- unavailable modifier requested: 255 --"},
		{name: "key length beyond the packet", data: broken, log: fmt.Sprintf("invalid uwsgi request (current strsize: %d). skip.", len(broken)-4)},
		{name: "last value beyond the packet", data: lastLength, log: "invalid uwsgi request"},
		{name: "last value in the body", data: append(lastLength, "body and more"...), log: "invalid uwsgi request"},
		{name: "empty key", data: packet(0, "", "x"), log: "invalid uwsgi request"},
		{name: "half a length", data: []byte{0, 1, 0, 0, 65}, log: "invalid uwsgi request"},
		{name: "half a header", data: []byte{0, 4}, half: true, log: "the client closed in the middle"},
		{name: "half a packet", data: whole[:50], half: true, log: "the client closed in the middle"},
		{name: "nothing", half: true},
		{name: "body", data: post("5", "12345"), answer: "12345"},
		{name: "body, too much of it", data: post("5", "1234567"), answer: "12345"},
		{name: "body, too little", data: post("5", "123"), half: true, answer: "Bad Request", log: "error during read(2) on wsgi.input"},
		{name: "no length", data: post("", "12345"), answer: ""},
		{name: "length zero", data: post("0", "")},
		{name: "bad length", data: post("5a", "12345"), log: "invalid CONTENT_LENGTH '5a'"},
		{name: "negative length", data: post("-5", "12345"), log: "invalid CONTENT_LENGTH '-5'"},
		{name: "superscript length", data: post("\xb2", "12345"), log: "invalid CONTENT_LENGTH"},
	}
	m, _ := startApp(t, nil, "uwsgi", "uwsgi+unix")
	for _, test := range tests {
		for _, addr := range m.addrs {
			before, length := strings.Count(m.log.String(), test.log), len(m.log.String())
			conn := dial(t, addr)
			conn.Write(test.data)
			if test.half {
				conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			got, _ := io.ReadAll(conn)
			if body(string(got)) != test.answer {
				t.Errorf("%s on %s: got %q, want the body %q", test.name, addr, got, test.answer)
			}
			if test.log != "" {
				m.waitLogs(test.log, before+1)
			} else if len(m.log.String()) != length {
				t.Errorf("%s is not worth a line: %s", test.name, m.log.String()[length:])
			}
		}
	}
	if got := talk(t, m.addrs[0], whole); body(got) != "ignored" {
		t.Errorf("after all that the worker answers %q", got)
	}
}

// TestPacketEnviron compares the environ of a packet with what PEP 3333 and uWSGI say of it.
func TestPacketEnviron(t *testing.T) {
	m, _ := startApp(t, func(c *worker.Conf) { c.Processes = 2 }, "uwsgi")
	m.fork(2)
	tests := []struct {
		name string
		data []byte
		want []string
		not  []string
	}{
		{"plain", get("/env", "HTTP_COOKIE", "caf\xe9"), []string{
			"PATH_INFO='/env'", "SCRIPT_NAME=''", "HTTP_COOKIE='caf\xc3\xa9'", "wsgi.url_scheme='http'", "wsgi.multiprocess=True", "wsgi.multithread=False",
			"wsgi.run_once=False", "wsgi.version=(1, 0)", "uwsgi.version=b'2.0.21'", "uwsgi.node=b'testnode'", "SERVER_NAME='example.org'", "CONTENT_LENGTH=''",
		}, []string{"uwsgi.core"}},
		{"the client omits what PEP 3333 wants", packet(0, "X", "y"), []string{
			"PATH_INFO=''", "SCRIPT_NAME=''", "QUERY_STRING=''", "REQUEST_METHOD='GET'", "SERVER_NAME='testnode'", "SERVER_PROTOCOL='HTTP/1.0'",
		}, nil},
		{"scheme by HTTPS", get("/env", "HTTPS", "on"), []string{"wsgi.url_scheme='https'"}, nil},
		{"scheme by X-Forwarded-Proto", get("/env", "HTTP_X_FORWARDED_PROTO", "https"), []string{"wsgi.url_scheme='https'"}, nil},
		{"scheme by UWSGI_SCHEME", get("/env", "UWSGI_SCHEME", "https"), []string{"wsgi.url_scheme='https'"}, nil},
		{"scheme by X-Forwarded-SSL", get("/env", "HTTP_X_FORWARDED_SSL", "on"), []string{"wsgi.url_scheme='https'"}, nil},
		{"a client cannot say otherwise", get("/env", "UWSGI_SCHEME", "https", "HTTP_X_FORWARDED_PROTO", "http"), []string{"wsgi.url_scheme='https'"}, nil},
		{"no such scheme", get("/env", "HTTP_X_FORWARDED_PROTO", "gopher", "HTTPS", "off"), []string{"wsgi.url_scheme='http'"}, nil},
		{"modifier 30", packet(30, "SCRIPT_NAME", "/a", "PATH_INFO", "/a/env", "REQUEST_METHOD", "GET", "SERVER_PROTOCOL", "HTTP/1.1"), nil, nil},
		{"code is not loaded", get("/env", "UWSGI_FILE", "exec://touch pwned", "UWSGI_SCRIPT", "evil", "UWSGI_MODULE", "evil", "UWSGI_CHDIR", "/", "UWSGI_SETENV", "A=b", "UWSGI_PYHOME", "/evil"),
			[]string{"UWSGI_FILE='exec://touch pwned'", "UWSGI_SCRIPT='evil'"}, nil},
		{"server's own entries", get("/env", "wsgi.errors", "x", "wsgi.file_wrapper", "x", "wsgi.input", "x", "uwsgi.version", "x"),
			[]string{"wsgi.errors=<_io.TextIOWrapper", "wsgi.file_wrapper=<class", "wsgi.input=<_gowsgi.", "uwsgi.version=b'2.0.21'"}, nil},
		{"the last of two wins", get("/env", "A", "1", "A", "2"), []string{"A='2'"}, []string{"A='1'"}},
	}
	for _, test := range tests {
		got := body(talk(t, m.addrs[0], test.data))
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s in\n%s", test.name, want, got)
			}
		}
		for _, not := range test.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: %s in\n%s", test.name, not, got)
			}
		}
		if test.name == "modifier 30" && !strings.Contains(got, "PATH_INFO='/env'") {
			t.Errorf("modifier 30 leaves PATH_INFO as %s", got)
		}
	}
}

// TestTimeouts has clients that send nothing, half and nothing more, on every kind of socket: each costs the worker at
// most socket-timeout, is told so in the log, and the next client is served.
func TestTimeouts(t *testing.T) {
	var all sync.WaitGroup
	for _, proto := range []string{"uwsgi", "uwsgi+unix", "http", "http+unix", "http11", "http11+unix", "http+mptcp"} {
		m, _ := startApp(t, nil, proto)
		all.Go(func() {
			for _, test := range timeoutCases(strings.HasPrefix(proto, "uwsgi")) {
				m.timeOut(t, proto+", "+test.name, test)
			}
		})
	}
	all.Wait()
}

type timeoutCase struct {
	name   string
	data   []byte
	drip   bool   // more bytes follow, slowly
	answer string // what it begins with; "" = none
	log    string
	whole  []byte // a request that is served afterwards
}

func timeoutCases(uwsgi bool) []timeoutCase {
	whole, half, drip := get("/ignore"), 30, 30 // the first bytes of a packet say how long it is
	body := append(get("/echo", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", "10"), "123"...)
	late := ""
	if !uwsgi {
		whole, half, drip = []byte("GET /ignore HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 25, 2
		body = []byte("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
		late = "HTTP/1.1 408 Request Timeout"
	}
	return []timeoutCase{
		{"nothing", nil, false, "", "timeout: no whole", whole},
		{"half a head", whole[:half], false, late, "timeout: no whole", whole},
		{"a head byte by byte", whole[:drip], true, late, "timeout: no whole", whole},
		{"half a body", body, false, "HTTP/1.1 408 Request Timeout", "timeout during read(", whole},
	}
}

func (m *testMaster) timeOut(t *testing.T, name string, test timeoutCase) {
	before := strings.Count(m.log.String(), test.log)
	begin := time.Now()
	conn := dial(t, m.addrs[0])
	conn.Write(test.data)
	if test.drip {
		go func() {
			for range 12 {
				time.Sleep(200 * time.Millisecond)
				if _, err := conn.Write([]byte("A")); err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	talk(t, m.addrs[0], test.whole)
	if took := time.Since(begin); took < 800*time.Millisecond || took > 3500*time.Millisecond {
		t.Errorf("%s: the next client was served after %s, want about 1 s", name, took)
	}
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	got, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(got), test.answer) || test.answer == "" && len(got) > 0 {
		t.Errorf("%s: got %q, want %q", name, got, test.answer)
	}
	if !m.inLog(test.log, before+1) {
		t.Errorf("%s: no line %q in the log:\n%s", name, test.log, m.log)
	}
}

// TestClientGone has clients leave before, in and after the answer, and one that takes no data.
func TestClientGone(t *testing.T) {
	m, _ := startApp(t, nil, "http", "http+unix", "http11", "http+mptcp")
	for i, addr := range m.addrs {
		request := "GET /many HTTP/1.1\r\nHost: x\r\n\r\n"
		conn := dial(t, addr)
		conn.Write([]byte(request))
		io.ReadFull(conn, make([]byte, 1<<20))
		conn.Close()
		m.waitLogs("many closed", 2*i+1)
		stuck := dial(t, addr) // never reads
		stuck.Write([]byte(request))
		if got := talk(t, addr, []byte("GET /ignore HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); body(got) != "ignored" {
			t.Errorf("socket %d: after a client that takes nothing: %q", i, got)
		}
		stuck.Close()
		m.waitField(1, 0, fieldWriteErrors, uint64(2*i+2))
	}
	m.waitLogs("Client gone while the answer was written", 2*len(m.addrs))
	if strings.Contains(m.log.String(), "Traceback") {
		t.Errorf("a client that leaves is no fault of the application:\n%s", m.log)
	}
}

// TestGarbage sends requests with random damage, cut at random places: the worker that was there at first is there at last.
func TestGarbage(t *testing.T) {
	m, pid := startApp(t, func(c *worker.Conf) { c.Threads = 2; c.LogRequests = true }, "uwsgi", "http", "http11", "uwsgi+unix", "http11+unix")
	random := rand.New(rand.NewPCG(1, 2))
	chunked := "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\nT: x\r\n\r\nGET /gen HTTP/1.1\r\nHost: x\r\n\r\n"
	seeds := []string{string(get("/env")), chunked, chunked + chunked, string(append(get("/echo", "CONTENT_LENGTH", "5", "REQUEST_METHOD", "POST"), "hello"...)), chunked}
	for range 1500 {
		i := random.IntN(len(seeds))
		data := []byte(seeds[i])
		for range random.IntN(4) {
			data[random.IntN(len(data))] = byte(random.IntN(256))
		}
		if random.IntN(3) == 0 {
			data = data[:random.IntN(len(data))]
		}
		network := "tcp"
		if strings.HasPrefix(m.addrs[i], "/") {
			network = "unix"
		}
		conn, err := net.Dial(network, m.addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(data)
		if random.IntN(2) == 0 {
			conn.(interface{ CloseWrite() error }).CloseWrite()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.Copy(io.Discard, conn)
		}
		conn.Close()
	}
	if got := talk(t, m.addrs[1], []byte("GET /pid HTTP/1.0\r\n\r\n")); body(got) != fmt.Sprintf("%d %d", pid, os.Getpid()) {
		t.Errorf("the worker %d did not survive: %q", pid, got)
	}
	if strings.Contains(m.log.String(), "_gowsgi/") {
		t.Errorf("the runtime itself failed:\n%s", m.log)
	}
}

// TestUnreadBody sends bodies that the application does not read: the client gets the answer, not a reset.
func TestUnreadBody(t *testing.T) {
	m, _ := startApp(t, nil, "uwsgi", "uwsgi+unix", "http", "http11")
	const size = 8 << 20
	for i, addr := range m.addrs {
		head := string(get("/ignore", "REQUEST_METHOD", "POST", "CONTENT_LENGTH", fmt.Sprint(size)))
		if i >= 2 {
			head = fmt.Sprintf("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
		}
		for range 3 {
			conn := dial(t, addr)
			go func(conn net.Conn) {
				io.WriteString(conn, head)
				conn.Write(make([]byte, size))
			}(conn)
			time.Sleep(10 * time.Millisecond)
			got, err := io.ReadAll(conn)
			if err != nil || body(string(got)) != "ignored" {
				t.Errorf("socket %d: got %q, %v", i, got, err)
			}
			conn.Close()
		}
	}
}
