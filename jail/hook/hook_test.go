package hook

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line, action, arg, fails string
	}{
		{"mount:none /distros/precise /ns bind", "mount", "none /distros/precise /ns bind", ""},
		{"umount:/.old_root rec,detach", "umount", "/.old_root rec,detach", ""},
		{"exec:echo a:b", "exec", "echo a:b", ""},
		{"!putenv:SECRET=x", "putenv", "SECRET=x", ""},
		{"exit:5", "exit", "5", ""},
		{"exit:", "exit", "", ""},
		{"mkdir", "", "", "no action before a colon"},
		{"fly:away", "", "", "there is no such action"},
		{"call:some_symbol", "", "", "C function"},
		{"mount:none /a", "", "", "FSTYPE WHAT WHERE"},
		{"mount:none /a /b bogus", "", "", `unknown mount flag "bogus"`},
		{"umount:/a lazy", "", "", `unknown umount flag "lazy"`},
		{"chmod:/a 99", "", "", "octal"},
		{"chown2:/a root root", "", "", "not a number"},
		{"putenv:NOVALUE", "", "", "NAME=VALUE"},
		{"exit:300", "", "", "not an exit code"},
		{"wait_for_fs:/a soon", "", "", "not a number of seconds"},
		{"wait_for_socket:localhost:80", "", "", "numeric address"},
		{"write:/a", "", "", "FILE TEXT"},
		{"rpc:f", "", "", "in the workers"},
	} {
		h, err := Parse(AsRoot, c.line)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%q gives %v, want %q", c.line, err, c.fails)
			}
			continue
		}
		if err != nil || h.Action != c.action || h.Arg != c.arg || h.Phase != AsRoot {
			t.Errorf("%q gives %+v, %v", c.line, h, err)
		}
		if h.Private && strings.Contains(h.Shown(), h.Arg) {
			t.Errorf("%q is shown as %q", c.line, h.Shown())
		}
	}
}

