package jail

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What writing and reading are to Landlock (landlock(7)); the rights above MAKE_SYM came with ABI 2 and 3.
const (
	landlockWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	landlockRead = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
)

// hostWritable are the places of a host root that are meant to be written.
var hostWritable = []string{"/tmp", "/var/tmp", "/run", "/dev", "/proc"}

// The ABI versions of landlock(7) in which what is used here came.
const (
	abiRefer      = 2
	abiTruncate   = 3
	abiAllThreads = 8 // Linux 7.0: one domain for all threads of a process
)

// landlock puts the process in a Landlock domain: in a root built from the host nothing is written but in the places made for it, the mounts
// cannot be rearranged, and, from ABI 8 on, no abstract unix socket outside can be connected to (CVE-2020-15257) and no process outside
// signalled. A kernel without Landlock, or with an older one, gives what it has; Audit.Missing says so.
//
// Before ABI 8 each thread of a process gets a domain of its own, and a scope would part a worker that one thread of the master forked
// from the signals of another (kernel commit 42fc7e6543f6). Write rules are the same in every one of them, so those are safe.
func (e *entry) landlock() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == unix.ENOSYS || errno == unix.EOPNOTSUPP {
		e.missing(GuardLandlock, errno)
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("cannot ask for the Landlock ABI: %w", errno)
	}
	attr := e.landlockRules(abi)
	if attr.Handled_access_fs == 0 && attr.Scoped == 0 {
		return nil
	}
	// An older kernel takes a longer structure as long as what it does not know is zero.
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("cannot create a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(set))
	for _, rule := range e.landlockPaths(attr.Handled_access_fs) {
		if err := allowBelow(int(set), rule); err != nil {
			return err
		}
	}
	if abi >= abiAllThreads {
		_, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, unix.LANDLOCK_RESTRICT_SELF_TSYNC, 0)
	} else {
		_, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0)
	}
	if errno != 0 {
		return fmt.Errorf("cannot enter the Landlock domain: %w", errno)
	}
	return nil
}

func (e *entry) landlockRules(abi uintptr) unix.LandlockRulesetAttr {
	var attr unix.LandlockRulesetAttr
	if abi >= abiAllThreads {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	} else {
		e.missing(GuardLandlock, fmt.Errorf("no scopes, ABI %d has no domain for all threads of a process", abi))
	}
	l := &e.spec.Landlock
	if e.spec.Root.Kind == RootHost || len(l.RW) > 0 || len(l.RO) > 0 {
		attr.Handled_access_fs = landlockWrite
		if abi >= abiRefer {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
		}
		if abi >= abiTruncate {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		}
	}
	if len(l.RO) > 0 {
		attr.Handled_access_fs |= landlockRead
	}
	return attr
}

// pathRule allows an access below a path.
type pathRule struct {
	path     string
	access   uint64
	optional bool // a path that is not there is passed over
}

func (e *entry) landlockPaths(handled uint64) []pathRule {
	if handled == 0 {
		return nil
	}
	var rules []pathRule
	for _, dir := range hostWritable {
		if e.spec.Root.Kind == RootHost || dir == "/dev" || dir == "/proc" {
			rules = append(rules, pathRule{dir, handled, true})
		}
	}
	for _, k := range e.spec.Root.KeepMounts {
		rules = append(rules, pathRule{k.target(e.spec.Root.Path), handled, false})
	}
	for _, m := range e.spec.Root.Mounts {
		if !m.ReadOnly {
			rules = append(rules, pathRule{m.Target, handled, false})
		}
	}
	for _, dir := range e.spec.Landlock.RW {
		rules = append(rules, pathRule{dir, handled, false})
	}
	for _, dir := range e.spec.Landlock.RO {
		rules = append(rules, pathRule{dir, handled & landlockRead, false})
	}
	return rules
}

func allowBelow(set int, allowed pathRule) error {
	dir, access := allowed.path, allowed.access
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if allowed.optional && errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot allow access below %q: %w", dir, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot stat %q: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		// All that may be granted for a file.
		access &= unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
			unix.LANDLOCK_ACCESS_FS_EXECUTE
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("cannot allow access below %q: %w", dir, errno)
	}
	return nil
}

// missing notes a guard this kernel cannot give.
func (e *entry) missing(g Guard, why error) {
	e.spec.Missing = append(e.spec.Missing, string(g)+": "+why.Error())
}
