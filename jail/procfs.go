package jail

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// procfs is a descriptor of a /proc. Through it a process can be looked at after its root has changed to one without a /proc, or with
// something else in its place (CVE-2025-52881).
type procfs int

func openProc() (procfs, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open /proc: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return -1, errors.New("cannot use /proc: it is not a proc filesystem")
	}
	return procfs(fd), nil
}

func (p procfs) close() {
	if p >= 0 {
		unix.Close(int(p))
	}
}

// open opens a file of the calling process.
func (p procfs) open(name string) (*os.File, error) {
	fd, err := unix.Openat(int(p), "self/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open /proc/self/%s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (p procfs) read(name string) (string, error) {
	f, err := p.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("cannot read /proc/self/%s: %w", name, err)
	}
	return string(text), nil
}

func (p procfs) list(name string) ([]string, error) {
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list /proc/self/%s: %w", name, err)
	}
	return names, nil
}

// namespaceInodes reads which namespaces the calling process is in. A kind this kernel does not have is left out.
func (p procfs) namespaceInodes() (map[Namespace]uint64, error) {
	inodes := make(map[Namespace]uint64, len(namespaceTable))
	for _, n := range namespaceTable {
		var st unix.Stat_t
		err := unix.Fstatat(int(p), "self/ns/"+n.link, &st, 0)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot stat /proc/self/ns/%s: %w", n.link, err)
		}
		inodes[n.kind] = st.Ino
	}
	return inodes, nil
}
