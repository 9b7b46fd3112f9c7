package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serveOn runs ServeStats on a fresh listener and checks that it ends without an error.
func serveOn(t *testing.T, network, addr string, doc func() []byte, http bool) net.Addr {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- ServeStats(l, doc, http) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return l.Addr()
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func fixed(text string) func() []byte { return func() []byte { return []byte(text) } }

func TestServeStatsWritesAtOnce(t *testing.T) {
	for network, addr := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "stats")} {
		c := dial(t, serveOn(t, network, addr, fixed(`{"a":1}`), false))
		got, err := io.ReadAll(c)
		if err != nil || string(got) != `{"a":1}` {
			t.Errorf("%s: got %q, %v", network, got, err)
		}
	}
}

// TestServeStatsToATalker has a client send what the server never asks for; a reset would cost it the end.
func TestServeStatsToATalker(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	addr := serveOn(t, "tcp", "127.0.0.1:0", fixed(text), false)
	for range 20 {
		c := dial(t, addr)
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || len(got) != len(text) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		c.Close()
	}
}

func TestServeStatsHTTP(t *testing.T) {
	addr := serveOn(t, "tcp", "127.0.0.1:0", fixed(`{"a":1}`), true)
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + addr.String() + "/anything")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || string(body) != `{"a":1}` || resp.StatusCode != 200 || resp.Proto != "HTTP/1.0" ||
		resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %s %d %v %q, %v", resp.Proto, resp.StatusCode, resp.Header, body, err)
	}
	resp, err = client.Head("http://" + addr.String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ContentLength != 7 {
		t.Errorf("HEAD gives a length of %d", resp.ContentLength)
	}
	head := dial(t, addr)
	if _, err := head.Write([]byte("HEAD / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(head); err != nil || !bytes.HasSuffix(got, []byte("Content-Length: 7\r\n\r\n")) {
		t.Errorf("HEAD gives %q, %v", got, err)
	}
	for name, c := range map[string]struct{ send, want string }{
		"in pieces":   {"GET / HT|TP/1.0\r\nA: b\r|\n\r\n", "HTTP/1.0 200"},
		"bare":        {"GET /\n\n", "HTTP/1.0 200"},
		"no end":      {"GET / HTTP/1.0\r\n", ""},
		"endless":     {strings.Repeat("A: b\r\n", statsRequest), ""},
		"not a word":  {"\r\n\r\n", "HTTP/1.0 200"},
		"hangs up":    {"", ""},
		"binary junk": {"\x00\x01\x02", ""},
	} {
		conn := dial(t, addr)
		for _, piece := range strings.Split(c.send, "|") {
			if _, err := conn.Write([]byte(piece)); err != nil {
				break // the endless one is hung up on
			}
			time.Sleep(5 * time.Millisecond)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(string(got), c.want) || (c.want == "" && len(got) > 0) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestIdleClientsCostNobodyAnything has more idle clients than are attended to; everyone after them is served at once.
func TestIdleClientsCostNobodyAnything(t *testing.T) {
	for name, http := range map[string]bool{"raw, not reading": false, "http, not asking": true} {
		t.Run(name, func(t *testing.T) {
			text := bytes.Repeat([]byte("x"), 8<<20) // more than the socket buffers hold
			addr := serveOn(t, "tcp", "127.0.0.1:0", func() []byte { return text }, http)
			for range 2 * statsClients {
				dial(t, addr)
			}
			begin := time.Now()
			c := dial(t, addr)
			if http {
				if _, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
			}
			n, err := io.Copy(io.Discard, c)
			if err != nil || n < int64(len(text)) {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if d := time.Since(begin); d > statsTimeout/2 {
				t.Errorf("waited %v", d)
			}
		})
	}
}

func TestIdleClientIsHungUpOn(t *testing.T) {
	c := dial(t, serveOn(t, "tcp", "127.0.0.1:0", fixed("x"), true))
	begin := time.Now()
	got, err := io.ReadAll(c)
	if err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if d := time.Since(begin); d < statsTimeout/2 || d > 2*statsTimeout {
		t.Errorf("was hung up on after %v, want %v", d, statsTimeout)
	}
}

// scriptedListener gives the errors it holds, then ends.
type scriptedListener struct {
	net.Listener
	errs []error
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Err: err}
}

func (l *scriptedListener) Addr() net.Addr { return &net.UnixAddr{Name: "scripted"} }
func (l *scriptedListener) Close() error   { return nil }

func TestServeStatsWaitsOutWantOfDescriptors(t *testing.T) {
	l := &scriptedListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}
	if err := ServeStats(l, fixed(""), false); err != nil || len(l.errs) != 0 {
		t.Errorf("ended with %v, %d errors left", err, len(l.errs))
	}
	l = &scriptedListener{errs: []error{syscall.EINVAL}}
	if err := ServeStats(l, fixed(""), false); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("ended with %v, want EINVAL", err)
	}
	full := make([]error, 100)
	for i := range full {
		full[i] = syscall.EMFILE
	}
	waiting := LimitListener(&scriptedListener{errs: full}, 1)
	done := make(chan error, 1)
	go func() {
		_, err := waiting.Accept()
		done <- err
	}()
	waiting.Close()
	select {
	case err := <-done:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed listener gave %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("closing did not end the wait")
	}
}

func TestServeStatsDocumentOverTheWire(t *testing.T) {
	var s Store
	s.Add(newTestBoard(t, 2, 1, 1))
	doc := func() []byte { return Stats(s.Snapshot(), Info{Version: "1"}, StatsOptions{}) }
	got, err := io.ReadAll(dial(t, serveOn(t, "tcp", "127.0.0.1:0", doc, false)))
	if err != nil || !json.Valid(got) {
		t.Fatalf("got %q, %v", got, err)
	}
}

// TestLimitListenerClosesTheOldest opens one connection more than the limit, and one after another has made room.
func TestLimitListenerClosesTheOldest(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := LimitListener(inner, 2)
	defer l.Close()
	var clients, accepted []net.Conn
	open := func() {
		t.Helper()
		clients = append(clients, dial(t, l.Addr()))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		accepted = append(accepted, c)
	}
	alive := func(i int) bool {
		t.Helper()
		if _, err := accepted[i].Write([]byte("x")); err != nil {
			return false
		}
		_, err := io.ReadFull(clients[i], make([]byte, 1))
		return err == nil
	}
	open()
	open()
	open()
	if alive(0) || !alive(1) || !alive(2) {
		t.Error("of three the oldest one should be closed, and that one only")
	}
	accepted[2].Close()
	open()
	if !alive(1) || !alive(3) {
		t.Error("a connection was closed although another had made room")
	}
	open()
	if alive(1) || !alive(3) || !alive(4) {
		t.Error("of three again the oldest one should be closed, and that one only")
	}
}
