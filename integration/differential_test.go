package integration

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// What is done here is done to the real uWSGI as well, and has to come out the same. Where it does not, `theirs` says what uWSGI does, and
// docs/differences.md why we do not. uWSGI takes its time, and a worker of its that is younger than a second may miss a signal, so that
// its half of signals, letters and lines is run by `make differential` only.

var uwsgiProgram = []string{"uwsgi", "--plugin", "python3"}

// subject is one of the two programs, at work.
type subject struct {
	*harness.Server
	t       *testing.T
	http    string
	fifo    string
	workers []int // before anything was done
	changed time.Time
}

// begin starts a program with these arguments beside the usual ones, and waits for as many workers.
func begin(t *testing.T, e *harness.Env, program []string, workers int, args ...string) *subject {
	t.Helper()
	e.CopyApp("probe.py", e.Dir+"/app")
	u := &subject{t: t, http: harness.FreePort(t), fifo: e.Dir + "/fifo"}
	all := []string{"--http-socket", u.http, "--chdir", e.Dir + "/app", "--module", "probe", "--master", "--auto-procname", "--master-fifo", u.fifo,
		"--pidfile", e.Dir + "/pid", "--logto", e.Dir + "/log", "--touch-reload", e.Dir + "/app/touched", "--touch-chain-reload", e.Dir + "/app/chained"}
	e.Write("app/touched", "1")
	e.Write("app/chained", "1")
	if program != nil {
		all = append(slices.Clone(program[1:]), all...)
		program = program[:1]
	}
	u.Server = e.StartWith(harness.Options{Program: program, Args: append(all, args...)})
	u.WaitServing("http", u.http)
	if !harness.Eventually(30*time.Second, func() bool { return len(u.running()) == workers }) {
		t.Fatalf("%d workers, want %d", len(u.running()), workers)
	}
	u.workers, u.changed = u.running(), time.Now()
	return u
}

// running lists the workers.
func (u *subject) running() (pids []int) {
	for _, p := range harness.Tree(u.PID)[1:] {
		if strings.HasPrefix(p.Cmdline(), "uWSGI worker") && p.State != 'Z' {
			pids = append(pids, p.PID)
		}
	}
	slices.Sort(pids)
	return pids
}

// outcome says in a word what has become of the program.
func (u *subject) outcome(quietly bool) string {
	if !u.Running() {
		return fmt.Sprintf("exit %d", u.WaitExit(time.Second))
	}
	now := u.running()
	stayed := 0
	for _, pid := range now {
		if slices.Contains(u.workers, pid) {
			stayed++
		}
	}
	if len(now) == 0 || quietly { // not asked whether it serves: that would wake it
		return map[bool]string{true: "asleep", false: "awake"}[len(now) == 0]
	}
	r, err := harness.Fetch("http", u.http, "/pid", time.Second)
	serves := err == nil && r.Status == 200
	switch {
	case !serves && stayed == len(now):
		return "paused"
	case !serves:
		return "not serving"
	case stayed == len(u.workers) && len(now) == stayed:
		return "as before"
	case stayed == 0 && len(now) == len(u.workers):
		return "new workers"
	case stayed == len(now):
		return fmt.Sprintf("%d fewer", len(u.workers)-stayed)
	case stayed == len(u.workers):
		return fmt.Sprintf("%d more", len(now)-stayed)
	}
	return fmt.Sprintf("%d of %d stayed", stayed, len(now))
}

// want waits for an outcome.
func (u *subject) want(what, outcome string) {
	u.t.Helper()
	if outcome == "as before" {
		time.Sleep(300 * time.Millisecond) // long enough for most of what should not happen
	}
	// Not too often: each look is a request, and one that comes while the last worker falls asleep wakes it.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(250 * time.Millisecond) {
		got := u.outcome(outcome == "asleep")
		if got == outcome {
			return
		}
		if time.Now().After(deadline) {
			text := u.unasked()
			u.t.Fatalf("%s: %s, want %s; log:\n%s", what, got, outcome, text[max(0, len(text)-3000):])
		}
	}
}

