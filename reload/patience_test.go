package reload

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// TestBindWaitsAtStart: the sockets of a parent that was killed live until its jail has noticed, so the next start waits for them. A
// reload does not: it would hold up a parent that serves.
func TestBindWaitsAtStart(t *testing.T) {
	old, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := &config.Socket{Addr: old.Addr().String()}
	p := &parent{log: zerolog.Nop()}
	p.plan.served = true
	began := time.Now()
	if _, err := p.listen(addr, testEnv("/")); !errors.Is(err, unix.EADDRINUSE) || time.Since(began) > startup/2 {
		t.Errorf("a reload waited %v and got %v", time.Since(began), err)
	}
	p.plan.served = false
	time.AfterFunc(50*time.Millisecond, func() { old.Close() })
	l, err := p.listen(addr, testEnv("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(false)
	if _, err := p.listen(&config.Socket{Addr: addr.Addr[len("127.0.0.1"):]}, testEnv("/")); !errors.Is(err, unix.EADDRINUSE) || time.Since(began) < startup {
		t.Errorf("an address that stays in use gives %v after %v", err, time.Since(began))
	}
}