// do runs the lines in order, DIR standing for the directory.
func do(t *testing.T, dir string, lines ...string) error {
	t.Helper()
	for _, line := range lines {
		h, err := Parse(AsRoot, strings.ReplaceAll(line, "DIR", dir))
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		err = Run(h, Context{Out: log, Env: []string{"EXTRA=e"}})
		log.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func TestActions(t *testing.T) {
	t.Setenv("HOOK_TEST", "")
	for _, c := range []struct {
		name  string
		lines []string
		file  string
		text  string
	}{
		{"write", []string{"write:DIR/f some text"}, "f", "some text"},
		{"writen", []string{"writen:DIR/f long old text", "writen:DIR/f new"}, "f", "new\n"},
		{"append", []string{"append:DIR/f a", "append:DIR/f b"}, "f", "ab"},
		{"appendn", []string{"appendn:DIR/f a", "appendn:DIR/f"}, "f", "a\n\n"},
		{"create", []string{"write:DIR/f a", "create:DIR/f"}, "f", ""},
		{"exec", []string{"exec:echo $EXTRA-$((1+1)) > DIR/f"}, "f", "e-2\n"},
		{"exec output", []string{"exec:echo out; echo err >&2"}, "log", "out\nerr\n"},
		{"print is no format", []string{"print:%s%d", "log:x y"}, "log", "%s%d\nx y\n"},
		{"safeexec", []string{"safeexec:exit 3", "write:DIR/f on"}, "f", "on"},
		{"putenv", []string{"putenv:HOOK_TEST=a=b", "exec:printf %s $HOOK_TEST > DIR/f"}, "f", "a=b"},
		{"mkdir", []string{"mkdir:DIR/d", "write:DIR/d/f x"}, "d/f", "x"},
		{"no reader", []string{"exec:mkfifo DIR/fifo", "writefifo:DIR/fifo text", "write:DIR/f x"}, "f", "x"},
		{"wait", []string{"wait_for_file:DIR/log 0", "wait_for_dir:DIR 0", "wait_for_fs:DIR 0", "wait_for_interface:lo 1", "wait_for_mountpoint:/proc 1", "write:DIR/f x"}, "f", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := do(t, dir, c.lines...); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, c.file)); err != nil || string(got) != c.text {
				t.Errorf("%s holds %q, %v, want %q", c.file, got, err, c.text)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for line, want := range map[string]string{
		"exec:exit 3":                        "exited with code 3",
		"exec:kill -9 $$":                    "killed by signal 9",
		"mkdir:DIR":                          "file exists",
		"unlink:DIR/missing":                 "no such file",
		"cd:DIR/missing":                     "no such file",
		"chown:DIR no-such-user root":        `cannot find "no-such-user"`,
		"writefifo:DIR/missing x":            "no such file",
		"wait_for_dir:DIR/missing 0":         "was not a directory",
		"wait_for_socket:DIR/missing.sock 0": "nobody accepted",
		"wait_for_interface:nosuchif 0":      "no interface",
		"wait_for_mountpoint:DIR 0":          "was not a mount point",
		"spinningfifo:DIR/log x":             "not a fifo",
	} {
		if err := do(t, t.TempDir(), line); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %v, want one line with %q", line, err, want)
		}
	}
	var exit ExitError
	if err := do(t, t.TempDir(), "exit:5"); !errors.As(err, &exit) || exit.Code != 5 {
		t.Errorf("exit:5 gives %v", err)
	}
}

func TestModesAndOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: changes owners")
	}
	dir := t.TempDir()
	if err := do(t, dir, "write:DIR/a file x", "exec:touch 'DIR/with blank'", "chmod:DIR/with blank 640", "chown2:DIR/with blank 12 34",
		"mkdir:DIR/d", "chmod:DIR/d 1770", "mkdir:DIR/e", "chmod:DIR/e 755", "sticky:DIR/e", "chown:DIR/e daemon daemon"); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "with blank"), &st); err != nil || st.Mode&0o7777 != 0o640 || st.Uid != 12 || st.Gid != 34 {
		t.Errorf("the file is %o %d:%d, %v", st.Mode, st.Uid, st.Gid, err)
	}
	if err := unix.Stat(filepath.Join(dir, "d"), &st); err != nil || st.Mode&0o7777 != 0o1770 {
		t.Errorf("d is %o, %v", st.Mode, err)
	}
	if err := unix.Stat(filepath.Join(dir, "e"), &st); err != nil || st.Mode&0o7777 != 0o1755 || st.Uid != 1 {
		t.Errorf("e is %o %d, %v", st.Mode, st.Uid, err)
	}
}

func TestMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts")
	}
	runtime.LockOSThread() // the thread, with its mount namespace, ends with the test
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := do(t, dir, "mkdir:DIR/a", "mkdir:DIR/b", "mount:tmpfs none DIR/a nosuid,nodev size=64k,mode=0700", "mkdir:DIR/a/sub",
		"mount:tmpfs none DIR/a/sub", "mount:none DIR/a DIR/b bind,rec,ro"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"b/file", "b/sub/file"} {
		if err := os.WriteFile(filepath.Join(dir, path), nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s gives %v, want a read-only bind with all below it", path, err)
		}
	}
	if err := do(t, dir, "umount:DIR/b rec,detach", "umount:DIR/a"); err == nil {
		t.Error("a mount with another below it was unmounted without rec")
	}
	// The list of mounts is that of the process, not of this thread, so the rest is undone by hand.
	for _, path := range []string{"b/sub", "b", "a/sub", "a"} {
		_ = unix.Unmount(filepath.Join(dir, path), unix.MNT_DETACH)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{"mount:none /a /b bind,ro x=y", "umount:/ rec", "chmod:/a b 755", "exit:7", "!exec:x", "wait_for_fs:/a 3", "wait_for_socket:[::1]:80 2"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h, err := Parse(InJail, line)
		if err == nil && strings.TrimPrefix(line, "!") != h.Action+":"+h.Arg {
			t.Errorf("%q became %+v", line, h)
		}
	})
}
