package integration

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// aside is a server whose app writes what happens beside the workers into a file, one JSON object a line.
type aside struct {
	*harness.Server
	t    *testing.T
	dir  string
	addr string
	out  string
}

// startAside starts the app of a module from integration/apps.
func startAside(t *testing.T, module string, args ...string) *aside {
	t.Helper()
	return startAsideIn(harness.New(t), t, module, args...)
}

func startAsideIn(e *harness.Env, t *testing.T, module string, args ...string) *aside {
	t.Helper()
	dir := appDir(e, "mulescript.py", "muleapp.py")
	a := &aside{t: t, dir: dir, addr: harness.FreePort(t), out: filepath.Join(e.Dir, "out")}
	a.Server = e.StartWith(harness.Options{
		Args: append([]string{"--http-socket", a.addr, "--chdir", dir, "--module", module, "--master", "--disable-logging"}, args...),
		Env:  []string{"MULE_OUT=" + a.out},
	})
	a.WaitServing("http", a.addr)
	return a
}

// eval has a worker evaluate an expression.
func (a *aside) eval(expr string) string {
	a.t.Helper()
	return getBody(a.t, "http", a.addr, "/?"+url.QueryEscape(expr))
}

func (a *aside) want(expr, want string) {
	a.t.Helper()
	if got := a.eval(expr); got != want {
		a.t.Errorf("%s is %s, want %s", expr, got, want)
	}
}

// event is one line that the app wrote.
type event map[string]any

func (a *aside) events() []event {
	var list []event
	text, _ := os.ReadFile(a.out)
	for line := range strings.Lines(string(text)) {
		var ev event
		if json.Unmarshal([]byte(line), &ev) == nil {
			list = append(list, ev)
		}
	}
	return list
}

// waitEvent waits for a line in which key has the value.
func (a *aside) waitEvent(key string, value any) event {
	a.t.Helper()
	return a.waitEvents(key, value, 1)[0]
}

// waitEvents waits for so many of them.
func (a *aside) waitEvents(key string, value any, n int) []event {
	a.t.Helper()
	var found []event
	ok := harness.Eventually(8*time.Second, func() bool {
		found = a.matching(key, value)
		return len(found) >= n
	})
	if !ok {
		a.t.Fatalf("%d times %s = %v, want %d; events: %v", len(found), key, value, n, a.events())
	}
	return found
}

func (a *aside) matching(key string, value any) []event {
	return slices.DeleteFunc(a.events(), func(ev event) bool { return ev[key] != value })
}

// TestMules sends messages to mules that wait for them, that have a program, and to a farm.
func TestMules(t *testing.T) {
	a := startAside(t, "muleapp", "--mule", "--mule=mulescript.py", "--mules", "1", "--farm", "pigs:2,3", "--stats", "127.0.0.1:0")
	script := a.waitEvent("script", "__main__")
	if script["mule"] != 2.0 || script["farm"] != true || script["timeout"] != "b''" || script["worker"] != 0.0 {
		t.Errorf("the program saw %v", script)
	}
	a.want(`uwsgi.mule_msg(b"one", 1)`, "True")
	if ev := a.waitEvent("hook", "one"); ev["mule"] != 1.0 || ev["worker"] != 0.0 {
		t.Errorf("handled by %v, want mule 1", ev)
	}
	a.want(`uwsgi.mule_msg("two", 2)`, "True")
	a.waitEvent("got", "two")
	a.want(`uwsgi.mule_msg(b"any")`, "True")
	if !harness.Eventually(5*time.Second, func() bool { return len(a.matching("hook", "any"))+len(a.matching("got", "any")) == 1 }) {
		t.Errorf("a message to any mule: %v", a.events())
	}
	a.want(`uwsgi.farm_msg("pigs", b"oink")`, "None")
	ok := harness.Eventually(5*time.Second, func() bool {
		evs := append(a.matching("hook", "oink"), a.matching("got", "oink")...)
		return len(evs) == 1 && evs[0]["mule"] != 1.0
	})
	if !ok {
		t.Errorf("a message to the farm of 2 and 3: %v", a.events())
	}
	a.want(`uwsgi.mule_msg(b"raise", 1)`, "True")
	a.WaitLog(5e9, `ValueError: raised on purpose`)
	a.want(`uwsgi.mule_msg(b"long" * 30000, 1)`, "True")
	a.waitEvent("hook", 120000.0)
	a.want(`uwsgi.mule_msg(b"long" * 300000, 1)`, "False")
	a.want(`uwsgi.mule_msg(b"x", 9)`, "False")
	a.want(`uwsgi.mule_msg(b"x", "pigs")`, "'ValueError: invalid mule'")
	a.want(`uwsgi.mule_get_msg()`, "'ValueError: you can receive mule messages only in a mule !!!'")
	a.want(`(uwsgi.mule_id(), uwsgi.in_farm("pigs"))`, "(0, False)")
	a.want(`uwsgi.no_such_thing`, "'AttributeError: uwsgi.no_such_thing does not exist in gowsgi: see docs/python.md for what does'")
}

