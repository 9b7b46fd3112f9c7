package jail

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// rootDir clones the rootfs, without what the host has mounted below it, and hangs the clone on the rootfs itself: a root for pivot_root
// must be a mount point, and so no directory has to be made.
func (e *entry) rootDir() error {
	if e.spec.Root.Overlay {
		return e.rootOverlay()
	}
	t, err := mount.Clone(unix.AT_FDCWD, e.spec.Root.Path, false)
	if err != nil {
		if e.spec.has(NSUser) && errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("cannot hide what is mounted below rootfs %q from a user namespace: %w", e.spec.Root.Path, err)
		}
		return fmt.Errorf("cannot use rootfs: %w", err)
	}
	e.root = t
	if attr := e.foreignAttr(); attr != 0 {
		if err := t.Restrict(attr, false); err != nil {
			return err
		}
	}
	fd, err := unix.Open(e.spec.Root.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open rootfs %q: %w", e.spec.Root.Path, err)
	}
	defer unix.Close(fd)
	e.expect("/", e.foreignAttr(), false)
	return t.Attach(fd)
}

// rootOverlay lays a writable layer in memory over the rootfs, which stays as it is: what is written is gone with the jail. What is mounted
// below the rootfs is not in it, since an overlay takes one mount of a layer and not what lies on it.
//
// The layers are named by descriptor, through /proc/self/fd, so that no character of a path needs to be escaped. The layer in memory is
// hung over the root directory for as long as the old root lives: before Linux 6.15 only an attached mount may be a layer.
func (e *entry) rootOverlay() error {
	lower, err := unix.Open(e.spec.Root.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot use rootfs %q: %w", e.spec.Root.Path, err)
	}
	defer unix.Close(lower)
	scratch, err := e.overlayLayer()
	if err != nil {
		return err
	}
	defer scratch.Close()
	at := func(fd int, name string) string { return fmt.Sprintf("/proc/self/fd/%d%s", fd, name) }
	params := []mount.Param{
		{Key: "lowerdir", Value: at(lower, "")},
		{Key: "upperdir", Value: at(scratch.Fd(), "/upper")},
		{Key: "workdir", Value: at(scratch.Fd(), "/work")},
		{Key: "volatile"}, // nothing of it has to survive a crash (Linux 5.10)
	}
	if e.spec.has(NSUser) {
		params = append(params, mount.Param{Key: "userxattr"}) // Linux 5.11
	} else {
		params = append(params, mount.Param{Key: "redirect_dir", Value: "nofollow"}) // the rootfs may hold xattrs that lead elsewhere
	}
	if e.root, err = mount.New("overlay", e.foreignAttr(), params...); err != nil {
		return fmt.Errorf("cannot lay an overlay over rootfs %q: %w", e.spec.Root.Path, err)
	}
	e.expect("/", e.foreignAttr(), false)
	return attachOverRoot(e.root)
}

// overlayLayer makes the layer in memory, with the mode of the rootfs's own root directory.
func (e *entry) overlayLayer() (*mount.Tree, error) {
	var st unix.Stat_t
	if err := unix.Stat(e.spec.Root.Path, &st); err != nil {
		return nil, fmt.Errorf("cannot stat rootfs %q: %w", e.spec.Root.Path, err)
	}
	params := []mount.Param{{Key: "mode", Value: "0700"}}
	if e.spec.Root.OverlaySize != "" {
		params = append(params, mount.Param{Key: "size", Value: e.spec.Root.OverlaySize})
	}
	t, err := mount.New("tmpfs", scratchAttr, params...)
	if err != nil {
		return nil, err
	}
	if err := attachOverRoot(t); err != nil {
		t.Close()
		return nil, err
	}
	for name, mode := range map[string]uint32{"upper": st.Mode & 0o7777, "work": 0o700} {
		if err := unix.Mkdirat(t.Fd(), name, mode); err != nil {
			t.Close()
			return nil, fmt.Errorf("cannot make the overlay's %s directory: %w", name, err)
		}
	}
	if err := unix.Fchownat(t.Fd(), "upper", int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil && !e.spec.has(NSUser) {
		t.Close()
		return nil, fmt.Errorf("cannot give the overlay's root to its owner: %w", err)
	}
	return t, nil
}

// attachOverRoot hangs a tree on the root directory. Paths still start below it, at the host's root, until pivot-root.
func attachOverRoot(t *mount.Tree) error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open the host's root: %w", err)
	}
	defer unix.Close(fd)
	return t.Attach(fd)
}
