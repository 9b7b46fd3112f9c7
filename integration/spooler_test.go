package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// tasks lists the files of tasks in a directory, those of priorities too.
func tasks(dir string) []string {
	plain, _ := filepath.Glob(dir + "/uwsgi_spoolfile_on_*")
	urgent, _ := filepath.Glob(dir + "/[0-9]*/uwsgi_spoolfile_on_*")
	return append(urgent, plain...)
}

// spooled returns the tasks that were done, in order.
func (a *aside) spooled() []string {
	var list []string
	for _, ev := range a.events() {
		if what, ok := ev["spool"].(string); ok {
			list = append(list, what)
		}
	}
	return list
}

// TestSpooler: tasks are done once, in the directory, when their time has come; one whose spooler dies is done again.
func TestSpooler(t *testing.T) {
	e := harness.New(t)
	a := startSide(e, t, "--spooler", "spool", "--spooler-frequency", "60")
	dir := filepath.Join(e.Dir, "spool") // relative to where the server was started
	if got := a.eval(`later("one")`); !strings.Contains(got, dir+"/uwsgi_spoolfile_on_") {
		t.Errorf("spool returned %s", got)
	}
	if ev := a.waitEvent("spool", "one"); ev["worker"] != 0.0 || ev["nice"] != 19.0 {
		t.Errorf("done by %v", ev)
	}
	if ev := a.waitEvent("begin", "one"); ev["cwd"] != dir {
		t.Errorf("done in %v, want %s", ev["cwd"], dir)
	}
	a.eval(`later("die")`)
	a.WaitLog(5*time.Second, `OOOPS spooler 1 \(pid: \d+\) crippled \(it ended with exit code 9\)`)
	a.waitEvent("spool", "die")
	if n := len(a.matching("begin", "die")); n != 2 {
		t.Errorf("begun %d times, want twice", n)
	}
	began := time.Now()
	a.eval(`later("at", at=int(time.time()) + 2)`)
	a.eval(`later("broken", fail=True)`)
	a.waitEvent("spool", "at")
	if took := time.Since(began); took < time.Second {
		t.Errorf("done after %s, long before its time", took)
	}
	if left := tasks(dir); len(left) != 1 {
		t.Errorf("in the directory is %v, want the task that failed", left)
	}
	if n := len(a.matching("begin", "broken")); n != 1 {
		t.Errorf("the task that fails was tried %d times within its frequency", n)
	}
	a.want(`[len(uwsgi.spooler_jobs()), uwsgi.spooler_pid() == uwsgi.spooler_pids()[0], uwsgi.i_am_the_spooler()]`, "[1, True, None]")
	a.want(`uwsgi.set_spooler_frequency(1)`, "True")
	a.waitEvents("begin", "broken", 2)
}

