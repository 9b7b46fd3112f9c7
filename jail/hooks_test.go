package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

func ownerOf(st os.FileInfo) uint32 { return st.Sys().(*syscall.Stat_t).Uid }

func hooks(t *testing.T, lines ...string) []hook.Hook {
	t.Helper()
	var all []hook.Hook
	for _, line := range lines {
		phase, rest, _ := strings.Cut(line, " ")
		h, err := hook.Parse(hook.Phase(phase), rest)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// TestPageOfUnshare is the reference page's own configuration: unshare = fs, a bind in a post-jail hook, pivot_root, mounts in as-root hooks.
func TestPageOfUnshare(t *testing.T) {
	needRoot(t)
	distro, ns, sentinel := newRootfs(t), t.TempDir(), t.TempDir()
	write(t, filepath.Join(sentinel, "host"), "host")
	if err := os.Mkdir(filepath.Join(distro, ".old_root"), 0o755); err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		Namespaces: []Namespace{NSMount},
		PivotRoot:  &Pivot{New: ns, Old: ns + "/.old_root"},
		Hooks:      hooks(t, "post-jail mount:none "+distro+" "+ns+" bind", "as-root mount:proc none /proc nodev", "as-root umount:/.old_root rec,detach"),
		Creds:      Creds{UID: "uwsgi", GID: "uwsgi"},
	}
	j := mustStart(t, spec, "read /inside", "read /proc/self/mountinfo", "ls /.old_root", "read "+sentinel+"/host")
	if j.answers["read /inside"] != "the rootfs" || j.answers["ls /.old_root"] != "" || !strings.HasPrefix(j.answers["read "+sentinel+"/host"], "error") {
		t.Errorf("the jail sees %v", j.answers)
	}
	if n := strings.Count(j.answers["read /proc/self/mountinfo"], "\n"); n != 2 {
		t.Errorf("%d mounts, want / and /proc: %s", n, j.answers["read /proc/self/mountinfo"])
	}
	if j.audit.UID != 1234 || j.audit.Capabilities != 0 || !j.audit.NoNewPrivs || !j.audit.Seccomp {
		t.Errorf("audit says %+v", j.audit)
	}
	// Without the hook that unmounts it the old root stays, as with uWSGI.
	spec.Hooks = spec.Hooks[:2]
	if got := mustStart(t, spec, "ls /.old_root").answers["ls /.old_root"]; !strings.Contains(got, "usr") {
		t.Errorf("/.old_root holds %q", got)
	}
	if left := list(ns); left != "" {
		t.Errorf("the host sees %q", left)
	}
}

func TestHookOrderAndFailure(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	spec.Hooks = hooks(t, "as-user append:/tmp/order u", "as-root append:/tmp/order r", "in-jail append:/tmp/order j", "as-root chmod:/tmp/order 666",
		"as-root append:/tmp/order R", "as-user mkdir:/tmp/mine")
	j := mustStart(t, spec, "read /tmp/order")
	if got := j.answers["read /tmp/order"]; got != "jrRu" {
		t.Errorf("the hooks ran in the order %q", got)
	}
	st, err := os.Stat(filepath.Join(root, "tmp/mine"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := ownerOf(st); owner != 1234 {
		t.Errorf("the as-user hook ran as uid %d", owner)
	}
	umask := 0o027
	spec.Umask = &umask
	spec.Hooks = hooks(t, "as-root mkdir:/tmp/masked", "as-user cd:/tmp")
	if j := mustStart(t, spec); j.audit.Dir != "/tmp" {
		t.Errorf("after a cd hook the directory is %s", j.audit.Dir)
	}
	if st, err := os.Stat(filepath.Join(root, "tmp/masked")); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("a hook under umask 027 made %v, %v", st.Mode(), err)
	}
	spec.Umask = nil
	spec.Hooks = hooks(t, "as-root unlink:/missing", "as-root write:/tmp/never x")
	failsAt(t, spec, "hooks-as-root", `cannot run hook "unlink:/missing"`)
	if _, err := os.Stat(filepath.Join(root, "tmp/never")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a hook ran after one that failed")
	}
	// The root's hooks may use its capabilities; the app has none of them.
	spec.Hooks = hooks(t, "as-root chown2:/tmp/mine 5 6")
	if j := mustStart(t, spec); j.audit.Bounding != 0 || j.audit.Capabilities != 0 {
		t.Errorf("audit says %+v", j.audit)
	}
}

// The hostname is compared before the hooks, which may change it.
func TestHookSetsHostname(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.Hooks = hooks(t, "as-root hostname:other")
	if j := mustStart(t, spec); j.audit.Hostname != "other" {
		t.Errorf("audit says %+v", j.audit)
	}
}

func TestChroot(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	j := mustStart(t, Spec{Chroot: root, Creds: Creds{UID: "uwsgi"}}, "read /inside", "ls /")
	if j.answers["read /inside"] != "the rootfs" || j.audit.UID != 1234 || j.audit.GID != 2345 || j.audit.Dir != "/" {
		t.Errorf("audit %+v, answers %v", j.audit, j.answers)
	}
	failsAt(t, Spec{Chroot: root + "/missing"}, "chroot", "no such file")
}

func TestHooksThatWouldChangeTheHostAreRefused(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Hooks: hooks(t, "as-root mount:tmpfs none /mnt")}, "the host's mounts"},
		{Spec{Hooks: hooks(t, "as-root umount:/mnt")}, "the host's mounts"},
		{Spec{Hooks: hooks(t, "as-root hostname:new")}, "the host's name"},
		{Spec{PivotRoot: &Pivot{New: "/ns", Old: "/ns/old"}}, "the host's root"},
		{Spec{Namespaces: []Namespace{NSMount}, PivotRoot: &Pivot{New: "/ns", Old: "/nsold"}}, "not a path below it"},
		{Spec{Hooks: hooks(t, "asap print:x")}, "not the jail's"},
		{Spec{Chroot: "/x", Root: Root{Kind: RootDir, Path: "/y"}, Namespaces: []Namespace{NSMount}}, "twice"},
	} {
		if err := c.spec.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v gives %v, want %q", c.spec, err, c.want)
		}
	}
}

// The parent's post-jail hooks run while the child exists and has done nothing; one that fails ends it.
func TestPostJailOfTheParent(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	var seen string
	var pid int
	command := Command{Spec: spec, Role: testRole, Payload: []string{}, PostJail: func(child int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", child))
		seen, pid = string(text), child
		return err
	}}
	p, err := Start(command)
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	if pid != p.PID || strings.Count(seen, "\n") < 3 {
		t.Errorf("the hook saw %d (it is %d) with mounts %q", pid, p.PID, seen)
	}
	if m, err := p.Conn.Recv(); err != nil || m.Type != MsgEntered {
		t.Errorf("got %+v, %v", m, err)
	}
	command.PostJail = func(child int) error { pid = child; return errors.New("cannot make the network") }
	_, err = Start(command)
	var failed *StepError
	if !errors.As(err, &failed) || failed.Step != "post-jail" || !strings.Contains(err.Error(), "cannot make the network") {
		t.Errorf("got %v", err)
	}
	if unix.Kill(pid, 0) == nil {
		t.Error("the child is alive after its post-jail hook failed")
	}
}
