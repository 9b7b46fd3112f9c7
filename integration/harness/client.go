package harness

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Response is one answer, body read to the end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// ErrShort marks an answer that ended before its Content-Length.
var ErrShort = errors.New("answer is shorter than announced")

// givenPorts are those that FreePort has returned: a port that nobody has bound yet must not be given twice.
var givenPorts sync.Map

// FreePort returns a TCP port of 127.0.0.1 that was free a moment ago. It lies below the range from which the kernel takes
// ports for clients (ip_local_port_range), so that no connection of a test can come to sit on it meanwhile.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 200 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000))
		if _, given := givenPorts.LoadOrStore(addr, true); given {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("cannot find a free port")
	return ""
}

// Dial connects to host:port, or to a unix socket when addr starts with a slash, or with @ for a name in the abstract space.
func Dial(addr string, timeout time.Duration) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "@") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, addr, timeout)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(timeout))
}

// Fetch makes one GET on a new connection; proto is "http" or "uwsgi".
func Fetch(proto, addr, path string, timeout time.Duration) (*Response, error) {
	if proto == "uwsgi" {
		return FetchUWSGI(addr, Vars("GET", path), "", timeout)
	}
	return FetchRaw(addr, "GET "+path+" HTTP/1.0\r\nHost: localhost\r\n\r\n", timeout)
}

// Get is Fetch that fails the test on an error.
func Get(t testing.TB, proto, addr, path string) *Response {
	t.Helper()
	r, err := Fetch(proto, addr, path, 15*time.Second)
	if err != nil {
		t.Fatalf("GET %s from %s %s: %v", path, proto, addr, err)
	}
	return r
}

// FetchRaw sends bytes on a new connection and reads one HTTP answer.
func FetchRaw(addr, request string, timeout time.Duration) (*Response, error) {
	c, err := Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	method, _, _ := strings.Cut(request, " ")
	return ReadResponse(bufio.NewReader(c), method)
}

// Exchange sends bytes, closes our sending side if half is set, and returns every byte that came until the other side closed.
func Exchange(addr, request string, half bool, timeout time.Duration) (string, error) {
	c, err := Dial(addr, timeout)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	if half {
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			if err := w.CloseWrite(); err != nil {
				return "", err
			}
		}
	}
	all, err := io.ReadAll(c)
	return string(all), err
}

// ReadResponse reads one HTTP answer to a request with this method.
func ReadResponse(r *bufio.Reader, method string) (*Response, error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrShort
	}
	return &Response{resp.StatusCode, resp.Header, string(body)}, err
}

// Vars returns the variables nginx's uwsgi_params sends for a request without headers.
func Vars(method, uri string) map[string]string {
	path, query, _ := strings.Cut(uri, "?")
	return map[string]string{
		"REQUEST_METHOD": method, "REQUEST_URI": uri, "PATH_INFO": path, "QUERY_STRING": query, "CONTENT_TYPE": "", "CONTENT_LENGTH": "",
		"DOCUMENT_ROOT": "/", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "4711",
		"SERVER_PORT": "80", "SERVER_NAME": "localhost", "HTTP_HOST": "localhost",
	}
}

// Packet encodes variables as a uwsgi packet: modifier1, size (16 bit little-endian), modifier2, then pairs with 16 bit lengths.
func Packet(modifier1 byte, vars map[string]string) []byte {
	var body bytes.Buffer
	word := func(s string) {
		_ = binary.Write(&body, binary.LittleEndian, uint16(len(s)))
		body.WriteString(s)
	}
	for k, v := range vars {
		word(k)
		word(v)
	}
	head := []byte{modifier1, byte(body.Len()), byte(body.Len() >> 8), 0}
	return append(head, body.Bytes()...)
}

// FetchUWSGI makes one request in the uwsgi protocol on a new connection.
func FetchUWSGI(addr string, vars map[string]string, body string, timeout time.Duration) (*Response, error) {
	if body != "" {
		vars["CONTENT_LENGTH"] = fmt.Sprint(len(body))
	}
	c, err := Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Write(append(Packet(0, vars), body...)); err != nil {
		return nil, err
	}
	return ReadResponse(bufio.NewReader(c), vars["REQUEST_METHOD"])
}

// WaitGone waits until connecting to addr is refused.
func WaitGone(t testing.TB, addr string) {
	t.Helper()
	gone := Eventually(5*time.Second, func() bool {
		c, err := Dial(addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if !gone {
		t.Fatalf("something still listens on %s", addr)
	}
}

// Exists tells whether a path is there, symlinks not followed.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
