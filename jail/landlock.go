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

// landlock shuts the process in a Landlock domain: no abstract unix socket outside it can be connected to (CVE-2020-15257) and no process
// outside it signalled (ABI 6, Linux 6.12), the mounts cannot be rearranged, and in a root built from the host nothing is written but in the
// places made for it. A kernel without Landlock, or with a smaller ABI, gives what it has; Audit.Missing says so.
func (e *entry) landlock() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == unix.ENOSYS || errno == unix.EOPNOTSUPP {
		e.missing(GuardLandlock, errno)
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("cannot ask for the Landlock ABI: %w", errno)
	}
	var attr unix.LandlockRulesetAttr
	size := unsafe.Sizeof(attr)
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	} else {
		e.missing(GuardLandlock, fmt.Errorf("ABI %d has no scopes", abi))
		size = unsafe.Sizeof(attr.Handled_access_fs)
	}
	if e.spec.Root.Kind == RootHost {
		attr.Handled_access_fs = landlockWrite
		if abi >= 2 {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
		}
		if abi >= 3 {
			attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		}
	}
	if attr.Handled_access_fs == 0 && attr.Scoped == 0 {
		return nil
	}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("cannot create a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(set))
	if attr.Handled_access_fs != 0 {
		writable := hostWritable
		for _, k := range e.spec.Root.KeepMounts {
			writable = append(slices.Clone(writable), k.target(e.spec.Root.Path))
		}
		for _, dir := range writable {
			if err := allowBelow(int(set), dir, attr.Handled_access_fs); err != nil {
				return err
			}
		}
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("cannot enter the Landlock domain: %w", errno)
	}
	return nil
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
