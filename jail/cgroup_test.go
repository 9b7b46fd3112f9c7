package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/jail/mount"
)

// cgroupMount finds where a cgroup filesystem is mounted; for version 1 one with the controller.
func cgroupMount(t *testing.T, fstype, controller string) string {
	t.Helper()
	needRoot(t)
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := mount.ReadInfo(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.FSType == fstype && (controller == "" || filepath.Base(m.Point) == controller) {
			return m.Point
		}
	}
	t.Skipf("needs a %s %s mount", fstype, controller)
	return ""
}

func TestCgroupVersion2(t *testing.T) {
	dir := filepath.Join(cgroupMount(t, "cgroup2", ""), fmt.Sprintf("gowsgi-test-%d", os.Getpid()))
	t.Cleanup(func() { _ = os.Remove(dir) })
	root := newRootfs(t)
	copyBinary(t, filepath.Join(root, "bin/probe"))
	spec := fullSpec(root)
	spec.Namespaces = []Namespace{NSMount, NSUTS} // without a pid namespace only the cgroup holds the jail together
	spec.Cgroups = []Cgroup{{Dir: dir, Options: []CgroupOption{{"cgroup.max.descendants", "7"}}}}
	if err := os.MkdirAll(filepath.Join(dir, leafPrefix+"1-1"), 0o755); err != nil { // of a parent that was killed
		t.Fatal(err)
	}
	j := mustStart(t, spec, "orphan", "read /proc/self/cgroup")
	leaf := filepath.Base(dir) + fmt.Sprintf("/%s%d-7", leafPrefix, os.Getpid())
	if got := j.answers["read /proc/self/cgroup"]; !strings.Contains(got, leaf) {
		t.Errorf("the master is in %q, want %s", got, leaf)
	}
	if got, err := os.ReadFile(dir + "/cgroup.max.descendants"); err != nil || strings.TrimSpace(string(got)) != "7" {
		t.Errorf("the option is %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, leafPrefix+"1-1")); err == nil {
		t.Error("the leaf of a killed parent is still there")
	}
	marker := j.answers["orphan"]
	if !processHolds(t, marker) {
		t.Fatalf("the orphan %q does not run", marker)
	}
	j.Kill()
	for deadline := time.Now().Add(30 * time.Second); processHolds(t, marker); {
		if time.Now().After(deadline) {
			t.Fatal("the orphan outlived cgroup.kill")
		}
	}
	j.Close()
	if left, _ := filepath.Glob(dir + "/" + leafPrefix + "*"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestCgroupVersion1(t *testing.T) {
	dir := filepath.Join(cgroupMount(t, "cgroup", "pids"), fmt.Sprintf("gowsgi-test-%d", os.Getpid()))
	t.Cleanup(func() { _ = os.Remove(dir) })
	spec := fullSpec(newRootfs(t))
	spec.Cgroups = []Cgroup{{Dir: dir, Mode: 0o750, Options: []CgroupOption{{"pids.max", "77"}}}}
	j := mustStart(t, spec, "read /proc/self/cgroup")
	if got := j.answers["read /proc/self/cgroup"]; !strings.Contains(got, filepath.Base(dir)) {
		t.Errorf("the master is in %q", got)
	}
	if got, err := os.ReadFile(dir + "/pids.max"); err != nil || strings.TrimSpace(string(got)) != "77" {
		t.Errorf("pids.max is %q, %v", got, err)
	}
	j.end()
}

func TestCgroupRefusals(t *testing.T) {
	v2 := cgroupMount(t, "cgroup2", "")
	dir := filepath.Join(v2, fmt.Sprintf("gowsgi-test-refused-%d", os.Getpid()))
	t.Cleanup(func() { _ = os.Remove(dir) })
	for want, groups := range map[string][]Cgroup{
		"not in a cgroup filesystem": {{Dir: t.TempDir()}},
		"nothing like it":            {{Dir: dir, Options: []CgroupOption{{"net_cls.classid", "1"}}}},
		"cannot set no.such.file":    {{Dir: dir, Options: []CgroupOption{{"no.such.file", "1"}}}},
		"not the name of a file":     {{Dir: dir, Options: []CgroupOption{{"../cgroup.procs", "1"}}}},
		"is in one group":            {{Dir: dir}, {Dir: dir}},
	} {
		spec := Spec{Cgroups: groups}
		failsAt(t, spec, "cgroup", want)
	}
	if left, _ := filepath.Glob(dir + "/" + leafPrefix + "*"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestVersion1Names(t *testing.T) {
	for _, c := range []struct{ file, value, wantFile, want string }{
		{"memory.limit_in_bytes", "1048576", "memory.max", "1048576"},
		{"memory.limit_in_bytes", "-1", "memory.max", "max"},
		{"cpu.shares", "1024", "cpu.weight", "39"},
		{"cpu.shares", "2", "cpu.weight", "1"},
		{"cpu.shares", "262144", "cpu.weight", "10000"},
		{"pids.max", "5", "pids.max", "5"},
		{"cpuset.cpus", "0-1", "cpuset.cpus", "0-1"},
	} {
		got, err := CgroupOption{c.file, c.value}.forVersion2()
		if err != nil || got.File != c.wantFile || got.Value != c.want {
			t.Errorf("%s=%s is %s=%s, %v", c.file, c.value, got.File, got.Value, err)
		}
	}
	if _, err := (CgroupOption{"cpu.shares", "1"}).forVersion2(); err == nil {
		t.Error("cpu.shares=1 is taken")
	}
}
