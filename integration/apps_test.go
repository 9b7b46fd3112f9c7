package integration

import (
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// namedApps makes apps that answer with their name and what they were told of the path.
const namedApps = `
def make(name):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Gone", "1"), ("X-Stays", "1")])
        return [("%s SN=%s PI=%s" % (name, environ.get("SCRIPT_NAME") or "", environ["PATH_INFO"])).encode()]
    return app


application, two, root = make("one"), make("two"), make("root")
`

// TestMounts: the app is chosen by the longest mountpoint of the path, or by SCRIPT_NAME; uWSGI answers alike.
func TestMounts(t *testing.T) {
	paths := []string{"/", "/a", "/a/", "/a/x", "/ab", "/b/y", "/a/b/z", "/none", "/a%2fq"}
	for _, c := range []struct{ lines, want string }{
		{"mount = /a=named:application\nmount = /b=named:two", "one:/ one:/a one:/a/ one:/a/x one:/ab one:/b/y one:/a/b/z one:/none one:/a/q"},
		{"mount = /a=named:application\nmount = /b=named:two\nmanage-script-name = true",
			"one:/ one/a: one/a:/ one/a:/x one:/ab two/b:/y one/a:/b/z one:/none one/a:/q"},
		{"mount = /a=named.py\nmount = /a/b=named:two\nmanage-script-name = true\nmodule = named:root",
			"root:/ one/a: one/a:/ one/a:/x root:/ab root:/b/y two/a/b:/z root:/none one/a:/q"},
		{"mount = /a=nothere:app\nmount = /b=named:two\nmanage-script-name = true\nno-default-app = true",
			"500 500 500 500 500 two/b:/y 500 500 500"},
	} {
		t.Run(c.lines, func(t *testing.T) {
			e := harness.New(t)
			e.Write("named.py", namedApps)
			ours, real := twins(e, strings.Split(c.lines, "\n")...)
			for _, addr := range []string{ours, real} {
				var got []string
				for _, path := range paths {
					if addr == "" {
						continue
					}
					r := harness.Get(t, "http", addr, path)
					if r.Status == 500 {
						got = append(got, "500")
						continue
					}
					got = append(got, strings.NewReplacer(" SN=", "", " PI=", ":").Replace(r.Body))
				}
				if addr != "" && strings.Join(got, " ") != c.want {
					t.Errorf("%s (gowsgi: %v)\ngot  %s\nwant %s", addr, addr == ours, strings.Join(got, " "), c.want)
				}
			}
		})
	}
}

// TestScriptNameOfWebServer: without manage-script-name the SCRIPT_NAME in a uwsgi packet chooses the app, unless that is to be ignored.
func TestScriptNameOfWebServer(t *testing.T) {
	for more, want := range map[string]string{"": "two", "ignore-script-name = true": "one"} {
		t.Run(more, func(t *testing.T) {
			e := harness.New(t)
			e.Write("named.py", namedApps)
			addr := harness.FreePort(t)
			s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nsocket = "+addr+"\nmount = /a=named:application\nmount = /b=named:two\n"+more+"\n"))
			s.WaitServing("uwsgi", addr)
			vars := harness.Vars("GET", "/b/x")
			vars["SCRIPT_NAME"] = "/b"
			r, err := harness.FetchUWSGI(addr, vars, "", 5*time.Second)
			if err != nil || !strings.HasPrefix(r.Body, want+" ") {
				t.Errorf("%q: %v %+v", more, err, r)
			}
		})
	}
}

// TestImports: what is imported where and when, and what else surrounds the loading of an app.
func TestImports(t *testing.T) {
	e := harness.New(t)
	e.Write("named.py", namedApps)
	e.Write("shared.py", "import os\nprint('SHARED by', os.getpid())\n")
	e.Write("each.py", "import os, sys\nprint('EACH by', os.getpid(), sys.executable, sys.flags.optimize)\n")
	e.Write("file.py", "print('FILE')\nanswer = 42\n")
	e.Write("aliased.py", "import other\nfrom named import make\napplication = make('aliased%d' % other.answer)\n")
	addr := harness.FreePort(t)
	s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nmodule = aliased\nlazy-apps = true\nprocesses = 2\nhttp-socket = "+addr+"\nshared-import = shared\nimport = each\n"+
		"import = file.py\nimport = nothere\npymodule-alias = other="+e.Dir+"/file.py\npy-executable = /no/where\noptimize = 2\nchdir2 = /\n"))
	s.WaitServing("http", addr)
	if body := getBody(t, "http", addr, "/"); !strings.HasPrefix(body, "aliased42 ") {
		t.Errorf("got %q", body)
	}
	for expr, want := range map[string]int{"^SHARED by": 1, `^EACH by \d+ /no/where 2$`: 2, "^FILE$": 4, "No module named 'nothere'": 2, `^chdir\(\) to /$`: 2} {
		if !harness.Eventually(5*time.Second, func() bool { return s.CountLog(expr) == want }) {
			t.Errorf("%d lines %q, want %d", s.CountLog(expr), expr, want)
		}
	}
}

