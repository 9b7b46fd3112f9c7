package jail

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// The audit finds what a step got wrong: each case is a jail that is not the one of its spec, made by lying about what was asked.
func TestAuditFindsDifferences(t *testing.T) {
	proc, err := openProc()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.close()
	own, err := proc.namespaceInodes()
	if err != nil {
		t.Fatal(err)
	}
	moved := map[Namespace]uint64{}
	for kind, inode := range own {
		moved[kind] = inode
	}
	moved[NSNet]++
	base := func() *entry {
		return &entry{spec: &Spec{Outside: own}, ids: ids{uid: -1, gid: -1}, proc: proc}
	}
	for _, c := range []struct {
		name  string
		lie   func(*entry)
		check func(*entry) error
		want  string
	}{
		{"nothing", func(*entry) {}, (*entry).checkNamespaces, ""},
		{"no word of the outside", func(e *entry) { e.spec.Outside = nil }, (*entry).checkNamespaces, "the boot does not say"},
		{"a namespace is the host's", func(e *entry) { e.spec.Namespaces = []Namespace{NSPID} }, (*entry).checkNamespaces, "pid namespace is the host's"},
		{"a namespace is another", func(e *entry) { e.spec.Outside = moved }, (*entry).checkNamespaces, "net namespace is not the one"},
		{"hostname", func(e *entry) { e.spec.Hostname = "not-this-one" }, (*entry).checkHostname, "the hostname is"},
		{"uid", func(e *entry) { e.ids.uid = os.Getuid() + 1 }, (*entry).checkThreads, "has uid"},
		{"gid", func(e *entry) { e.ids.gid = os.Getgid() + 1 }, (*entry).checkThreads, "has gid"},
		{"groups", func(e *entry) { e.ids.exact, e.ids.groups = true, []int{987654} }, (*entry).checkThreads, "has groups"},
		{"privileges", func(e *entry) {
			e.spec.Chroot, e.spec.GuardsOff, e.spec.SetgroupsDenied = "/", []Guard{GuardCaps}, true
		}, (*entry).checkThreads, "may gain privileges"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := base()
			c.lie(e)
			err := c.check(e)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestAuditFindsMounts pretends that this process is in a jail of one mount: the host's other mounts are what nobody asked for.
func TestAuditFindsMounts(t *testing.T) {
	needRoot(t)
	proc, err := openProc()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.close()
	for path, want := range map[string]string{"/": "nobody asked for the mount", "/etc": "its root is another directory"} {
		root, err := mount.Clone(unix.AT_FDCWD, path, false)
		if err != nil {
			t.Fatal(err)
		}
		e := &entry{spec: &Spec{Root: Root{Kind: RootDir}}, root: root, proc: proc}
		e.expect("/", 0, false)
		if err := e.checkMounts(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s as the root: %v, want %q", path, err, want)
		}
		root.Close()
	}
}

func TestFindExpected(t *testing.T) {
	all := []expected{{"/", 0, false}, {"/usr", mount.ReadOnly, true}, {"/nfs", 0, false}}
	for point, want := range map[string]int{"/": 0, "/usr": 1, "/nfs": 2, "/usr/local": -1, "/usrlocal": -2, "/nfs/sub": -2, "/tmp": -2} {
		got, i := findExpected(all, all, point)
		switch {
		case want == -2 && got != nil, want != -2 && got == nil, want >= 0 && i != want, want == -1 && (i != -1 || got.point != "/usr"):
			t.Errorf("%s is explained by %+v (%d), want %d", point, got, i, want)
		}
	}
	// A mount that was asked for once explains one only.
	if got, _ := findExpected(all, all[:2], "/nfs"); got != nil {
		t.Errorf("a second mount at /nfs is explained by %+v", got)
	}
}
