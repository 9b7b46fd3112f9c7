package jail

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHostRoot(t *testing.T) {
	needRoot(t)
	app := t.TempDir() // below /tmp, which the jail has a private one of
	write(t, filepath.Join(app, "app.py"), "app")
	spec := hostSpec()
	spec.Root.AppDirs = []string{app}
	spec.Chdir = app
	spec.Creds = Creds{UID: "65534", GID: "65534"}
	j := mustStart(t, spec, "pid", "ls /", "read "+app+"/app.py", "write "+app+"/new", "write /tmp/new", "write /usr/new", "write /new",
		"ls /dev", "ls /root", "ls /tmp", "write /dev/null", "read /etc/shadow", "write /proc/sys/kernel/core_pattern")
	if got := j.answers["read "+app+"/app.py"]; got != "app" {
		t.Errorf("the app reads %q", got)
	}
	for what, want := range map[string]string{"write " + app + "/new": "EROFS", "write /usr/new": "EROFS", "write /new": "EROFS",
		"write /tmp/new": "ok", "write /dev/null": "ok", "read /etc/shadow": "",
		"write /proc/sys/kernel/core_pattern": "EROFS", "pid": "1"} {
		got := j.answers[what]
		// Landlock refuses before the read-only mount does.
		if got != want && !(want == "EROFS" && got == "EACCES") {
			t.Errorf("%s gives %q, want %q", what, got, want)
		}
	}
	if got := j.answers["ls /"]; strings.Contains(got, "root") || strings.Contains(got, "home") {
		t.Errorf("/ holds %q", got)
	}
	if got := j.answers["ls /dev"]; got != "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero" {
		t.Errorf("/dev holds %q", got)
	}
	if j.audit.Dir != app {
		t.Errorf("the working directory is %q", j.audit.Dir)
	}
}

func TestHostRootHidesSecretsFromRoot(t *testing.T) {
	needRoot(t)
	j := mustStart(t, hostSpec(), "read /etc/shadow", "write /usr/new", "write /etc/new", "ls /run")
	if got := j.answers["read /etc/shadow"]; got != "" {
		t.Errorf("/etc/shadow reads %q", got)
	}
	for _, what := range []string{"write /usr/new", "write /etc/new"} {
		if got := j.answers[what]; got == "ok" {
			t.Errorf("%s gives %q", what, got)
		}
	}
	if j.audit.Capabilities != rootCaps || j.audit.Bounding != rootCaps {
		t.Errorf("uid 0 has capabilities %#x of %#x, want %#x", j.audit.Capabilities, j.audit.Bounding, rootCaps)
	}
}

