package jail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// sysProcAttr says how the child is cloned. It never sets Pdeathsig: that signal follows the thread that forked, which may end while the
// process lives (golang.org/issue/27505); the master notices the end of its parent on the control socket.
func (s *Spec) sysProcAttr(pidfd *int) *syscall.SysProcAttr {
	sys := &syscall.SysProcAttr{
		Cloneflags: s.cloneFlags(),
		Setsid:     true, // no controlling terminal to push characters into (TIOCSTI, CVE-2017-5226)
		PidFD:      pidfd,
	}
	if !s.has(NSUser) {
		return sys
	}
	if s.MapsByHelper {
		// The maps come after the exec, over which only ambient capabilities last; the step map-ids takes the first id then.
		for _, c := range setupCaps(s) {
			sys.AmbientCaps = append(sys.AmbientCaps, uintptr(c))
		}
		return sys
	}
	sys.UidMappings, sys.GidMappings = sysMap(s.UIDMap), sysMap(s.GIDMap)
	sys.GidMappingsEnableSetgroups = !s.SetgroupsDenied
	if mapsInside(s.UIDMap, 0) {
		// The exec keeps the capabilities of uid 0; before this the child has the id 65534 of one that is not mapped.
		sys.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: s.SetgroupsDenied || !mapsInside(s.GIDMap, 0)}
	} else {
		// Any other uid loses its capabilities at exec unless they are ambient (capabilities(7)).
		for _, c := range setupCaps(s) {
			sys.AmbientCaps = append(sys.AmbientCaps, uintptr(c))
		}
	}
	return sys
}

func sysMap(maps []IDMap) []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, m := range maps {
		out = append(out, syscall.SysProcIDMap{ContainerID: m.Inside, HostID: m.Outside, Size: m.Size})
	}
	return out
}

// mapsInside tells whether the id exists inside the user namespace.
func mapsInside(maps []IDMap, id int) bool {
	return slices.ContainsFunc(maps, func(m IDMap) bool { return id >= m.Inside && id < m.Inside+m.Size })
}

// origin is where a child comes from.
type origin struct {
	proc procfs
	join []joining // namespaces the child starts in
	exe  int       // the binary, to be executed by descriptor
}

// newOrigin opens what the child is made from and notes in the spec where it starts.
func newOrigin(spec *Spec, join []*os.File) (origin, error) {
	o := origin{proc: -1, exe: -1}
	var err error
	if o.proc, err = openProc(); err != nil {
		return o, newStepError(Step{Name: "namespaces"}, err)
	}
	if spec.Outside, err = o.proc.namespaceInodes(); err != nil {
		o.close()
		return o, newStepError(Step{Name: "namespaces"}, err)
	}
	if o.join, err = planJoin(join, spec.Outside); err != nil {
		o.close()
		return o, newStepError(Step{Name: "join"}, err)
	}
	for _, j := range o.join {
		spec.Outside[j.kind] = j.inode
		spec.Joined = append(spec.Joined, j.kind)
	}
	if fault := faultFromEnv(); fault != "" {
		spec.Fault = fault
	}
	if o.exe, err = executable(); err != nil {
		o.close()
		return o, newStepError(Step{Name: "executable"}, err)
	}
	return o, nil
}

func (o *origin) close() {
	o.proc.close()
	if o.exe >= 0 {
		unix.Close(o.exe)
	}
}

// forkExec forks from a thread that then ends, so that what belongs to a thread can be prepared on it and is inherited by every thread of
// the child: the session keyring and the bounding set.
func forkExec(spec *Spec, from origin, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	// Above every number the fork code may dup to, or the binary's descriptor would be overwritten in the child before the exec.
	highest := uintptr(len(attr.Files))
	for _, fd := range attr.Files {
		highest = max(highest, fd)
	}
	exe, err := unix.FcntlInt(uintptr(from.exe), unix.F_DUPFD_CLOEXEC, int(highest)+2*len(attr.Files)+2)
	if err != nil {
		return 0, newStepError(Step{Name: "descriptors"}, fmt.Errorf("cannot move the binary's descriptor: %w", err))
	}
	defer unix.Close(exe)
	onThread(func() {
		if err = spec.prepareThread(); err != nil {
			return
		}
		path := "/proc/self/fd/" + strconv.Itoa(exe)
		if len(from.join) > 0 {
			if err = from.proc.join(from.join); err != nil {
				err = newStepError(Step{Name: "join"}, err)
				return
			}
			path = path[len("/proc/"):]
		}
		pid, err = hook.Fork(path, argv, attr)
		if err != nil {
			if errors.Is(err, unix.EPERM) && unix.Geteuid() != 0 && !spec.has(NSUser) {
				err = fmt.Errorf("%w: not root, and no user namespace is asked for", err)
			}
			step := Step{Name: "clone", Arg: spec.namespaceList()}
			err = newStepError(step, fmt.Errorf("cannot start the master in new namespaces: %w", err))
		}
	})
	return pid, err
}

// prepareThread gives the calling thread, and so the child, a keyring of its own and takes from the bounding set what neither building the
// jail nor the app needs. A user namespace starts with a full bounding set, so there the child does it.
func (s *Spec) prepareThread() error {
	if s.guarded(GuardKeyring) {
		// An anonymous one, which nobody can join by name (keyctl(2) KEYCTL_JOIN_SESSION_KEYRING).
		_, _, errno := unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
		switch errno {
		case 0:
		case unix.ENOSYS, unix.EPERM: // no keyrings in this kernel, or an outer container's seccomp list
			s.Missing = append(s.Missing, string(GuardKeyring)+": "+errno.Error())
		default:
			return newStepError(Step{Name: string(GuardKeyring)}, fmt.Errorf("cannot join a new session keyring: %w", errno))
		}
	}
	// Hooks may need any capability; then the child drops them all, after its hooks.
	if s.guarded(GuardCaps) && len(s.Hooks) == 0 && !s.has(NSUser) && unix.Geteuid() == 0 {
		keep, err := s.keptCaps()
		if err != nil {
			return newStepError(Step{Name: string(GuardCaps)}, err)
		}
		for _, c := range setupCaps(s) {
			keep |= 1 << c
		}
		if err := dropBounding(keep, func(c uintptr) error { return unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) }); err != nil {
			return newStepError(Step{Name: string(GuardCaps)}, err)
		}
	}
	return nil
}

// dropBounding takes every capability this kernel knows out of the bounding set, but those kept.
func dropBounding(keep uint64, drop func(uintptr) error) error {
	for c := uintptr(0); c < 64; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // past the last one
		}
		if in == 0 || keep&(1<<c) != 0 {
			continue
		}
		if err := drop(c); err != nil {
			return fmt.Errorf("cannot drop capability %d from the bounding set: %w", c, err)
		}
	}
	return nil
}
