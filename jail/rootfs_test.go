package jail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRootfsJail(t *testing.T) {
	needRoot(t)
	j := mustStart(t, fullSpec(newRootfs(t)), "pid", "read /inside", "ls /proc", "read /proc/self/mountinfo", "ls /")
	if j.answers["pid"] != "1" {
		t.Errorf("the master has pid %s inside, want 1", j.answers["pid"])
	}
	if got := j.answers["read /inside"]; got != "the rootfs" {
		t.Errorf("/inside reads %q", got)
	}
	if j.audit.Hostname != "mybeautifulhostname" || j.audit.UID != 1234 || j.audit.GID != 2345 {
		t.Errorf("audit says %+v", j.audit)
	}
	if got := j.audit.Groups; len(got) != 2 || got[0] != 2345 || got[1] != 3456 {
		t.Errorf("groups are %v, want those of /etc/group", got)
	}
	if j.audit.Capabilities != 0 || j.audit.Bounding != 0 || !j.audit.NoNewPrivs || !j.audit.Seccomp {
		t.Errorf("doors left open: %+v", j.audit)
	}
	for kind, outside := range j.Spec.Outside {
		own := kind == NSMount || kind == NSPID || kind == NSUTS || kind == NSIPC
		if (j.audit.Namespaces[kind] != outside) != own {
			t.Errorf("%s namespace is %d, outside it is %d", kind, j.audit.Namespaces[kind], outside)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(j.answers["read /proc/self/mountinfo"]), "\n") {
		point := strings.Fields(line)[4]
		if point != "/" && point != "/proc" && point != "/dev" && !strings.HasPrefix(point, "/proc/") && !strings.HasPrefix(point, "/dev/") {
			t.Errorf("unasked mount: %s", line)
		}
		if point == "/proc" && !strings.Contains(line, "nosuid,nodev,noexec") {
			t.Errorf("/proc lacks flags: %s", line)
		}
	}
	if got := j.answers["ls /"]; got != "bin dev etc home inside nfs proc tmp" {
		t.Errorf("/ holds %q", got)
	}
}

func TestMountsBelowRootfsAreHidden(t *testing.T) {
	needRoot(t)
	root, kept, other := newRootfs(t), t.TempDir(), t.TempDir()
	below := filepath.Join(root, "home/app")
	write(t, filepath.Join(other, "secret"), "not for the jail")
	write(t, filepath.Join(kept, "share"), "kept")
	if err := unix.Mount(other, below, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	spec := fullSpec(root)
	spec.Root.KeepMounts = []KeepMount{{Source: kept, Target: "/nfs"}}
	j := mustStart(t, spec, "ls /home/app", "read /nfs/share")
	if got := j.answers["ls /home/app"]; got != "" {
		t.Errorf("a mount below the rootfs is seen: %q", got)
	}
	if got := j.answers["read /nfs/share"]; got != "kept" {
		t.Errorf("/nfs/share reads %q", got)
	}
	// A mount below the rootfs is kept at its own place when it is named.
	spec.Root.KeepMounts = []KeepMount{{Source: below}}
	j = mustStart(t, spec, "ls /home/app")
	if got := j.answers["ls /home/app"]; got != "secret" {
		t.Errorf("the kept mount shows %q", got)
	}
}

func TestNothingIsLeftInRootfs(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	before := list(root) + list(root+"/dev") + list(root+"/proc")
	mustStart(t, fullSpec(root))
	for _, fault := range []string{"rootfs", "proc", "dev", "pivot-root", "audit"} {
		spec := fullSpec(root)
		spec.Fault = fault
		failsAt(t, spec, fault, "fault injected")
	}
	if after := list(root) + list(root+"/dev") + list(root+"/proc"); after != before {
		t.Errorf("the rootfs held %q and now %q", before, after)
	}
}

func TestStartRefusals(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	with := func(change func(*Spec)) Spec {
		s := fullSpec(root)
		change(&s)
		return s
	}
	noProc := newRootfs(t)
	if err := os.Remove(filepath.Join(noProc, "proc")); err != nil {
		t.Fatal(err)
	}
	linkProc := newRootfs(t)
	if err := os.Remove(filepath.Join(linkProc, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/home/app", filepath.Join(linkProc, "proc")); err != nil {
		t.Fatal(err)
	}
	linkDev := newRootfs(t)
	if err := os.Remove(filepath.Join(linkDev, "dev")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(linkDev, "dev")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		spec Spec
		step string
		text string
	}{
		{"no rootfs", fullSpec("/nonexistent/rootfs"), "rootfs", "no such file"},
		{"rootfs is a file", fullSpec(filepath.Join(root, "inside")), "rootfs", "not a directory"},
		{"no /proc", fullSpec(noProc), "proc", `"/proc"`},
		{"/proc is a link", fullSpec(linkProc), "proc", "too many levels of symbolic links"},
		{"/dev is a link", fullSpec(linkDev), "dev", "too many levels of symbolic links"},
		{"no user", with(func(s *Spec) { s.Creds.UID = "nobody-here" }), "ids", `user "nobody-here"`},
		{"no group", with(func(s *Spec) { s.Creds.GID = "nobody-here" }), "ids", `group "nobody-here"`},
		{"no keep source", with(func(s *Spec) { s.Root.KeepMounts = []KeepMount{{"/nonexistent", "/nfs"}} }), "keep-mounts-open", "no such file"},
		{"no keep target", with(func(s *Spec) { s.Root.KeepMounts = []KeepMount{{"/etc", "/nonexistent"}} }), "keep-mounts", "no such file"},
		{"no chdir", with(func(s *Spec) { s.Chdir = "/nonexistent" }), "chdir", "no such file"},
		{"chdir by magic link", with(func(s *Spec) { s.Chdir = "/proc/self/fd/0/.." }), "chdir", "too many levels of symbolic links"},
		{"contradiction", with(func(s *Spec) { s.Namespaces = []Namespace{NSPID} }), "validate", "mount namespace"},
	} {
		t.Run(c.name, func(t *testing.T) { failsAt(t, c.spec, c.step, c.text) })
	}
}

func TestOverlayForgets(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	if err := os.Chmod(root, 0o777); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	spec.Root.Overlay, spec.Root.OverlaySize = true, "8m"
	before := list(root)
	for range 2 { // the second jail finds nothing of the first
		j := mustStart(t, spec, "ls /", "write /new", "read /new", "read /inside", "ls /home/app")
		if j.answers["write /new"] != "ok" || j.answers["read /new"] != "x" || j.answers["read /inside"] != "the rootfs" {
			t.Errorf("the jail sees %v", j.answers)
		}
		if strings.Contains(j.answers["ls /"], "new") {
			t.Error("a file of an earlier jail is there")
		}
	}
	if after := list(root); after != before {
		t.Errorf("the rootfs held %q and now %q", before, after)
	}
	below := filepath.Join(root, "home/app")
	if err := unix.Mount("tmpfs", below, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	write(t, filepath.Join(below, "hidden"), "")
	if got := mustStart(t, spec, "ls /home/app").answers["ls /home/app"]; got != "" {
		t.Errorf("a mount below the rootfs is seen through the overlay: %q", got)
	}
}

func TestDeclaredMounts(t *testing.T) {
	needRoot(t)
	root, shared := newRootfs(t), t.TempDir()
	sub := filepath.Join(shared, "sub")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, "mode=0777"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	write(t, filepath.Join(sub, "below"), "below")
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	spec.Root.Mounts = []Mount{
		{Kind: MountBind, Source: shared, Target: "/nfs", ReadOnly: true},
		{Kind: MountBind, Source: shared, Target: "/home/app"},
		{Kind: MountTmpfs, Target: "/tmp", Size: "1m"},
	}
	j := mustStart(t, spec, "read /nfs/sub/below", "write /nfs/new", "write /nfs/sub/new", "write /home/app/new", "write /home/app/sub/new", "write /tmp/new")
	for what, want := range map[string]string{"read /nfs/sub/below": "below", "write /nfs/new": "EROFS", "write /nfs/sub/new": "EROFS",
		"write /home/app/new": "ok", "write /home/app/sub/new": "ok", "write /tmp/new": "ok"} {
		if got := j.answers[what]; got != want {
			t.Errorf("%s gives %q, want %q", what, got, want)
		}
	}
	if left := list(filepath.Join(root, "tmp")); left != "" {
		t.Errorf("the rootfs's /tmp holds %q", left)
	}
	spec.Root.Mounts = []Mount{{Kind: MountTmpfs, Target: "/not/there"}}
	failsAt(t, spec, "mounts", "no such file")
	spec.Root.Overlay = true
	spec.Creds = Creds{}
	if got := mustStart(t, spec, "write /not/there/new").answers["write /not/there/new"]; got != "ok" {
		t.Errorf("with an overlay the target is not made: %q", got)
	}
}
