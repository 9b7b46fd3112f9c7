package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// TestNamespaceWithUnshare: namespace and unshare together make what either asks for.
func TestNamespaceWithUnshare(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	c := imprison(e, rootfsUser, "--unshare", "net,cgroup,time,fs")
	for _, kind := range []string{"mnt", "pid", "uts", "ipc", "net", "cgroup", "time"} {
		if got := c.run(`print(os.readlink('/proc/self/ns/` + kind + `'))`); got == harness.NamespaceInode(os.Getpid(), kind) || got == "" {
			t.Errorf("the %s namespace is %q, the host's", kind, got)
		}
	}
	c.want("the user namespace", `print(os.readlink('/proc/self/ns/user') == '`+harness.NamespaceInode(os.Getpid(), "user")+`')`, "True")
	if n := c.CountLog("namespace makes the mount, pid, uts and ipc namespaces already"); n != 1 {
		t.Errorf("%d warnings of the repeated namespace, want 1", n)
	}
}

// TestHostnameHook: a hook may give the jail another name than the option.
func TestHostnameHook(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	imprison(e, rootfsUser, "--hook-as-root", "hostname:other").want("the hostname", `print(socket.gethostname())`, "other")
}

// TestRestartAfterKill: a start right after kill -9 of the parent finds the port and the interface still taken by the jail that dies.
func TestRestartAfterKill(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, addr := attackRoot(e), harness.FreePort(t)
	args := append(attackArgs(e, rootfsUser, root, addr), "--jail-net", "veth:gwkill0,10.213.79.2/30,10.213.79.1")
	for range 10 {
		s := e.StartWith(harness.Options{Args: args})
		s.WaitServing("http", addr)
		s.Signal(unix.SIGKILL)
	}
	s := e.StartWith(harness.Options{Args: args})
	s.WaitServing("http", addr)
	s.End()
}

// TestRootlessRootfs: an ordinary user enters a rootfs of its own. Inside it is uid 0, which is itself outside.
func TestRootlessRootfs(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t) // to make the rootfs the user's
	uid, gid := harness.NeedUser()
	root, addr := attackRoot(e), harness.FreePort(t)
	e.Run("chown", "-R", fmt.Sprintf("%d:%d", uid, gid), root)
	s := e.StartWith(harness.Options{UID: uid, Args: attackArgs(e, rootfsRoot, root, addr)})
	s.WaitServing("http", addr)
	c := &cell{Server: s, addr: addr, root: root}
	c.want("the jail", `print(os.getuid(), socket.gethostname(), read('/proc/self/uid_map').split()[1:], os.path.exists('`+e.Dir+`'), write('/home/uwsgi/new'))`,
		fmt.Sprintf(`0 jail \['%d', '1'\] False ok`, uid))
	if st, err := os.Stat(root + "/home/uwsgi/new"); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("what the jail's uid 0 made is %+v, %v", st, err)
	}
	c.reload()
	c.want("after a reload", `print(os.getuid())`, "0")
	c.End()
	refused(e, harness.Options{UID: uid, Args: append(attackArgs(e, rootfsRoot, root, harness.FreePort(t)), "--uid", "uwsgi")}, "cannot set uid to uwsgi: only root")
}

// TestCgroupNamespaceRoot: the root of the jail's cgroup namespace is the jail's own group, in both versions.
func TestCgroupNamespaceRoot(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	v1 := fmt.Sprintf("/sys/fs/cgroup/pids/gowsgi-root-%d", os.Getpid())
	t.Cleanup(func() { _ = os.Remove(v1) })
	root := attackRoot(e)
	seen := `print([line for line in read('/proc/self/cgroup').split() if ':pids:' in line], read('/proc/1/cgroup') == read('/proc/self/cgroup'))`
	c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--cgroup", v1)
	c.want("without the namespace", seen, `\['\d+:pids:/.*gowsgi-root-\d+'\] True`)
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, "--cgroup", v1, "--unshare", "cgroup")
	c.want("with it", seen, `\['\d+:pids:/'\] True`)
	if text := readFile(t, fmt.Sprintf("/proc/%d/cgroup", c.Master())); !strings.Contains(text, filepath.Base(v1)) {
		t.Errorf("the master is in\n%s", text)
	}
	c.End()
}

// TestJailDev: what /dev shows.
func TestJailDev(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	if err := os.WriteFile(root+"/dev/of-the-rootfs", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"minimal": "False True", "rootfs": "True False"} {
		c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--jail-dev", value)
		c.want(value, `print(os.path.exists('/dev/of-the-rootfs'), os.path.exists('/dev/urandom') and os.path.ismount('/dev'))`, want)
		c.End()
	}
	refused(e, harness.Options{Args: append(attackArgs(e, noJail, "", harness.FreePort(t)), "--jail-dev", "minimal")}, "only a root that namespace makes")
}

// TestHookLines: the hooks inside are told in the log, each before it runs, and file-write comes after those of its phase.
func TestHookLines(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	c := imprison(e, rootfsUser, "--file-write", "/tmp/written=some text", "--exec-in-jail", "test ! -e /tmp/written", "--hook-as-root", "print:said", "--hook-as-root",
		"!putenv:SECRET=s3cret", "--exec-as-user", "cat /tmp/written >&2", "--hook-pre-app", "print:before")
	c.want("the file", `print(repr(read('/tmp/written')))`, `'some text\\n'`)
	at := 0
	for _, line := range []string{`running "test ! -e /tmp/written" (in-jail)...`, `running "writen:/tmp/written some text" (in-jail)...`, `running "print:said" (as root)...`, "said",
		`running "--- PRIVATE HOOK ---" (as root)...`, `running "cat /tmp/written >&2" (as uid: 4711 gid: 4711) ...`, "some text", `running "print:before" (pre app)...`, "before"} {
		next := strings.Index(c.Log()[at:], line+"\n")
		if next < 0 {
			t.Fatalf("%q is not there, or not in its place:\n%s", line, c.Log())
		}
		at += next + len(line)
	}
	if strings.Contains(c.Log(), "s3cret") {
		t.Error("a private hook is in the log")
	}
}
