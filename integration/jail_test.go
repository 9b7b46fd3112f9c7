package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

var jailNamespaces = []string{"mnt", "pid", "uts", "ipc"}

// TestJailFacts looks at the jail with the app's eyes, through nginx.
func TestJailFacts(t *testing.T) {
	e := harness.New(t)
	root, socket := e.RootfsCopy(), harness.FreePort(t)
	e.Write("sentinel", "of the host")
	s := e.Start("--socket", socket, "--chdir", harness.AppDir, "--uid", "uwsgi", "--gid", "uwsgi", "--module", "probe", "--master",
		"--processes", "2", "--namespace", root+":jail")
	s.WaitServing("uwsgi", socket)
	nginx := e.Nginx(socket)[0]
	f := getFacts(t, "http", nginx)

	for _, kind := range jailNamespaces {
		if f.Namespaces[kind] == harness.NamespaceInode(os.Getpid(), kind) {
			t.Errorf("the %s namespace is the host's", kind)
		}
	}
	if f.Namespaces["net"] != harness.NamespaceInode(os.Getpid(), "net") {
		t.Error("the net namespace is not the host's, though namespace-net was not given")
	}
	if f.Hostname != "jail" {
		t.Errorf("hostname is %q", f.Hostname)
	}
	if host, _ := os.Hostname(); f.Node != host {
		t.Errorf("uwsgi.node is %q, the host is %q", f.Node, host)
	}
	if !slices.Equal(f.Groups, []int{4711}) {
		t.Errorf("supplementary groups are %v", f.Groups)
	}
	checkJailMounts(t, f)
	checkJailProcesses(t, f)
	checkJailFDs(t, f)
	for _, path := range []string{e.Dir, root, "/var/cache/gowsgi-test", "/proc/1/root" + e.Dir, "/../../" + e.Dir} {
		if r := harness.Get(t, "http", nginx, "/list?"+path); r.Status == 200 {
			t.Errorf("the app can list %s of the host: %s", path, r.Body)
		}
	}
}

func checkJailMounts(t *testing.T, f facts) {
	t.Helper()
	for _, line := range f.Mountinfo {
		point := strings.Fields(line)[4]
		if point != "/" && point != "/proc" && !strings.HasPrefix(point, "/proc/") && point != "/dev" && !strings.HasPrefix(point, "/dev/") {
			t.Errorf("a mount nobody asked for: %s", line)
		}
		if strings.Contains(line, "deleted") || strings.Contains(strings.Fields(line)[6], "shared:") {
			t.Errorf("a mount that is shared or deleted: %s", line)
		}
	}
	options := strings.Split(strings.Fields(mountAt(t, f.Mountinfo, "/proc"))[5], ",")
	for _, want := range []string{"nosuid", "nodev", "noexec"} {
		if !slices.Contains(options, want) {
			t.Errorf("/proc lacks %s: %v", want, options)
		}
	}
	for _, name := range f.Root {
		if strings.Contains(name, "uwsgi") || strings.Contains(name, "old") || strings.Contains(name, "tmp") && name != "tmp" {
			t.Errorf("a leftover in the root: %s", name)
		}
	}
}

// checkJailProcesses: the app sees the processes of its jail and no other; PID 1 is the master, its own parent.
func checkJailProcesses(t *testing.T, f facts) {
	t.Helper()
	if !slices.Contains(f.PIDs, 1) || !slices.Contains(f.PIDs, f.PID) {
		t.Errorf("pids are %v, own pid is %d", f.PIDs, f.PID)
	}
	// The master, the zygote, two workers; a moment earlier an intermediate of the double fork.
	if len(f.PIDs) > 6 {
		t.Errorf("more processes than the jail has: %v", f.PIDs)
	}
	if f.PPID != 1 {
		t.Errorf("the worker's parent is %d, not PID 1", f.PPID)
	}
	if !strings.Contains(f.Init, "gowsgi") {
		t.Errorf("PID 1 is %q", f.Init)
	}
}

// checkJailFDs: /dev/null, the log, sockets and anonymous things only; no directory, no file of the host.
func checkJailFDs(t *testing.T, f facts) {
	t.Helper()
	if f.FDs["0"] != "/dev/null" {
		t.Errorf("descriptor 0 is %s", f.FDs["0"])
	}
	for fd, target := range f.FDs {
		if fd == "0" || fd == "1" || fd == "2" {
			continue
		}
		known := false
		for _, prefix := range []string{"socket:", "pipe:", "anon_inode:", "/memfd:"} {
			known = known || strings.HasPrefix(target, prefix)
		}
		if !known {
			t.Errorf("the app holds descriptor %s: %s", fd, target)
		}
	}
}