// TestSpoolerTasks: what may be in a task, and what may not.
func TestSpoolerTasks(t *testing.T) {
	e := harness.New(t)
	a := startSide(e, t, "--spooler-external", "spool")
	get := `uwsgi.spooler_get_task(uwsgi.spool(%s).decode())`
	for expr, want := range map[string]string{
		fmt.Sprintf(get+`[b"a"]`, `{b"a": b"b"}`):              `b'b'`,
		fmt.Sprintf(get+`[b"a"]`, `{"a": "\u00e9"}`):           `b'\xc3\xa9'`,
		fmt.Sprintf(get+`[b"a"]`, `a=b"b"`):                    `b'b'`,
		fmt.Sprintf(get+`["body"]`, `{b"body": b"x" * 70000}`): "b'" + strings.Repeat("x", 70000) + "'",
		fmt.Sprintf(get+`[b"at"]`, `{"at": 4102444800}`):       `b'4102444800'`,
		`uwsgi.spool({b"a": b"x" * 70000})`:                    `"ValueError: cannot spool the task: a value has more than 65535 bytes, which belong into body"`,
		`uwsgi.spool({b"spooler": b"/nowhere"})`:               `'ValueError: cannot spool the task: there is no spooler /nowhere'`,
		`uwsgi.spool({b"priority": b"../../x"})`:               `'ValueError: cannot spool the task: the priority is no number'`,
		`uwsgi.spool()`:                                        `'ValueError: The argument of spooler callable must be a dictionary'`,
		`uwsgi.spooler_get_task("/etc/passwd")`:                `None`,
		`uwsgi.spooler_pids()`:                                 `[]`,
	} {
		if got := a.eval(expr); got != want && strings.Trim(got, `"'`) != strings.Trim(want, `"'`) {
			t.Errorf("%s: %.200s, want %.200s", expr, got, want)
		}
	}
	info, err := os.Stat(tasks(filepath.Join(e.Dir, "spool"))[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of a task is %v (%v)", info.Mode(), err)
	}
}

// TestSpoolerOrder: priorities first and then the oldest, by two processes without a task done twice; a damaged file stays and harms nothing.
func TestSpoolerOrder(t *testing.T) {
	e := harness.New(t)
	dir := filepath.Join(e.Dir, "spool")
	writer := startSide(e, t, "--spooler-external", "spool")
	writer.eval(`[later("c"), later("d"), later("b", priority=7), later("a", priority=3)] and None`)
	for i := range 20 {
		writer.eval(fmt.Sprintf(`later("many %d") and None`, i))
	}
	for name, text := range map[string]string{"short": "\x11", "cut": "\x11\x40\x00\x00abc", "other": "{}", "long": "\x11\x04\x00\x00\xff\xff\xff\xff"} {
		e.Write(dir+"/uwsgi_spoolfile_on_damaged_"+name, text)
	}
	writer.End()
	a := startSide(e, t, "--spooler", dir, "--spooler-ordered", "--spooler-quiet")
	for range 24 {
		if !harness.Eventually(8*time.Second, func() bool { return len(a.spooled()) >= 24 }) {
			break
		}
	}
	done := a.spooled()
	want := []string{"a", "b", "c", "d"}
	for i := range 20 {
		want = append(want, fmt.Sprintf("many %d", i))
	}
	if !slices.Equal(done, want) {
		t.Errorf("done in this order: %q", done)
	}
	if left := tasks(dir); len(left) != 4 {
		t.Errorf("left are %v, want the damaged", left)
	}
	if n := a.CountLog(`cannot read the task .*damaged`); n != 4 {
		t.Errorf("the log tells %d times of the damaged, want each once", n)
	}
	a.End()
	b := startSide(e, t, "--spooler", dir, "--spooler-processes", "3", "--spooler-max-tasks", "4", "--stats", "127.0.0.1:0")
	b.eval(`[later("shared %d" % i) for i in range(20)] and None`)
	if !harness.Eventually(8*time.Second, func() bool { return len(b.spooled()) >= 44 }) {
		t.Fatalf("done are %d", len(b.spooled()))
	}
	all := b.spooled()[24:]
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 20 || len(b.spooled()) != 44 {
		t.Errorf("%d different tasks were done in %d runs", n, len(b.spooled())-24)
	}
	b.WaitLog(5*time.Second, `...The work of spooler \d \(pid: \d+\) is done. Seeya!`)
}

// TestSpoolerLeaves: a stop waits for the task that runs, harakiri does not, and nothing is left of the jail's spooler.
func TestSpoolerLeaves(t *testing.T) {
	e := harness.New(t)
	a := startSide(e, t, "--spooler", "spool", "--spooler-harakiri", "2", "--die-on-term")
	a.eval(`later("slow", seconds=1)`)
	a.waitEvent("begin", "slow")
	tree := harness.Tree(a.PID)
	a.Signal(unix.SIGTERM)
	if code := a.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, "after the stop", tree)
	if done := a.spooled(); !slices.Equal(done, []string{"slow"}) {
		t.Errorf("done: %v", done)
	}
	b := startSide(e, t, "--spooler", "spool", "--spooler-harakiri", "1")
	b.eval(`later("stuck", seconds=30)`)
	b.WaitLog(8*time.Second, `\*\*\* HARAKIRI ON spooler 1`)
	b.waitEvents("begin", "stuck", 2)
}

// TestSpoolerSharesDirectory: uWSGI works off our tasks and we its.
func TestSpoolerSharesDirectory(t *testing.T) {
	if harness.IsUWSGI() {
		t.Skip("both would be the same")
	}
	e := harness.New(t)
	dir := filepath.Join(e.Dir, "shared")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e.Write("app/other.py", `
import uwsgi
from muleapp import note
import muleapp

def work(task):
    note(other=sorted((k if isinstance(k, str) else k.decode(), v.decode()) for k, v in task.items() if k != "spooler_task_name"))
    return uwsgi.SPOOL_OK

uwsgi.spooler = work
application = muleapp.application
`)
	theirs := func(args ...string) *aside {
		app := appDir(e, "muleapp.py")
		a := &aside{t: t, dir: app, addr: harness.FreePort(t), out: filepath.Join(e.Dir, "out")}
		a.Server = e.StartWith(harness.Options{
			Program: []string{"uwsgi", "--plugin", "python3"},
			Args:    append([]string{"--http-socket", a.addr, "--chdir", app, "--module", "other", "--master"}, args...),
			Env:     []string{"MULE_OUT=" + a.out},
		})
		a.WaitServing("http", a.addr)
		return a
	}
	ours := startAsideIn(e, t, "muleapp", "--spooler-external", dir)
	ours.eval(`uwsgi.spool({"who": "gowsgi", "body": "text"})`)
	uwsgi := theirs("--spooler", dir)
	if !harness.Eventually(8*time.Second, func() bool { return len(tasks(dir)) == 0 }) {
		t.Fatalf("uWSGI left %v", tasks(dir))
	}
	if got := fmt.Sprint(uwsgi.events()); !strings.Contains(got, "[body text] [who gowsgi]") {
		t.Errorf("uWSGI read %s", got)
	}
	uwsgi.End()
	ours.End()
	uwsgi = theirs("--spooler-external", dir)
	if got := uwsgi.eval(`uwsgi.spool({b"who": b"uwsgi", b"body": b"more"})`); !strings.Contains(got, "uwsgi_spoolfile_on_") {
		t.Fatalf("uWSGI wrote %s", got)
	}
	uwsgi.End()
	ours = startAsideIn(e, t, "other", "--spooler", dir)
	if !harness.Eventually(8*time.Second, func() bool { return len(tasks(dir)) == 0 }) {
		t.Fatalf("gowsgi left %v", tasks(dir))
	}
	if got := fmt.Sprint(ours.events()); !strings.Contains(got, "[body more] [who uwsgi]") {
		t.Errorf("gowsgi read %s", got)
	}
}
