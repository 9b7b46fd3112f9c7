package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gowsgi/integration/harness"
)

// TestHostRoot: namespace = @host:NAME builds a root of the machine's own parts, for root and for an ordinary user alike.
func TestHostRoot(t *testing.T) {
	for _, c := range []struct {
		name string
		root bool
		more []string
	}{
		{name: "root", root: true},
		{name: "root dropping to nobody", root: true, more: []string{"--uid", "nobody", "--gid", "nogroup"}},
		{name: "ordinary user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root {
				harness.NeedRoot(t)
			}
			e := harness.New(t)
			o := harness.Options{}
			if !c.root {
				o.UID, _ = harness.NeedUser()
			}
			dir, addr := appDir(e), harness.FreePort(t)
			e.Write("sentinel", "of the host")
			o.Args = append([]string{"--http-socket", addr, "--chdir", dir, "--module", "probe", "--master", "--processes", "2",
				"--namespace", "@host:onthefly"}, c.more...)
			s := e.StartWith(o)
			s.WaitServing("http", addr)
			f := getFacts(t, "http", addr)
			if f.Hostname != "onthefly" || f.CWD != dir || f.PPID != 1 {
				t.Errorf("hostname %q, working directory %q, parent %d", f.Hostname, f.CWD, f.PPID)
			}
			for _, kind := range jailNamespaces {
				if f.Namespaces[kind] == harness.NamespaceInode(os.Getpid(), kind) {
					t.Errorf("the %s namespace is the host's", kind)
				}
			}
			if c.more != nil && f.IDs[0] != [3]int{65534, 65534, 65534} {
				t.Errorf("user ids are %v", f.IDs[0])
			}
			if !c.root && f.Namespaces["user"] == harness.NamespaceInode(os.Getpid(), "user") {
				t.Error("an ordinary user's jail without a user namespace")
			}
			checkHostRoot(t, e, addr, dir, f)
			checkJailFDs(t, f)
		})
	}
}

func checkHostRoot(t *testing.T, e *harness.Env, addr, dir string, f facts) {
	t.Helper()
	for _, path := range []string{"/usr", "/etc", dir} {
		options := strings.Split(strings.Fields(mountAt(t, f.Mountinfo, path))[5], ",")
		if !slices.Contains(options, "ro") {
			t.Errorf("%s is not read-only: %v", path, options)
		}
		if got := getBody(t, "http", addr, "/write-file?"+path+"/x"); !strings.HasPrefix(got, "OSError 30") {
			t.Errorf("writing to %s: %s, want EROFS", path, got)
		}
	}
	if got := getBody(t, "http", addr, "/write-file?/tmp/x"); got != "written" {
		t.Errorf("writing to /tmp: %s", got)
	}
	if harness.Exists("/tmp/x") {
		t.Error("/tmp is the host's")
	}
	for _, want := range []string{"null", "zero", "random", "urandom"} {
		if got := getBody(t, "http", addr, "/list?/dev"); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("/dev lacks %s: %s", want, got)
		}
	}
	for _, path := range []string{"/root", "/home", "/var/lib", "/sys/kernel", "/boot", "/srv"} {
		if r := harness.Get(t, "http", addr, "/list?"+path); r.Status == 200 && r.Body != "[]" {
			t.Errorf("the app sees the host's %s: %.200s", path, r.Body)
		}
	}
	if got := harness.Get(t, "http", addr, "/list?"+filepath.Dir(dir)); strings.Contains(got.Body, "sentinel") {
		t.Errorf("the app sees more than its own directory: %s", got.Body)
	}
	if len(f.PIDs) > 6 {
		t.Errorf("the app sees more processes than the jail has: %v", f.PIDs)
	}
}

// TestHostRootDefaultName: @host alone keeps the machine's host name, or gives one; it serves all the same.
func TestHostRootDefaultName(t *testing.T) {
	e := harness.New(t)
	uid, _ := harness.NeedUser()
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{UID: uid, Args: []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--master",
		"--namespace", "@host"}})
	s.WaitServing("http", addr)
	if f := getFacts(t, "http", addr); f.Namespaces["mnt"] == harness.NamespaceInode(os.Getpid(), "mnt") {
		t.Error("not in a jail")
	}
}
