package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each attack is first shown to work with its guard off, then to fail.
func TestGuards(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	copyBinary(t, filepath.Join(root, "bin/probe"))
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	asRoot := func(s *Spec) { s.Creds = Creds{} } // a change of uid makes a process undumpable by itself
	everyCap := func(s *Spec) { s.Caps = []string{"sys_admin", "mknod"} }
	filters := []Guard{GuardSeccomp, GuardLandlock}
	for _, c := range []struct {
		probe  string
		off    []Guard
		change func(*Spec)
		open   string // the answer with the guards off; "" when this machine cannot show it
		shut   string
	}{
		{"call unshare-user", filters, nil, "EINVAL", "EPERM"}, // EINVAL: a Go process has threads; the call itself was let through
		{"call clone-user", filters, nil, "ok", "EPERM"},
		{"call clone3", filters, nil, "EINVAL", "ENOSYS"},
		{"call bpf", filters, nil, "EINVAL EPERM EFAULT", "EPERM"},
		{"call io_uring", filters, nil, "EFAULT", "EPERM"},
		{"call keyctl", filters, nil, "ok", "EPERM"},
		{"call tiocsti", filters, nil, "ENOTTY", "EPERM"},
		{"child call ptrace-parent", []Guard{GuardSeccomp, GuardLandlock, GuardDump}, asRoot, "ok", "EPERM"},
		{"child call parent-mem", []Guard{GuardDump}, asRoot, "ok", "EACCES"},
		{"call mount", filters, everyCap, "ok", "EPERM"},
		{"call mknod", []Guard{GuardCaps, GuardSeccomp, GuardLandlock}, everyCap, "ok", ""},
		{"write /proc/sys/kernel/domainname", []Guard{GuardProc}, asRoot, "ok", "EROFS"},
		{"read /proc/keys", []Guard{GuardProc}, nil, "", ""},
	} {
		t.Run(c.probe, func(t *testing.T) {
			spec := fullSpec(root)
			if c.change != nil {
				c.change(&spec)
			}
			if c.shut != "" {
				if got := mustStart(t, spec, c.probe).answers[c.probe]; got != c.shut {
					t.Errorf("shut: %q, want %q", got, c.shut)
				}
			}
			spec.GuardsOff = c.off
			got := mustStart(t, spec, c.probe).answers[c.probe]
			if c.open != "" && (got == "" || !strings.Contains(c.open, got)) {
				t.Errorf("open: %q, want %q", got, c.open)
			}
		})
	}
}

func TestForeignABIIsRefused(t *testing.T) {
	needRoot(t)
	if got := mustStart(t, fullSpec(newRootfs(t)), "call x32").answers["call x32"]; got != "ENOSYS" {
		t.Errorf("an x32 call gives %q", got)
	}
}

func TestNoDeviceNodesOfTheRootfs(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	if err := unix.Mknod(filepath.Join(root, "mem"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "mem"), 0o666); err != nil {
		t.Fatal(err)
	}
	spec := fullSpec(root)
	if got := mustStart(t, spec, "open-write /mem").answers["open-write /mem"]; got != "EACCES" {
		t.Errorf("a device node of the rootfs opens: %q", got)
	}
	spec.GuardsOff = []Guard{GuardDev}
	if got := mustStart(t, spec, "open-write /mem").answers["open-write /mem"]; got != "ok" {
		t.Errorf("with the guard off it does not: %q", got)
	}
}

func TestOwnSessionKeyring(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.GuardsOff = []Guard{GuardSeccomp, GuardLandlock, GuardProc}
	a, b := mustStart(t, spec, "keyring"), mustStart(t, spec, "keyring")
	if a.answers["keyring"] == b.answers["keyring"] || strings.HasPrefix(a.answers["keyring"], "error") {
		t.Errorf("two jails have session keyrings %q and %q", a.answers["keyring"], b.answers["keyring"])
	}
	spec.GuardsOff = append(spec.GuardsOff, GuardKeyring)
	a, b = mustStart(t, spec, "keyring"), mustStart(t, spec, "keyring")
	if a.answers["keyring"] != b.answers["keyring"] {
		t.Errorf("with the guard off they have %q and %q", a.answers["keyring"], b.answers["keyring"])
	}
}

