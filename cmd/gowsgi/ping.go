package main

import (
	"fmt"
	"io"
	"net"
	"time"
)

// uwsgiPing is the modifier of a packet that only asks whether somebody is there.
const uwsgiPing = 100

// ping asks a server that speaks the uwsgi protocol whether it answers, within the time.
func ping(addr string, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	c, err := net.DialTimeout(networkOf(addr), addr, timeout)
	if err != nil {
		return fmt.Errorf("cannot ping: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(end); err != nil {
		return fmt.Errorf("cannot ping %s: %w", addr, err)
	}
	if _, err := c.Write([]byte{uwsgiPing, 0, 0, 0}); err != nil {
		return fmt.Errorf("cannot ping %s: %w", addr, err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return fmt.Errorf("cannot ping %s: no answer: %w", addr, err)
	}
	if answer != [4]byte{uwsgiPing, 0, 0, 1} {
		return fmt.Errorf("cannot ping %s: it answers % x (does it speak the uwsgi protocol?)", addr, answer)
	}
	return nil
}
