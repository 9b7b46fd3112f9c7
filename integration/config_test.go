package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestCommandLineForms: the ways to write the same option all reach the app's uwsgi.opt or its environment.
func TestCommandLineForms(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"--opt value", []string{"--processes", "3", "--master", "--env", "COLOUR=blue"}},
		{"--opt=value", []string{"--processes=3", "--master", "--env=COLOUR=blue"}},
		{"short", []string{"-p", "3", "-M", "--env", "COLOUR=blue"}},
		{"short, value attached", []string{"-p3", "-M", "--env", "COLOUR=blue"}},
		{"canonical name", []string{"--workers", "3", "--master", "--env", "COLOUR=blue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			addr := harness.FreePort(t)
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", appDir(e), "-w", "probe"}, c.args...)...)
			s.WaitServing("http", addr)
			var m struct{ Numproc int }
			getJSON(t, "http", addr, "/module", &m)
			if m.Numproc != 3 {
				t.Errorf("%d processes, want 3", m.Numproc)
			}
			if f := getFacts(t, "http", addr); f.Environment["COLOUR"] != "blue" {
				t.Errorf("COLOUR is %q", f.Environment["COLOUR"])
			}
		})
	}
}

// TestIniLanguage: comments, booleans, repeated keys in order, placeholders of every kind, several files, sections.
func TestIniLanguage(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	dir := appDir(e)
	e.Write("first.ini", fmt.Sprintf(`; a comment
# another
[uwsgi]
base = %s
http-socket = %s
chdir = %%(base)/app
module = probe
master = true
processes = 9
processes = $(COUNT)
env = NAME=%%n
env = DIR=%%d
env = SECTION=%%x
env = PERCENT=%%%%
env = ORDER=one
env = ORDER=two
disable-logging = false
`, e.Dir, addr))
	e.Write("second.ini", "[other]\nenv = WRONG=1\n[extra]\nenv = FROM=%x of %n\n")
	s := e.StartWith(harness.Options{Args: []string{"--ini", e.Dir + "/first.ini", "--ini", e.Dir + "/second.ini:extra"}, Env: []string{"COUNT=2"}})
	s.WaitServing("http", addr)
	f := getFacts(t, "http", addr)
	for key, want := range map[string]string{"NAME": "first", "DIR": e.Dir + "/", "SECTION": "", "PERCENT": "%", "ORDER": "two",
		"FROM": "extra of second", "WRONG": ""} {
		if f.Environment[key] != want {
			t.Errorf("%s is %q, want %q", key, f.Environment[key], want)
		}
	}
	var m struct{ Numproc int }
	getJSON(t, "http", addr, "/module", &m)
	if m.Numproc != 2 {
		t.Errorf("%d processes, want 2: the last one wins", m.Numproc)
	}
	if f.CWD != dir {
		t.Errorf("working directory is %s", f.CWD)
	}
	s.WaitLog(3*time.Second, "GET /facts")
}

// TestConfigErrors: each ends the start with a line that names file, line and what to do.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		ini  string
		args []string
		want []string // all in one line
	}{
		{"not a number", "[uwsgi]\nmaster = true\nprocesses = many\n", nil, []string{"site.ini:3", "processes", "many"}},
		{"unknown key, strict", "[uwsgi]\nstrict = true\nproceses = 4\n", nil, []string{"site.ini:3", "proceses", "processes"}},
		{"unknown option", "", []string{"--proceses", "4"}, []string{"proceses", "processes"}},
		{"option without its value", "", []string{"--processes"}, []string{"processes"}},
		{"not supported yet", "[uwsgi]\nmaster = true\n\nzerg-server = /tmp\n", nil, []string{"not supported yet: zerg-server", "site.ini:4"}},
		{"not supported yet, command line", "", []string{"--zerg-server", "/tmp"}, []string{"not supported yet: zerg-server"}},
		{"no such file", "", []string{"--ini", "/no/such/file.ini"}, []string{"/no/such/file.ini", "no such file"}},
		{"keep-mount without namespace", "[uwsgi]\nnamespace-keep-mount = /mnt\n", nil, []string{"site.ini:2", "namespace"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			args := []string{"--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe"}
			if c.ini != "" {
				args = append(args, "--ini", e.Write("site.ini", c.ini))
			}
			s := e.Start(append(args, c.args...)...)
			if code := s.WaitExit(10 * time.Second); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			for _, line := range s.LogLines() {
				all := true
				for _, words := range c.want {
					all = all && strings.Contains(strings.ToLower(line), strings.ToLower(words))
				}
				if all {
					return
				}
			}
			t.Errorf("no line names all of %q:\n%s", c.want, s.Log())
		})
	}
}

