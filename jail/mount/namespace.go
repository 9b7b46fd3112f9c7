package mount

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Private stops propagation in both directions for every mount of the calling process's mount namespace, so that what is mounted or
// unmounted from here on reaches no other namespace. It must only be called in a mount namespace of our own: in the host's it would
// change the host (mount_namespaces(7)).
func Private() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	return nil
}

// Pivot makes the attached tree the root of the mount namespace and unmounts the old root with everything below it. No directory is needed
// for the old root: with pivot_root(".", ".") it lies on top of the new one until it is detached (pivot_root(2), "pivot_root(".", ".")").
// The old root is detached lazily, because files of it are still open (the programme itself, the log); no path leads to it any more.
func Pivot(root *Tree) error {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open the old root: %w", err)
	}
	defer unix.Close(old)
	if err := unix.Fchdir(root.fd); err != nil {
		return fmt.Errorf("cannot enter the new root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot pivot_root: %w", err)
	}
	if err := unix.Fchdir(old); err != nil {
		return fmt.Errorf("cannot go to the old root: %w", err)
	}
	// The uppermost mount there goes first: anything that lay over the old root's directory, in the end the old root itself. Then the
	// directory is in no mount namespace any more, which is EINVAL.
	for detached := 0; ; detached++ {
		err := unix.Unmount(".", unix.MNT_DETACH)
		if err == unix.EINVAL && detached > 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot detach the old root: %w", err)
		}
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("cannot enter the new root: %w", err)
	}
	return nil
}
