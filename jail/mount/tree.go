package mount

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Attr is a set of per-mount attributes, as mount_setattr(2) counts them.
type Attr uint64

// The attributes a jail uses.
const (
	ReadOnly Attr = unix.MOUNT_ATTR_RDONLY
	NoSuid   Attr = unix.MOUNT_ATTR_NOSUID
	NoDev    Attr = unix.MOUNT_ATTR_NODEV
	NoExec   Attr = unix.MOUNT_ATTR_NOEXEC
)

var attrNames = []struct {
	attr Attr
	name string
}{{ReadOnly, "ro"}, {NoSuid, "nosuid"}, {NoDev, "nodev"}, {NoExec, "noexec"}}

// Names gives the attributes as /proc/self/mountinfo spells them.
func (a Attr) Names() []string {
	var names []string
	for _, n := range attrNames {
		if a&n.attr != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// FromFlags gives the attributes among the flags of mount(2).
func FromFlags(flags uintptr) Attr {
	var attr Attr
	for flag, one := range map[uintptr]Attr{unix.MS_RDONLY: ReadOnly, unix.MS_NOSUID: NoSuid, unix.MS_NODEV: NoDev, unix.MS_NOEXEC: NoExec} {
		if flags&flag != 0 {
			attr |= one
		}
	}
	return attr
}

func (a Attr) String() string { return strings.Join(a.Names(), ",") }

// Tree is a mount (with what is mounted below it) named by a descriptor. While it is detached, closing it unmounts it.
type Tree struct {
	fd int
}

// Fd is the descriptor, valid until Close. It is an O_PATH one for a clone and may be used as the directory of the *at calls.
func (t *Tree) Fd() int { return t.fd }

// Close gives the descriptor back. An attached tree stays mounted.
func (t *Tree) Close() {
	if t != nil && t.fd >= 0 {
		unix.Close(t.fd)
		t.fd = -1
	}
}

// Clone makes a detached copy of the mount at path (relative to dirfd; with an empty path the thing dirfd names): of that one mount from
// path down, so that whatever is mounted below is not in it, or with recursive of everything below too. It needs CAP_SYS_ADMIN in the user
// namespace of the mount namespace (open_tree(2)).
//
// In a user namespace of its own a mount namespace holds mounts that are locked together; a clone without recursive that would uncover
// what such a mount covers is refused by the kernel with EINVAL (mount_namespaces(7)).
func Clone(dirfd int, path string, recursive bool) (*Tree, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	fd, err := retry(func() (int, error) { return unix.OpenTree(dirfd, path, flags) })
	if err != nil {
		return nil, fmt.Errorf("cannot clone the mount at %q: %w", path, err)
	}
	return &Tree{fd: fd}, nil
}

// Param is one parameter of a new filesystem; without a value it is a flag.
type Param struct {
	Key, Value string
}

// New mounts a fresh filesystem of the type, detached, with these parameters and attributes.
func New(fstype string, attr Attr, params ...Param) (*Tree, error) {
	ctx, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot open filesystem type %s: %w", fstype, err)
	}
	defer unix.Close(ctx)
	for _, p := range params {
		if p.Value == "" {
			err = unix.FsconfigSetFlag(ctx, p.Key)
		} else {
			err = unix.FsconfigSetString(ctx, p.Key, p.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot set %s=%s of a new %s: %w", p.Key, p.Value, fstype, err)
		}
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, fmt.Errorf("cannot create a new %s: %w", fstype, err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, int(attr))
	if err != nil {
		return nil, fmt.Errorf("cannot mount a new %s: %w", fstype, err)
	}
	return &Tree{fd: fd}, nil
}

// Restrict adds attributes to the tree's mount, or with recursive to everything below it too (mount_setattr(2)). An attribute is never
// taken away.
func (t *Tree) Restrict(attr Attr, recursive bool) error { return Restrict(t.fd, attr, recursive) }

// Restrict is Tree.Restrict for the mount that the descriptor is the root of.
func Restrict(fd int, attr Attr, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(fd, "", flags, &unix.MountAttr{Attr_set: uint64(attr)}); err != nil {
		return fmt.Errorf("cannot set %s on a mount: %w", attr, err)
	}
	return nil
}

// Attach hangs a detached tree on the directory or file that target names.
func (t *Tree) Attach(target int) error {
	err := unix.MoveMount(t.fd, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("cannot attach a mount: %w", err)
	}
	return nil
}

// retry repeats a call that a signal or a concurrent rename interrupted: openat2(2) with RESOLVE_IN_ROOT answers EAGAIN when it cannot be
// sure that ".." stayed below the root.
func retry(call func() (int, error)) (int, error) {
	for tries := 0; ; tries++ {
		n, err := call()
		if tries < 128 && (errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN)) {
			continue
		}
		return n, err
	}
}
