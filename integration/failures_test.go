package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gowsgi/integration/harness"
)

// marker is an app that leaves a file in its directory when any code of it runs.
const marker = "open('ran', 'w').close()\n\n\ndef application(e, s):\n    s('200 OK', [])\n    return [b'']\n"

// TestStartFailures: whatever is missing for the jail ends the start with one line that names step and cause, and no app process ever ran.
func TestStartFailures(t *testing.T) {
	env := harness.New(t)
	root := env.RootfsCopy()
	env.Write(root+harness.AppDir+"/marker.py", marker)
	if err := os.Chmod(root+harness.AppDir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change map[string]string // value by option, on top of a command that works
		more   []string
		uid    int
		names  []string // each is in the one line
	}{
		{name: "missing rootfs", change: map[string]string{"--namespace": "ROOT/missing:jail"}, names: []string{"ROOT/missing", "no such file"}},
		{name: "rootfs is a file", change: map[string]string{"--namespace": "ROOT/etc/passwd:jail"}, names: []string{"ROOT/etc/passwd", "not a directory"}},
		{name: "missing user", change: map[string]string{"--uid": "nosuchuser"}, names: []string{"nosuchuser"}},
		{name: "user of the host only", change: map[string]string{"--uid": "hostonly"}, names: []string{"hostonly"}},
		{name: "missing group", change: map[string]string{"--gid": "nosuchgroup"}, names: []string{"nosuchgroup"}},
		{name: "missing chdir", change: map[string]string{"--chdir": "/no/such/dir"}, names: []string{"/no/such/dir", "no such file"}},
		{name: "missing keep-mount source", more: []string{"--namespace-keep-mount", "/no/such/source:/nfs"}, names: []string{"/no/such/source", "no such file"}},
		{name: "missing keep-mount target", more: []string{"--namespace-keep-mount", "/usr:/no/such/target"}, names: []string{"/no/such/target", "no such file"}},
		{name: "not root", uid: 65534, names: []string{"root"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := env.With(t)
			before := e.Run("ls", "-A", root)
			args := []string{"--http-socket", harness.FreePort(t), "--master", "--module", "marker"}
			for _, option := range [][2]string{{"--chdir", harness.AppDir}, {"--uid", "uwsgi"}, {"--gid", "uwsgi"}, {"--namespace", "ROOT:jail"}} {
				value := option[1]
				if changed, ok := c.change[option[0]]; ok {
					value = changed
				}
				args = append(args, option[0], strings.ReplaceAll(value, "ROOT", root))
			}
			if c.name == "user of the host only" {
				useHostUser(t, args)
			}
			s := e.StartWith(harness.Options{Args: append(args, c.more...), UID: c.uid})
			if code := s.WaitExit(10e9); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			var names []string
			for _, name := range c.names {
				names = append(names, strings.ReplaceAll(strings.ReplaceAll(name, "ROOT", root), "hostonly", hostUser(t)))
			}
			checkOneLine(t, s, names)
			if harness.Exists(filepath.Join(root+harness.AppDir, "ran")) {
				t.Error("the app ran")
			}
			if after := e.Run("ls", "-A", root); after != before {
				t.Errorf("something was left in the rootfs:\n%s", harness.Diff(before, after))
			}
		})
	}
}

// hostUser names a user the host has and the rootfs has not: the first of /etc/passwd from the other end would do, www-data is in both.
func hostUser(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	inside, err := os.ReadFile(harness.Rootfs(t) + "/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		if !strings.Contains("\n"+string(inside), "\n"+name+":") {
			return name
		}
	}
	return "nosuchuser"
}

func useHostUser(t *testing.T, args []string) {
	t.Helper()
	for i, word := range args {
		if word == "hostonly" {
			args[i] = hostUser(t)
		}
	}
}

// checkOneLine: exactly one line of the log says "cannot", it holds all the names, and nothing looks like a crash.
func checkOneLine(t *testing.T, s *harness.Server, names []string) {
	t.Helper()
	var cannot []string
	for _, line := range s.LogLines() {
		if strings.Contains(line, "cannot ") || strings.Contains(line, "Cannot ") {
			cannot = append(cannot, line)
		}
		for _, crash := range []string{"panic:", "goroutine ", "Traceback"} {
			if strings.Contains(line, crash) {
				t.Errorf("the log shows a crash: %s", line)
			}
		}
	}
	if len(cannot) != 1 {
		t.Errorf("%d lines tell why, want one: %q", len(cannot), cannot)
		return
	}
	for _, name := range names {
		if !strings.Contains(strings.ToLower(cannot[0]), strings.ToLower(name)) {
			t.Errorf("the line lacks %q: %s", name, cannot[0])
		}
	}
}

// TestStaleEnvironmentDoesNotUnjail: uWSGI takes UWSGI_RELOADS in the environment for a reload and skips the jail; nothing may.
func TestStaleEnvironmentDoesNotUnjail(t *testing.T) {
	e := harness.New(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	s := e.StartWith(harness.Options{Args: jailArgs(root, addr, 1), Env: []string{"UWSGI_RELOADS=3", "UWSGI_JAIL_PID=1", "UWSGI_ORIGINAL_PROC_NAME=x"}})
	s.WaitServing("http", addr)
	f := getFacts(t, "http", addr)
	if f.Hostname != "jail" || f.IDs[0][0] != harness.RootfsUID || f.Namespaces["pid"] == harness.NamespaceInode(os.Getpid(), "pid") {
		t.Errorf("not in the jail: %+v", f)
	}
}
