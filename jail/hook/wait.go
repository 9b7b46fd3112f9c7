package hook

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultWait is how long the wait_for actions wait when the argument does not say.
const DefaultWait = 60 * time.Second

func splitWait(arg string) (string, time.Duration, error) {
	f := strings.Fields(arg)
	if len(f) == 1 {
		return f[0], DefaultWait, nil
	}
	n, err := strconv.ParseUint(f[len(f)-1], 10, 31)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not a number of seconds", f[len(f)-1])
	}
	path, _ := lastWords(arg, 1)
	return path, time.Duration(n) * time.Second, nil
}

func checkWait(arg string) error {
	_, _, err := splitWait(arg)
	return err
}

func waitFor(what string, fits func(os.FileMode) bool) func(string, Context) error {
	return func(arg string, c Context) error {
		path, limit, err := splitWait(arg)
		if err != nil {
			return err
		}
		there := func() bool {
			st, err := os.Stat(path)
			return err == nil && fits(st.Mode())
		}
		return c.poll(limit, there, fmt.Errorf("%q was not %s within %v", path, what, limit))
	}
}

// poll asks until the answer is yes; when the time is over it gives the error.
func (c Context) poll(limit time.Duration, yes func() bool, late error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes() {
			return nil
		}
		select {
		case <-c.Stop:
			return ErrStopped
		case <-deadline.C:
			return late
		case <-tick.C:
		}
	}
}

// sockaddr reads a path, @abstract or a numeric ADDRESS:PORT.
func sockaddr(text string) (family int, sa unix.Sockaddr, err error) {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "@") {
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: text}, nil
	}
	if strings.HasPrefix(text, ":") {
		text = "127.0.0.1" + text
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return 0, nil, fmt.Errorf("%q is neither a path nor a numeric address with a port", text)
	}
	if at.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, nil
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}, nil
}

func checkWaitSocket(arg string) error {
	text, _, err := splitWait(arg)
	if err == nil {
		_, _, err = sockaddr(text)
	}
	return err
}

func waitForSocket(arg string, c Context) error {
	text, limit, err := splitWait(arg)
	if err != nil {
		return err
	}
	family, sa, err := sockaddr(text)
	if err != nil {
		return err
	}
	accepts := func() bool {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		return unix.Connect(fd, sa) == nil
	}
	return c.poll(limit, accepts, fmt.Errorf("nobody accepted at %q within %v", text, limit))
}

// waitForInterface and waitForMountpoint are options of uWSGI's, not actions; as actions they can stand in any phase.
func waitForInterface(arg string, c Context) error {
	name, limit, err := splitWait(arg)
	if err != nil {
		return err
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("%q is not the name of an interface", name)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open a socket: %w", err)
	}
	defer unix.Close(fd)
	there := func() bool { return unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr) == nil }
	return c.poll(limit, there, fmt.Errorf("there was no interface %q within %v", name, limit))
}

// waitForMountpoint: a directory is one when it is on another device than the directory above it, as uWSGI tells it too.
func waitForMountpoint(arg string, c Context) error {
	dir, limit, err := splitWait(arg)
	if err != nil {
		return err
	}
	mounted := func() bool {
		var own, above unix.Stat_t
		return unix.Stat(dir, &own) == nil && unix.Stat(dir+"/..", &above) == nil && (own.Dev != above.Dev || own.Ino == above.Ino)
	}
	return c.poll(limit, mounted, fmt.Errorf("%q was not a mount point within %v", dir, limit))
}
