package jail

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"gowsgi/jail/hook"
)

// Step is one named thing that Enter does.
type Step struct {
	Name string
	Arg  string // what it is done to; for people

	run  func(*entry) error
	when bool
}

// StepError says which step of starting or entering a jail could not be done.
type StepError struct {
	Step  string
	Arg   string
	Errno syscall.Errno // 0 when no system call was to blame
	Err   error
}

func (e *StepError) Error() string {
	if e.Arg == "" {
		return fmt.Sprintf("step %s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("step %s (%s): %v", e.Step, e.Arg, e.Err)
}

func (e *StepError) Unwrap() error { return e.Err }

// Message is the error as a frame for the parent.
func (e *StepError) Message() Message {
	return Message{Type: MsgStepFailed, Step: e.Step, Arg: e.Arg, Errno: e.Errno, Message: e.Error()}
}

// newStepError names the step in an error that does not name one yet.
func newStepError(step Step, err error) *StepError {
	if named := (*StepError)(nil); errors.As(err, &named) {
		return named
	}
	e := &StepError{Step: step.Name, Arg: step.Arg, Err: err}
	errors.As(err, &e.Errno)
	return e
}

// Steps is what Enter does, in this order, for this spec. Everything is mounted before the root changes, because a user namespace may only
// mount a fresh /proc while it still sees another (mount_namespaces(7)), and because the sources are the host's paths; ids come after it,
// because names are those of the jail; the doors that would be in the way of a step are shut after it.
func (s *Spec) Steps() []Step {
	own, dir, host := s.Root.Kind != RootNone, s.Root.Kind == RootDir, s.Root.Kind == RootHost
	all := []Step{
		{"joined", s.joinedList(), (*entry).joined, len(s.Joined) > 0},
		{"map-ids", "", (*entry).becomeMapped, s.MapsByHelper},
		{"cgroup-namespace", "", (*entry).cgroupNamespace, s.ownLeaf()},
		{"mount-private", "/", (*entry).mountPrivate, s.has(NSMount)},
		{"hostname", s.Hostname, (*entry).hostname, s.Hostname != ""},
		{"loopback", "lo", (*entry).loopback, s.has(NSNet)},
		{"network", s.vethText(), (*entry).network, s.Veth != nil},
		{"keep-mounts-open", s.keepList(), (*entry).openKeepMounts, len(s.Root.KeepMounts) > 0},
		{"rootfs", s.Root.Path, (*entry).rootDir, dir},
		{"host-root", "tmpfs", (*entry).rootHost, host},
		{"host-system", "/usr /etc", (*entry).hostSystem, host},
		{"host-scratch", "/tmp /var/tmp /run", (*entry).hostScratch, host},
		{"app-dirs", strings.Join(s.Root.AppDirs, " "), (*entry).appDirs, host},
		{"proc", "/proc", (*entry).mountProc, own},
		{"proc-masks", "/proc", (*entry).maskProc, s.guarded(GuardProc)},
		{"dev", "/dev", (*entry).dev, host || s.guarded(GuardDev)},
		{"mounts", s.mountList(), (*entry).mounts, len(s.Root.Mounts) > 0},
		{"keep-mounts", s.keepList(), (*entry).attachKeepMounts, len(s.Root.KeepMounts) > 0},
		{"read-only-root", "/", (*entry).sealRoot, host},
		{"pivot-root", "/", (*entry).pivot, own},
		{"hooks-in-jail", s.hookList(hook.InJail), (*entry).hooksInJail, len(s.hooks(hook.InJail)) > 0},
		{"hooks-post-jail", s.hookList(hook.PostJail), (*entry).hooksPostJail, len(s.hooks(hook.PostJail)) > 0},
		{"chroot", s.Chroot, (*entry).chroot, s.Chroot != ""},
		{"pivot-root-by-path", s.pivotText(), (*entry).pivotByPath, s.PivotRoot != nil},
		{"hooks-as-root", s.hookList(hook.AsRoot), (*entry).hooksAsRoot, len(s.hooks(hook.AsRoot)) > 0},
		{"ids", strings.Trim(s.Creds.UID+":"+s.Creds.GID, ":"), (*entry).lookupIDs, true},
		{"limits", s.limitList(), (*entry).limits, len(s.Limits) > 0},
		{"bounding-set", strings.Join(s.Caps, ","), (*entry).boundingSet, s.guarded(GuardCaps)},
		{"groups", strings.Join(s.Creds.AddGIDs, ","), (*entry).setGroups, true},
		{"gid", s.Creds.GID, (*entry).setGID, !s.Creds.MasterRoot && (s.Creds.GID != "" || s.Creds.UID != "")},
		{"uid", s.Creds.UID, (*entry).setUID, !s.Creds.MasterRoot && s.Creds.UID != ""},
		{"caps", strings.Join(s.Caps, ","), (*entry).setCaps, s.guarded(GuardCaps) || len(s.Caps) > 0},
		{"hooks-as-user", s.hookList(hook.AsUser), (*entry).hooksAsUser, len(s.hooks(hook.AsUser)) > 0},
		{"chdir", s.Chdir, (*entry).chdir, s.Chdir != ""},
		{"umask", s.umaskText(), (*entry).umask, s.Umask != nil},
		{"no-new-privs", "", (*entry).noNewPrivs, s.guarded(GuardNoNewPrivs)},
		{"landlock", "", (*entry).landlock, s.guarded(GuardLandlock)},
		{"seccomp", "", (*entry).seccomp, s.guarded(GuardSeccomp)},
		{"not-dumpable", "", (*entry).notDumpable, s.guarded(GuardDump)},
		{"audit", "", (*entry).checkAll, true},
	}
	steps := make([]Step, 0, len(all))
	for _, step := range all {
		if step.when {
			steps = append(steps, step)
		}
	}
	return steps
}

func (s *Spec) keepList() string {
	var list []string
	for _, k := range s.Root.KeepMounts {
		list = append(list, k.Source+":"+k.target(s.Root.Path))
	}
	return strings.Join(list, " ")
}

func (s *Spec) vethText() string {
	if s.Veth == nil {
		return ""
	}
	return s.Veth.Name + " " + s.Veth.Address + " " + s.Veth.Gateway
}

func (s *Spec) limitList() string {
	var list []string
	for _, l := range s.Limits {
		list = append(list, fmt.Sprintf("%s=%d", l.Resource, l.Value))
	}
	return strings.Join(list, " ")
}

func (s *Spec) mountList() string {
	var list []string
	for _, m := range s.Root.Mounts {
		text := string(m.Kind) + " " + m.Source + ":" + m.Target
		if m.ReadOnly {
			text += ":ro"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// hookList names the hooks of a phase as far as they may be shown.
func (s *Spec) hookList(p hook.Phase) string {
	var list []string
	for _, h := range s.hooks(p) {
		list = append(list, h.Shown())
	}
	return strings.Join(list, "; ")
}

func (s *Spec) pivotText() string {
	if s.PivotRoot == nil {
		return ""
	}
	return s.PivotRoot.New + " " + s.PivotRoot.Old
}

func (s *Spec) umaskText() string {
	if s.Umask == nil {
		return ""
	}
	return fmt.Sprintf("%04o", *s.Umask)
}

func (s *Spec) namespaceList() string { return kindList(s.Namespaces) }
func (s *Spec) joinedList() string    { return kindList(s.Joined) }

func kindList(kinds []Namespace) string {
	var list []string
	for _, n := range kinds {
		list = append(list, string(n))
	}
	return strings.Join(list, ",")
}
