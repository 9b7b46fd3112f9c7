package jail

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// expected is a mount that must be there in the end; the audit compares.
type expected struct {
	point     string
	attr      mount.Attr
	recursive bool // whatever comes mounted below it is expected too, with the same attributes
}

func (e *entry) expect(point string, attr mount.Attr, recursive bool) {
	e.mounted = append(e.mounted, expected{path.Clean("/" + point), attr, recursive})
}

// attach hangs the tree on the path below the new root, which must exist and hold no symbolic link.
func (e *entry) attach(t *mount.Tree, target string, attr mount.Attr, recursive bool) error {
	fd, err := mount.Resolve(e.root.Fd(), target)
	if err != nil {
		return fmt.Errorf("cannot open mount target %q in the jail: %w", target, err)
	}
	defer unix.Close(fd)
	if attr != 0 {
		if err := t.Restrict(attr, recursive); err != nil {
			return fmt.Errorf("cannot restrict the mount at %q: %w", target, err)
		}
	}
	if err := t.Attach(fd); err != nil {
		return fmt.Errorf("cannot mount on %q in the jail: %w", target, err)
	}
	e.expect(target, attr, recursive)
	return nil
}

// openKeepMounts opens the sources while the host's paths still lead to them.
func (e *entry) openKeepMounts() error {
	for _, k := range e.spec.Root.KeepMounts {
		t, err := mount.Clone(unix.AT_FDCWD, k.Source, e.spec.has(NSUser))
		if err != nil {
			return fmt.Errorf("cannot keep mount %q: %w", k.Source, err)
		}
		e.keeps = append(e.keeps, t)
	}
	return nil
}

func (e *entry) attachKeepMounts() error {
	for i, k := range e.spec.Root.KeepMounts {
		if err := e.attach(e.keeps[i], k.target(e.spec.Root.Path), e.foreignAttr(), e.spec.has(NSUser)); err != nil {
			return fmt.Errorf("cannot keep mount %q: %w", k.Source, err)
		}
	}
	return nil
}

// foreignAttr is what files the jail did not make itself are mounted with: no device nodes when /dev is ours, no setuid bits when they have
// no effect anyway.
func (e *entry) foreignAttr() mount.Attr {
	var attr mount.Attr
	if e.spec.guarded(GuardDev) {
		attr |= mount.NoDev
	}
	if e.spec.guarded(GuardNoNewPrivs) {
		attr |= mount.NoSuid
	}
	return attr
}

// pivot makes the tree the root; nothing of the host's mounts is left in the namespace after it.
func (e *entry) pivot() error {
	if err := mount.Pivot(e.root); err != nil {
		return err
	}
	// From here on the jail's own /proc is asked.
	proc, err := openProc()
	if err != nil {
		return err
	}
	e.proc.close()
	e.proc = proc
	return nil
}

// sealRoot makes the built root read-only, now that everything has its place.
func (e *entry) sealRoot() error { return e.root.Restrict(mount.ReadOnly, false) }

// mountProc mounts a fresh /proc that shows the jail's own processes. A symbolic link in its place is refused (CVE-2019-19921).
func (e *entry) mountProc() error {
	const attr = mount.NoSuid | mount.NoDev | mount.NoExec
	t, err := mount.New("proc", attr)
	if e.spec.has(NSUser) && errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: a user namespace may not see more of /proc than its starter, whose own is masked, as in a container", err)
	}
	if err != nil {
		return err
	}
	defer t.Close()
	return e.attach(t, "/proc", attr, false)
}

// What of /proc is the host's and not the namespaces': hidden files and directories, and those only kept from being written. A name that this
// kernel does not have is passed over.
var (
	procHidden = []string{"acpi", "asound", "kcore", "keys", "key-users", "kmsg", "kallsyms", "kpagecgroup", "kpagecount", "kpageflags",
		"latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats", "vmallocinfo"}
	procReadOnly = []string{"bus", "fs", "irq", "mtrr", "sys", "sysrq-trigger"}
)

// maskProc covers the hidden ones with an empty read-only directory or with /dev/null, and the others with a read-only view of themselves.
func (e *entry) maskProc() error {
	for _, name := range procReadOnly {
		t, err := e.cloneInside("/proc/" + name)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		err = e.attach(t, "/proc/"+name, mount.ReadOnly|mount.NoSuid|mount.NoDev|mount.NoExec, false)
		t.Close()
		if err != nil {
			return err
		}
	}
	for _, name := range procHidden {
		if err := e.hide("/proc/" + name); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// cloneInside clones what is at path in the new root.
func (e *entry) cloneInside(target string) (*mount.Tree, error) {
	fd, err := mount.Resolve(e.root.Fd(), target)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q in the jail: %w", target, err)
	}
	defer unix.Close(fd)
	return mount.Clone(fd, "", false)
}

// hide covers a directory with an empty one, anything else with the null device, read-only.
func (e *entry) hide(target string) error {
	fd, err := mount.Resolve(e.root.Fd(), target)
	if err != nil {
		return fmt.Errorf("cannot open %q in the jail: %w", target, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot stat %q in the jail: %w", target, err)
	}
	var cover *mount.Tree
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		cover, err = mount.New("tmpfs", mount.ReadOnly, mount.Param{Key: "mode", Value: "0555"}, mount.Param{Key: "size", Value: "4k"})
	} else {
		cover, err = cloneDevice("null")
	}
	if err != nil {
		return err
	}
	defer cover.Close()
	return e.attach(cover, target, mount.ReadOnly|mount.NoSuid|mount.NoExec, false)
}

// makePath makes the directories of a path below the new root, those that are not there, without following a symbolic link.
func (e *entry) makePath(dir string) error {
	done := ""
	for _, name := range strings.Split(strings.Trim(path.Clean(dir), "/"), "/") {
		if name == "" {
			return nil
		}
		if err := e.makeAt(done, name, func(fd int) error { return unix.Mkdirat(fd, name, 0o755) }); err != nil {
			return err
		}
		done += "/" + name
	}
	return nil
}

// makeAt calls do with the directory below the new root; that the name is there already is fine.
func (e *entry) makeAt(dir, name string, do func(fd int) error) error {
	fd, err := mount.Resolve(e.root.Fd(), "/"+dir)
	if err != nil {
		return fmt.Errorf("cannot open %q in the jail: %w", "/"+dir, err)
	}
	defer unix.Close(fd)
	if err := do(fd); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot make %q in %q of the jail: %w", name, "/"+dir, err)
	}
	return nil
}
