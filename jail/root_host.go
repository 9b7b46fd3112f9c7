package jail

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// The names directly below / that hold a system: programs, libraries, configuration. On a merged system all but usr and etc are links.
var systemDirs = []string{"usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// Files of /etc that only root may read: nothing of an app's.
var secretFiles = []string{"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"}

const scratchAttr = mount.NoSuid | mount.NoDev

// rootHost mounts an empty tmpfs over the root directory. Paths still start below it, at the host's root, until pivot-root.
func (e *entry) rootHost() error {
	t, err := mount.New("tmpfs", scratchAttr, mount.Param{Key: "mode", Value: "0755"}, mount.Param{Key: "size", Value: "1m"})
	if err != nil {
		return err
	}
	e.root = t
	e.expect("/", scratchAttr|mount.ReadOnly, false)
	if err := attachOverRoot(t); err != nil {
		return err
	}
	return e.makePath("/proc")
}

// hostSystem shows the host's system directories as the host has them, links as links, the rest read-only with all that is mounted below.
func (e *entry) hostSystem() error {
	for _, name := range systemDirs {
		var st unix.Stat_t
		if err := unix.Lstat("/"+name, &st); errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return fmt.Errorf("cannot stat %q: %w", "/"+name, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			if err := e.showReadOnly("/" + name); err != nil {
				return err
			}
			continue
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlink("/"+name, buf)
		if err != nil {
			return fmt.Errorf("cannot read link %q: %w", "/"+name, err)
		}
		if err := e.makeAt("", name, func(fd int) error { return unix.Symlinkat(string(buf[:n]), fd, name) }); err != nil {
			return err
		}
	}
	for _, secret := range secretFiles {
		if err := e.hide(secret); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// showReadOnly binds a path of the host at its own place, with everything mounted below it.
func (e *entry) showReadOnly(p string) error { return e.show(p, p, mount.ReadOnly) }

func (e *entry) makeFile(p string) error {
	dir, name := path.Split(path.Clean(p))
	if err := e.makePath(dir); err != nil {
		return err
	}
	return e.makeAt(dir, name, func(fd int) error {
		f, err := unix.Openat(fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o444)
		if err == nil {
			unix.Close(f)
		}
		return err
	})
}

// hostScratch gives the jail writable directories that vanish with it.
func (e *entry) hostScratch() error {
	for _, dir := range []struct{ path, mode string }{{"/tmp", "1777"}, {"/var/tmp", "1777"}, {"/run", "0755"}} {
		if err := e.makePath(dir.path); err != nil {
			return err
		}
		t, err := mount.New("tmpfs", scratchAttr, mount.Param{Key: "mode", Value: dir.mode})
		if err != nil {
			return err
		}
		err = e.attach(t, dir.path, scratchAttr, false)
		t.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// appDirs shows the app's directories, outermost first, and the name servers' file when it lies somewhere the jail does not show.
func (e *entry) appDirs() error {
	dirs := slices.Clone(e.spec.Root.AppDirs)
	if real, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil {
		dirs = append(dirs, real)
	}
	for i := range dirs {
		dirs[i] = path.Clean(dirs[i])
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if e.shown(dir) {
			continue
		}
		if err := e.showReadOnly(dir); err != nil {
			return err
		}
	}
	return nil
}

// shown tells whether a path is already seen through a system directory or another app directory.
func (e *entry) shown(p string) bool {
	for _, name := range systemDirs {
		if below(p, "/"+name) {
			return true
		}
	}
	return slices.ContainsFunc(e.mounted, func(m expected) bool { return m.recursive && below(p, m.point) })
}
