package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// reloadModes are the two ways to reload: the old stack leaves and then the new one is built, or the new one is ready first.
var reloadModes = []struct {
	name    string
	overlap bool
	args    []string
}{{"default", false, nil}, {"overlap", true, []string{"--reload-overlap"}}}

// site is a server whose configuration, code and rootfs can be changed under it.
type site struct {
	e                 *harness.Env
	ini               string
	root, host        string
	http, tcp, unix   string
	prometheus, stats string
	extra             string
}

func newSite(e *harness.Env, overlap bool) *site {
	e.T.Helper()
	w := &site{e: e, root: e.RootfsCopy(), host: "first", http: harness.FreePort(e.T), tcp: harness.FreePort(e.T), unix: e.Dir + "/app.sock",
		prometheus: harness.FreePort(e.T), stats: harness.FreePort(e.T)}
	if overlap {
		w.extra = "reload-overlap = true\n"
	}
	return w
}

// write puts the ini in place, as it now stands.
func (w *site) write() string {
	w.ini = w.e.Write("site.ini", fmt.Sprintf(`[uwsgi]
socket = %s
http-socket = %s
chdir = %s
uid = uwsgi
gid = uwsgi
module = probe
master = true
processes = 4
disable-logging = true
pidfile = %s/pid
prometheus = %s
stats = %s
namespace = %s:%s
%s`, w.tcp, w.http, harness.AppDir, w.e.Dir, w.prometheus, w.stats, w.root, w.host, w.extra))
	return w.ini
}

// code puts another version of the app into the rootfs.
func (w *site) code(version string) {
	w.e.T.Helper()
	path := w.root + harness.AppDir + "/probe.py"
	text, err := os.ReadFile(path)
	if err != nil {
		w.e.T.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "CODE = ") {
			lines[i] = fmt.Sprintf("CODE = %q", version)
		}
	}
	w.e.Write(path, strings.Join(lines, "\n"))
}

func (w *site) start() *harness.Server {
	w.e.T.Helper()
	s := w.e.Start("--ini", w.write())
	s.WaitServing("http", w.http)
	return s
}

// hup sends SIGHUP to the pid in the pidfile, as an administrator does.
func (w *site) hup() {
	w.e.T.Helper()
	text, err := os.ReadFile(w.e.Dir + "/pid")
	if err != nil {
		w.e.T.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		w.e.T.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		w.e.T.Fatal(err)
	}
}

// served returns the first line of /code.
func (w *site) served() string {
	w.e.T.Helper()
	r, err := harness.Fetch("http", w.http, "/code", 15*time.Second)
	if err != nil {
		w.e.T.Fatalf("the old or the new stack serves, but: %v", err)
	}
	line, _, _ := strings.Cut(r.Body, "\n")
	return line
}

func (w *site) waitServed(version string) {
	w.e.T.Helper()
	if !harness.Eventually(15*time.Second, func() bool { time.Sleep(20 * time.Millisecond); return w.served() == version }) {
		w.e.T.Fatalf("%s is not served, but %s", version, w.served())
	}
}

// TestReloadUnderLoad: four clients that connect anew without pause, one on each front, through 20 reloads a second apart. Nothing fails
// and nothing is wrong, and every reload brings new code and a fresh jail.
func TestReloadUnderLoad(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, mode.overlap)
			s := w.start()
			nginx := e.Nginx(w.tcp)[0]
			var newest atomic.Int64
			right := func(body string) bool {
				version, rest, _ := strings.Cut(body, "\n")
				number := 0
				if version != "one" {
					var err error
					if number, err = strconv.Atoi(version); err != nil {
						return false
					}
				}
				return number <= int(newest.Load()) && number >= int(newest.Load())-2 && rest == strings.Repeat(".", 2000)+"\n"
			}
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: nginx, Path: "/code"}, {Proto: "http", Addr: nginx, Path: "/code"},
				{Proto: "uwsgi", Addr: w.tcp, Path: "/code"}, {Proto: "http", Addr: w.http, Path: "/code"}}, right)
			masters := map[int]bool{s.Master(): true}
			for i := 1; i <= 20; i++ {
				newest.Store(int64(i))
				w.code(fmt.Sprint(i))
				next := time.Now().Add(time.Second)
				w.hup()
				w.waitServed(fmt.Sprint(i))
				harness.Eventually(5*time.Second, func() bool { return len(harness.Children(s.PID)) == 1 })
				masters[s.Master()] = true
				time.Sleep(time.Until(next))
			}
			sum := load.Stop()
			t.Logf("%s", sum)
			if sum.Failed() != 0 || sum.Wrong != 0 {
				t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
			}
			if sum.OK < 1000 {
				t.Errorf("only %d requests: that was no load", sum.OK)
			}
			if len(masters) != 21 {
				t.Errorf("%d masters in 20 reloads", len(masters))
			}
			// A reload counts when its last worker is ready, which is later than the first answer.
			counted := 0.0
			if !harness.Eventually(10*time.Second, func() bool {
				counted = metricValue(t, w.prometheus, `gowsgi_reloads_total{result="ok"}`)
				return counted == 20
			}) {
				t.Errorf("the metric counts %v reloads", counted)
			}
		})
	}
}

