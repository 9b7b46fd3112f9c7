package jail

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What writing is to Landlock (landlock(7)); the rights above MAKE_SYM came with ABI 2 and 3.
const (
	landlockWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
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
	if attr.Handled_access_fs != 0 {
		writable := slices.Clone(hostWritable)
		for _, k := range e.spec.Root.KeepMounts {
			writable = append(writable, k.target(e.spec.Root.Path))
		}
		for _, dir := range writable {
			if err := allowBelow(int(set), dir, attr.Handled_access_fs); err != nil {
				return err
			}
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
	if e.spec.Root.Kind == RootHost {
		attr.Handled_access_fs = landlockWrite
		if abi >= abiRefer {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
		}
		if abi >= abiTruncate {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		}
	}
	return attr
}

func allowBelow(set int, dir string, access uint64) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", dir, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot stat %q: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE // all that a file may be granted
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("cannot allow writing below %q: %w", dir, errno)
	}
	return nil
}

// missing notes a guard this kernel cannot give.
func (e *entry) missing(g Guard, why error) {
	e.spec.Missing = append(e.spec.Missing, string(g)+": "+why.Error())
}
