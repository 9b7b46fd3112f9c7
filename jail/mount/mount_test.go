package mount

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scratch gives the calling test a mount namespace of its own, on a thread that ends with it.
func scratch(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a mount namespace")
	}
	runtime.LockOSThread() // never unlocked
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := Private(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func threadMounts(t *testing.T) map[string]Info {
	t.Helper()
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := ReadInfo(f)
	if err != nil {
		t.Fatal(err)
	}
	byPoint := map[string]Info{}
	for _, info := range all {
		byPoint[info.Point] = info
	}
	return byPoint
}

func TestCloneLeavesOutOrTakesWhatIsBelow(t *testing.T) {
	scratch(t)
	source, target := t.TempDir(), t.TempDir()
	sub := filepath.Join(source, "sub dir")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	below, err := New("tmpfs", NoSuid)
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	if err := below.Attach(open(t, sub)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(sub, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, recursive := range []bool{false, true} {
		tree, err := Clone(unix.AT_FDCWD, source, recursive)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Restrict(ReadOnly|NoDev, recursive); err != nil {
			t.Fatal(err)
		}
		if err := tree.Attach(open(t, target)); err != nil {
			t.Fatal(err)
		}
		tree.Close()
		t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
		_, err = os.Stat(filepath.Join(target, "sub dir/file"))
		if (err == nil) != recursive {
			t.Errorf("recursive %v: the file below shows as %v", recursive, err)
		}
		if err := os.WriteFile(filepath.Join(target, "new"), nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing into the clone gives %v", err)
		}
		mounts := threadMounts(t)
		if m := mounts[target]; !m.Has(ReadOnly|NoDev) || m.Has(NoExec) {
			t.Errorf("the clone has %v", m.Options)
		}
		if m := mounts[filepath.Join(target, "sub dir")]; recursive && !m.Has(ReadOnly|NoDev|NoSuid) {
			t.Errorf("the mount below the clone has %v", m.Options)
		}
		// The source keeps its own attributes.
		if err := os.WriteFile(filepath.Join(source, "new"), nil, 0o644); err != nil {
			t.Error(err)
		}
	}
}

func TestResolveFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	for name, to := range map[string]string{"abs": "/etc", "up": "../../../etc", "in": "real"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	root := open(t, dir)
	for path, want := range map[string]error{"/real": nil, "real/../../../real": nil, "/abs": unix.ELOOP, "/up": unix.ELOOP, "/in": unix.ELOOP,
		"/missing": unix.ENOENT} {
		fd, err := Resolve(root, path)
		if !errors.Is(err, want) {
			t.Errorf("%s gives %v, want %v", path, err, want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	// With links allowed they still lead nowhere outside.
	if fd, err := Open(root, "/abs/passwd", unix.O_RDONLY, 0); err == nil {
		unix.Close(fd)
		t.Error("a link to /etc leads to the host's")
	}
}

func TestReadInfo(t *testing.T) {
	const text = `22 1 253:0 / / rw,relatime - ext4 /dev/vda rw
35 22 0:31 / /proc rw,nosuid,nodev,noexec shared:7 master:3 - proc proc rw
36 22 0:32 /a\040b /mnt/with\040space\012and\134line ro,nodev - tmpfs none rw,size=4k
`
	got, err := ReadInfo(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{22, 1, "/", "/", []string{"rw", "relatime"}, []string{}, "ext4", "/dev/vda"},
		{35, 22, "/", "/proc", []string{"rw", "nosuid", "nodev", "noexec"}, []string{"shared:7", "master:3"}, "proc", "proc"},
		{36, 22, "/a b", "/mnt/with space\nand\\line", []string{"ro", "nodev"}, []string{}, "tmpfs", "none"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for _, bad := range []string{"", "22 1 253:0 / / rw", "x 1 253:0 / / rw - ext4 /dev/vda rw", "22 1 / rw - ext4 /dev/vda", "22 1 253:0 / / rw - ext4"} {
		if _, err := ReadInfo(strings.NewReader(bad + "\n")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzReadInfo(f *testing.F) {
	f.Add("22 1 253:0 / / rw,relatime - ext4 /dev/vda rw\n")
	f.Add("36 22 0:32 /a\\040b /mnt/with\\012 ro shared:1 - tmpfs none rw\n")
	f.Add("1 2 \\ \\0 \\07 \\400 - \\ \\\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadInfo(strings.NewReader(text))
		if err == nil && len(all) != strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1 && text != "" {
			t.Errorf("%d mounts of %q", len(all), text)
		}
	})
}
