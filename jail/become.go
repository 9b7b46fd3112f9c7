package jail

import (
	"cmp"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Become makes the calling process, all of it and for good, the user and group: as if that user had started it.
func Become(c Creds) error {
	i, err := lookup("/", c)
	if err != nil {
		return err
	}
	uid, gid := i.uid, i.gid
	if uid < 0 {
		uid = unix.Geteuid()
	}
	if gid < 0 {
		gid = unix.Getegid()
	}
	if uid == unix.Geteuid() && gid == unix.Getegid() {
		return nil
	}
	if err := cmp.Or(syscall.Setgroups(i.groups), syscall.Setresgid(gid, gid, gid), syscall.Setresuid(uid, uid, uid)); err != nil {
		return fmt.Errorf("cannot become uid %d and gid %d: %w", uid, gid, err)
	}
	// A process that changed its ids is not dumpable, and then may not write the id maps of a child's user namespace.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become dumpable again: %w", err)
	}
	return nil
}
