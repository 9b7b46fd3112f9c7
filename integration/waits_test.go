package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestWaitFor: each wait-for option holds the start up until what it waits for is there, and ends it when that does not come.
func TestWaitFor(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	e.CopyApp("attack.py", e.Dir+"/app")
	link := fmt.Sprintf("gww%d", os.Getpid()%1000000)
	e.Run("mkdir", e.Dir+"/mnt")
	t.Cleanup(func() { _ = os.Remove(e.Dir + "/mnt") })
	for _, c := range []struct {
		option, what, timeout string
		bring                 func()
		undo                  []string
	}{
		{"--wait-for-fs", e.Dir + "/thing", "--wait-for-fs-timeout", func() { e.Write("thing", "") }, nil},
		{"--wait-for-interface", link, "--wait-for-interface-timeout", func() { e.Run("ip", "link", "add", link, "type", "veth", "peer", "name", link+"p") }, []string{"ip", "link", "del", link}},
		{"--wait-for-mountpoint", e.Dir + "/mnt", "--wait-for-fs-timeout", func() { e.Run("mount", "-t", "tmpfs", "none", e.Dir+"/mnt") }, []string{"umount", e.Dir + "/mnt"}},
		{"--wait-for-socket", e.Dir + "/sock", "--wait-for-socket-timeout", func() {
			l, err := net.Listen("unix", e.Dir+"/sock")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, nil},
	} {
		args := func() []string {
			return []string{"--http-socket", harness.FreePort(t), "--chdir", e.Dir + "/app", "--module", "attack", c.option, c.what}
		}
		refused(e, harness.Options{Args: append(args(), c.timeout, "1")}, "Leaving: .*"+filepath.Base(c.what))
		s := e.StartWith(harness.Options{Args: args()})
		s.WaitLog(5*time.Second, `wait_for_`)
		if s.CountLog("spawned uWSGI") != 0 {
			t.Errorf("%s does not wait", c.option)
		}
		c.bring()
		s.WaitLog(10*time.Second, "spawned uWSGI worker 1")
		s.End()
		if c.undo != nil {
			e.Run(c.undo[0], c.undo[1:]...)
		}
	}
}

// TestShellOfHooks: binsh names what runs the commands of hooks; one that is not there is passed over.
func TestShellOfHooks(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	shell := e.Write("shell", "#!/bin/sh\necho \"shell: $*\"\n")
	if err := os.Chmod(shell, 0o755); err != nil {
		t.Fatal(err)
	}
	e.CopyApp("attack.py", e.Dir+"/app")
	s := e.Start("--http-socket", harness.FreePort(t), "--chdir", e.Dir+"/app", "--module", "attack", "--binsh", "/no/such/shell", "--binsh", shell,
		"--exec-asap", "one", "--exec-as-root", "two", "--exec-pre-app", "three")
	s.WaitLog(5*time.Second, "spawned uWSGI worker 1")
	for _, word := range []string{"one", "two", "three"} {
		if n := s.CountLog("^shell: -c " + word + "$"); n != 1 {
			t.Errorf("the shell ran %q %d times:\n%s", word, n, s.Log())
		}
	}
}

// TestAllResourceLimits: every rlimit option is the limit of that name.
func TestAllResourceLimits(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	var args, want []string
	for _, l := range []struct{ option, row, value string }{
		{"core", "Max core file size", "4096"}, {"cpu", "Max cpu time", "3600"}, {"fsize", "Max file size", "1000000"}, {"memlock", "Max locked memory", "65536"},
		{"msgqueue", "Max msgqueue size", "81920"}, {"nofile", "Max open files", "333"}, {"nproc", "Max processes", "99"}, {"rtprio", "Max realtime priority", "0"},
		{"sigpending", "Max pending signals", "77"}, {"stack", "Max stack size", "unlimited"},
	} {
		args = append(args, "--rlimit-"+l.option, l.value)
		want = append(want, l.row+"="+l.value+","+l.value)
	}
	c := imprison(e, rootfsUser, args...)
	got := c.run(`
for line in read('/proc/self/limits').splitlines()[1:]:
    words = line[25:].split()
    print('%s=%s,%s' % (line[:25].strip(), words[0], words[1]))`)
	for _, line := range want {
		if !strings.Contains(got+"\n", line+"\n") {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}