// TestReloadTakesTheNew: a reload builds a fresh jail with the new configuration, the new code and the new rootfs, on the same sockets.
func TestReloadTakesTheNew(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, mode.overlap)
			s := w.start()
			inode := socketInode(e, w.http)
			w.code("two")
			w.host = "second"
			w.write()
			old := holdJail(t, s)
			w.hup()
			f := old.waitFresh(s, "http", w.http)
			if f.Hostname != "second" {
				t.Errorf("hostname is %s", f.Hostname)
			}
			w.waitServed("two")
			w.root = e.RootfsCopy()
			w.code("three")
			e.Write(w.root+"/only-in-the-new-one", "")
			w.write()
			old = holdJail(t, s)
			w.hup()
			f = old.waitFresh(s, "http", w.http)
			if !strings.Contains(strings.Join(f.Root, " "), "only-in-the-new-one") {
				t.Errorf("the root is the old one: %v", f.Root)
			}
			w.waitServed("three")
			if now := socketInode(e, w.http); now != inode {
				t.Errorf("the listening socket was %s and is %s", inode, now)
			}
		})
	}
}

func socketInode(e *harness.Env, addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return e.Run("sh", "-c", "ss -Hltne 'sport = :"+port+"' | grep -o 'ino:[0-9]*'")
}

// TestReloadFinishesRequests: the request in flight is answered by the old worker.
func TestReloadFinishesRequests(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, mode.overlap)
			s := w.start()
			answer := make(chan string, 1)
			go func() {
				r, err := harness.Fetch("http", w.http, "/sleep?2", 20*time.Second)
				if err != nil {
					answer <- err.Error()
					return
				}
				answer <- r.Body
			}()
			time.Sleep(500 * time.Millisecond)
			old := s.Master()
			w.code("two")
			w.hup()
			w.waitServed("two")
			if got := <-answer; got != "slept" {
				t.Errorf("the request in flight got %q", got)
			}
			if !harness.Eventually(5*time.Second, func() bool { return len(harness.Children(s.PID)) == 1 && s.Master() != old }) {
				t.Error("the old master stays")
			}
		})
	}
}

// TestReloadWithoutNamespace: the same for a stack without any namespace option.
func TestReloadWithoutNamespace(t *testing.T) {
	for _, mode := range reloadModes {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			s, addr := plain(e, 2, mode.args...)
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: addr, Path: "/pid"}, {Proto: "http", Addr: addr, Path: "/pid"}},
				func(body string) bool { _, err := strconv.Atoi(body); return err == nil })
			for range 5 {
				old := s.Master()
				s.Signal(unix.SIGHUP)
				if !harness.Eventually(10*time.Second, func() bool { c := harness.Children(s.PID); return len(c) == 1 && c[0].PID != old }) {
					t.Fatal("no new master")
				}
				s.WaitServing("http", addr)
			}
			if sum := load.Stop(); sum.Failed() != 0 || sum.Wrong != 0 {
				t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
			}
		})
	}
}

// TestReloadFromTheApp: uwsgi.reload() in the jail asks the parent for the same fresh jail.
func TestReloadFromTheApp(t *testing.T) {
	e := harness.New(t)
	w := newSite(e, false)
	s := w.start()
	w.code("two")
	old := holdJail(t, s)
	if got := getBody(t, "http", w.http, "/reload"); got != "True" {
		t.Errorf("uwsgi.reload() returned %s", got)
	}
	old.waitFresh(s, "http", w.http)
	w.waitServed("two")
}
