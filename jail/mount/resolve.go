package mount

import (
	"golang.org/x/sys/unix"
)

// Resolve opens (O_PATH) what path names below root, taking root for "/". No symbolic link is followed, not even inside the root, and no
// magic link: a mount target that is one answers ELOOP. The caller closes the descriptor.
func Resolve(root int, path string) (int, error) {
	return Open(root, path, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
}

// Open is openat2(2) below root, which stands for "/" ("..", absolute paths and absolute symbolic links stay inside); magic links are
// never followed. flags are those of open(2), O_CLOEXEC is added; resolve adds to RESOLVE_IN_ROOT.
func Open(root int, path string, flags, resolve uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: resolve | unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	return retry(func() (int, error) { return unix.Openat2(root, path, &how) })
}