func (u *subject) logName() string { return strings.TrimSuffix(u.fifo, "fifo") + "log" }

func (u *subject) log() string {
	text, _ := os.ReadFile(u.logName())
	return string(text)
}

// unasked is the log without the looks of outcome.
func (u *subject) unasked() string {
	return regexp.MustCompile(`(?m)^\[pid.*GET /pid.*\n?`).ReplaceAllString(u.log(), "")
}

// both runs a test of the two programs.
func both(t *testing.T, run func(t *testing.T, e *harness.Env, program []string)) {
	t.Helper()
	t.Run("gowsgi", func(t *testing.T) { run(t, harness.New(t), nil) })
	if os.Getenv("DIFFERENTIAL") == "" {
		return
	}
	t.Run("uwsgi", func(t *testing.T) { run(t, harness.New(t), uwsgiProgram) })
}

// deed is something done to both.
type deed struct {
	name string
	do   func(u *subject)
	want string // outcome
	// theirs is uWSGI's when it differs.
	theirs string
}

func signalDeed(sig syscall.Signal, want, theirs string) deed {
	return deed{unix.SignalName(sig), func(u *subject) { u.Signal(sig) }, want, theirs}
}

func letterDeed(letter, want, theirs string) deed {
	return deed{"letter " + letter, func(u *subject) {
		f, err := os.OpenFile(u.fifo, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			u.t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(letter); err != nil {
			u.t.Fatal(err)
		}
	}, want, theirs}
}

// perform does one after the other to one program; each meets what the one before has left, except that workers are looked at anew.
func perform(t *testing.T, program []string, u *subject, deeds []deed) {
	t.Helper()
	for _, d := range deeds {
		if program != nil && d.want != "as before" { // uWSGI passes over workers that were spawned in the last second
			time.Sleep(time.Until(u.changed.Add(2 * time.Second)))
		}
		if u.Running() {
			u.workers = u.running()
		}
		d.do(u)
		want := d.want
		if program != nil && d.theirs != "" {
			want = d.theirs
		}
		u.want(d.name, want)
		if want != "as before" {
			u.changed = time.Now()
		}
	}
}

// TestSameSignals sends every signal that means something, to the process that the user started.
func TestSameSignals(t *testing.T) {
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		u := begin(t, e, program, 2, "--processes", "2")
		perform(t, program, u, []deed{
			signalDeed(unix.SIGHUP, "new workers", ""),
			signalDeed(unix.SIGTERM, "new workers", ""),
			signalDeed(unix.SIGTSTP, "paused", ""),
			signalDeed(unix.SIGTSTP, "as before", ""),
			signalDeed(unix.SIGUSR1, "as before", ""),
			signalDeed(unix.SIGWINCH, "as before", ""),
			signalDeed(unix.SIGURG, "as before", ""),
			signalDeed(unix.SIGCHLD, "as before", ""),
			signalDeed(unix.SIGPIPE, "as before", ""),
			signalDeed(unix.SIGINT, "exit 0", ""),
		})
	})
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		u := begin(t, e, program, 2, "--processes", "2", "--die-on-term")
		perform(t, program, u, []deed{signalDeed(unix.SIGQUIT, "new workers", ""), signalDeed(unix.SIGTERM, "exit 0", "")})
	})
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		perform(t, program, begin(t, e, program, 2, "--processes", "2"), []deed{signalDeed(unix.SIGQUIT, "exit 0", "")})
	})
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		// Here it is an upgrade, which ends with a reload. uWSGI's master dies of it, and its idle workers notice.
		perform(t, program, begin(t, e, program, 2, "--processes", "2"), []deed{signalDeed(unix.SIGUSR2, "new workers", "exit 140")})
	})
}

