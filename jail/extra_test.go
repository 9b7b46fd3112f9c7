package jail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLimits(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	copyBinary(t, filepath.Join(root, "bin/probe"))
	spec := fullSpec(root)
	spec.Limits = []Limit{{"nofile", 99}, {"core", 0}, {"nproc", 55}, {"fsize", Unlimited}}
	j := mustStart(t, spec, "child read /proc/self/limits")
	for _, want := range []string{"Max open files 99 99", "Max core file size 0 0", "Max processes 55 55", "Max file size unlimited unlimited"} {
		if got := strings.Join(strings.Fields(j.answers["child read /proc/self/limits"]), " "); !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Process.Kill(); _ = sleep.Wait() }()
	if err := SetLimits(sleep.Process.Pid, []Limit{{"as", 1 << 40}}); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", sleep.Process.Pid)); !strings.Contains(strings.Join(strings.Fields(string(text)), " "), "Max address space 1099511627776") {
		t.Errorf("the process has %s", text)
	}
	for _, bad := range []Limit{{"as", 1}, {"wishes", 3}} {
		spec.Limits = []Limit{bad}
		if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), "cannot limit") {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
}

func TestExplain(t *testing.T) {
	s := hostSpec()
	s.Cgroups = []Cgroup{{Dir: "/sys/fs/cgroup/app", Options: []CgroupOption{{"memory.max", "64m"}}}}
	var lines []string
	for _, step := range s.Explain(1000, 1001) {
		lines = append(lines, step.Name+" "+step.Arg)
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"cgroup /sys/fs/cgroup/app memory.max=64m", "clone mount,pid,uts,ipc,user", "id-maps uid 1000:1000:1 gid 1001:1001:1 by the kernel",
		"pivot-root /", "audit "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if len(s.Namespaces) != 4 {
		t.Errorf("explaining changed the spec: %v", s.Namespaces)
	}
}

func TestProbe(t *testing.T) {
	for _, f := range Probe() {
		if f.What == "" || f.Is == "" || f.OK != (f.Fix == "") {
			t.Errorf("%+v: a finding says what is and, when it is not good, what helps", f)
		}
	}
}

// TestKilledInTheMiddle: a hundred starts that are killed at any moment leave nothing, and the next one works.
func TestKilledInTheMiddle(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	open := strings.Count(list("/proc/self/fd"), " ")
	files := list(root)
	spec := fullSpec(root)
	for range 100 {
		p, err := Start(Command{Spec: spec, Role: testRole, Payload: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(rand.IntN(8000)) * time.Microsecond)
		p.end()
	}
	mustStart(t, spec)
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) || list(root) != files {
		t.Errorf("mounts were\n%s\nand are\n%s\nfiles were %s and are %s", before, after, files, list(root))
	}
	// The last jail holds its control socket and pidfd.
	if now := strings.Count(list("/proc/self/fd"), " "); now > open+4 {
		t.Errorf("%d descriptors were open and %d are", open, now)
	}
}

// TestSwappedTarget: somebody swaps a mount target for a link while jails start (CVE-2021-30465). Either the start fails or the mount is in
// the jail; never is anything mounted or made elsewhere.
func TestSwappedTarget(t *testing.T) {
	needRoot(t)
	root, kept := newRootfs(t), t.TempDir()
	write(t, filepath.Join(kept, "share"), "kept")
	link := filepath.Join(root, "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(root, "nfs"), unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	spec := fullSpec(root)
	spec.Root.KeepMounts = []KeepMount{{Source: kept, Target: "/nfs"}}
	stood := 0
	for range 40 {
		j, err := start(t, spec, "read /etc/share")
		if err != nil {
			if !strings.Contains(err.Error(), "keep-mounts") && !strings.Contains(err.Error(), "step audit") {
				t.Errorf("the start failed with %v", err)
			}
			continue
		}
		stood++
		if got := j.answers["read /etc/share"]; got == "kept" {
			t.Error("the mount went through the link")
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d of 40 jails stood", stood)
}

func TestLandlockPaths(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	for _, dir := range []string{"tmp", "home/app", "nfs"} {
		if err := os.Chmod(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	probes := []string{"write /tmp/new", "write /home/app/new", "read /inside", "write /dev/null", "read /etc/passwd"}
	for _, c := range []struct {
		landlock Landlock
		want     []string
	}{
		{Landlock{}, []string{"ok", "ok", "the rootfs", "ok", "root"}},
		{Landlock{RW: []string{"/tmp"}}, []string{"ok", "EACCES", "the rootfs", "ok", "root"}},
		{Landlock{RW: []string{"/tmp"}, RO: []string{"/etc"}}, []string{"ok", "EACCES", "error", "ok", "root"}},
	} {
		spec := fullSpec(root)
		spec.Landlock = c.landlock
		j := mustStart(t, spec, probes...)
		for i, what := range probes {
			if got := j.answers[what]; !strings.HasPrefix(got, c.want[i]) {
				t.Errorf("%+v: %s gives %q, want %q", c.landlock, what, got, c.want[i])
			}
		}
	}
	spec := fullSpec(root)
	spec.Landlock.RW = []string{"/missing"}
	failsAt(t, spec, "landlock", "no such file")
	spec.GuardsOff = []Guard{GuardLandlock}
	failsAt(t, spec, "validate", "the guard landlock is off")
}

func TestReceiveWithoutParent(t *testing.T) {
	out, err := exec.Command("/proc/self/exe", testRole).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "descriptor 3 is not a control socket") {
		t.Errorf("got %v, %s", err, out)
	}
}

// The parent ends before it sends the boot: the child learns it and leaves.
func TestReceiveSeesTheParentGo(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", testRole)
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(fds[1]), "child")}
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles[0].Close()
	unix.Close(fds[0])
	if err := cmd.Wait(); err == nil || strings.TrimSpace(out.String()) != "EOF" {
		t.Errorf("got %v, %q", err, out.String())
	}
}
