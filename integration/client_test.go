package integration

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// client runs the binary with an action on a pidfile and returns its exit code and what it wrote.
func client(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	words := append(harness.Binary(), args...)
	text, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode(), string(text)
	} else if err != nil {
		t.Fatal(err)
	}
	return 0, string(text)
}

// TestReloadClient: --reload returns when the new stack serves, and says why when it does not.
func TestReloadClient(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, mode.overlap)
			s := w.start()
			pidfile := e.Dir + "/pid"
			w.code("two")
			if code, out := client(t, "--reload", pidfile); code != 0 || w.served() != "two" {
				t.Fatalf("exit %d, serving %s: %s", code, w.served(), out)
			}
			good := w.ini
			e.Write("site.ini", "[uwsgi]\nprocesses = many\n")
			if code, out := client(t, "--reload", pidfile); code == 0 || !strings.Contains(out, "site.ini:2") {
				t.Errorf("a broken configuration: exit %d: %s", code, out)
			}
			w.ini = good
			w.write()
			w.breakCode()
			if code, out := client(t, "--reload", pidfile); code == 0 || !strings.Contains(out, "cannot reload (app)") {
				t.Errorf("a broken app: exit %d: %s", code, out)
			}
			w.fix()
			if code, out := client(t, "--reload", pidfile); code != 0 || w.served() != "two" {
				t.Errorf("mended: exit %d: %s", code, out)
			}
			tree := harness.Tree(s.PID)
			if code, out := client(t, "--stop", pidfile); code != 0 {
				t.Errorf("stop: exit %d: %s", code, out)
			}
			for _, p := range tree {
				if now, ok := harness.ReadProc(p.PID); ok && now.StartTime == p.StartTime && now.State != 'Z' {
					t.Errorf("after --stop came back pid %d is still there: %s", p.PID, now.Cmdline())
				}
			}
			if code, out := client(t, "--reload", pidfile); code == 0 {
				t.Errorf("a reload of nobody: exit 0: %s", out)
			}
		})
	}
}

// TestReloadClientLeaves: with exit-on-reload the end is what was asked for; any other end is not.
func TestReloadClientLeaves(t *testing.T) {
	e := harness.New(t)
	pidfile := e.Dir + "/pid"
	s, _ := plain(e, 1, "--pidfile", pidfile, "--exit-on-reload")
	if code, out := client(t, "--reload", pidfile); code != 0 {
		t.Errorf("exit-on-reload: exit %d: %s", code, out)
	}
	if code := s.WaitExit(5 * time.Second); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

// TestReloadClientOfStranger: a process that is no parent of ours is only signalled, and that is said.
func TestReloadClientOfStranger(t *testing.T) {
	e := harness.New(t)
	// A shell cannot trap a signal that was ignored when it began, as with nohup.
	cmd := exec.Command("python3", "-c", "import os, signal, time\nsignal.signal(signal.SIGHUP, lambda *_: os._exit(7))\n"+
		"open('"+e.Dir+"/pid', 'w').write(str(os.getpid()))\nwhile True: time.sleep(0.05)")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	var code int
	var out string
	if !harness.Eventually(5*time.Second, func() bool { code, out = client(t, "--reload", e.Dir+"/pid"); return code == 0 }) {
		t.Fatalf("exit %d: %s", code, out)
	}
	if !strings.Contains(out, "no gowsgi parent") {
		t.Errorf("said %q", out)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("the stranger ended with %v, not by SIGHUP", err)
	}
}
