package master

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// channel is the master's end of the SOCK_SEQPACKET pair shared with the zygote and the workers. The owner goroutine
// reads it itself, so that it can order packets and ends of children; a watcher only says when there is something.
type channel struct {
	own, peer *os.File
	raw       syscall.RawConn
	readable  chan struct{}
	again     chan struct{}
}

// floodLimit bounds how many packets are read in one go, so that an app which writes to the channel without end cannot
// keep the owner from everything else.
const (
	floodLimit  = 256
	floodRounds = 64
)

func newChannel() (*channel, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make the zygote channel: %w", err)
	}
	// Only our end does not block: the runtime's end is a file description of its own.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, fmt.Errorf("cannot make the zygote channel: %w", err)
	}
	c := &channel{
		own:      os.NewFile(uintptr(fds[0]), "zygote channel"),
		peer:     os.NewFile(uintptr(fds[1]), "zygote channel, far end"),
		readable: make(chan struct{}),
		again:    make(chan struct{}, 1),
	}
	if c.raw, err = c.own.SyscallConn(); err != nil {
		return nil, fmt.Errorf("cannot watch the zygote channel: %w", err)
	}
	return c, nil
}

// watch runs in a goroutine of its own: it announces that packets wait, then rests until rearm.
func (c *channel) watch() {
	for {
		err := c.raw.Read(func(fd uintptr) bool {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(p, 0)
			return n > 0 || (err != nil && err != unix.EINTR)
		})
		if err != nil {
			return // closed: the loop is over
		}
		c.readable <- struct{}{}
		<-c.again
	}
}

func (c *channel) rearm() { c.again <- struct{}{} }

// drain reads what waits, without blocking.
func (c *channel) drain() [][]byte {
	var packets [][]byte
	buf := make([]byte, worker.MaxMessage)
	for len(packets) < floodLimit {
		n, _, err := unix.Recvfrom(int(c.own.Fd()), buf, unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		packets = append(packets, append([]byte(nil), buf[:n]...))
	}
	return packets
}

// send writes one packet. A channel that is full means a zygote that does not read; the machine finds out by its
// patience, so the packet is only reported.
func (c *channel) send(packet []byte) error {
	err := unix.Sendto(int(c.own.Fd()), packet, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	if err != nil {
		return fmt.Errorf("cannot send %q to the Python zygote: %w", packet, err)
	}
	return nil
}
