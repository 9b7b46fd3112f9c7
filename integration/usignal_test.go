package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// startSide starts the app with decorators; its watched directory is e.Dir/watched.
func startSide(e *harness.Env, t *testing.T, args ...string) *aside {
	t.Helper()
	watched := filepath.Join(e.Dir, "watched")
	if err := os.MkdirAll(watched, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := appDir(e, "sideapp.py", "decorators.py", "muleapp.py")
	a := &aside{t: t, dir: dir, addr: harness.FreePort(t), out: filepath.Join(e.Dir, "out")}
	a.Server = e.StartWith(harness.Options{
		Args: append([]string{"--http-socket", a.addr, "--chdir", dir, "--module", "sideapp", "--master", "--disable-logging", "--processes", "2"}, args...),
		Env:  []string{"MULE_OUT=" + a.out, "WATCHED=" + watched},
	})
	a.WaitServing("http", a.addr)
	return a
}

// TestSignals raises signals of every target and source, and calls what uwsgidecorators call.
func TestSignals(t *testing.T) {
	e := harness.New(t)
	stats := harness.FreePort(t)
	a := startSide(e, t, "--mules", "2", "--farm", "pigs:1,2", "--spooler", "spool", "--stats", stats)
	a.waitEvents("postfork", "yes", 5)
	for _, number := range []string{"100", "101", "102", "103", "104", "105"} {
		a.want("uwsgi.signal("+number+")", "None")
	}
	if ev := a.waitEvent("signal", 100.0); ev["worker"] == 0.0 || ev["mule"] != 0.0 {
		t.Errorf("any worker: %v", ev)
	}
	if evs := a.waitEvents("signal", 101.0, 2); evs[0]["worker"] == evs[1]["worker"] {
		t.Errorf("all workers: %v", evs)
	}
	if ev := a.waitEvent("signal", 102.0); ev["worker"] != 2.0 {
		t.Errorf("worker 2: %v", ev)
	}
	if ev := a.waitEvent("signal", 103.0); ev["mule"] != 1.0 {
		t.Errorf("mule 1: %v", ev)
	}
	if ev := a.waitEvent("signal", 104.0); ev["mule"] == 0.0 {
		t.Errorf("the farm: %v", ev)
	}
	if evs := a.waitEvents("signal", 105.0, 2); evs[0]["mule"] == evs[1]["mule"] || evs[0]["mule"] == 0.0 {
		t.Errorf("all mules: %v", evs)
	}
	if ev := a.waitEvent("rbtimer", 1.0); ev["spooler"] != true {
		t.Errorf("the spooler: %v", ev)
	}
	a.waitEvents("timer", 0.0, 2)
	a.waitEvent("cron", 2.0)
	e.Write("watched/new", "x")
	a.waitEvent("filemon", 3.0)
	a.want(`[in_mule("any"), in_mule_one("one", more=3)]`, "[True, True]")
	a.waitEvent("mulefunc", "any")
	if ev := a.waitEvent("mulefunc1", "one"); ev["mule"] != 1.0 || ev["more"] != 3.0 {
		t.Errorf("mulefunc(1): %v", ev)
	}
	a.want(`(guarded(), uwsgi.is_locked())`, "(True, False)")
	a.want(`aside("x") and None`, "None")
	a.waitEvent("thread", "x")
	a.want(`(uwsgi.signal_registered(100), uwsgi.signal_registered(200))`, "(True, None)")
	a.want(`(uwsgi.rpc(None, b"hello", b"you"), uwsgi.call("hello", "me"), uwsgi.rpc("", "no"), uwsgi.rpc_list())`, "(b'hello you', b'hello me', None, (b'hello',))")
	a.want(`uwsgi.rpc("10.0.0.1:3031", "hello")`, `"ValueError: cannot call 'hello' on '10.0.0.1:3031': only functions of this server are known"`)
	checkSignalErrors(t, a)
	a.eval(`setattr(uwsgi, "atexit", lambda: note(atexit="yes"))`)
	a.Signal(unix.SIGHUP)
	if ev := a.waitEvent("atexit", "yes"); ev["worker"] == 0.0 {
		t.Errorf("atexit in %v", ev)
	}
	a.WaitServing("http", a.addr)
	counted := 0.0
	for _, w := range list(readStats(t, stats)["workers"]) {
		counted += w.(map[string]any)["signals"].(float64)
	}
	if counted < 5 {
		t.Errorf("the workers' signals in the stats are %v", counted)
	}
}

// checkSignalErrors: what cannot be meant is an exception, never silence.
func checkSignalErrors(t *testing.T, a *aside) {
	t.Helper()
	for expr, want := range map[string]string{
		`uwsgi.signal(256)`:                       "ValueError: a signal is a number from 0 to 255, not 256",
		`uwsgi.register_signal(1, "", None)`:      "ValueError: the handler of signal 1 is not callable",
		`uwsgi.register_signal(1, "x" * 64, len)`: "ValueError: cannot register the signal",
		`uwsgi.add_timer(1, 0)`:                   "ValueError: cannot add the timer",
		`uwsgi.add_cron(1, 60, 0, 0, 0, 0)`:       "ValueError: cannot add the cron time",
	} {
		if got := a.eval(expr); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}

// TestSignalOptions: signals that the configuration asks for; one that nobody handles is told and harms nothing.
func TestSignalOptions(t *testing.T) {
	e := harness.New(t)
	touched, watched := e.Write("touched", ""), e.Write("conf/file", "")
	a := startSide(e, t, "--timer", "100 1", "--touch-signal", touched+" 102", "--fs-signal", watched+" 101", "--threads", "2")
	a.waitEvents("signal", 100.0, 2)
	if err := os.WriteFile(watched, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	a.waitEvents("signal", 101.0, 2)
	e.Write("touched", "x")
	a.waitEvent("signal", 102.0)
	a.WaitLog(5*time.Second, `\[uwsgi-signal\] signal 0 is for "mule", and there is none`)
	a.want("uwsgi.signal(200)", "None")
	a.WaitLog(5*time.Second, `error managing signal 200 on worker \d: it has no handler there`)
	a.End()
	// A request that waits for a signal is woken by one.
	b := startAsideIn(e, t, "sideapp", "--timer", "100 1")
	b.want("(uwsgi.signal_wait(100), uwsgi.signal_received())", "(None, 100)")
}
