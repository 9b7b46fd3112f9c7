package metrics

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// acceptRetry is the first and acceptRetryMax the longest wait after an Accept that failed for want of descriptors or
// memory.
const (
	acceptRetry    = 5 * time.Millisecond
	acceptRetryMax = time.Second
)

// LimitListener returns a listener with at most n connections open at a time: accepting one more closes the oldest, so
// that clients that stay cannot keep new ones out. Want of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) is
// waited out.
func LimitListener(l net.Listener, n int) net.Listener {
	return &limitListener{Listener: l, max: max(n, 1), done: make(chan struct{})}
}

type limitListener struct {
	net.Listener
	max  int
	done chan struct{} // closed by Close: ends a wait
	once sync.Once

	mu   sync.Mutex
	open []*limitConn // oldest first
}

type limitConn struct {
	net.Conn
	owner *limitListener
	once  sync.Once
	err   error
}

func (l *limitListener) Accept() (net.Conn, error) {
	wait := acceptRetry
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.add(c), nil
		}
		if !isShortage(err) {
			return nil, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.done:
			t.Stop()
			return nil, net.ErrClosed
		}
		wait = min(2*wait, acceptRetryMax)
	}
}

func isShortage(err error) bool {
	for _, errno := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Close closes the listener; connections stay.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

func (l *limitListener) add(c net.Conn) net.Conn {
	lc := &limitConn{Conn: c, owner: l}
	l.mu.Lock()
	var oldest *limitConn
	if len(l.open) >= l.max {
		oldest = l.open[0]
	}
	l.open = append(l.open, lc)
	l.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
	return lc
}

func (l *limitListener) remove(c *limitConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, o := range l.open {
		if o == c {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

// Close closes the connection and makes room for another.
func (c *limitConn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.owner.remove(c)
	})
	return c.err
}

// CloseWrite ends the sending half, where the kind of connection has one.
func (c *limitConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
