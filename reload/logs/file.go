package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Place is where a log file is: how to open it again, and how to give it another name.
type Place struct {
	Path   string // as it is shown, and what Rename is given
	Open   func(path string, flags int, mode uint32) (*os.File, error)
	Rename func(from, to string) error
	UID    int // owner to be, -1 = whoever opens it
	GID    int
	Mode   uint32 // 0 = as it is made
}

// HostPlace is a file of the host's, opened with the caller's rights.
func HostPlace(path string) Place {
	open := func(path string, flags int, mode uint32) (*os.File, error) {
		return os.OpenFile(path, flags, fs.FileMode(mode))
	}
	return Place{Path: path, Open: open, Rename: os.Rename, UID: -1, GID: -1}
}

// openLog opens a log file for appending. A fifo is opened for both directions: opening it for writing alone would wait for a reader.
func (p Place) openLog(truncate bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE
	if st, err := os.Stat(p.Path); err == nil && st.Mode()&fs.ModeNamedPipe != 0 {
		flags = os.O_RDWR
	}
	if truncate {
		flags |= os.O_TRUNC
	}
	f, err := p.Open(p.Path, flags, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	if p.UID >= 0 || p.GID >= 0 {
		if err := f.Chown(p.UID, p.GID); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot give the log to its owner: %w", err), f.Close())
		}
	}
	if p.Mode != 0 {
		if err := f.Chmod(fs.FileMode(p.Mode)); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot set the mode of the log: %w", err), f.Close())
		}
	}
	return f, nil
}

// file is a log file that can be opened again and rotated.
type file struct {
	place  Place
	f      *os.File
	size   int64
	max    int64  // rotated when it is larger, 0 = never
	backup string // name after that, "" = the path and the time
	failed int64  // the size at which rotating failed last
}

// FileOptions say how a log file is treated.
type FileOptions struct {
	Truncate bool
	MaxSize  int64
	Backup   string
}

// newFile opens the file. Names of descriptors mean the descriptor, which may be a socket that cannot be opened.
func newFile(place Place, o FileOptions) (target, error) {
	if fd, ok := descriptor(place.Path); ok {
		f, err := dup(fd)
		if err != nil {
			return nil, err
		}
		return &stream{f: f}, nil
	}
	if host, port, err := net.SplitHostPort(place.Path); err == nil && !strings.Contains(place.Path, "/") && host != "" {
		if _, err := strconv.Atoi(port); err == nil {
			return &datagrams{network: "udp", addr: place.Path}, nil
		}
	}
	f, err := place.openLog(o.Truncate)
	if err != nil {
		return nil, err
	}
	t := &file{place: place, f: f, max: o.MaxSize, backup: o.Backup}
	t.measure()
	return t, nil
}

// descriptor knows the names of this process's own descriptors.
func descriptor(path string) (int, bool) {
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, prefix := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if n, err := strconv.Atoi(strings.TrimPrefix(path, prefix)); err == nil && strings.HasPrefix(path, prefix) {
			return n, true
		}
	}
	return 0, false
}

// dup keeps a descriptor of the caller's from being closed, and its number from meaning SIGPIPE.
func dup(fd int) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot use descriptor %d for the log: %w", fd, err)
	}
	return os.NewFile(uintptr(own), fmt.Sprintf("fd %d", fd)), nil
}

func (t *file) measure() {
	t.size = 0
	if st, err := t.f.Stat(); err == nil && st.Mode().IsRegular() {
		t.size = st.Size()
	}
}

func (t *file) write(buf []byte, _ []int) error {
	n, err := t.f.Write(buf)
	t.size += int64(n)
	if t.max > 0 && t.size > t.max && (t.failed == 0 || t.size > 2*t.failed) {
		t.tooLarge()
	}
	return err
}

// tooLarge rotates by size. When that cannot be done the file grows on, and says so.
func (t *file) tooLarge() {
	size := t.size
	text, err := t.rotate()
	if err != nil {
		t.failed = size
		text = fmt.Sprintf("cannot rotate the log %s: %v", t.place.Path, err)
	} else {
		t.failed = 0
		text = fmt.Sprintf("logsize: %d, triggering rotation: %s", size, text)
	}
	n, _ := fmt.Fprintf(t.f, "[%d] %s\n", time.Now().Unix(), text)
	t.size += int64(n)
}

func (t *file) reopen() (string, error) {
	f, err := t.place.openLog(false)
	if err != nil {
		return "", err
	}
	_ = t.f.Close()
	t.f = f
	t.measure()
	return fmt.Sprintf("[%d] %s reopened.", time.Now().Unix(), t.place.Path), nil
}

func (t *file) rotate() (string, error) {
	to := t.backup
	if to == "" {
		to = fmt.Sprintf("%s.%d", t.place.Path, time.Now().Unix())
	}
	if err := t.place.Rename(t.place.Path, to); err != nil {
		return "", err
	}
	if _, err := t.reopen(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is now %s", t.place.Path, to), nil
}

func (t *file) close() error { return t.f.Close() }
