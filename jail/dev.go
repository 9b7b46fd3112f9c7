package jail

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// devices are the nodes of a minimal /dev, with the numbers they must have (Linux's devices.txt).
var devices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

var devLinks = []struct{ name, to string }{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
}

// cloneDevice clones a node of the host's /dev, and believes only its number: the name may be a link to something else (CVE-2025-31133).
func cloneDevice(name string) (*mount.Tree, error) {
	t, err := mount.Clone(unix.AT_FDCWD, "/dev/"+name, false)
	if err != nil {
		return nil, fmt.Errorf("cannot use the host's /dev/%s: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(t.Fd(), &st); err != nil {
		t.Close()
		return nil, fmt.Errorf("cannot stat the host's /dev/%s: %w", name, err)
	}
	for _, d := range devices {
		if d.name == name && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(d.major, d.minor) {
			return t, nil
		}
	}
	t.Close()
	return nil, fmt.Errorf("cannot use the host's /dev/%s: it is another device", name)
}

// dev builds a /dev with the nodes every program expects and nothing of the machine. A rootfs without a /dev directory gets none: nothing
// is made in it.
func (e *entry) dev() error {
	const attr = mount.NoSuid | mount.NoExec
	if e.spec.Root.Kind == RootHost {
		if err := e.makePath("/dev"); err != nil {
			return err
		}
	}
	t, err := mount.New("tmpfs", attr, mount.Param{Key: "mode", Value: "0755"}, mount.Param{Key: "size", Value: "64k"})
	if err != nil {
		return err
	}
	defer t.Close()
	if err := e.attach(t, "/dev", attr, false); err != nil {
		if e.spec.Root.Kind == RootDir && errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	for _, d := range devices {
		if err := e.device(d.name); err != nil {
			return err
		}
	}
	for _, l := range devLinks {
		if err := e.makeAt("/dev", l.name, func(fd int) error { return unix.Symlinkat(l.to, fd, l.name) }); err != nil {
			return err
		}
	}
	if err := e.devMounts(); err != nil {
		return err
	}
	e.mounted[e.indexOf("/dev")].attr |= mount.ReadOnly
	return t.Restrict(mount.ReadOnly, false)
}

func (e *entry) indexOf(point string) int {
	for i, m := range e.mounted {
		if m.point == point {
			return i
		}
	}
	return 0
}

func (e *entry) device(name string) error {
	t, err := cloneDevice(name)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := e.makeFile("/dev/" + name); err != nil {
		return err
	}
	return e.attach(t, "/dev/"+name, mount.NoSuid|mount.NoExec, false)
}

// devMounts: shared memory, and terminals of the jail's own, which no process of the host can be reached through.
func (e *entry) devMounts() error {
	const attr = mount.NoSuid | mount.NoExec
	shm, err := mount.New("tmpfs", scratchAttr, mount.Param{Key: "mode", Value: "1777"})
	if err != nil {
		return err
	}
	defer shm.Close()
	pts, err := mount.New("devpts", attr, mount.Param{Key: "newinstance"}, mount.Param{Key: "ptmxmode", Value: "0666"},
		mount.Param{Key: "mode", Value: "0620"})
	if err != nil {
		return err
	}
	defer pts.Close()
	if err := e.makePath("/dev/shm"); err != nil {
		return err
	}
	if err := e.attach(shm, "/dev/shm", scratchAttr, false); err != nil {
		return err
	}
	if err := e.makePath("/dev/pts"); err != nil {
		return err
	}
	if err := e.attach(pts, "/dev/pts", attr, false); err != nil {
		return err
	}
	return e.makeAt("/dev", "ptmx", func(fd int) error { return unix.Symlinkat("pts/ptmx", fd, "ptmx") })
}
