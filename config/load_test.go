package config

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCommandLine holds what getopt does and where we go on instead. budget: table of command lines.
func TestCommandLine(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nprocesses = 9\n", "/site/b.ini": "[uwsgi]\nthreads = 5\n[part]\nthreads = 6\n",
		"/site/c.json": `{"uwsgi": {"threads": 8}}`}
	rows := []struct {
		args string
		want string // settings joined with "; ", or "!" and a part of the error
	}{
		{"--processes 2 -p3 -p 4 --workers=5", "processes = 2; processes = 3; processes = 4; workers = 5"},
		{"-Mp2", "master = true; processes = 2"},
		{"-MC660", "master = true; chmod-socket = 660"},
		{"-C", "chmod-socket = true"},
		{"-C 660", "chmod-socket = 660"},
		{"--chmod-socket 0660", "chmod-socket = 0660"},
		{"--thunder --process 2", "thunder-lock = true; processes = 2"},
		{"--pyth /x", "!ambiguous"},
		{"--virtualen /x", "virtualenv = /x"},
		{"--master=false", "master = false"},
		{"--wsgi-file --socket", "wsgi-file = --socket"},
		{"--nosuch 1", "!--nosuch: unknown option"},
		{"--vaccum", "!did you mean vacuum"},
		{"--thunder_lock", "!did you mean thunder-lock"},
		{"-processes 4", "!did you mean --processes?"},
		{"-9", "!-9: unknown option"},
		{"--processes", "!needs a value"},
		{"-p", "!needs a value"},
		{"--ini a.ini --processes 2", "ini = a.ini; processes = 9; processes = 2"},
		{"a.ini --processes 2", "processes = 2; processes = 9"},
		{"--ini b.ini:part --ini :uwsgi", "ini = b.ini:part; threads = 6; ini = :uwsgi; threads = 5"},
		{"b.ini:part", "threads = 6"},
		{"--config a.ini", "config = a.ini; processes = 9"},
		{"--THUNDER-LOCK", "!unknown option"},
		{"--enable-foo", "!unknown option"},
		{"--ini :part", "!no file was read before"},
		{"--ini b.ini --json c.json --ini :part", "ini = b.ini; threads = 5; json = c.json; threads = 8; ini = :part; threads = 6"},
		{"--json c.json --ini :part", "!no file was read before"},
		{"-- a.ini", "processes = 9"},
		{"app.py", "wsgi-file = app.py"},
		{"pkg.app:application", "module = pkg.app:application"},
		{":8080", "http-socket = :8080"},
		{"[worker", ""},
		{"nothing.ini", "!cannot read nothing.ini: file does not exist"},
		{"what.is.this/that", "!cannot tell what this word is for"},
		{"--set processes=3 --set x=1", "set = processes=3; processes = 3; set = x=1; x = 1"},
		{"--set x", "!not key=value"},
		{"--ini=", "!no file is named"},
		{"--declare-option app=module=$1;chdir=$2 --app x --set y=1", "declare-option = app=module=$1;chdir=$2; app = x; module = x; chdir = $2; set = y=1; y = 1"},
		{"--prom 127.0.0.1:1", "prometheus = 127.0.0.1:1"},
		{"--if-plugin python3 --set a=%(_) --endif --if-plugin psgi --set b=1 --endif", "if-plugin = python3; set = a=python3; a = python3; endif = true; if-plugin = psgi; endif = true"},
		{"--ini a.ini --if-env HOME --threads 2 --else= --threads 3 --endif", "ini = a.ini; processes = 9; if-env = HOME; threads = 2; endif = true"},
		{"--set-ph processes=3", "!processes is an option, not a placeholder"},
		{"--ini sym://x", "!reads a symbol of uWSGI's own program"},
		{"--ini data://0", "!reads what was appended to uWSGI's own program"},
		{"--set x=@(call://f)", "!calls a C function"},
		{"--set x=@(section://.x)", "!reads a section"},
		{"emperor://a.ini", "!asks the emperor"},
		{"--ini unix:///run/x", "!unknown scheme"},
		{"--ini http://127.0.0.1/x.ini", "!not possible here"}, // Options.Fetch is nil,
		{"--processes 1 --threads x --chmod-socket=9", "!not a whole number"},
		{"--strict --ini s.ini", "!cannot read s.ini"},
	}
	for _, r := range rows {
		c, err := loadWith(files, strings.Fields(r.args)...)
		if text, isErr := strings.CutPrefix(r.want, "!"); isErr {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error %v, want %q", r.args, err, text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", r.args, err)
			continue
		}
		var got []string
		for _, e := range c.Entries {
			got = append(got, e.Key+" = "+e.shown())
		}
		if strings.Join(got, "; ") != r.want {
			t.Errorf("%s: got %s, want %s", r.args, strings.Join(got, "; "), r.want)
		}
	}
}

