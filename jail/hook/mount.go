package hook

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// mountFlags are the words of the mount action. slave, unbindable and relatime are ours; the others are uWSGI's.
var mountFlags = map[string]uintptr{
	"bind": unix.MS_BIND, "dirsync": unix.MS_DIRSYNC, "mandlock": unix.MS_MANDLOCK, "move": unix.MS_MOVE, "noatime": unix.MS_NOATIME,
	"nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "nosuid": unix.MS_NOSUID, "rdonly": unix.MS_RDONLY, "readonly": unix.MS_RDONLY,
	"ro": unix.MS_RDONLY, "remount": unix.MS_REMOUNT, "sync": unix.MS_SYNCHRONOUS, "rec": unix.MS_REC, "recursive": unix.MS_REC,
	"private": unix.MS_PRIVATE, "shared": unix.MS_SHARED, "slave": unix.MS_SLAVE, "unbindable": unix.MS_UNBINDABLE,
	"relatime": unix.MS_RELATIME,
}

var umountFlags = map[string]int{"detach": unix.MNT_DETACH, "force": unix.MNT_FORCE, "rec": 0, "recursive": 0}

func parseMount(arg string) (fstype, what, where, data string, flags uintptr, err error) {
	f := strings.Fields(arg)
	if len(f) < 3 {
		return "", "", "", "", 0, fmt.Errorf("not FSTYPE WHAT WHERE")
	}
	if len(f) > 3 {
		for _, word := range strings.Split(f[3], ",") {
			flag, ok := mountFlags[word]
			if !ok {
				return "", "", "", "", 0, fmt.Errorf("unknown mount flag %q", word)
			}
			flags |= flag
		}
	}
	if len(f) > 4 {
		data = strings.Join(f[4:], " ")
	}
	return f[0], f[1], f[2], data, flags, nil
}

func checkMount(arg string) error {
	_, _, _, _, _, err := parseMount(arg)
	return err
}

// doMount is mount(2). A bind takes no other flag with it in one call, so a second call adds read-only and the like, which uWSGI forgets.
func doMount(arg string, _ Context) error {
	fstype, what, where, data, flags, err := parseMount(arg)
	if err != nil {
		return err
	}
	if err := unix.Mount(what, where, fstype, flags, data); err != nil {
		return fmt.Errorf("cannot mount %q on %q: %w", what, where, err)
	}
	const ofTheMount = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if flags&unix.MS_BIND == 0 || flags&unix.MS_REMOUNT != 0 || flags&ofTheMount == 0 {
		return nil
	}
	fd, err := unix.Open(where, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", where, err)
	}
	defer unix.Close(fd)
	return mount.Restrict(fd, mount.FromFlags(flags), flags&unix.MS_REC != 0)
}

func parseUmount(arg string) (where string, flags int, recursive bool, err error) {
	f := strings.Fields(arg)
	if len(f) < 1 || len(f) > 2 {
		return "", 0, false, fmt.Errorf("not WHERE [FLAGS]")
	}
	if len(f) == 1 {
		return f[0], 0, false, nil
	}
	for _, word := range strings.Split(f[1], ",") {
		flag, ok := umountFlags[word]
		if !ok {
			return "", 0, false, fmt.Errorf("unknown umount flag %q", word)
		}
		flags |= flag
		recursive = recursive || strings.HasPrefix(word, "rec")
	}
	return f[0], flags, recursive, nil
}

func checkUmount(arg string) error {
	_, _, _, err := parseUmount(arg)
	return err
}

// doUmount is umount2(2); with rec whatever is mounted below goes first, the last one mounted before the others.
func doUmount(arg string, _ Context) error {
	where, flags, recursive, err := parseUmount(arg)
	if err != nil {
		return err
	}
	if recursive {
		if err := umountBelow(where, flags); err != nil {
			return err
		}
	}
	if err := unix.Unmount(where, flags); err != nil {
		return fmt.Errorf("cannot unmount %q: %w", where, err)
	}
	return nil
}

func umountBelow(where string, flags int) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("cannot list what is mounted below %q: %w", where, err)
	}
	defer f.Close()
	all, err := mount.ReadInfo(f)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	for _, m := range all {
		if strings.HasPrefix(m.Point, strings.TrimRight(where, "/")+"/") {
			// EINVAL: it went away with another one, or lies under one.
			if err := unix.Unmount(m.Point, flags|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL {
				return fmt.Errorf("cannot unmount %q: %w", m.Point, err)
			}
		}
	}
	return nil
}