// TestConfigWarnings: an unknown key in a file is a warning with the place and the nearest name; placeholders of one's own are none of it.
func TestConfigWarnings(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	ini := e.Write("site.ini", fmt.Sprintf("[uwsgi]\nbase = %s\nhttp-socket = %s\nchdir = %%(base)\nmodule = probe\nmaster = true\nproceses = 4\n", appDir(e), addr))
	s := e.Start("--ini", ini)
	s.WaitServing("http", addr)
	s.WaitLog(3*time.Second, `site\.ini:7.*proceses.*processes`)
}

// TestIgnoreUnsupported starts all the same, and says what it leaves out.
func TestIgnoreUnsupported(t *testing.T) {
	e := harness.New(t)
	s, _ := plain(e, 1, "--ignore-unsupported", "--zerg-server", "/tmp")
	s.WaitLog(3*time.Second, "zerg-server")
}

// TestRealSiteIni starts from an ini as it is found in the wild.
func TestRealSiteIni(t *testing.T) {
	e := harness.New(t)
	uid, _ := harness.NeedUser()
	dir := appDir(e)
	if err := os.Chmod(e.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	ini := e.Write("site.ini", fmt.Sprintf(`[uwsgi]
; django-like site
project = probe
base = %s

plugins = python3
chdir = %%(base)
module = %%(project):application
pythonpath = %%(base)
master = true
processes = 2
threads = 2
enable-threads = true
single-interpreter = true
thunder-lock = true
socket = %s/%%(project).sock
chmod-socket = 666
vacuum = true
die-on-term = true
need-app = true
lazy-apps = true
buffer-size = 32768
post-buffering = 4096
harakiri-verbose = true
disable-logging = true
memory-report = true
pidfile = %s/%%(project).pid
`, dir, e.Dir, e.Dir))
	s := e.StartWith(harness.Options{Args: []string{"--ignore-unsupported", ini}, UID: uid})
	s.WaitServing("uwsgi", e.Dir+"/probe.sock")
	nginx := e.Nginx("unix:" + e.Dir + "/probe.sock")[0]
	if got := getBody(t, "http", nginx, "/code"); !strings.HasPrefix(got, "one\n") {
		t.Errorf("served %.50q", got)
	}
	s.Signal(15)
	if code := s.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"/probe.sock", "/probe.pid"} {
		if harness.Exists(e.Dir + name) {
			t.Errorf("vacuum left %s", name)
		}
	}
}

// TestShowConfig: the options as they were understood, as an ini; then the start goes on, as uWSGI's does.
func TestShowConfig(t *testing.T) {
	e := harness.New(t)
	s, _ := plain(e, 2, "--show-config", "--env", "A=%%b")
	for _, line := range []string{`^\[uwsgi\]$`, `^processes = 2$`, `^module = probe$`} {
		s.WaitLog(time.Second, line)
	}
}

// TestInformation: help and version print and end.
func TestInformation(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--help"}, "--namespace-keep-mount"},
		{[]string{"--version"}, "."},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			e := harness.New(t)
			s := e.Start(c.args...)
			if code := s.WaitExit(10 * time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(s.Log(), c.want) {
				t.Errorf("prints %.300q", s.Log())
			}
		})
	}
}