func TestActions(t *testing.T) {
	rows := []struct {
		args string
		want Action
	}{
		{"--help", Action{Kind: ActionHelp}},
		{"--processes x -h", Action{Kind: ActionHelp}},
		{"--version", Action{Kind: ActionVersion}},
		{"--reload /run/x.pid", Action{Kind: ActionSignal, Pidfile: "/run/x.pid", Signal: "HUP"}},
		{"--stop /run/x.pid", Action{Kind: ActionSignal, Pidfile: "/run/x.pid", Signal: "INT"}},
		{"--upgrade /run/x.pid", Action{Kind: ActionSignal, Pidfile: "/run/x.pid", Signal: "USR2"}},
		{"--pause /run/x.pid", Action{Kind: ActionSignal, Pidfile: "/run/x.pid", Signal: "TSTP"}},
		{"--resume /run/x.pid", Action{Kind: ActionSignal, Pidfile: "/run/x.pid", Signal: "TSTP"}},
		{"--check-config --socket :0", Action{Kind: ActionCheckConfig}},
		{"--show-config", Action{Kind: ActionShowConfig}},
		{"--explain chdir", Action{Kind: ActionExplain, Name: "chdir"}},
		{"--completion fish", Action{Kind: ActionCompletion, Name: "fish"}},
		{"--exit", Action{Kind: ActionExit, Code: 1}},
		{"--exit=7", Action{Kind: ActionExit, Code: 7}},
		{"--get a --get b --processes none", Action{Kind: ActionGet, Names: []string{"a", "b"}}},
		{"--dump-options", Action{Kind: ActionDumpOptions}},
		{"--loop-list --clocks-list", Action{Kind: ActionList, Names: []string{"loop-list", "clock-list"}}},
		{"--master", Action{}},
	}
	for _, r := range rows {
		c, err := loadWith(nil, strings.Fields(r.args)...)
		if err != nil {
			t.Errorf("%s: %v", r.args, err)
		} else if !reflect.DeepEqual(c.Action, r.want) {
			t.Errorf("%s: got %+v, want %+v", r.args, c.Action, r.want)
		}
	}
	for _, args := range []string{"--version --nosuch", "--explain nosuch", "--completion csh", "--reload", "--dump-options --nosuch", "--get a --ini nosuch.ini"} {
		if _, err := loadWith(nil, strings.Fields(args)...); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

// TestErrorsAreAllReported loads a file with several mistakes and wants each on a line with its place.
func TestErrorsAreAllReported(t *testing.T) {
	files := map[string]string{
		"/site/a.ini": "[uwsgi]\nprocesses = many\n; fine\nini = b.ini\nrack = x.ru\nfork-server = x\nfor-times = x\nfoo = 1\nendfor =\n",
		"/site/b.ini": "[uwsgi]\nsocket = :x\n\nchdir = @(gone)\n",
	}
	_, err := loadWith(files, "--ini", "a.ini", "--umask", "9")
	var all Diagnostics
	if !errors.As(err, &all) {
		t.Fatalf("error %v is no Diagnostics", err)
	}
	for _, want := range []string{
		"a.ini:2: processes = many: not a whole number",
		"b.ini:2 (included from a.ini:4): socket = :x: no port number",
		"b.ini:4 (included from a.ini:4): chdir = @(gone): cannot read gone: file does not exist",
		"a.ini:5: rack = x.ru: refused: only Python apps are served",
		"a.ini:6: fork-server = x: not supported yet: fork-server (a.ini:6)",
		"a.ini:7: for-times = x: not a number",
		"command line:3: umask = 9: not an octal umask",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s\nin\n%v", want, err)
		}
	}
	if len(all) != 7 {
		t.Errorf("%d problems, want 7:\n%v", len(all), err)
	}
	var one Diagnostic
	if !errors.As(err, &one) || one.Pos.Line == 0 {
		t.Errorf("errors.As finds no Diagnostic with a line: %+v", one)
	}
}

func TestUnknownKeys(t *testing.T) {
	text := "base = /srv\nchdir = %(base)/app\nvaccum = true\nstatic-map /static=./x\nunused = 1\n"
	files := map[string]string{"/site/a.ini": "[uwsgi]\n" + text, "/site/s.ini": "[uwsgi]\n" + text + "strict = true\n",
		"/site/p.ini": "[uwsgi]\nstrict\nset-placeholder = base=/srv\nchdir = %(base)/app\n"}
	c := mustLoad(t, files, "--ini", "a.ini")
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := []string{"a.ini:4: vaccum: unknown option: ignored (did you mean vacuum?)",
		"a.ini:5: static-map ...: unknown option: ignored (write static-map = ...)", "a.ini:6: unused: unknown option: ignored"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.Process.Chdir != "/srv/app" {
		t.Errorf("chdir %q", c.Process.Chdir)
	}
	_, err := loadWith(files, "--ini", "s.ini")
	if err == nil || strings.Count(err.Error(), "strict is set") != 4 || !strings.Contains(err.Error(), "set-placeholder = base=...") {
		t.Errorf("strict: %v", err)
	}
	mustLoad(t, files, "--ini", "p.ini")
}

// TestMergeConflict: real files hold even this.
func TestMergeConflict(t *testing.T) {
	c := mustLoad(t, map[string]string{"/site/a.ini": "[uwsgi]\n<<<<<<< HEAD\nprocesses = 2\n=======\nprocesses = 3\n>>>>>>> x\n"}, "--ini", "a.ini")
	if len(c.Warnings) != 3 || !strings.Contains(c.Warnings[1].Error(), "a.ini:4: a merge conflict was left in the file") {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestUnsupported(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nzerg-server = /y\nemperor = /x\nthreaded-logger = false\nthunder-lock = true\nplugins = python3,http, 0:netlink\n"}
	_, err := loadWith(files, "--ini", "a.ini")
	if err == nil || !strings.Contains(err.Error(), "not supported yet: zerg-server (a.ini:2)") || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("error %v", err)
	}
	c := mustLoad(t, files, "--ini", "a.ini", "--ignore-unsupported")
	if len(c.Warnings) != 3 || len(c.Notes) != 4 {
		t.Errorf("warnings %v\nnotes %v", c.Warnings, c.Notes)
	}
	for _, line := range []string{"plugin = psgi", "plugins = 5:lua", "plugin = /usr/lib/uwsgi/rack_plugin.so", "need-plugin = netlink"} {
		if _, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + line + "\n"}, "--ini", "a.ini"); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func TestRules(t *testing.T) {
	for text, want := range map[string]string{
		"threads = 2\ngevent = 100":                                       "threads and gevent exclude each other",
		"namespace = /a\npivot_root = /a /a/b":                            "both make the root",
		"socket = :80\nhttp-socket = :80":                                 "the address is bound already at a.ini:2",
		"namespace = /a\njail-net = veth:a,10.0.0.2/24,10.0.0.1,10.0.1.3": "not another one in the network",
		"namespace = /a\njail-net = veth:a,10.0.0.2/24,10.0.0.1,10.0.0.1": "not another one in the network",
		"jail-dev = minimal":                                              "only a root that namespace makes",
		"namespace = /a\njail-dev = host":                                 "not minimal or rootfs",
		"namespace-keep-mount = /x\nnamespace-net = 1":                    "no jail to keep a mount in",
	} {
		_, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + text + "\n"}, "--ini", "a.ini")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"namespace = /a\nreload-overlap = true\njail-net = veth:a,10.0.0.2/24,10.0.0.1": "two jails at once",
		"http-socket = :80\nmount = /a=b:c":                                             "no SCRIPT_NAME to choose the app by",
		"http-socket = :80\nstatic-index = a":                                           "no files are served",
		"logger = a stdio\nlog-route = b x":                                             "no logger has this name",
		"req-logger = a stdio\nlog-req-route = b x":                                     "no req-logger has this name",
		"http-socket = :80\nhttp-keepalive = 75":                                        "there is no http",
	} {
		c := mustLoad(t, map[string]string{"/site/a.ini": "[uwsgi]\n" + text + "\n"}, "--ini", "a.ini")
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), want) {
			t.Errorf("%q: %v, want %q", text, c.Warnings, want)
		}
	}
	mustLoad(t, map[string]string{"/site/a.ini": "[uwsgi]\nsocket = :0\nsocket = :0\nsocket = /a.sock\n"}, "--ini", "a.ini")
}

