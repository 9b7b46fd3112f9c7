package jail

import (
	"fmt"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// mounts does the mounts the configuration asks for, in its order.
func (e *entry) mounts() error {
	for _, m := range e.spec.Root.Mounts {
		var attr mount.Attr
		if m.ReadOnly {
			attr = mount.ReadOnly
		}
		var err error
		if m.Kind == MountBind {
			err = e.show(m.Source, m.Target, attr)
		} else {
			err = e.tmpfs(m, attr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writable tells whether things may be made in the new root.
func (e *entry) writable() bool { return e.spec.Root.Kind == RootHost || e.spec.Root.Overlay }

// show binds a path of the host, with everything mounted below it, to all of which the attributes go.
func (e *entry) show(source, target string, attr mount.Attr) error {
	t, err := mount.Clone(unix.AT_FDCWD, source, true)
	if err != nil {
		return fmt.Errorf("cannot show %q: %w", source, err)
	}
	defer t.Close()
	var st unix.Stat_t
	if err := unix.Fstat(t.Fd(), &st); err != nil {
		return fmt.Errorf("cannot stat %q: %w", source, err)
	}
	if e.writable() {
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = e.makePath(target)
		} else {
			err = e.makeFile(target)
		}
		if err != nil {
			return err
		}
	}
	return e.attach(t, target, attr|e.foreignAttr(), true)
}

func (e *entry) tmpfs(m Mount, attr mount.Attr) error {
	if e.writable() {
		if err := e.makePath(m.Target); err != nil {
			return err
		}
	}
	params := []mount.Param{{Key: "mode", Value: "1777"}}
	if m.Size != "" {
		params = append(params, mount.Param{Key: "size", Value: m.Size})
	}
	t, err := mount.New("tmpfs", scratchAttr, params...)
	if err != nil {
		return err
	}
	defer t.Close()
	return e.attach(t, m.Target, scratchAttr|attr, false)
}
