package jail

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inScratchNamespace runs a test of this binary again in a throw-away mount namespace, with the propagation of "/" as asked.
func inScratchNamespace(t *testing.T, test, propagation string) {
	t.Helper()
	needRoot(t)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), "JAIL_TEST_PROPAGATION="+propagation)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // which makes everything private first
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("with a %s root: %v\n%s", propagation, err, out)
	}
}

func TestHostMountsAreUntouched(t *testing.T) {
	for _, propagation := range []string{"shared", "private"} {
		t.Run(propagation, func(t *testing.T) { inScratchNamespace(t, "TestHostMounts", propagation) })
	}
}

// TestHostMounts: the mount table of the starter is the same to the byte after jails of every kind were built, failed and were killed.
func TestHostMounts(t *testing.T) {
	propagation := os.Getenv("JAIL_TEST_PROPAGATION")
	if propagation == "" {
		t.Skip("run in a mount namespace of its own by TestHostMountsAreUntouched")
	}
	if propagation == "shared" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
			t.Fatal(err)
		}
	}
	// A mount that is awkward to list, below the rootfs.
	root, spaced := newRootfs(t), "/home/app"
	spaced = root + spaced
	if err := unix.Mount("tmpfs", spaced, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(spaced+"/with space\nand line", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", spaced+"/with space\nand line", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(spaced, unix.MNT_DETACH) })
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if shared := strings.Contains(string(before), " shared:"); shared != (propagation == "shared") {
		t.Fatalf("the test's own root is not %s:\n%s", propagation, before)
	}
	overlay := fullSpec(root)
	overlay.Root.Overlay = true
	overlay.Root.Mounts = []Mount{{Kind: MountBind, Source: "/etc", Target: "/nfs", ReadOnly: true}, {Kind: MountTmpfs, Target: "/tmp"}}
	for _, spec := range []Spec{fullSpec(root), hostSpec(), overlay} {
		j := mustStart(t, spec, "ls /home/app")
		if got := j.answers["ls /home/app"]; spec.Root.Kind == RootDir && got != "" {
			t.Errorf("a mount below the rootfs is seen: %q", got)
		}
		for _, step := range spec.Steps() {
			spec.Fault = step.Name
			failsAt(t, spec, step.Name, "fault injected")
			spec.Fault = step.Name + "!"
			if _, err := start(t, spec); err == nil {
				t.Errorf("the jail stands although it was killed at %s", step.Name)
			}
		}
		spec.Fault = ""
		mustStart(t, spec)
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the mount table was\n%s\nand is\n%s", before, after)
	}
}

// TestWithoutNamespaces: the same path with clone flags 0.
func TestWithoutNamespaces(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	umask := 0o027
	spec := Spec{Chdir: dir, Umask: &umask, Creds: Creds{UID: "65534", GID: "65534", AddGIDs: []string{"7"}}}
	// The user may reach its directory.
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/..", 0o755); err != nil {
		t.Fatal(err)
	}
	j := mustStart(t, spec, "write new", "read /proc/self/status")
	if j.audit.UID != 65534 || j.audit.GID != 65534 || j.audit.Dir != dir {
		t.Errorf("audit says %+v", j.audit)
	}
	for kind, outside := range j.Spec.Outside {
		if j.audit.Namespaces[kind] != outside {
			t.Errorf("the %s namespace is new", kind)
		}
	}
	st, err := os.Stat(dir + "/new")
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o640 {
		t.Errorf("a new file has mode %v under umask 027", st.Mode())
	}
}

func TestStartRefusesAnUnencodablePayload(t *testing.T) {
	_, err := Start(Command{Role: testRole, Payload: func() {}})
	var failed *StepError
	if !errors.As(err, &failed) || failed.Step != "boot" {
		t.Errorf("got %v", err)
	}
}