// Namespaces beside those of namespace are made too; a repeat is told and does no harm.
func TestUnshareBesideNamespace(t *testing.T) {
	for names, warnings := range map[string]int{"user,net,cgroup,time": 0, "fs,net": 1} {
		c := mustLoad(t, map[string]string{"/site/a.ini": "[uwsgi]\nnamespace = /a\nunshare = " + names + "\n"}, "--ini", "a.ini")
		if len(c.Warnings) != warnings || !c.Isolation.unsharesOf("net") {
			t.Errorf("%s: %v, warnings %v", names, c.Isolation.Unshare, c.Warnings)
		}
	}
}

func TestFallbackConfig(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nfallback-config = b.ini\nprocesses = x\n", "/site/b.ini": "[uwsgi]\nprocesses = 3\n",
		"/site/c.ini": "[uwsgi]\nfallback-config = d.ini\nprocesses = x\n", "/site/d.ini": "[uwsgi]\nfallback-config = d.ini\nthreads = y\n"}
	c := mustLoad(t, files, "--ini", "a.ini")
	if c.Process.Processes != 3 || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "fallback-config is used") {
		t.Errorf("processes %d, warnings %v", c.Process.Processes, c.Warnings)
	}
	if _, err := loadWith(files, "--ini", "a.ini", "--check-config"); err == nil {
		t.Error("a check passes because of the fallback")
	}
	_, err := loadWith(files, "--ini", "c.ini")
	if err == nil || !strings.Contains(err.Error(), "c.ini:3") || !strings.Contains(err.Error(), "d.ini:3") {
		t.Errorf("both files are broken: %v", err)
	}
}

