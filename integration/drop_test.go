package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// importer is an app that tells who imported it and who serves.
const importer = `
import os
def status(pid):
    lines = dict(line.split(':', 1) for line in open('/proc/%s/status' % pid))
    names = ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')
    return ' '.join('%s=%s' % (n, ','.join(lines[n].split())) for n in names)
IMPORTED = os.getuid(), os.environ.get('FROM_HOOK')
def application(env, start):
    start('200 OK', [])
    try:
        os.setresuid(0, 0, 0)
        back = 'open'
    except OSError:
        back = 'shut'
    return [('imported by %s, hook %s, back %s\nworker %s\nmaster %s\n' % (*IMPORTED, back, status('self'), status(1))).encode()]
`

// TestMasterAsRoot: with master-as-root only Python and the workers become the user; with drop-after-apps they do so after the import. Either
// way the worker has nothing more than in a jail without the options.
func TestMasterAsRoot(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	if err := os.WriteFile(root+harness.AppDir+"/importer.py", []byte(importer), 0o644); err != nil {
		t.Fatal(err)
	}
	answer := func(more ...string) (worker, master, head string) {
		addr := harness.FreePort(t)
		s := e.Start(append([]string{"--http-socket", addr, "--module", "importer", "--master", "--processes", "2", "--chdir", harness.AppDir,
			"--namespace", root + ":jail", "--uid", "uwsgi", "--gid", "uwsgi", "--add-gid", "daemon", "--limit-as", "1000", "--hook-as-user", "putenv:FROM_HOOK=yes",
			"--exec-as-user", "id -u > /tmp/hook"}, more...)...)
		s.WaitServing("http", addr)
		lines := strings.Split(harness.Get(t, "http", addr, "/").Body, "\n")
		if got := strings.TrimSpace(readFile(t, root+"/tmp/hook")); got != "4711" {
			t.Errorf("%v: the as-user hook ran as %s", more, got)
		}
		if len(more) > 1 {
			s.End()
			return lines[1], lines[2], lines[0]
		}
		before := s.CountLog("spawned uWSGI worker 1")
		s.Signal(unix.SIGHUP) // the next generation is the same
		harness.Eventually(5*time.Second, func() bool { return s.CountLog("spawned uWSGI worker 1") > before })
		s.WaitServing("http", addr)
		again := strings.Split(harness.Get(t, "http", addr, "/").Body, "\n")
		if again[1] != lines[1] {
			t.Errorf("%v: after a reload the worker is\n%s\nbefore it\n%s", more, again[1], lines[1])
		}
		s.End()
		return lines[1], lines[2], lines[0]
	}
	const fewCaps = "CapInh=0000000000000000 CapPrm=00000000000005fb CapEff=00000000000005fb CapBnd=00000000000005fb CapAmb=0000000000000000 NoNewPrivs=1 Seccomp=2"
	for _, caps := range [][]string{nil, {"--cap", "net_raw,chown"}} {
		plain, _, head := answer(caps...)
		if head != "imported by 4711, hook yes, back shut" || !strings.Contains(plain, "Uid=4711,4711,4711,4711") {
			t.Fatalf("without the options: %s\n%s", head, plain)
		}
		for option, want := range map[string]string{"--master-as-root": "imported by 4711, hook yes, back shut", "--drop-after-apps": "imported by 0, hook None, back shut"} {
			worker, master, head := answer(append([]string{option}, caps...)...)
			if worker != plain || head != want {
				t.Errorf("%s: %s\n%s\nwant\n%s", option, head, worker, plain)
			}
			if !strings.Contains(master, "Uid=0,0,0,0 Gid=0,0,0,0 Groups= ") || caps == nil && !strings.HasSuffix(master, fewCaps) {
				t.Errorf("%s: the master is %s", option, master)
			}
		}
	}
}

