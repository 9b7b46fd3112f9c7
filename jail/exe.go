package jail

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// executable opens our own binary in a form the jail cannot write to through /proc/PID/exe, whoever it runs as there (CVE-2019-5736): a
// detached read-only clone of its mount, which shares the page cache; without the privilege or the kernel for that, a sealed memfd, which
// is a copy. The caller closes the descriptor.
func executable() (int, error) {
	tree, treeErr := mount.Clone(unix.AT_FDCWD, "/proc/self/exe", false)
	if treeErr == nil {
		if treeErr = tree.Restrict(mount.ReadOnly|mount.NoSuid|mount.NoDev, false); treeErr == nil {
			return tree.Fd(), nil
		}
		tree.Close()
	}
	fd, err := sealedCopy("/proc/self/exe")
	if err != nil {
		return -1, fmt.Errorf("cannot protect our own binary: %w (and %v)", err, treeErr)
	}
	return fd, nil
}

// sealedCopy copies the file into a memfd whose content nobody can change any more (memfd_create(2), F_ADD_SEALS).
func sealedCopy(path string) (int, error) {
	from, err := os.Open(path)
	if err != nil {
		return -1, err
	}
	defer from.Close()
	const base = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("gowsgi", base|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC is Linux 6.3
		fd, err = unix.MemfdCreate("gowsgi", base)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot create a memfd: %w", err)
	}
	// Read back through a descriptor that cannot write: one that can would make the exec fail with ETXTBSY.
	to := os.NewFile(uintptr(fd), "memfd")
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		return -1, fmt.Errorf("cannot copy %s: %w", path, err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return -1, fmt.Errorf("cannot seal a memfd: %w", err)
	}
	ro, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open a memfd: %w", err)
	}
	return ro, nil
}
