package reload

import (
	"fmt"
	"net"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// tuning is what is set on listening sockets beside their address. It can change over a reload, the address cannot.
type tuning struct {
	receive, send  int // seconds, 0 = no limit
	noDefer        bool
	keepAlive      bool
	freeBind       bool
	fastOpen       int // length of the queue, 0 = off
	sndbuf, rcvbuf int // bytes, 0 = the system's
}

func tuningOf(s *config.Sockets) tuning {
	t := tuning{
		receive: s.Timeout, send: s.Timeout, noDefer: s.NoDeferAccept, keepAlive: s.KeepAlive, freeBind: s.FreeBind, fastOpen: s.FastOpen,
		sndbuf: s.SendBuffer, rcvbuf: s.ReceiveBuffer,
	}
	if s.SendTimeout > 0 {
		t.send = s.SendTimeout
	}
	return t
}

// of gives the tuning of one socket, which may have a time limit of its own.
func (t tuning) of(s *config.Socket, all *config.Sockets) tuning {
	if s.Timeout > 0 {
		t.receive = s.Timeout
		if all.SendTimeout == 0 {
			t.send = s.Timeout
		}
	}
	t.noDefer = t.noDefer || s.NoDefer
	return t
}

// sockopt is one setsockopt(2) with a number.
type sockopt struct {
	name        string
	level, what int
	value       int
}

func (o sockopt) set(fd int) error {
	if err := unix.SetsockoptInt(fd, o.level, o.what, o.value); err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	return nil
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// beforeBind sets the options of a new TCP socket.
func beforeBind(fd int, env *socketEnv) error {
	opts := []sockopt{{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}}
	if env.reuse {
		opts = append(opts, sockopt{"SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if env.tuning.freeBind {
		opts = append(opts, sockopt{"freebind", unix.SOL_IP, unix.IP_FREEBIND, 1})
	}
	if env.tuning.fastOpen > 0 {
		opts = append(opts, sockopt{"tcp-fast-open", unix.IPPROTO_TCP, unix.TCP_FASTOPEN, env.tuning.fastOpen})
	}
	for _, o := range opts {
		if err := o.set(fd); err != nil {
			return err
		}
	}
	return env.tuning.set(fd)
}

// set does what may be done at any time. What is set on a listening TCP socket is copied to the accepted ones (the kernel clones the
// socket, inet_csk_clone_lock), which saves the workers system calls on each connection.
func (t tuning) set(fd int) error {
	wait := 0
	if !t.noDefer {
		// A worker serves one connection a core: let the kernel keep those that say nothing yet (tcp(7)).
		wait = t.receive
	}
	opts := []sockopt{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"so-keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE, flag(t.keepAlive)},
		{"TCP_DEFER_ACCEPT", unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, wait},
	}
	if t.sndbuf > 0 {
		opts = append(opts, sockopt{"socket-sndbuf", unix.SOL_SOCKET, unix.SO_SNDBUF, t.sndbuf})
	}
	if t.rcvbuf > 0 {
		opts = append(opts, sockopt{"socket-rcvbuf", unix.SOL_SOCKET, unix.SO_RCVBUF, t.rcvbuf})
	}
	for _, o := range opts {
		if err := o.set(fd); err != nil {
			return err
		}
	}
	for opt, seconds := range map[int]int{unix.SO_RCVTIMEO: t.receive, unix.SO_SNDTIMEO: t.send} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &unix.Timeval{Sec: int64(seconds)}); err != nil {
			return fmt.Errorf("socket-timeout: %w", err)
		}
	}
	return nil
}

// retune gives a socket that was bound by an earlier configuration what the new one says.
func (l *listener) retune(env *socketEnv) error {
	if strings.HasPrefix(l.addr, "fd://") {
		return nil // made by somebody else, as it was meant to be
	}
	if l.family == "unix" {
		return unix.Listen(l.fd(), env.backlog)
	}
	if err := env.tuning.set(l.fd()); err != nil {
		return fmt.Errorf("cannot change the options of %s: %w", l.addr, err)
	}
	return unix.Listen(l.fd(), env.backlog) // a second listen(2) only changes the length of the queue
}

// matching gives the first IPv4 address of an interface that a pattern such as 192.168.* fits.
func matching(pattern string) (net.IP, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("cannot list the addresses of the interfaces: %w", err)
	}
	for _, a := range addrs {
		network, ok := a.(*net.IPNet)
		if !ok || network.IP.To4() == nil {
			continue
		}
		if fits, err := path.Match(pattern, network.IP.String()); err == nil && fits {
			return network.IP, nil
		}
	}
	return nil, fmt.Errorf("no interface has an address like %s", pattern)
}
