package python_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// packet builds a uwsgi request packet from alternating names and values.
func packet(modifier byte, vars ...string) []byte {
	var body []byte
	for _, s := range vars {
		body = binary.LittleEndian.AppendUint16(body, uint16(len(s)))
		body = append(body, s...)
	}
	head := []byte{modifier, byte(len(body)), byte(len(body) >> 8), 0}
	return append(head, body...)
}

// get is a packet as nginx sends it for a GET.
func get(path string, more ...string) []byte {
	vars := []string{"QUERY_STRING", "", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "", "REQUEST_URI", path, "PATH_INFO", path, "SERVER_PROTOCOL", "HTTP/1.1", "REMOTE_ADDR", "192.0.2.1", "SERVER_PORT", "80", "SERVER_NAME", "example.org", "HTTP_HOST", "example.org"}
	return packet(0, append(vars, more...)...)
}

// talk sends data on a new connection and returns everything until the server closes.
func talk(t testing.TB, addr string, data ...[]byte) string {
	t.Helper()
	conn := dial(t, addr)
	for _, d := range data {
		if _, err := conn.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := io.ReadAll(conn)
	conn.Close() // the worker waits for that before it serves others, when it refused something
	return string(got)
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

const hello = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
`

func TestHello(t *testing.T) {
	m := startMaster(t, newConf("app", "uwsgi", "http", "uwsgi+unix", "http+unix"), hello)
	if !m.loaded() {
		t.Fatalf("app did not load:\n%s", m.log)
	}
	if _, app := m.fork(1); !app {
		t.Fatal("worker says it has no app")
	}
	uwsgi := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
	http := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nhello"
	request := []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for i, want := range []string{uwsgi, http, uwsgi, http} {
		data := get("/")
		if i%2 == 1 {
			data = request
		}
		if got := talk(t, m.addrs[i], data); got != want {
			t.Errorf("socket %d: got %q, want %q\n%s", i, got, want, m.log)
		}
	}
	m.waitField(1, 0, fieldRequests, 4)
}
