package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestBadUWSGIClients: whatever arrives on a uwsgi socket ends that connection and nothing else; the same worker serves on.
func TestBadUWSGIClients(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := e.Start("--socket", addr, "--chdir", appDir(e), "--module", "probe", "--master", "--processes", "1", "--socket-timeout", "1")
	s.WaitServing("uwsgi", addr)
	worker := getBody(t, "uwsgi", addr, "/pid")
	vars := harness.Vars("GET", "/pid")
	pair := func(klen, vlen uint16, text string) []byte {
		return append([]byte{byte(klen), byte(klen >> 8)}, append([]byte(text), byte(vlen), byte(vlen>>8))...)
	}
	packet := func(body []byte) []byte { return append([]byte{0, byte(len(body)), byte(len(body) >> 8), 0}, body...) }
	for _, c := range []struct {
		name string
		send []byte
		log  string // a line that must be there, in uWSGI's words
	}{
		{name: "nothing", send: nil},
		{name: "one byte", send: []byte{0}},
		{name: "half a header", send: []byte{0, 1, 0}},
		{name: "half a packet", send: harness.Packet(0, vars)[:40]},
		{name: "HTTP on a uwsgi socket", send: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), log: `invalid request block size: 21573 \(max 4096\)`},
		{name: "too big", send: harness.Packet(0, map[string]string{"X": strings.Repeat("x", 5000)}), log: `invalid request block size: 5\d\d\d \(max 4096\)`},
		{name: "empty packet", send: []byte{0, 0, 0, 0}, log: `(?i)empty python request`},
		{name: "key longer than the packet", send: packet(pair(5000, 0, "x")), log: `invalid uwsgi request`},
		{name: "value longer than the packet", send: packet(pair(1, 5000, "x")), log: `invalid uwsgi request`},
		{name: "empty key", send: packet([]byte{0, 0, 1, 0, 'x'}), log: `invalid uwsgi request`},
		{name: "cut after a key", send: packet([]byte{1, 0, 'x'}), log: `invalid uwsgi request`},
		{name: "odd byte at the end", send: packet([]byte{1, 0, 'x', 1, 0, 'y', 1}), log: `invalid uwsgi request`},
		{name: "another modifier", send: harness.Packet(5, vars), log: `unavailable modifier requested: 5`},
		{name: "random", send: bytes.Repeat([]byte{0xff, 0x00, 0x7f, 0x0a}, 500)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.T = t
			s.Forget()
			for _, half := range []bool{true, false} {
				answer, _ := harness.Exchange(addr, string(c.send), half, 5*time.Second)
				if strings.Contains(answer, worker) {
					t.Errorf("answered %q", answer)
				}
			}
			if c.log != "" {
				s.WaitLog(3*time.Second, c.log)
			}
			if now := getBody(t, "uwsgi", addr, "/pid"); now != worker {
				t.Errorf("the worker was %s and is %s", worker, now)
			}
		})
	}
}

// TestGoneClients: clients that hang up while sending, while the app works, or while the answer is written.
func TestGoneClients(t *testing.T) {
	e := harness.New(t)
	s, all := fronts(e, 1, "probe", "--socket-timeout", "2")
	worker := getBody(t, "http", all[3].addr, "/pid")
	request := func(f front, path, length string) []byte {
		if f.proto == "uwsgi" {
			vars := harness.Vars("POST", path)
			vars["CONTENT_LENGTH"] = length
			return harness.Packet(0, vars)
		}
		return []byte("POST " + path + " HTTP/1.0\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\n")
	}
	for _, f := range all {
		for _, c := range []struct {
			name string
			send []byte
			read int // bytes to read before hanging up
		}{
			{"connects and leaves", nil, 0},
			{"leaves while the app works", request(f, "/sleep?0.3", "0"), 0},
			{"leaves before its body is complete", append(request(f, "/echo", "100000"), "abc"...), 0},
			{"leaves while the answer is written", request(f, "/big?20000000", "0"), 1000},
		} {
			for _, reset := range []bool{false, true} {
				conn, err := harness.Dial(f.addr, 5*time.Second)
				if err != nil {
					t.Fatalf("%s: %v", f.name, err)
				}
				if _, err := conn.Write(c.send); err != nil {
					t.Errorf("%s: %s: %v", f.name, c.name, err)
				}
				_, _ = io.ReadFull(conn, make([]byte, c.read))
				if tcp, ok := conn.(*net.TCPConn); ok && reset {
					_ = tcp.SetLinger(0)
				}
				conn.Close()
				if now := getBody(t, f.proto, f.addr, "/pid"); now != worker {
					t.Fatalf("%s: %s: the worker was %s and is %s", f.name, c.name, worker, now)
				}
			}
		}
	}
	if s.CountLog("DAMN") > 0 {
		t.Error("a worker died")
	}
}

