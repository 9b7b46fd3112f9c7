package reload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// place is where a unix socket was put: enough to remove it later without removing somebody else's.
type place struct {
	dir   *os.File // O_PATH, below the root
	base  string
	dev   uint64
	ino   uint64
	shown string
}

// bindPath makes a unix socket with a path. The directory is opened below the root, so that no symlink of a rootfs leads
// outside. The socket gets a throw-away name first; owner and mode are right before the name that clients know is
// renamed onto it, so there is no moment without a socket when an older one is replaced, nor one with the wrong mode.
func bindPath(addr string, env *socketEnv) (*listener, error) {
	full := addr
	if !path.IsAbs(full) {
		full = path.Join(env.dir, full)
	}
	dir, err := openDir(env.root, path.Dir(path.Clean(full)))
	if err != nil {
		return nil, err
	}
	pl := &place{dir: dir, base: path.Base(full), shown: path.Join(env.root, full)}
	f, err := pl.bind(env)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &listener{file: f, family: "unix", name: "UNIX address " + addr, place: pl}, nil
}

func openDir(root, name string) (*os.File, error) {
	if root != "" {
		return jail.OpenInRoot(root, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	}
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open directory %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (pl *place) bind(env *socketEnv) (*os.File, error) {
	var st unix.Stat_t
	dirfd := int(pl.dir.Fd())
	err := unix.Fstatat(dirfd, pl.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errors.New("the path exists and is not a socket (remove it, or name another path)")
	}
	temp := fmt.Sprintf(".%s.%x", pl.base, rand.Uint64())
	if len(temp) > 80 { // sun_path has 108 bytes, /proc/self/fd/N/ takes its part
		temp = fmt.Sprintf(".gowsgi.%x", rand.Uint64())
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return nil, err
	}
	if err := pl.bindAs(fd, temp, env); err != nil {
		return nil, errors.Join(err, ignoreMissing(unix.Unlinkat(dirfd, temp, 0)), unix.Close(fd))
	}
	return socketFile(fd)
}

func (pl *place) bindAs(fd int, temp string, env *socketEnv) error {
	if err := pl.name(fd, temp, env); err != nil {
		return err
	}
	if err := unix.Listen(fd, env.backlog); err != nil {
		return err
	}
	return unix.Renameat(int(pl.dir.Fd()), temp, int(pl.dir.Fd()), pl.base)
}

// name gives a socket its throw-away name, mode and owner.
func (pl *place) name(fd int, temp string, env *socketEnv) error {
	dirfd := int(pl.dir.Fd())
	name := "/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + temp
	mode, mask := uint64(0o777), env.mask
	if env.chmod != "" {
		var err error
		if mode, err = strconv.ParseUint(env.chmod, 8, 12); err != nil {
			return fmt.Errorf("chmod-socket %q is not an octal mode", env.chmod)
		}
		mask = 0
	}
	// The kernel makes the file with the mode of the socket's own inode, less the umask (unix_bind_bsd in
	// net/unix/af_unix.c), so the mode is right from the first moment on.
	if err := unix.Fchmod(fd, uint32(mode)); err != nil {
		return fmt.Errorf("cannot set the mode: %w", err)
	}
	if mask >= 0 {
		old := unix.Umask(mask)
		defer unix.Umask(old)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return err
	}
	return pl.own(temp, env)
}

// own sets the owner through a descriptor that was seen to be a socket: whoever may write to the directory could have
// put something else there under the name.
func (pl *place) own(temp string, env *socketEnv) error {
	fd, err := unix.Openat(int(pl.dir.Fd()), temp, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open the new socket: %w", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot look at the new socket: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("somebody replaced the new socket while it was made")
	}
	pl.dev, pl.ino = st.Dev, st.Ino
	if env.uid < 0 && env.gid < 0 {
		return nil
	}
	if err := unix.Fchownat(fd, "", env.uid, env.gid, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("cannot give the socket to %d:%d: %w", env.uid, env.gid, err)
	}
	return nil
}

// remove unlinks the socket if the path still leads to the one we made; it tells whether it did.
func (pl *place) remove() (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(pl.dir.Fd()), pl.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || (err == nil && (st.Dev != pl.dev || st.Ino != pl.ino)) {
		return false, nil
	}
	if err == nil {
		err = unix.Unlinkat(int(pl.dir.Fd()), pl.base, 0)
	}
	if err != nil {
		return false, fmt.Errorf("cannot remove socket %s: %w", pl.shown, err)
	}
	return true, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// rootOf is the directory that the jail's paths and names are below, "" for the host's own root.
func rootOf(spec *jail.Spec) string {
	if spec.Root.Kind == jail.RootDir {
		return spec.Root.Path
	}
	return spec.Chroot
}
