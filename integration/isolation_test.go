package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// startIni starts a configuration file; program nil is the binary under test.
func startIni(e *harness.Env, program []string, text string) *harness.Server {
	e.T.Helper()
	return e.StartWith(harness.Options{Program: program, Args: []string{"--ini", e.Write("site.ini", text)}})
}

// namespacesOf are the inodes of the app's namespaces.
const namespacesOf = `
print(*[kind + '=' + os.readlink('/proc/self/ns/' + kind) for kind in ('cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts')])`

// TestPageConfiguration is the configuration of uWSGI's page on namespaces, word for word but for the paths, and for what serves.
func TestPageConfiguration(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, addr, ns := attackRoot(e), harness.FreePort(t), e.Dir+"/ns"
	secret := sentinel(e)
	for _, dir := range []string{ns, root + "/.old_root", root + "/dev/pts"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := startIni(e, nil, fmt.Sprintf(`[uwsgi]
http-socket = %[1]s
master = true
chdir = %[2]s
module = attack
unshare = fs
hook-post-jail = mount:none %[3]s %[4]s bind
pivot_root = %[4]s %[4]s/.old_root
; bind mount some useful fs like /dev and /proc
hook-as-root = mount:proc none /proc nodev hidepid=2
hook-as-root = mount:none /.old_root/dev /dev bind
hook-as-root = mount:none /.old_root/dev/pts /dev/pts bind
; umount the old tree
hook-as-root = umount:/.old_root rec,detach
`, addr, harness.AppDir, root, ns))
	s.WaitServing("http", addr)
	c := &cell{Server: s, addr: addr}
	c.want("the root", `print(os.path.exists('/home/uwsgi/uwsgi/attack.py'), os.listdir('/.old_root'), sorted(l.split()[4] for l in read('/proc/self/mountinfo').splitlines()))`,
		`True \[\] \['/', '/dev', '/dev/pts', '/proc'\]`)
	c.want("the old root", findSecret(secret), "nothing")
}

// TestChroot: chroot alone, as uWSGI has it. It is a view, not a jail, so nothing more than the root is checked.
func TestChroot(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, addr := attackRoot(e), harness.FreePort(t)
	s := e.Start("--http-socket", addr, "--chroot", root, "--chdir", harness.AppDir, "--module", "attack", "--master", "--uid", "uwsgi")
	s.WaitServing("http", addr)
	(&cell{Server: s, addr: addr}).want("the root", fmt.Sprintf(`print(os.getuid(), os.path.exists(%q), os.path.exists('/home/uwsgi/uwsgi'))`, e.Dir), "4711 False True")
}

// TestUnshareSubsets: each namespace alone, and a few together: these are new, the others the host's.
func TestUnshareSubsets(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	e.CopyApp("attack.py", e.Dir+"/app")
	files := map[string]string{"fs": "mnt", "mount": "mnt", "ipc": "ipc", "pid": "pid", "uts": "uts", "net": "net", "cgroup": "cgroup", "time": "time", "user": "user"}
	for _, names := range []string{"fs", "mount", "ipc", "pid", "uts", "net", "cgroup", "time", "user", "fs,pid", "uts,net,ipc", "fs,ipc,pid,uts,net,user", "user,cgroup,time"} {
		for _, option := range []string{"--unshare", "--unshare2"} {
			if option == "--unshare2" && strings.Contains(names, ",") {
				continue
			}
			addr := harness.FreePort(t)
			args := []string{"--http-socket", addr, "--chdir", e.Dir + "/app", "--module", "attack", "--master", option, names}
			var want []string
			for name := range strings.SplitSeq(names, ",") {
				want = append(want, files[name])
			}
			if slices.Contains(want, "user") {
				args = append(args, "--uid-map", "0 200000 65536", "--gid-map", "0 200000 65536")
			}
			s := e.StartWith(harness.Options{Args: args})
			s.WaitServing("http", addr)
			var differ []string
			for field := range strings.FieldsSeq((&cell{Server: s, addr: addr}).run(namespacesOf)) {
				kind, inode, _ := strings.Cut(field, "=")
				if inode != harness.NamespaceInode(os.Getpid(), kind) {
					differ = append(differ, kind)
				}
			}
			slices.Sort(want)
			if !slices.Equal(differ, want) {
				t.Errorf("%s %s makes the namespaces %v, want %v", option, names, differ, want)
			}
			s.End()
		}
	}
}

// TestJailCheckAndExplain: what the two options print without starting anything.
func TestJailCheckAndExplain(t *testing.T) {
	e := harness.New(t)
	for _, o := range []harness.Options{{Args: []string{"--jail-check"}}, {Args: []string{"--jail-check"}, UID: 65534}} {
		if os.Geteuid() != 0 {
			o.UID = 0
		}
		s := e.StartWith(o)
		s.WaitExit(5 * time.Second)
		for _, want := range []string{"user namespaces", "overlay filesystem", "cgroup version 2|cgroup", fmt.Sprintf("ABI %d", landlockABI()), "seccomp", "AppArmor"} {
			if s.CountLog(want) == 0 {
				t.Errorf("--jail-check does not tell of %q:\n%s", want, s.Log())
			}
		}
	}
	none := []string{"unshare", "--user", "--map-root-user", "sh", "-c", `echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"`, "sh"}
	s := e.StartWith(harness.Options{Wrap: none, Args: []string{"--jail-check"}})
	if s.WaitExit(5 * time.Second); s.CountLog(`(?i)max_user_namespaces`) == 0 {
		t.Errorf("--jail-check does not name the fix where user namespaces are off:\n%s", s.Log())
	}
	dir := appDir(e)
	explained := e.StartWith(harness.Options{Args: []string{"--http-socket", harness.FreePort(t), "--chdir", dir, "--module", "probe", "--namespace", "@host:x",
		"--jail-tmpfs", "/tmp/more:1m", "--jail-guard-off", "seccomp,landlock", "--explain-jail"}})
	if code := explained.WaitExit(5 * time.Second); code != 0 {
		t.Errorf("--explain-jail ends with %d", code)
	}
	log := explained.Log()
	at := 0
	for _, step := range []string{"clone ", "mount-private", "host-root", "host-system", "proc ", "/tmp/more", "pivot-root", "not-dumpable", "audit", "left open: seccomp"} {
		next := strings.Index(log[at:], step)
		if next < 0 && !strings.HasPrefix(step, "left open") || !strings.Contains(log, step) {
			t.Errorf("%q is not there, or not in its place:\n%s", step, log)
			continue
		}
		if next > 0 {
			at += next
		}
	}
	if strings.Contains(log, "spawned") || strings.Contains(log, "bound to") {
		t.Errorf("--explain-jail started something:\n%s", log)
	}
}

// TestJailMounts: the mounts said without hooks, an overlay whose writes do not survive a reload, and Landlock on top.
func TestJailMounts(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	for _, dir := range []string{root + "/rw", root + "/ro", root + "/mem", e.Dir + "/shared", root + e.Dir + "/own"} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		os.Chmod(dir, 0o777)
	}
	e.Write("own/file", "own")
	pid := e.Dir + "/pid"
	c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--namespace-overlay=16m", "--jail-bind", e.Dir+"/shared:/rw", "--jail-bind", e.Dir+"/shared:/ro:ro",
		"--jail-tmpfs", "/mem:1m", "--jail-ro", e.Dir+"/own", "--pidfile", pid)
	program := fmt.Sprintf(`
print(write('/rw/a', 'a'), read('/ro/a'), write('/ro/b'), write('/mem/c'), write('/mem/big', 'x' * 2000000), read(%[1]q + '/own/file'), write(%[1]q + '/own/new'),
      write('/home/uwsgi/kept'), os.path.exists('/home/uwsgi/kept'), write('/tmp/t'))`, e.Dir)
	want := `ok a EROFS ok ENOSPC own EROFS ok True ok`
	c.want("the mounts", program, want)
	c.reload()
	c.want("after the reload", `print(os.path.exists('/home/uwsgi/kept'), os.path.exists('/rw/a'), os.path.exists('/mem/c'), os.path.exists('/tmp/t'))`, `False True False False`)
	c.want("once more", program, want)
	c.End()
	if harness.Exists(root+"/home/uwsgi/kept") || !harness.Exists(e.Dir+"/shared/a") {
		t.Error("the overlay wrote to the rootfs, or the bind did not write")
	}
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, "--landlock-rw", "/tmp", "--jail-bind", e.Dir+"/shared:/rw")
	// What was asked for as a writable mount may be written all the same.
	c.want("landlock-rw", `print(write('/tmp/x'), write('/home/uwsgi/x'), write('/rw/x'), read('/rw/a'))`, `ok EACCES ok a`)
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, "--landlock-rw", "/tmp", "--landlock-ro", "/usr", "--landlock-ro", "/lib", "--landlock-ro", "/home/uwsgi",
		"--jail-bind", e.Dir+"/shared:/rw")
	c.want("landlock-ro", `print(write('/tmp/x'), read('/rw/a'), read('/etc/passwd')[:6], bool(read('/usr/bin/python3')))`, `ok a EACCES True`)
}

// TestSeccompList: a list in a file takes calls away and gives some back.
func TestSeccompList(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	file := e.Write("calls", "# of ours\nmkdir\nmkdirat\nallow unshare # to make a namespace\n")
	program := `print(attempt(os.mkdir, '/tmp/made'), call('unshare', NEWUSER), call('bpf', 99, 0, 0))`
	c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--seccomp", "default")
	c.want("default", program, "ok EPERM EPERM")
	c.run(`os.rmdir('/tmp/made')`)
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, "--seccomp", file)
	c.want("with a list", program, "EPERM ok EPERM")
	c.End()
	for text, says := range map[string]string{"nosuchcall\n": "nosuchcall", "execve\n": "execve", "a b c\n": "line 1"} {
		args := append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), "--seccomp", e.Write("calls", text))
		refused(e, harness.Options{Args: args}, "(?i)cannot .*"+says)
	}
	refused(e, harness.Options{Args: append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), "--seccomp", filepath.Join(e.Dir, "none"))}, "(?i)cannot open the seccomp list")
}
