// Package integration tests the gowsgi binary from outside, one test or more for each thing it is said to do. It imports nothing of ours
// but its own harness; see there for how to run the same tests against uWSGI.
package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

func TestMain(m *testing.M) {
	binary := harness.Binary()[0]
	if _, err := os.Stat(binary); err != nil {
		fmt.Fprintf(os.Stderr, "cannot find the binary under test (make build): %v\n", err)
		os.Exit(1)
	}
	code := m.Run()
	removeBinaries()
	os.Exit(code)
}

// facts is what the probe app says about its surroundings.
type facts struct {
	PID, PPID   int
	IDs         [2][3]int
	Groups      []int
	Hostname    string
	Node        string
	CWD         string
	Root        []string
	Namespaces  map[string]string
	Mountinfo   []string
	PIDs        []int
	Init        string
	FDs         map[string]string
	Python      string
	Environment map[string]string
}

func getFacts(t *testing.T, proto, addr string) facts {
	t.Helper()
	var f facts
	getJSON(t, proto, addr, "/facts", &f)
	return f
}

func getJSON(t *testing.T, proto, addr, path string, into any) {
	t.Helper()
	r := harness.Get(t, proto, addr, path)
	if r.Status != 200 {
		t.Fatalf("%s: status %d: %s", path, r.Status, r.Body)
	}
	if err := json.Unmarshal([]byte(r.Body), into); err != nil {
		t.Fatalf("%s: %v in %.300q", path, err, r.Body)
	}
}

// getBody returns the body of an answer that must have status 200.
func getBody(t *testing.T, proto, addr, path string) string {
	t.Helper()
	r := harness.Get(t, proto, addr, path)
	if r.Status != 200 {
		t.Fatalf("%s: status %d: %.300q", path, r.Status, r.Body)
	}
	return r.Body
}

// mountAt returns the line of the mount at a path.
func mountAt(t *testing.T, mountinfo []string, path string) string {
	t.Helper()
	for _, line := range mountinfo {
		if strings.Fields(line)[4] == path {
			return line
		}
	}
	t.Fatalf("nothing is mounted at %s:\n%s", path, strings.Join(mountinfo, "\n"))
	return ""
}

// appDir makes a directory with the probe app, as most tests without a rootfs use it.
func appDir(e *harness.Env, names ...string) string {
	e.T.Helper()
	dir := filepath.Join(e.Dir, "app")
	e.CopyApp("probe.py", dir)
	for _, name := range names {
		e.CopyApp(name, dir)
	}
	return dir
}

// plain starts the probe app on an http-socket without any namespace and waits until it serves; more arguments may follow.
func plain(e *harness.Env, processes int, more ...string) (s *harness.Server, addr string) {
	e.T.Helper()
	addr = harness.FreePort(e.T)
	args := []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--master", "--processes", fmt.Sprint(processes)}
	s = e.Start(append(args, more...)...)
	s.WaitServing("http", addr)
	return s, addr
}

// jailed is plain in a jail with the Debian rootfs.
func jailed(e *harness.Env, processes int, more ...string) (s *harness.Server, addr, root string) {
	e.T.Helper()
	root, addr = e.RootfsCopy(), harness.FreePort(e.T)
	s = e.Start(append(jailArgs(root, addr, processes), more...)...)
	s.WaitServing("http", addr)
	return s, addr, root
}

func jailArgs(root, addr string, processes int) []string {
	return []string{"--http-socket", addr, "--chdir", harness.AppDir, "--uid", "uwsgi", "--gid", "uwsgi", "--module", "probe", "--master",
		"--processes", fmt.Sprint(processes), "--namespace", root + ":jail"}
}

// inPrivateMounts makes words that run a shell command in a mount namespace of its own before the binary takes its place.
func inPrivateMounts(command string) []string {
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", command + ` && exec "$@"`, "sh"}
}

// waitGone waits until none of the processes is there any more. A pid that now belongs to a younger process counts as gone.
func waitGone(t *testing.T, what string, procs []harness.Proc) {
	t.Helper()
	var left []string
	gone := harness.Eventually(5*time.Second, func() bool {
		left = nil
		for _, old := range procs {
			if now, ok := harness.ReadProc(old.PID); ok && now.StartTime == old.StartTime && now.State != 'Z' {
				left = append(left, fmt.Sprintf("%d %s", old.PID, now.Cmdline()))
			}
		}
		return len(left) == 0
	})
	if !gone {
		t.Fatalf("%s: still there: %s", what, strings.Join(left, "; "))
	}
}

// workers returns the pids, as the jail sees them, of the workers that answer: so many clients at once that each worker gets one.
func workers(t *testing.T, proto, addr string, processes int) map[string]bool {
	t.Helper()
	answers := make(chan string)
	for range processes {
		go func() {
			r, err := harness.Fetch(proto, addr, "/pid?0.3", 10*time.Second)
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- r.Body
		}()
	}
	seen := map[string]bool{}
	for range processes {
		seen[<-answers] = true
	}
	return seen
}
