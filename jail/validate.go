package jail

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"gowsgi/jail/hook"
)

// Validate finds what cannot be meant or cannot work, before anything is started. It looks at the spec only, not at the machine; all
// contradictions are in the error.
func (s *Spec) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s.validateNamespaces(bad)
	s.validateRoot(bad)
	s.validateMaps(bad)
	s.validateOwnRoot(bad)
	if s.Creds.MasterRoot && s.staysRoot() {
		bad("cannot keep the master root: the app has no other user")
	}
	if _, err := capSet(s.Caps); err != nil {
		errs = append(errs, err)
	}
	for _, l := range s.Limits {
		if err := l.check(false); err != nil {
			errs = append(errs, err)
		}
	}
	for _, g := range s.GuardsOff {
		if !slices.Contains(Guards, g) {
			bad("cannot turn off guard %q: there is no such guard", g)
		}
	}
	if s.ownRoot() && !s.guarded(GuardNoNewPrivs) && (s.guarded(GuardSeccomp) || s.guarded(GuardLandlock)) {
		bad("cannot turn off guard no-new-privs alone: seccomp and landlock need it, turn them off too")
	}
	if s.Umask != nil && (*s.Umask < 0 || *s.Umask > 0o777) {
		bad("cannot set umask %#o: not between 0 and 0777", *s.Umask)
	}
	if strings.ContainsRune(s.Chdir, 0) {
		bad("cannot chdir to %q: a path has no zero byte", s.Chdir)
	}
	if errs == nil {
		return nil
	}
	// One line, as every other step's error.
	return errors.New(strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; "))
}

func (s *Spec) validateNamespaces(bad func(string, ...any)) {
	seen := map[Namespace]bool{}
	for _, kind := range s.Namespaces {
		known := false
		for _, n := range namespaceTable {
			known = known || n.kind == kind
		}
		if !known {
			bad("cannot make namespace %q: there is no such kind", kind)
		}
		if seen[kind] {
			bad("cannot make namespace %q: it is named twice", kind)
		}
		seen[kind] = true
	}
	if s.Hostname != "" && !s.has(NSUTS) {
		bad("cannot set hostname %q: it would be the host's, without a uts namespace", s.Hostname)
	}
	// The kernel's limit is __NEW_UTS_LEN (uname(2)).
	if len(s.Hostname) > 64 {
		bad("cannot set hostname %q: longer than 64 bytes", s.Hostname)
	}
}

func (s *Spec) validateRoot(bad func(string, ...any)) {
	r := &s.Root
	switch r.Kind {
	case RootNone:
		if len(r.KeepMounts) > 0 || len(r.AppDirs) > 0 || len(r.Mounts) > 0 || r.Path != "" {
			bad("cannot bind into the jail: it has no root of its own")
		}
	case RootDir:
		if !path.IsAbs(r.Path) {
			bad("cannot use %q as the rootfs: not an absolute path", r.Path)
		}
		if len(r.AppDirs) > 0 {
			bad("cannot show app directories in rootfs %q: only a host root has them", r.Path)
		}
	case RootHost:
		if r.Path != "" {
			bad("cannot use %q as the rootfs: the root is built from the host", r.Path)
		}
	default:
		bad("cannot make root %q: there is no such kind", r.Kind)
	}
	if r.Kind != RootNone && !s.has(NSMount) {
		bad("cannot change the root: it needs a mount namespace")
	}
	for _, k := range r.KeepMounts {
		if !path.IsAbs(k.Source) {
			bad("cannot keep mount %q: not an absolute path", k.Source)
		}
		if t := k.target(r.Path); !path.IsAbs(t) || path.Clean(t) == "/" {
			bad("cannot keep mount %q at %q: not a path below the root", k.Source, t)
		}
	}
	if r.Overlay && r.Kind != RootDir {
		bad("cannot lay an overlay: only over a rootfs")
	}
	for _, m := range r.Mounts {
		if m.Kind != MountBind && m.Kind != MountTmpfs || (m.Kind == MountBind) != path.IsAbs(m.Source) {
			bad("cannot mount %s %q in the jail: not an absolute path of the host", m.Kind, m.Source)
		}
		if !path.IsAbs(m.Target) || path.Clean(m.Target) == "/" || below(m.Target, "/proc") {
			bad("cannot mount on %q in the jail: not a path for it", m.Target)
		}
	}
	for _, d := range r.AppDirs {
		if !path.IsAbs(d) || path.Clean(d) == "/" || below(d, "/proc") || below(d, "/dev") {
			bad("cannot show %q in the jail: not an absolute path of an app", d)
		}
	}
}

