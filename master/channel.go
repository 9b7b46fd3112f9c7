package master

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// channel is the master's end of a SOCK_SEQPACKET pair shared with a zygote and what it forks. The owner goroutine reads it
// itself, so that it can order packets and ends of children; a watcher only says when there is something.
type channel struct {
	own   *os.File
	peer  *os.File // nil once the zygote has ended: whatever it forked holds the far end
	raw   syscall.RawConn
	again chan struct{}
}

// channels are those of all zygotes, by number. A channel lives until no process holds its far end any more.
type channels struct {
	open     map[uint64]*channel
	readable chan *channel
}

// packet is one message and the zygote whose channel it came by.
type packet struct {
	zygote uint64
	data   []byte
}

func newChannels() channels { return channels{map[uint64]*channel{}, make(chan *channel)} }

// add makes the channel of a new zygote and starts to watch it.
func (cs *channels) add(number uint64) (*channel, error) {
	c, err := newChannel()
	if err != nil {
		return nil, err
	}
	cs.open[number] = c
	go c.watch(cs.readable)
	return c, nil
}

// dropPeer lets go of the far end when its zygote has ended; the end of the last process that was forked by it is then seen.
func (cs *channels) dropPeer(number uint64) error {
	c := cs.open[number]
	if c == nil || c.peer == nil {
		return nil
	}
	err := c.peer.Close()
	c.peer = nil
	return err
}

// send writes one packet to a zygote.
func (cs *channels) send(number uint64, packet []byte) error {
	c := cs.open[number]
	if c == nil {
		return fmt.Errorf("cannot send %q: the Python zygote has ended", packet)
	}
	return c.send(packet)
}

// drain reads what waits in all channels, and closes those that nobody holds any more. full tells that one had more.
func (cs *channels) drain() (packets []packet, full bool) {
	for number, c := range cs.open {
		over := c.over() // asked first: what was sent before the end is still read
		got := c.drain()
		for _, data := range got {
			packets = append(packets, packet{number, data})
		}
		full = full || len(got) == floodLimit
		if over && len(got) == 0 {
			c.own.Close()
			delete(cs.open, number)
		}
	}
	return packets, full
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
		own:   os.NewFile(uintptr(fds[0]), "zygote channel"),
		peer:  os.NewFile(uintptr(fds[1]), "zygote channel, far end"),
		again: make(chan struct{}, 1),
	}
	if c.raw, err = c.own.SyscallConn(); err != nil {
		return nil, fmt.Errorf("cannot watch the zygote channel: %w", err)
	}
	return c, nil
}

// watch runs in a goroutine of its own: it announces that packets wait, then rests until rearm.
func (c *channel) watch(readable chan<- *channel) {
	for {
		err := c.raw.Read(func(fd uintptr) bool {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(p, 0)
			return n > 0 || (err != nil && err != unix.EINTR)
		})
		if err != nil {
			return // closed: the loop is over
		}
		readable <- c
		<-c.again
	}
}

func (c *channel) rearm() { c.again <- struct{}{} }

// over tells whether no process holds the far end any more.
func (c *channel) over() bool {
	if c.peer != nil {
		return false
	}
	p := []unix.PollFd{{Fd: int32(c.own.Fd())}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&unix.POLLHUP != 0
}

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