// TestBombs are inputs that grow without end where nobody counts.
func TestBombs(t *testing.T) {
	double := "[uwsgi]\na0 = 0123456789\n"
	for i := 1; i < 40; i++ {
		double += "a" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + " = "
		prev := "a0"
		if i > 1 {
			prev = "a" + string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		}
		double += "%(" + prev + ")%(" + prev + ")\n"
	}
	files := map[string]string{
		"/site/double.ini":  double,
		"/site/self.ini":    "[uwsgi]\na = %(b)\nb = x%(a)\n",
		"/site/include.ini": "[uwsgi]\ninclude = include.ini\n",
		"/site/twice.ini":   "[uwsgi]\ninclude = twice.ini\ninclude = twice.ini\n" + strings.Repeat("; a long comment\n", 10000),
		"/site/both.ini":    "[uwsgi]\nfor = a b\ninclude = both.ini\nendfor\n",
		"/site/inherit.ini": "[uwsgi]\ninherit = inherit.ini\n",
		"/site/for.ini":     "[uwsgi]\nfor-times = 60000\nfor-times = 60000\nx = %(_)\nendfor\nendfor\n",
		"/site/times.ini":   "[uwsgi]\nfor-times = 9999999999\nx = 1\nendfor\n",
		"/site/deep.ini":    "[uwsgi]\n" + strings.Repeat("if-env = HOME\n", 100000),
		"/site/parens.ini":  "[uwsgi]\na = %(1 + " + strings.Repeat("(1 + ", 10000) + strings.Repeat(")", 10001) + "\n",
		"/site/declare.ini": "[uwsgi]\ndeclare-option = a=a=1\na = 2\n",
		"/site/mutual.ini":  "[uwsgi]\ndeclare-option = a=b=1;b=1\ndeclare-option = b=a=1;a=1\na = 2\n",
		"/site/big.ini":     "[uwsgi]\n" + strings.Repeat("x", maxFile+1),
	}
	for name := range files {
		file := strings.TrimPrefix(name, "/site/")
		start := time.Now()
		_, err := loadWith(files, "--ini", file)
		if err == nil {
			t.Errorf("%s: no error", file)
		} else if n := strings.Count(err.Error(), "\n"); n > maxFindings {
			t.Errorf("%s: %d lines of errors", file, n)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", file, took)
		}
	}
}

