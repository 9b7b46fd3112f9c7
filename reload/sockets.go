package reload

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
)

// listener is a listening socket of the parent. It is bound once and lives until no generation uses it.
type listener struct {
	key    string // what it was asked for: address and, for a unix socket, the root it is below
	addr   string // as configured
	name   string // as bound, for the log
	family string // inet, inet6, unix
	file   *os.File
	place  *place // unix socket with a path that we made, nil otherwise
	full   bool   // its queue, when it was looked at last
}

// socketEnv is what binding needs beside the address.
type socketEnv struct {
	root    string // directory that unix paths are below, "" = the host's own root
	dir     string // for relative unix paths, seen from below root
	chmod   string // octal, "" = what the umask leaves
	uid     int    // owner of unix sockets, -1 = leave
	gid     int
	backlog int
	tuning  tuning
	reuse   bool
	mask    int // umask for unix sockets without chmod
}

// bind makes one listening socket. Errors read "cannot bind ADDR: cause".
func bind(addr string, env *socketEnv) (*listener, error) {
	l, err := bindAny(addr, env)
	if err != nil {
		return nil, fmt.Errorf("cannot bind %s: %w", addr, err)
	}
	l.addr = addr
	l.key = socketKey(addr, env)
	return l, nil
}

// socketKey tells which address is the same socket over a reload.
func socketKey(addr string, env *socketEnv) string {
	if isUnixPath(addr) {
		return fmt.Sprintf("unix:%s:%s:%s", env.root, env.dir, addr)
	}
	return addr
}

func isUnixPath(addr string) bool {
	return !strings.HasPrefix(addr, "@") && !strings.HasPrefix(addr, "fd://") && (strings.HasPrefix(addr, "/") || !strings.Contains(addr, ":"))
}

func bindAny(addr string, env *socketEnv) (*listener, error) {
	switch {
	case strings.HasPrefix(addr, "fd://"):
		return adopt(strings.TrimPrefix(addr, "fd://"))
	case strings.HasPrefix(addr, "@"):
		return bindAbstract(addr, env)
	case isUnixPath(addr):
		return bindPath(addr, env)
	}
	return bindInet(addr, env)
}

// adopt takes a descriptor that we were started with; it is not ours to unlink.
func adopt(number string) (*listener, error) {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("%q is not a descriptor number", number)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	family, err := familyOf(own)
	if err != nil {
		return nil, errors.Join(err, unix.Close(own))
	}
	f, err := socketFile(own)
	if err != nil {
		return nil, err
	}
	return &listener{file: f, family: family, name: "inherited descriptor " + number}, nil
}

// familyOf tells the family of a socket that listens; any other descriptor is an error.
func familyOf(fd int) (string, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return "", err
	}
	if listening == 0 {
		return "", errors.New("the descriptor is not a listening socket")
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	switch sa.(type) {
	case *unix.SockaddrInet4:
		return "inet", nil
	case *unix.SockaddrInet6:
		return "inet6", nil
	}
	return "unix", nil
}

// socketFile makes the descriptor non-blocking until a generation says how its workers wait. Here nobody waits on it.
func socketFile(fd int) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return jail.QuietFile(fd, "socket")
}

func bindAbstract(addr string, env *socketEnv) (*listener, error) {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: addr}); err == nil {
		err = unix.Listen(fd, env.backlog)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	f, err := socketFile(fd)
	if err != nil {
		return nil, err
	}
	return &listener{file: f, family: "unix", name: "UNIX address " + addr}, nil
}

func newSocket(family int) (int, error) {
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func bindInet(addr string, env *socketEnv) (*listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("not an address (write HOST:PORT, :PORT, [IPv6]:PORT, /PATH or @NAME): %v", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port number", port)
	}
	ip, err := resolve(host)
	if err != nil {
		return nil, err
	}
	family, name := unix.AF_INET6, "inet6"
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(n), Addr: [16]byte(ip.To16())}
	if v4 := ip.To4(); v4 != nil {
		family, name = unix.AF_INET, "inet"
		sa = &unix.SockaddrInet4{Port: int(n), Addr: [4]byte(v4)}
	}
	fd, err := newSocket(family)
	if err != nil {
		return nil, err
	}
	if err := beforeBind(fd, env); err == nil {
		if err = unix.Bind(fd, sa); err == nil {
			err = unix.Listen(fd, env.backlog)
		}
		if err != nil {
			return nil, errors.Join(err, unix.Close(fd))
		}
	} else {
		return nil, errors.Join(err, unix.Close(fd))
	}
	f, err := socketFile(fd)
	if err != nil {
		return nil, err
	}
	return &listener{file: f, family: name, name: "TCP address " + addr}, nil
}

// resolve gives the address to bind: uWSGI's ":80" is every IPv4 address.
func resolve(host string) (net.IP, error) {
	if host == "" {
		return net.IPv4zero, nil
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip, nil
	}
	if strings.ContainsRune(host, '*') {
		return matching(host)
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return nil, fmt.Errorf("cannot look up the host name: %w", err)
	}
	for _, ip := range ips {
		if ip.To4() != nil {
			return ip, nil
		}
	}
	return ips[0], nil
}

// maxBacklog reads net.core.somaxconn, the longest listen queue that the kernel grants (listen(2)).
func maxBacklog() int {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return unix.SOMAXCONN
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return unix.SOMAXCONN
	}
	return n
}

// envOf reads from the configuration what its sockets need; it fails when an owner does not exist in the root.
func envOf(cfg *config.Config, spec *jail.Spec, dir string) (*socketEnv, error) {
	env := &socketEnv{
		dir: dir, chmod: cfg.Sockets.Chmod, uid: -1, gid: -1, backlog: maxBacklog(), tuning: tuningOf(&cfg.Sockets),
		reuse: cfg.Sockets.ReusePort, mask: -1,
	}
	env.root = rootOf(spec)
	if n := cfg.Sockets.Listen; n > env.backlog {
		return nil, fmt.Errorf("cannot set the listen queue to %d: Listen queue size is greater than the system max net.core.somaxconn (%d)", n, env.backlog)
	} else if n > 0 {
		env.backlog = n
	}
	if cfg.Security.Umask != nil {
		env.mask = *cfg.Security.Umask
	}
	return env, env.setOwner(cfg, spec)
}

// setOwner: the app's own user, as if it had bound the socket itself, unless chown-socket says otherwise.
func (env *socketEnv) setOwner(cfg *config.Config, spec *jail.Spec) error {
	creds := spec.Creds
	if cfg.Sockets.Chown != "" {
		creds = jail.Creds{}
		creds.UID, creds.GID, _ = strings.Cut(cfg.Sockets.Chown, ":")
	}
	if os.Geteuid() != 0 || (creds.UID == "" && creds.GID == "") {
		if cfg.Sockets.Chown != "" {
			return fmt.Errorf("cannot give the sockets to %s: only root can change an owner", cfg.Sockets.Chown)
		}
		return nil
	}
	uid, gid, err := jail.LookupIDs(env.root, creds)
	if err != nil && spec.PivotRoot != nil && cfg.Sockets.Chown == "" {
		return nil // names of a root that the hooks have yet to make
	}
	if err != nil {
		return err
	}
	env.uid, env.gid = uid, gid
	return nil
}