// TestSlowClientsCostNoMoreThanTheTimeout: clients that send nothing keep the only worker busy for socket-timeout, then it serves others.
func TestSlowClientsCostNoMoreThanTheTimeout(t *testing.T) {
	for _, proto := range []string{"uwsgi", "http"} {
		t.Run(proto, func(t *testing.T) {
			e := harness.New(t)
			addr := harness.FreePort(t)
			s := e.Start("--"+map[string]string{"uwsgi": "socket", "http": "http-socket"}[proto], addr, "--chdir", appDir(e), "--module", "probe",
				"--master", "--processes", "1", "--socket-timeout", "1")
			s.WaitServing(proto, addr)
			worker := getBody(t, proto, addr, "/pid")
			for range 3 {
				c, err := harness.Dial(addr, 20*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte{'G'}); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if now := getBody(t, proto, addr, "/pid"); now != worker {
				t.Errorf("the worker was %s and is %s", worker, now)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("waited %s behind three silent clients with a timeout of 1 s", took)
			}
		})
	}
}

// TestBadHTTPClients: malformed and ambiguous requests are refused, and the same worker serves on.
func TestBadHTTPClients(t *testing.T) {
	e := harness.New(t)
	addr, keep := harness.FreePort(t), harness.FreePort(t)
	s := e.Start("--http-socket", addr, "--http11-socket", keep, "--chdir", appDir(e), "--module", "probe", "--master", "--processes", "1",
		"--socket-timeout", "1")
	s.WaitServing("http", addr)
	worker := getBody(t, "http", addr, "/pid")
	for _, c := range []struct {
		name, send string
	}{
		{"garbage", "GARBAGE\r\n\r\n"},
		{"no version", "GET /pid\r\n\r\n"},
		{"bad version", "GET /pid HTTP/9.9\r\nHost: x\r\n\r\n"},
		{"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 200)},
		{"huge head", "GET /pid HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 70000) + "\r\n\r\n"},
		{"endless line", "GET /" + strings.Repeat("a", 100000)},
		{"negative length", "POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
		{"length is no number", "POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n"},
		{"two lengths", "POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
		{"length and chunked", "POST /pid HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"space before the colon", "GET /pid HTTP/1.1\r\nHost : x\r\n\r\n"},
		{"folded header", "GET /pid HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"},
		{"nul in a header", "GET /pid HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n"},
		{"another transfer coding", "POST /pid HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, to := range []string{addr, keep} {
				answer, _ := harness.Exchange(to, c.send, false, 5*time.Second)
				if answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 4") && !strings.HasPrefix(answer, "HTTP/1.0 4") && !strings.HasPrefix(answer, "HTTP/1.1 50") {
					t.Errorf("answered %.200q", answer)
				}
				if now := getBody(t, "http", addr, "/pid"); now != worker {
					t.Errorf("the worker was %s and is %s", worker, now)
				}
			}
		})
	}
	// What is broken only after the app was called: chunks.
	for _, chunks := range []string{"zz\r\n", "5\r\nab", "ffffffffffffffffff\r\n", "-1\r\n", "3\r\nabcX0\r\n\r\n"} {
		_, _ = harness.Exchange(addr, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks, true, 5*time.Second)
		if now := getBody(t, "http", addr, "/pid"); now != worker {
			t.Errorf("after chunk %q the worker was %s and is %s", chunks, worker, now)
		}
	}
}

// TestManyClientsAtOnce floods one worker with more connections than it can take at a time.
func TestManyClientsAtOnce(t *testing.T) {
	e := harness.New(t)
	_, addr := plain(e, 1)
	const clients = 200
	answers := make(chan string, clients)
	for range clients {
		go func() {
			r, err := harness.Fetch("http", addr, "/code", 20*time.Second)
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- fmt.Sprint(r.Status)
		}()
	}
	for range clients {
		if got := <-answers; got != "200" {
			t.Errorf("one of %d clients got %s", clients, got)
		}
	}
}