// TestSameLetters writes every letter into the fifo, and touches the files that stand for some.
func TestSameLetters(t *testing.T) {
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		u := begin(t, e, program, 2, "--processes", "4", "--cheaper", "1", "--cheaper-initial", "2", "--cheaper-algo", "manual")
		deeds := []deed{
			letterDeed("+", "1 more", ""), letterDeed("-", "1 fewer", ""), letterDeed("p", "paused", ""), letterDeed("p", "as before", ""),
			letterDeed("w", "new workers", ""), letterDeed("s", "as before", ""), letterDeed("l", "as before", ""), letterDeed("P", "as before", ""),
			letterDeed("W", "new workers", ""), letterDeed("?", "as before", ""), letterDeed("\n", "as before", ""),
			letterDeed("c", "new workers", ""), letterDeed("r", "new workers", ""), letterDeed("R", "new workers", ""),
			{"touch-chain-reload", func(*subject) { e.Write("app/chained", "two") }, "new workers", ""},
			{"touch-reload", func(*subject) { e.Write("app/touched", "two") }, "new workers", ""},
			letterDeed("C", "asleep", ""),
			{"a connection", func(u *subject) { getBody(t, "http", u.http, "/pid") }, "1 more", ""},
			letterDeed("q", "exit 0", ""),
		}
		perform(t, program, u, deeds)
	})
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		perform(t, program, begin(t, e, program, 1, "--processes", "1"), []deed{letterDeed("Q", "exit 0", "")})
	})
}

// TestSameExitCodes starts what cannot be started, or what ends by itself.
func TestSameExitCodes(t *testing.T) {
	e := harness.New(t)
	e.Write("broken/probe.py", "raise RuntimeError('broken')\n")
	e.Write("bad.ini", "[uwsgi]\nsocket\n= :\n")
	e.Write("stale.pid", "4194303\n")
	e.CopyApp("probe.py", e.Dir+"/app")
	taken := harness.FreePort(t)
	holder, err := net.Listen("tcp4", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	app := func(more ...string) []string {
		return append([]string{"--http-socket", harness.FreePort(t), "--master", "--chdir", e.Dir + "/app", "--module", "probe"}, more...)
	}
	for _, c := range []struct {
		name         string
		args         []string
		want, theirs int // theirs -2: the same, -1: not to be foretold
	}{
		{"version", []string{"--version"}, 0, -2},
		{"help", []string{"--help"}, 0, -2},
		{"an unknown option", []string{"--no-such-option"}, 1, -2},
		{"no such file", []string{"--ini", e.Dir + "/nothing.ini"}, 1, -2},
		{"an address that is taken", app("--socket", taken), 1, -2},
		{"need-app", []string{"--http-socket", harness.FreePort(t), "--master", "--chdir", e.Dir + "/broken", "--module", "probe", "--need-app"}, 22, -2},
		// In uWSGI chance decides between 22 and 0.
		{"need-app, lazy", []string{"--http-socket", harness.FreePort(t), "--master", "--chdir", e.Dir + "/broken", "--module", "probe", "--need-app", "--lazy-apps"}, 22, -1},
		{"no such directory", []string{"--http-socket", harness.FreePort(t), "--master", "--chdir", e.Dir + "/nowhere", "--module", "probe"}, 1, -2},
		{"no such user", app("--uid", "nobody-of-that-name"), 1, -2},
		{"a hook that fails", app("--hook-asap", "cd:/nowhere"), 1, -2},
		{"a hook that is unknown", app("--hook-asap", "frobnicate:x"), 1, -2},
		{"stop without a pidfile", []string{"--stop", e.Dir + "/no.pid"}, 1, -2},
		{"stop with a stale pidfile", []string{"--stop", e.Dir + "/stale.pid"}, 1, 255},
		{"reload with a stale pidfile", []string{"--reload", e.Dir + "/stale.pid"}, 1, 255},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, program := range [][]string{nil, uwsgiProgram} {
				if program != nil && c.theirs == -1 {
					continue
				}
				want, args := c.want, c.args
				o := harness.Options{Args: args}
				if program != nil {
					o = harness.Options{Program: program[:1], Args: append(slices.Clone(program[1:]), args...)}
					if c.theirs != -2 {
						want = c.theirs
					}
				}
				s := e.With(t).StartWith(o)
				if code := s.WaitExit(40 * time.Second); code != want {
					t.Errorf("%v: exit code %d, want %d; log:\n%s", program, code, want, s.Log())
				}
			}
		})
	}
}

