package integration

import (
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestKill9DuringStart kills the parent at many moments of a start, and of an overlapping reload; nothing stays, and the rootfs is as before.
func TestKill9DuringStart(t *testing.T) {
	e := harness.New(t)
	root := e.RootfsCopy()
	before := e.Run("ls", "-A", root)
	for delay := 2 * time.Millisecond; delay < 400*time.Millisecond; delay = delay*3/2 + time.Millisecond {
		s := e.Start(jailArgs(root, harness.FreePort(t), 2)...)
		time.Sleep(delay)
		s.Signal(unix.SIGKILL)
		s.WaitExit(5 * time.Second)
		e.CheckLeftovers()
	}
	addr := harness.FreePort(t)
	for delay := 10 * time.Millisecond; delay < 300*time.Millisecond; delay *= 2 {
		s := e.Start(append(jailArgs(root, addr, 2), "--reload-overlap")...)
		s.WaitServing("http", addr)
		s.Signal(unix.SIGHUP)
		time.Sleep(delay)
		s.Signal(unix.SIGKILL)
		s.WaitExit(5 * time.Second)
		e.CheckLeftovers()
	}
	if after := e.Run("ls", "-A", root); after != before {
		t.Errorf("something was left in the rootfs:\n%s", harness.Diff(before, after))
	}
}

// TestReloadStorm sends far more SIGHUPs than reloads can follow: no request fails, and in the end the newest code is served.
func TestReloadStorm(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, mode.overlap)
			s := w.start()
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: w.http, Path: "/pid"}, {Proto: "uwsgi", Addr: w.tcp, Path: "/pid"}},
				func(body string) bool { _, err := strconv.Atoi(body); return err == nil })
			for i := range 60 {
				if i == 40 {
					w.code("two")
				}
				s.Signal(unix.SIGHUP)
				time.Sleep(20 * time.Millisecond)
			}
			w.waitServed("two")
			if sum := load.Stop(); sum.Failed() != 0 || sum.Wrong != 0 {
				t.Errorf("%s: %v", sum, sum.Samples)
			}
			if !harness.Eventually(10*time.Second, func() bool { return len(harness.Children(s.PID)) == 1 }) {
				t.Errorf("the parent has %d children, not one", len(harness.Children(s.PID)))
			}
		})
	}
}

// TestWorkersDieUnderLoad kills a worker every 50 ms: each takes at most its own request with it, and the server comes to rest again.
func TestWorkersDieUnderLoad(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 4, "--disable-logging")
	target := harness.Target{Proto: "http", Addr: addr, Path: "/pid"}
	load := harness.StartLoad([]harness.Target{target, target, target, target}, func(body string) bool { _, err := strconv.Atoi(body); return err == nil })
	kills := 0
	for range 8 { // more would be a crash loop, and throttled
		if r, err := harness.Fetch("http", addr, "/pid", 10*time.Second); err == nil {
			if pid, err := strconv.Atoi(r.Body); err == nil && unix.Kill(pid, unix.SIGKILL) == nil {
				kills++
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !harness.Eventually(30*time.Second, func() bool { return len(workers(t, "http", addr, 4)) == 4 }) {
		t.Error("not all workers are back")
	}
	sum := load.Stop()
	if kills == 0 || sum.Failed() > kills || sum.Refused > 0 || sum.Wrong > 0 {
		t.Errorf("%d kills: %s", kills, sum)
	}
	if s.CountLog("DAMN") < kills {
		t.Errorf("%d kills, %d deaths in the log", kills, s.CountLog("DAMN"))
	}
}

// TestIDs: numbers and supplementary groups, looked up in the jail.
func TestIDs(t *testing.T) {
	e := harness.New(t)
	root := e.RootfsCopy()
	for _, c := range []struct {
		name string
		args []string
		uid  int
		gid  int
		adds []int
	}{
		{"numbers", []string{"--uid", "1234", "--gid", "4321"}, 1234, 4321, nil},
		{"uid alone takes the user's group", []string{"--uid", "uwsgi"}, harness.RootfsUID, harness.RootfsUID, []int{harness.RootfsUID}},
		{"add-gid", []string{"--uid", "uwsgi", "--gid", "uwsgi", "--add-gid", "games"}, harness.RootfsUID, harness.RootfsUID, []int{60, harness.RootfsUID}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := e.With(t)
			addr := harness.FreePort(t)
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", harness.AppDir, "--module", "probe", "--master", "--namespace", root + ":x"},
				c.args...)...)
			s.WaitServing("http", addr)
			f := getFacts(t, "http", addr)
			if f.IDs != [2][3]int{{c.uid, c.uid, c.uid}, {c.gid, c.gid, c.gid}} {
				t.Errorf("ids are %v", f.IDs)
			}
			for _, gid := range c.adds {
				found := false
				for _, g := range f.Groups {
					found = found || g == gid
				}
				if !found {
					t.Errorf("group %d is not among %v", gid, f.Groups)
				}
			}
			for _, g := range f.Groups {
				if g == 0 || os.Getgid() == g {
					t.Errorf("the caller's group %d is left", g)
				}
			}
		})
	}
}
