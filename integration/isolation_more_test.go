package integration

import (
	"os"
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
	refused(e, harness.Options{Args: append(attackArgs(e, rootfsUser, root, addr), "--jail-net", "veth:gwkill0,10.213.79.2/30,10.213.79.1", "--reload-overlap")},
		`two jails at once`)
}