// TestSameLines looks for the lines that people grep for, in both logs, over a life of a start, a death, reloads and a stop.
func TestSameLines(t *testing.T) {
	both(t, func(t *testing.T, e *harness.Env, program []string) {
		u := begin(t, e, program, 2, "--processes", "2", "--harakiri", "30", "--max-requests", "1000")
		getBody(t, "http", u.http, "/code")
		for _, line := range []string{
			`spawned uWSGI worker 1 \(pid: \d+, cores: 1\)`, `spawned uWSGI worker 2 \(pid: \d+, cores: 1\)`, `spawned uWSGI master process \(pid: \d+\)`,
			`WSGI app 0 \(mountpoint=''\) ready in \d+ seconds on interpreter \S+ pid: \d+ \(default app\)`,
			`uwsgi socket 0 bound to TCP address ` + regexp.QuoteMeta(u.http) + ` fd \d+`,
			`\[pid: \d+\|app: 0\|req: \d+/\d+\] 127\.0\.0\.1 \(\) \{\d+ vars in \d+ bytes\} \[[^]]+\] GET /code => generated \d+ bytes in \d+ msecs ` +
				`\(HTTP/1\.\d 200\) \d+ headers in \d+ bytes \(\d+ switches on core 0\)`,
		} {
			u.wantLine(line)
		}
		_ = unix.Kill(u.workers[0], unix.SIGKILL)
		u.wantLine(`DAMN ! worker [12] \(pid: \d+\) died, killed by signal 9 :\( trying respawn \.\.\.`)
		u.wantLine(`Respawned uWSGI worker [12] \(new pid: \d+\)`)
		if !harness.Eventually(10*time.Second, func() bool { return len(u.running()) == 2 }) {
			t.Errorf("%d workers", len(u.running()))
		}
		u.changed = time.Now()
		perform(t, program, u, []deed{letterDeed("c", "new workers", "")})
		for _, line := range []string{`chain next victim is worker 1`, `chain reloading complete`} {
			u.wantLine(line)
		}
		perform(t, program, u, []deed{signalDeed(unix.SIGTSTP, "paused", ""), signalDeed(unix.SIGTSTP, "as before", "")})
		u.wantLine(`\*\*\* PAUSE \(press start to resume, if you do not have a joypad send SIGTSTP\) \*\*\*`)
		u.wantLine(`\*\*\* worker 1 suspended \*\*\*`)
		u.wantLine(`\*\*\* worker 1 resumed \*\*\*`)
		perform(t, program, u, []deed{signalDeed(unix.SIGHUP, "new workers", "")})
		u.wantLine(`\.\.\.gracefully killing workers\.\.\.`)
		u.wantLine(`Gracefully killing worker 1 \(pid: \d+\)\.\.\.`)
		u.wantLine(`worker 1 buried after \d+ seconds?`)
		perform(t, program, u, []deed{signalDeed(unix.SIGINT, "exit 0", "")})
		u.wantLine(`SIGINT/SIG(QUIT|TERM) received\.\.\.killing workers\.\.\.`)
		u.wantLine(`goodbye to uWSGI\.`)
	})
}

// wantLine waits for a whole line of the log.
func (u *subject) wantLine(expr string) {
	u.t.Helper()
	whole := regexp.MustCompile(`(?m)^(.* - )?` + expr + `$`)
	if !harness.Eventually(10*time.Second, func() bool { return whole.MatchString(u.log()) }) {
		u.t.Errorf("no line is %s in\n%s", expr, u.log())
	}
}