// TestNamespaceNet: a net namespace of its own has nothing but lo, and the socket bound outside serves all the same.
func TestNamespaceNet(t *testing.T) {
	for _, option := range []string{"--namespace-net", "--ns-net"} {
		t.Run(option, func(t *testing.T) {
			e := harness.New(t)
			_, addr, _ := jailed(e, 1, option, "net1")
			f := getFacts(t, "http", addr)
			if f.Namespaces["net"] == harness.NamespaceInode(os.Getpid(), "net") {
				t.Error("the net namespace is the host's")
			}
			if devices := getBody(t, "http", addr, "/list?/proc/self/net/dev_snmp6"); strings.Contains(devices, "eth") {
				t.Errorf("the jail has network devices: %s", devices)
			}
		})
	}
}

// TestStrayDescriptorsAreClosed leaks descriptors into the parent: a directory of the host must not reach the app.
func TestStrayDescriptorsAreClosed(t *testing.T) {
	e := harness.New(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	s := e.StartWith(harness.Options{Args: jailArgs(root, addr, 1), Wrap: []string{"bash", "-c", `exec 7</ 9</etc/hostname 200</tmp; exec "$@"`, "bash"}})
	s.WaitServing("http", addr)
	checkJailFDs(t, getFacts(t, "http", addr))
}

// TestKeepMounts: what is mounted below the rootfs is hidden, except what namespace-keep-mount names, in both its forms.
func TestKeepMounts(t *testing.T) {
	e := harness.New(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	outside := filepath.Join(e.Dir, "nfs1")
	for _, dir := range []string{outside, root + "/nfs", root + "/data"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wrap := inPrivateMounts(fmt.Sprintf(`mount -t tmpfs none %[1]s/mnt/hidden && touch %[1]s/mnt/hidden/secret &&
		mount -t tmpfs none %[1]s/nfs && touch %[1]s/nfs/below && mount -t tmpfs none %[2]s && touch %[2]s/outside`, root, outside))
	args := append(jailArgs(root, addr, 1), "--namespace-keep-mount", root+"/nfs", "--namespace-keep-mount", outside+":/data")
	s := e.StartWith(harness.Options{Args: args, Wrap: wrap})
	s.WaitServing("http", addr)
	for path, want := range map[string]string{"/nfs": `["below"]`, "/data": `["outside"]`, "/mnt/hidden": `[]`} {
		if got := getBody(t, "http", addr, "/list?"+path); got != want {
			t.Errorf("the jail's %s holds %s, want %s", path, got, want)
		}
	}
	f := getFacts(t, "http", addr)
	for _, path := range []string{"/nfs", "/data"} {
		mountAt(t, f.Mountinfo, path)
	}
	if strings.Contains(strings.Join(f.Mountinfo, "\n"), "hidden") {
		t.Error("the hidden mount is in the jail's mount table")
	}
}

// TestHostMountTableStays runs a jail below a mount namespace whose mounts are all shared, as systemd makes a host's, and looks at that
// namespace's table before, while and after: start, reload and stop change no byte of it, propagation flags included.
func TestHostMountTableStays(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	ready := filepath.Join(e.Dir, "ready")
	holder := e.Holder("unshare", "--mount", "--propagation", "private", "sh", "-c",
		"mount --make-rshared / && mkdir -p '"+e.Dir+"/a b' && mount -t tmpfs none '"+e.Dir+"/a b' && touch "+ready+" && exec sleep 600")
	if !harness.Eventually(5*time.Second, func() bool { return harness.Exists(ready) }) {
		t.Fatal("the shared mount namespace is not ready")
	}
	table := func() string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", holder))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := table()
	if !strings.Contains(before, " / / rw,relatime shared:") && !strings.Contains(before, "shared:") {
		t.Fatalf("nothing is shared there:\n%s", before)
	}
	args := append(jailArgs(root, addr, 1), "--pidfile", e.Dir+"/pid")
	s := e.StartWith(harness.Options{Args: args, Wrap: []string{"nsenter", "--mount", fmt.Sprintf("--target=%d", holder)}})
	s.WaitServing("http", addr)
	if strings.Contains(strings.Join(getFacts(t, "http", addr).Mountinfo, "\n"), "a\\040b") {
		t.Error("a host mount with a space in its path is in the jail")
	}
	if now := table(); now != before {
		t.Errorf("the start changed the host's mount table:\n%s", harness.Diff(before, now))
	}
	old := holdJail(t, s)
	s.Signal(unix.SIGHUP)
	old.waitFresh(s, "http", addr)
	if now := table(); now != before {
		t.Errorf("a reload changed the host's mount table:\n%s", harness.Diff(before, now))
	}
	s.End()
	if now := table(); now != before {
		t.Errorf("the stop changed the host's mount table:\n%s", harness.Diff(before, now))
	}
}
