package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	request = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
	body    = "Hello, World\n"
)

// load makes n requests with so many clients and returns how long each took. A wrong or missing answer is an error: then nothing was measured.
func load(addr string, n, clients int, keepAlive bool) ([]time.Duration, error) {
	var (
		wg        sync.WaitGroup
		mu        sync.Mutex
		latencies = make([]time.Duration, 0, n)
		first     error
		left      atomic.Int64
	)
	left.Store(int64(n))
	for range clients {
		wg.Go(func() {
			c := client{addr: addr, keepAlive: keepAlive, buffer: make([]byte, 4096)}
			defer c.close()
			var own []time.Duration
			var err error
			for left.Add(-1) >= 0 && err == nil {
				began := time.Now()
				err = c.once()
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return latencies, first
}

type client struct {
	addr      string
	keepAlive bool
	conn      net.Conn
	buffer    []byte
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// once makes one request. The answer is known to be whole by its last bytes: the app's body is always the same.
func (c *client) once() error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return err
		}
		c.conn = conn
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return err
	}
	got := 0
	for {
		n, err := c.conn.Read(c.buffer[got:])
		got += n
		whole := bytes.HasSuffix(c.buffer[:got], []byte(body)) && bytes.HasPrefix(c.buffer, []byte("HTTP/1.1 200 "))
		if whole && c.keepAlive {
			if bytes.Contains(c.buffer[:got], []byte("Connection: close")) {
				c.close()
			}
			return nil
		}
		if whole && err == io.EOF {
			c.close()
			return nil
		}
		if err != nil || got == len(c.buffer) {
			return fmt.Errorf("wrong answer %.200q: %v", c.buffer[:got], err)
		}
	}
}
