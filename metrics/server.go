package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// statsClients is how many clients of one server are attended to at a time; one more ends the oldest, so idle
	// ones cannot keep others out.
	statsClients = 32
	// statsTimeout bounds each client's whole visit (uWSGI's socket-timeout: its own stats server stops the master
	// for that long).
	statsTimeout = 4 * time.Second
	// statsLinger bounds the wait for a client's own close after the last byte.
	statsLinger = time.Second
	// statsRequest bounds the head of an HTTP request.
	statsRequest = 8 << 10
)

// ServeStats answers every client of a stats socket with doc's result and closes, as uWSGI's stats server does: at once,
// or (http, the option stats-http) after the head of a request, with an HTTP/1.0 header before it. It returns nil once
// the listener is closed, and any other error of Accept that waiting does not mend. doc may be called concurrently.
//
// A client that sends nothing, reads nothing or never leaves costs one goroutine and one descriptor for a bounded time.
func ServeStats(l net.Listener, doc func() []byte, http bool) error {
	guarded := LimitListener(l, statsClients)
	for {
		c, err := guarded.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept on stats socket %s: %w", l.Addr(), err)
		}
		go answer(c, doc, http)
	}
}

// answer serves one client. Its errors are the client's own business.
func answer(c net.Conn, doc func() []byte, http bool) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(statsTimeout)); err != nil {
		return
	}
	body := true
	if http {
		method, ok := readRequest(c)
		if !ok {
			return
		}
		body = method != "HEAD"
	}
	if err := writeDocument(c, doc, http, body); err != nil {
		return
	}
	linger(c)
}

// readRequest reads the head of a request and returns its method; false when none came in time or in size.
func readRequest(r io.Reader) (method string, ok bool) {
	buf := make([]byte, 0, 1024)
	for len(buf) < statsRequest {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, []byte("\r\n\r\n")) || bytes.Contains(buf, []byte("\n\n")) {
			word, _, _ := bytes.Cut(buf, []byte(" "))
			return string(word), true
		}
		if err != nil {
			return "", false
		}
	}
	return "", false
}

func writeDocument(w io.Writer, doc func() []byte, http, body bool) error {
	text := doc()
	if !http {
		_, err := w.Write(text)
		return err
	}
	// The header is uWSGI's, with the length added: pages of other origins may read it there too.
	head := fmt.Appendf(nil, "HTTP/1.0 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(text))
	if !body {
		text = nil
	}
	_, err := w.Write(append(head, text...))
	return err
}

// linger says that nothing more comes and reads away what the client sent: closing with unread bytes makes the kernel
// reset the connection, and the client may lose the end of the document.
func linger(c net.Conn) {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if err := c.SetReadDeadline(time.Now().Add(statsLinger)); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, 1<<20)
}