// TestEvalAndPaste: apps from a line of code and from a file of paste.deploy, of which the test has a stand-in.
func TestEvalAndPaste(t *testing.T) {
	e := harness.New(t)
	e.Write("named.py", namedApps)
	e.Write("paste/__init__.py", "")
	e.Write("paste/deploy.py", "from named import make\n\n\ndef loadapp(uri, name=None, relative_to=None):\n    return make('paste %s %s' % (uri.rpartition('/')[2], name))\n")
	for lines, want := range map[string]string{
		"eval = from named import make; application = make('evaluated')": "evaluated SN=",
		"paste = config:/x/prod.ini\npaste-name = main":                  "paste prod.ini main SN=",
		"mount = /=config:/x/prod.ini":                                   "paste prod.ini None SN=",
		"ini-paste = inner.ini":                                          "paste inner.ini None SN=",
	} {
		addr := harness.FreePort(t)
		e.Write("inner.ini", "[app:main]\nuse = egg:x\n[uwsgi]\nenv = INNER=1\n")
		s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nhttp-socket = "+addr+"\n"+lines+"\n"))
		s.WaitServing("http", addr)
		if body := getBody(t, "http", addr, "/"); !strings.HasPrefix(body, want) {
			t.Errorf("%s: got %q, want %q", lines, body, want)
		}
		s.End()
	}
}

// TestAnswersOfTheServer: headers put in and taken out, bodies that are too long, pages of one's own for errors.
func TestAnswersOfTheServer(t *testing.T) {
	e := harness.New(t)
	e.Write("named.py", namedApps+"\n\ndef application(environ, start_response):\n    if environ['PATH_INFO'] == '/fail':\n        raise ValueError\n"+
		"    environ['wsgi.input'].read()\n    return make('fine')(environ, start_response)\n")
	page := e.Write("500.html", "<h1>our page</h1>")
	http, uwsgi := harness.FreePort(t), harness.FreePort(t)
	s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nmodule = named\nhttp-socket = "+http+"\nsocket = "+uwsgi+"\nadd-header = X-New: a: b\nrem-header = x-gone\n"+
		"limit-post = 5\nerror-page-500 = /no/such/page\nerror-page-500 = "+page+"\n"))
	s.WaitServing("http", http)
	r := harness.Get(t, "http", http, "/")
	if r.Header.Get("X-New") != "a: b" || r.Header.Get("X-Gone") != "" || r.Header.Get("X-Stays") != "1" {
		t.Errorf("headers: %v", r.Header)
	}
	if r := harness.Get(t, "http", http, "/fail"); r.Status != 500 || r.Body != "<h1>our page</h1>" || r.Header.Get("Content-Type") != "text/html" {
		t.Errorf("the page: %+v", r)
	}
	for request, want := range map[string]int{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345":                                      200,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n123456":                                     413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n":           200,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n3\r\n456\r\n0\r\n\r\n": 413,
	} {
		if r, err := harness.FetchRaw(http, request, 5*time.Second); err != nil || r.Status != want {
			t.Errorf("%q: %v %+v, want %d", request, err, r, want)
		}
	}
	vars := harness.Vars("POST", "/")
	vars["CONTENT_LENGTH"] = "6"
	if r, err := harness.FetchUWSGI(uwsgi, vars, "123456", 5*time.Second); err != nil || r.Status != 413 {
		t.Errorf("through the uwsgi protocol: %v %+v", err, r)
	}
}

// TestAutoReload: new code is taken up when a file changes, also after code that did not load.
func TestAutoReload(t *testing.T) {
	e := harness.New(t)
	code := func(text string) { e.Write("part.py", text) }
	e.Write("env.py", "import part\n\n\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [part.text]\n")
	code("text = b'first'\n")
	addr := harness.FreePort(t)
	s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nmodule = env\nhttp-socket = "+addr+"\npy-autoreload = 1\npy-auto-reload-ignore = unused\nprocesses = 2\n"))
	s.WaitServing("http", addr)
	answers := func(want string) bool {
		return harness.Eventually(15*time.Second, func() bool {
			r, err := harness.Fetch("http", addr, "/", 2*time.Second)
			return err == nil && strings.Contains(r.Body, want)
		})
	}
	time.Sleep(200 * time.Millisecond) // no assertion: a first look is to be over before the file changes
	for _, step := range []struct{ code, want string }{{"text = b'second'\n", "second"}, {"text = = 1\n", "Internal Server Error"}, {"text = b'fourth one'\n", "fourth one"}} {
		code(step.code)
		if !answers(step.want) {
			t.Fatalf("the answer is not %q", step.want)
		}
	}
	if n := s.CountLog(`\[uwsgi-python-reloader\] module/file .*part.py has been modified`); n != 3 {
		t.Errorf("%d lines name the file, want 3", n)
	}
}