// CVE-2019-5736: the jail's root overwrites the binary that built it.
func TestBinaryCannotBeWritten(t *testing.T) {
	needRoot(t)
	for _, root := range []string{"rootfs", "host"} {
		spec := fullSpec(newRootfs(t))
		if root == "host" {
			spec = hostSpec()
		}
		spec.Creds, spec.Caps = Creds{}, []string{"sys_admin", "dac_override", "sys_ptrace", "chown"}
		spec.GuardsOff = []Guard{GuardSeccomp, GuardLandlock}
		j := mustStart(t, spec, "call exe-write", "chmod /proc/1/exe")
		// While anybody runs it the kernel says "text file busy" first; the change of mode shows what holds afterwards.
		if got := j.answers["call exe-write"]; got != "EROFS" && got != "ETXTBSY" {
			t.Errorf("%s: opening /proc/1/exe for writing gives %q", root, got)
		}
		if got := j.answers["chmod /proc/1/exe"]; got != "EROFS" {
			t.Errorf("%s: changing /proc/1/exe gives %q, want EROFS", root, got)
		}
	}
	fd, err := sealedCopy("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY, 0); err == nil {
		w, _ := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY, 0)
		if _, err := unix.Write(w, []byte("x")); err != unix.EPERM {
			t.Errorf("writing the sealed copy gives %v", err)
		}
	}
}

func TestNoStrayDescriptors(t *testing.T) {
	needRoot(t)
	// As a careless launcher leaves them: not close-on-exec, one a directory.
	for _, path := range []string{"/", "/etc/passwd", "/root"} {
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	root := newRootfs(t)
	copyBinary(t, filepath.Join(root, "bin/probe"))
	j := mustStart(t, fullSpec(root), "fds", "child fds")
	for _, line := range strings.Split(j.answers["fds"], "\n") {
		fd, to, _ := strings.Cut(line, "=")
		if strings.HasPrefix(to, "/cpu.") {
			continue // the Go runtime's own: it sizes GOMAXPROCS by them
		}
		if strings.HasPrefix(to, "/") && to != "/dev/null" && fd != "1" && fd != "2" && !strings.HasPrefix(to, "/proc/") {
			t.Errorf("the master holds %s", line)
		}
	}
	for _, line := range strings.Split(j.answers["child fds"], "\n") {
		fd, to, _ := strings.Cut(line, "=")
		if len(fd) > 1 || fd > "2" && !strings.HasPrefix(to, "anon_inode:") && !strings.Contains(to, "/fd") {
			t.Errorf("the child holds %s", line)
		}
	}
}

func TestOwnNetwork(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.Namespaces = append(spec.Namespaces, NSNet, NSCgroup, NSTime)
	j := mustStart(t, spec, "read /proc/net/dev", "read /proc/net/route", "read /proc/net/fib_trie")
	lines := strings.Split(strings.TrimSpace(j.answers["read /proc/net/dev"]), "\n")
	for _, line := range lines[2:] {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name != "lo" && !strings.Contains(name, "tunl") && !strings.Contains(name, "sit") && !strings.Contains(name, "gre") {
			t.Errorf("the jail sees %s", name)
		}
	}
	if !strings.Contains(j.answers["read /proc/net/fib_trie"], "127.0.0.1") {
		t.Error("lo is not up")
	}
}

// Everything in the jail ends with the master, and the master ends with the parent's end of the socket.
func TestKillEndsTheJail(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	copyBinary(t, filepath.Join(root, "bin/probe"))
	j := mustStart(t, fullSpec(root), "orphan")
	marker := j.answers["orphan"]
	if !processHolds(t, marker) {
		t.Fatalf("the orphan %q does not run", marker)
	}
	j.Kill()
	if _, err := unix.Wait4(j.PID, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for processHolds(t, marker) {
		if time.Now().After(deadline) {
			t.Fatal("the orphan outlived the jail")
		}
	}
}

// processHolds looks for the argument in the command lines of the host.
func processHolds(t *testing.T, arg string) bool {
	t.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		if text, _ := os.ReadFile(file); strings.Contains(string(text), arg) {
			return true
		}
	}
	return false
}
