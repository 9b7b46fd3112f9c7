package python_test

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// TestNothingIsHeldBack: connections are corked so that an answer leaves in one piece; what an app sends before it goes on working
// must leave at once all the same, not after the 200 ms that the kernel holds a cork (tcp(7)).
func TestNothingIsHeldBack(t *testing.T) {
	m, _ := startApp(t, nil, "http", "uwsgi")
	http := func(line, more string) []byte {
		return []byte(line + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n")
	}
	talk(t, m.addrs[0], http("GET /env", "")) // the cork is on when this one is served
	tests := []struct {
		name    string
		addr    string
		request []byte
		want    string
	}{
		{"a generator over HTTP", m.addrs[0], http("GET /drips", ""), "first"},
		{"write over HTTP", m.addrs[0], http("GET /drips_by_write", ""), "first"},
		{"100 Continue", m.addrs[0], http("POST /late_read", "Content-Length: 1\r\nExpect: 100-continue\r\n"), "100 Continue"},
		{"a generator over uwsgi", m.addrs[1], packet(0, "REQUEST_METHOD", "GET", "PATH_INFO", "/drips"), "first"},
		{"write over uwsgi", m.addrs[1], packet(0, "REQUEST_METHOD", "GET", "PATH_INFO", "/drips_by_write"), "first"},
	}
	for _, tt := range tests {
		best := time.Hour // a loaded machine delays one, a cork delays all
		for range 3 {
			best = min(best, untilSeen(t, tt.addr, tt.request, tt.want))
		}
		if best > 150*time.Millisecond {
			t.Errorf("%s: the first piece came after %v", tt.name, best)
		}
	}
}

// untilSeen sends a request and tells how long it takes until the answer holds the text.
func untilSeen(t *testing.T, addr string, request []byte, text string) time.Duration {
	t.Helper()
	conn := dial(t, addr)
	defer conn.Close()
	begin := time.Now()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(text)) {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%q ended before %q: %v", got, text, err)
		}
		got = append(got, buf[:n]...)
	}
	took := time.Since(begin)
	if text == "100 Continue" {
		_, _ = conn.Write([]byte("x"))
	}
	_, _ = io.ReadAll(conn) // the only worker is busy until then
	return took
}
