package jail

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSubordinateIDs gives an ordinary user subordinate ids, in a mount namespace of its own.
func TestSubordinateIDs(t *testing.T) {
	for _, program := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs ", program)
		}
	}
	inScratchNamespace(t, "TestSubordinateSetup", "private")
}

func TestSubordinateSetup(t *testing.T) {
	if os.Getenv("JAIL_TEST_PROPAGATION") == "" {
		t.Skip("run in a mount namespace of its own by TestSubordinateIDs")
	}
	dir := t.TempDir()
	for name, line := range map[string]string{"passwd": "jailtest:x:4242:4343::/:/bin/sh\n", "subuid": "jailtest:200000:65536\n", "subgid": "jailtest:300000:65536\n"} {
		text, _ := os.ReadFile("/etc/" + name)
		copied := filepath.Join(dir, name)
		write(t, copied, string(text)+line)
		if err := unix.Mount(copied, "/etc/"+name, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount("/etc/"+name, unix.MNT_DETACH) })
	}
	asUser(t, "TestUserSubordinate")
	t.Setenv("JAIL_TEST_LEASES", "1")
	asUser(t, "TestUserLeases")
}

func TestUserSubordinate(t *testing.T) {
	ordinaryUser(t)
	root := newRootfs(t)
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	spec.Namespaces = append(spec.Namespaces, NSUser)
	j, err := start(t, spec, "pid", "read /inside", "write /tmp/new", "read /proc/self/uid_map", "read /proc/self/setgroups")
	if err != nil {
		t.Fatal(err)
	}
	if j.audit.UID != 1234 || j.audit.GID != 2345 || len(j.audit.Groups) != 2 || j.audit.Capabilities != 0 || j.audit.Bounding != 0 {
		t.Errorf("audit says %+v", j.audit)
	}
	if got := strings.Fields(j.answers["read /proc/self/uid_map"]); len(got) != 6 || got[1] != "4242" || got[4] != "200000" {
		t.Errorf("uid_map is %v", got)
	}
	st, err := os.Stat(filepath.Join(root, "tmp/new"))
	if err != nil {
		t.Fatal(err)
	}
	if got := ownerOf(st); got != 200000+1234-1 {
		t.Errorf("a new file belongs to uid %d of the host", got)
	}
	// Ids that were not given out are refused before the jail stands.
	spec.UIDMap = []IDMap{{0, 4242, 1}, {1, 500000, 10}}
	failsAt(t, spec, "id-maps", "cannot map ids")
}

func TestSubordinateParsing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	write(t, file, "other:1:2\nme:100000:65536\nme:900000:1\n77:500000:10\nbad:x:1\nzero:0:5\nshort:5\n")
	for _, c := range []struct {
		name         string
		uid          int
		start, count int
	}{{"me", 1, 100000, 65536}, {"", 77, 500000, 10}, {"named", 77, 500000, 10}, {"bad", 1, 0, 0}, {"zero", 1, 0, 0}, {"short", 1, 0, 0}, {"none", 1, 0, 0}} {
		start, count, ok := subordinate(file, c.name, c.uid)
		if ok != (c.count > 0) || ok && (start != c.start || count != c.count) {
			t.Errorf("%s (%d) has %d:%d, %v", c.name, c.uid, start, count, ok)
		}
	}
	if start, count, ok := subordinate(file+"-missing", "me", 1); ok {
		t.Errorf("a missing file gives %d:%d", start, count)
	}
}