func TestEnvironmentVariables(t *testing.T) {
	c, err := Load(Options{Dir: "/site", Env: []string{"UWSGI_PROCESSES=3", "UWSGI_HTTP_SOCKET=:80", "UWSGI_RELOADS=1", "UWSGI_PLUGINS=python3",
		"UWSGI_MASTER=", "UWSGI_=x", "OTHER=1"}, Args: []string{"--processes", "4"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Process.Processes != 4 || len(c.Sockets.List) != 1 || len(c.Entries) != 5 || c.Sockets.List[0].Pos.String() != "environment:2" {
		t.Errorf("got %+v", c)
	}
}

// TestOwnVariables holds variables that begin with UWSGI_ but are the files' own: no option, no slip.
func TestOwnVariables(t *testing.T) {
	c, err := Load(Options{Dir: "/site", Env: []string{"UWSGI_NUMBER_OF_THREADS=4", "UWSGI_ROLE=web", "UWSGI_UNUSED_ONE=1"}, Args: []string{"--ini", "a.ini"},
		ReadFile: func(string) ([]byte, error) {
			return []byte("[uwsgi]\nif-env = UWSGI_NUMBER_OF_THREADS\nthreads = %(_)\nendif\nenv = ROLE=$(UWSGI_ROLE)\nenv = GONE=$(GONE)\n"), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 2 || c.Warnings[0].Key != "unused-one" || !strings.Contains(c.Warnings[1].Message, "GONE is not set") || c.Process.Threads != 4 {
		t.Errorf("threads %d, warnings %v", c.Process.Threads, c.Warnings)
	}
}

func TestEnvdir(t *testing.T) {
	files := map[string]string{"/d/A": "one\n", "/d/B": "x\ny\n", "/d/HOME": "", "/site/a.ini": "[uwsgi]\nif-env = HOME\nhere = 1\nendif\nearly-envdir = /d\n" +
		"chdir = /$(A)\nif-env = HOME\nprocesses = 7\nendif\n"}
	c, err := Load(Options{Dir: "/site", Env: []string{"HOME=/root"}, Args: []string{"--ini", "a.ini"},
		Glob: func(string) ([]string, error) { return []string{"/d/A", "/d/B", "/d/HOME"}, nil },
		Stat: func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist },
		ReadFile: func(p string) ([]byte, error) {
			return []byte(files[p]), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Process.Chdir != "/one" || strings.Join(c.Process.Env, "|") != "A=one|B=x\ny|HOME" || c.Process.Processes != 1 {
		t.Errorf("chdir %q, env %q, processes %d", c.Process.Chdir, c.Process.Env, c.Process.Processes)
	}
}

// TestIenv: a variable that the lines after it see, and the app.
func TestIenv(t *testing.T) {
	c := mustLoad(t, map[string]string{"/site/a.ini": "[uwsgi]\nienv = SITE=shop\nchdir = /srv/$(SITE)\nif-env = SITE\nprocesses = 3\nendif\nienv = HOME\n" +
		"if-env = HOME\nprocesses = 9\nendif\n"}, "--ini", "a.ini")
	if c.Process.Chdir != "/srv/shop" || c.Process.Processes != 3 || strings.Join(c.Process.Env, "|") != "SITE=shop|HOME" {
		t.Errorf("chdir %q, processes %d, env %q", c.Process.Chdir, c.Process.Processes, c.Process.Env)
	}
	if _, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\nienv = =x\n"}, "--ini", "a.ini"); err == nil || !strings.Contains(err.Error(), "a.ini:2: ienv = =x: no variable name") {
		t.Errorf("error %v", err)
	}
}

func TestStandardInput(t *testing.T) {
	o := Options{Dir: "/site", Args: []string{"--ini", "-"}, Stdin: strings.NewReader("[uwsgi]\nprocesses = x\n")}
	_, err := Load(o)
	if err == nil || !strings.HasPrefix(err.Error(), "standard input:2: ") {
		t.Errorf("error %v", err)
	}
	o.Reload = true
	if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "it was read at the first start") {
		t.Errorf("reload: %v", err)
	}
}

func TestSchemes(t *testing.T) {
	o := Options{Dir: "/site", Args: []string{"--ini", "exec://make-config", "--set", "n=@(exec://date +%Y)", "--set", "f=@(fd://7)"},
		Exec: func(cmd string) ([]byte, error) {
			return []byte("[uwsgi]\nchdir = /" + strings.Fields(cmd)[0] + "\n"), nil
		},
		ReadFD: func(fd int) ([]byte, error) { return []byte("seven\n"), nil }}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Process.Chdir != "/make-config" || !strings.Contains(c.Show(), "f = seven\n") || !strings.Contains(c.Show(), "n = [uwsgi]\nchdir = /date\n") {
		t.Errorf("got %s", c.Show())
	}
}