// TestMasterAsRootRespawns: a zygote or a worker that dies comes back as the user.
func TestMasterAsRootRespawns(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	for _, option := range []string{"--master-as-root", "--drop-after-apps"} {
		c := imprison(e, rootfsUser, option)
		python := func() map[int]bool {
			of := map[int]bool{}
			for _, p := range harness.Tree(c.Master()) {
				if p.PID != c.Master() {
					of[p.PID] = true
				}
			}
			return of
		}
		old := python()
		for pid := range old {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		fresh := func() bool {
			n := 0
			for pid := range python() {
				// The process between the zygote and a worker may be gone by now.
				if uid := harness.StatusField(pid, "Uid"); !old[pid] && len(uid) > 0 && uid[0] == "4711" {
					n++
				}
			}
			return n == 2
		}
		if !harness.Eventually(20*time.Second, fresh) {
			t.Errorf("%s: no zygote and worker of the user came back:\n%s", option, c.Log())
		}
		c.want("who serves", `print(os.getuid())`, "4711")
		c.End()
	}
}

// TestImmediateIDs: everything is the user's, the parent too, so that what needs root is refused.
func TestImmediateIDs(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	uid, gid := harness.NeedUser()
	dir := e.Dir + "/app"
	e.CopyApp("attack.py", dir)
	addr := harness.FreePort(t)
	ids := []string{"--immediate-uid", fmt.Sprint(uid), "--immediate-gid", fmt.Sprint(gid)}
	c := &cell{addr: addr, Server: e.Start(append(ids, "--http-socket", addr, "--chdir", dir, "--module", "attack", "--namespace", "@host:jail")...)}
	c.WaitServing("http", addr)
	c.want("the app", `print(os.getuid(), os.getgid(), status('CapBnd'), os.getpid() < 50)`, fmt.Sprintf("%d %d 0000000000000000 True", uid, gid))
	parent := harness.Children(os.Getpid())
	for _, p := range parent {
		if strings.Contains(p.Cmdline(), "immediate-uid") && (harness.StatusField(p.PID, "Uid")[2] != fmt.Sprint(uid) || len(harness.StatusField(p.PID, "Groups")) > 1) {
			t.Errorf("the parent has uids %v, groups %v", harness.StatusField(p.PID, "Uid"), harness.StatusField(p.PID, "Groups"))
		}
	}
	c.End()
	refused(e, harness.Options{Args: append(ids, "--http-socket", harness.FreePort(t), "--chdir", dir, "--module", "attack", "--uid", "1")}, `cannot set uid to 1`)
	refused(e, harness.Options{Args: append(ids, "--http-socket", harness.FreePort(t), "--chdir", dir, "--module", "attack", "--namespace", "/nowhere", "--master-as-root",
		"--uid", "1")}, `cannot`)
}

// TestFileLocks: flock ends a second instance, flock-wait has it wait; the lock ends with the parent.
func TestFileLocks(t *testing.T) {
	e := harness.New(t)
	lock, dir := e.Write("lock", ""), e.Dir+"/app"
	e.CopyApp("attack.py", dir)
	args := func(more ...string) []string {
		return append([]string{"--http-socket", harness.FreePort(t), "--chdir", dir, "--module", "attack"}, more...)
	}
	for _, option := range []string{"--flock", "--flock2", "--flock-wait", "--flock-wait2"} {
		first := e.StartWith(harness.Options{Args: args(option, lock)})
		first.WaitLog(5*time.Second, "spawned uWSGI worker 1")
		if out, err := exec.Command("flock", "-n", lock, "true").CombinedOutput(); err == nil {
			t.Fatalf("%s does not lock: %s", option, out)
		}
		refused(e, harness.Options{Args: args("--flock", lock)}, `cannot lock .*/lock: another process has it`)
		refused(e, harness.Options{Args: args("--flock2", lock, "--hook-asap", "print:early")}, `cannot lock .*/lock: another process has it`)
		waiting := e.StartWith(harness.Options{Args: args("--flock-wait", lock)})
		waiting.WaitLog(5*time.Second, `Starting gowsgi`)
		if waiting.CountLog("spawned") != 0 {
			t.Error("flock-wait did not wait")
		}
		first.Signal(unix.SIGKILL)
		waiting.WaitLog(10*time.Second, "spawned uWSGI worker 1")
		waiting.End()
	}
	refused(e, harness.Options{Args: args("--flock", e.Dir+"/missing")}, `cannot lock .*must exist`)
}