// asUser runs one test of this binary again as an ordinary user.
func asUser(t *testing.T, test string) {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil && d == dir {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "test")
	copyBinary(t, bin)
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.run", "^"+test+"$", "-test.v")
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "JAIL_TEST_USER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4343, Groups: []uint32{4444}}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

func ordinaryUser(t *testing.T) {
	t.Helper()
	if os.Getenv("JAIL_TEST_USER") == "" {
		t.Skip("run as an ordinary user by TestOrdinaryUser")
	}
}

func TestOrdinaryUser(t *testing.T) {
	for _, test := range []string{"TestUserHostRoot", "TestUserRefusals", "TestUserRootfs", "TestLeaseFile"} {
		t.Run(test, func(t *testing.T) { asUser(t, test) })
	}
}

func TestUserHostRoot(t *testing.T) {
	ordinaryUser(t)
	app := t.TempDir()
	write(t, filepath.Join(app, "app.py"), "app")
	spec := hostSpec()
	spec.Root.AppDirs = []string{app}
	spec.Chdir = app
	j, err := start(t, spec, "pid", "read "+app+"/app.py", "write "+app+"/new", "write /tmp/new", "call exe-write", "call mount",
		"read /proc/self/uid_map", "write /usr/new")
	if err != nil {
		t.Fatal(err)
	}
	if j.audit.UID != 4242 || j.audit.GID != 4343 || j.audit.Capabilities != 0 || j.audit.Bounding != 0 || !j.audit.NoNewPrivs {
		t.Errorf("audit says %+v", j.audit)
	}
	for what, want := range map[string]string{"pid": "1", "read " + app + "/app.py": "app", "write /tmp/new": "ok", "call mount": "EPERM"} {
		if got := j.answers[what]; got != want {
			t.Errorf("%s gives %q, want %q", what, got, want)
		}
	}
	for _, what := range []string{"write " + app + "/new", "call exe-write", "write /usr/new"} {
		if got := j.answers[what]; got == "ok" {
			t.Errorf("%s gives %q", what, got)
		}
	}
	if got := strings.Fields(j.answers["read /proc/self/uid_map"]); len(got) != 3 || got[0] != "4242" {
		t.Errorf("uid_map is %v", got)
	}
}

func TestUserRefusals(t *testing.T) {
	ordinaryUser(t)
	root := newRootfs(t)
	spec := hostSpec()
	spec.Creds.UID = "0"
	failsAt(t, spec, "ids", "not mapped")
	spec = hostSpec()
	spec.Creds.AddGIDs = []string{"0"}
	failsAt(t, spec, "ids", "cannot add groups")
	failsAt(t, fullSpec(root), "clone", unix.EPERM.Error())
}

func TestUserRootfs(t *testing.T) {
	ordinaryUser(t)
	spec := fullSpec(newRootfs(t))
	spec.Namespaces = append(spec.Namespaces, NSUser)
	spec.Creds = Creds{}
	j, err := start(t, spec, "pid", "read /inside", "write /tmp/new")
	if err != nil {
		t.Fatal(err)
	}
	if j.audit.UID != 0 || j.answers["pid"] != "1" || j.answers["read /inside"] != "the rootfs" || j.answers["write /tmp/new"] != "ok" {
		t.Errorf("audit %+v, answers %v", j.audit, j.answers)
	}
	spec.Root.Overlay = true
	if j, err = start(t, spec, "write /forgotten", "read /tmp/new", "read /inside"); err != nil {
		t.Fatal(err)
	}
	if j.answers["write /forgotten"] != "ok" || j.answers["read /tmp/new"] != "x" || j.answers["read /inside"] != "the rootfs" {
		t.Errorf("with an overlay: %v", j.answers)
	}
	if left := list(spec.Root.Path); strings.Contains(left, "forgotten") {
		t.Errorf("the rootfs holds %q", left)
	}
}

func TestUserNamespaceOfRootNeedsMaps(t *testing.T) {
	needRoot(t)
	spec := hostSpec()
	spec.Namespaces = append(spec.Namespaces, NSUser)
	failsAt(t, spec, "validate", "say which ids it maps")
	spec.UIDMap, spec.GIDMap = []IDMap{{0, 100000, 65536}}, []IDMap{{0, 100000, 65536}}
	spec.Creds = Creds{UID: "33", GID: "33"}
	j := mustStart(t, spec, "read /proc/self/uid_map", "write /tmp/new")
	if j.audit.UID != 33 || j.audit.Capabilities != 0 || j.audit.Bounding != 0 || j.answers["write /tmp/new"] != "ok" {
		t.Errorf("audit %+v, answers %v", j.audit, j.answers)
	}
	if got := strings.Fields(j.answers["read /proc/self/uid_map"]); len(got) != 3 || got[1] != "100000" {
		t.Errorf("uid_map is %v", got)
	}
}

// In a user namespace mounts cannot be taken apart, so what lies below the rootfs could not be hidden: the start is refused.
func TestUserNamespaceRefusesMountsBelow(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	spec.Namespaces = append(spec.Namespaces, NSUser)
	spec.UIDMap, spec.GIDMap = []IDMap{{0, 100000, 65536}}, []IDMap{{0, 100000, 65536}}
	if j := mustStart(t, spec, "read /inside"); j.answers["read /inside"] != "the rootfs" || j.audit.UID != 1234 {
		t.Errorf("audit %+v, answers %v", j.audit, j.answers)
	}
	below := filepath.Join(root, "home/app")
	if err := unix.Mount("tmpfs", below, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(below, unix.MNT_DETACH) })
	failsAt(t, spec, "rootfs", "cannot hide what is mounted below")
}
