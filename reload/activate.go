package reload

import (
	"fmt"
	"net"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// firstActivated is the first descriptor of socket activation (sd_listen_fds(3)).
const firstActivated = 3

// maxActivated bounds what a wrong LISTEN_FDS can ask for.
const maxActivated = 1024

// Activated lists the listening sockets that a service manager handed to this very process.
func Activated(getenv func(string) string) []int {
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 1 || n > maxActivated || getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	var fds []int
	for fd := firstActivated; fd < firstActivated+n; fd++ {
		unix.CloseOnExec(fd)
		fds = append(fds, fd)
	}
	return fds
}

// Adopt gives each activated socket its place in the configuration: one that is configured by its address (as uWSGI matches them) or by its
// number is that one; any other is served as well, with the default protocol.
func Adopt(cfg *config.Config, fds []int) error {
	for _, fd := range fds {
		sa, err := unix.Getsockname(fd)
		if err != nil {
			return fmt.Errorf("cannot use the activated socket %d: %w", fd, err)
		}
		number := fmt.Sprintf("fd://%d", fd)
		found := false
		for i := range cfg.Sockets.List {
			s := &cfg.Sockets.List[i]
			if s.Addr == number || sameAddress(s.Addr, sa) {
				s.Addr, found = number, true
			}
		}
		if !found {
			cfg.Sockets.List = append(cfg.Sockets.List, config.Socket{Addr: number, Proto: cfg.Sockets.Default})
		}
	}
	return nil
}

// sameAddress compares what is configured with what a socket is bound to.
func sameAddress(addr string, sa unix.Sockaddr) bool {
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		if strings.HasPrefix(addr, "@") {
			return addr == sa.Name
		}
		return isUnixPath(addr) && path.Clean(addr) == path.Clean(sa.Name)
	case *unix.SockaddrInet4:
		return sameInet(addr, sa.Addr[:], sa.Port)
	case *unix.SockaddrInet6:
		return sameInet(addr, sa.Addr[:], sa.Port)
	}
	return false
}

func sameInet(addr string, ip net.IP, port int) bool {
	host, text, err := net.SplitHostPort(addr)
	if err != nil || text != strconv.Itoa(port) {
		return false
	}
	if host == "" { // every address: systemd's ListenStream=80 is [::]:80, which takes IPv4 too
		return ip.IsUnspecified()
	}
	want := net.ParseIP(host)
	return want != nil && want.Equal(ip)
}