func (s *Spec) validateOwnRoot(bad func(string, ...any)) {
	if s.Root.Kind != RootNone && (s.Chroot != "" || s.PivotRoot != nil) {
		bad("cannot change the root twice: namespace does it already")
	}
	if s.Chroot != "" && !path.IsAbs(s.Chroot) {
		bad("cannot chroot to %q: not an absolute path", s.Chroot)
	}
	if p := s.PivotRoot; p != nil {
		if !s.has(NSMount) {
			bad("cannot pivot_root to %q: it would be the host's root, without a mount namespace", p.New)
		}
		if !path.IsAbs(p.New) || !path.IsAbs(p.Old) || !below(p.Old, p.New) {
			bad("cannot pivot_root to %q with the old root at %q: that is not a path below it", p.New, p.Old)
		}
	}
	if len(s.Landlock.RW)+len(s.Landlock.RO) > 0 && !s.guarded(GuardLandlock) {
		bad("cannot narrow paths with Landlock: the jail has no root of its own, or the guard landlock is off")
	}
	for _, p := range append(slices.Clone(s.Landlock.RW), s.Landlock.RO...) {
		if !path.IsAbs(p) {
			bad("cannot narrow %q with Landlock: not an absolute path", p)
		}
	}
	if err := s.Seccomp.check(); err != nil && s.guarded(GuardSeccomp) {
		bad("%w", err)
	}
	if len(s.Seccomp.Refuse)+len(s.Seccomp.Allow) > 0 && !s.guarded(GuardSeccomp) {
		bad("cannot change the seccomp list: the jail has no root of its own, or the guard seccomp is off")
	}
	if s.Veth != nil {
		if !s.has(NSNet) {
			bad("cannot make interface %q: the jail has no network namespace", s.Veth.Name)
		}
		if _, _, err := s.Veth.parse(); err != nil {
			bad("%w", err)
		}
	}
	for _, h := range s.Hooks {
		switch h.Phase {
		case hook.InJail, hook.AsRoot:
		case hook.AsUser:
			if s.Creds.MasterRoot {
				bad("cannot run hook %q while the jail is entered: the master stays root", h.Shown())
			}
		case hook.PostJail:
			if s.Root.Kind != RootNone {
				bad("cannot run hook %q inside: with namespace the post-jail hooks are the parent's", h.Shown())
			}
		default:
			bad("cannot run hook %q inside: phase %s is not the jail's", h.Shown(), h.Phase)
		}
		if (h.Action == "mount" || h.Action == "umount") && !s.has(NSMount) {
			bad("cannot run hook %q: it would change the host's mounts, without a mount namespace", h.Shown())
		}
		if h.Action == "hostname" && !s.has(NSUTS) {
			bad("cannot run hook %q: it would be the host's name, without a uts namespace", h.Shown())
		}
	}
}

func (s *Spec) validateMaps(bad func(string, ...any)) {
	maps := append(slices.Clone(s.UIDMap), s.GIDMap...)
	if !s.has(NSUser) {
		if len(maps) > 0 {
			bad("cannot map ids: it needs a user namespace")
		}
		return
	}
	for _, m := range maps {
		if m.Inside < 0 || m.Outside < 0 || m.Size < 1 {
			bad("cannot map ids %d:%d:%d: not a range", m.Inside, m.Outside, m.Size)
		}
	}
	for _, one := range [][]IDMap{s.UIDMap, s.GIDMap} {
		for i, a := range one {
			for _, b := range one[:i] {
				if a.Inside < b.Inside+b.Size && b.Inside < a.Inside+a.Size || a.Outside < b.Outside+b.Size && b.Outside < a.Outside+a.Size {
					bad("cannot map ids %d:%d:%d: the range overlaps %d:%d:%d", a.Inside, a.Outside, a.Size, b.Inside, b.Outside, b.Size)
				}
			}
		}
	}
}

// target is where the kept mount is seen: what was asked, else the source's path without the rootfs before it.
func (k KeepMount) target(rootfs string) string {
	if k.Target != "" {
		return path.Clean(k.Target)
	}
	source, rootfs := path.Clean(k.Source), path.Clean(rootfs)
	if rootfs != "/" && below(source, rootfs) && source != rootfs {
		return source[len(rootfs):]
	}
	return source
}

// below tells whether the path is dir or something in it, by its text.
func below(p, dir string) bool {
	p, dir = path.Clean(p), path.Clean(dir)
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