// TestMuleDeaths: a mule comes back, takes what waited meanwhile, and a full queue makes no worker wait.
func TestMuleDeaths(t *testing.T) {
	a := startAside(t, "muleapp", "--mule", "--mule-msg-size=8192")
	first := a.WaitLog(5e9, `spawned uWSGI mule 1 \(pid: (\d+)\)`)[1]
	a.want(`[uwsgi.mule_msg(b"die"), uwsgi.mule_msg(b"after")]`, "[True, True]")
	if ev := a.waitEvent("hook", "after"); ev["pid"] == first {
		t.Errorf("handled by the mule that died")
	}
	a.WaitLog(5e9, `OOOPS mule 1 \(pid: `+first+`\) crippled`)
	a.want(`uwsgi.mule_msg(b"sleep 1.0")`, "True")
	began := time.Now()
	a.want(`all(uwsgi.mule_msg(b"x" * 1000) for _ in range(100))`, "False")
	if took := time.Since(began); took > time.Second {
		t.Errorf("a worker waited %s for a full queue", took)
	}
	a.WaitLog(5e9, `MULE MSG QUEUE IS FULL`)
	a.waitEvent("hook", "sleep 1.0")
	a.waitEvent("hook", 1000.0)
}

// TestMulesFinish: a stop and a reload let a mule finish its message and take those that wait; nothing is left behind.
func TestMulesFinish(t *testing.T) {
	a := startAside(t, "muleapp", "--mule", "--mule=mulescript.py", "--processes", "2")
	a.waitEvent("script", "__main__")
	a.want(`[uwsgi.mule_msg(b"sleep 1.0", 1), uwsgi.mule_msg(b"later", 1), uwsgi.mule_msg(b"sleep", 2), uwsgi.mule_msg(b"last", 2)]`,
		"[True, True, True, True]")
	if !harness.Eventually(5*time.Second, func() bool { return a.eval("1") == "1" }) {
		t.Fatal("does not serve")
	}
	a.Signal(unix.SIGHUP)
	for _, text := range []string{"sleep 1.0", "later"} {
		a.waitEvent("hook", text)
	}
	for _, text := range []string{"sleep", "last"} {
		a.waitEvent("got", text)
	}
	a.waitEvents("script", "__main__", 2)
	a.WaitServing("http", a.addr)
	tree := harness.Tree(a.PID)
	a.Signal(unix.SIGINT)
	if code := a.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, "after the stop", tree)
}

// TestMuleLimits: harakiri, a touched file, and a mule that does not end.
func TestMuleLimits(t *testing.T) {
	e := harness.New(t)
	trigger := e.Write("trigger", "")
	a := startAsideIn(e, t, "muleapp", "--mule", "--mule-harakiri", "1", "--touch-mules-reload", trigger, "--mule-reload-mercy", "1")
	a.want(`uwsgi.mule_msg(b"sleep 30")`, "True")
	a.WaitLog(5e9, `\*\*\* HARAKIRI ON mule 1`)
	a.want(`uwsgi.mule_msg(b"alive")`, "True")
	old := a.waitEvent("hook", "alive")["pid"]
	e.Write("trigger", "x")
	a.WaitLog(5e9, `has been touched... reloading all mules`)
	ok := harness.Eventually(5*time.Second, func() bool {
		a.eval(`uwsgi.mule_msg(b"again")`)
		evs := a.matching("hook", "again")
		return len(evs) > 0 && evs[len(evs)-1]["pid"] != old
	})
	if !ok {
		t.Error("the mule was not replaced")
	}
}

// TestMulesInJail: mules have the jail's ids and namespaces, and go with it when the master is killed.
func TestMulesInJail(t *testing.T) {
	e := harness.New(t)
	s, addr, root := jailed(e, 1, "--mules", "2")
	s.WaitLog(5e9, `spawned uWSGI mule 2`)
	worker := hostPID(t, s, getBody(t, "http", addr, "/pid"))
	var tree, mules []harness.Proc
	ok := harness.Eventually(5*time.Second, func() bool {
		tree = harness.Tree(s.PID)
		mules = slices.DeleteFunc(slices.Clone(tree), func(p harness.Proc) bool { return !strings.HasPrefix(p.Name, "uWSGI mule") })
		return len(mules) == 2
	})
	if !ok {
		t.Fatalf("%d mules in %s", len(mules), root)
	}
	for _, p := range mules {
		for _, kind := range []string{"pid", "mnt", "uts", "ipc"} {
			if got, want := harness.NamespaceInode(p.PID, kind), harness.NamespaceInode(worker, kind); got != want {
				t.Errorf("%s: %s namespace %s, the worker's is %s", p.Name, kind, got, want)
			}
		}
		for _, field := range []string{"Uid", "Gid", "Groups", "CapEff", "NoNewPrivs", "Seccomp"} {
			if got, want := harness.StatusField(p.PID, field), harness.StatusField(worker, field); !slices.Equal(got, want) {
				t.Errorf("%s: %s is %v, the worker's %v", p.Name, field, got, want)
			}
		}
	}
	old := tree[1:]
	if err := unix.Kill(s.Master(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitGone(t, "after the master was killed", old)
	s.WaitServing("http", addr)
}
