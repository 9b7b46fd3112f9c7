package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// front is a way to reach the app.
type front struct {
	name, proto, addr string
}

// fronts starts one server with every kind of socket, and nginx before the uwsgi ones.
func fronts(e *harness.Env, processes int, module string, more ...string) (*harness.Server, []front) {
	e.T.Helper()
	tcp, unix, http := harness.FreePort(e.T), e.Dir+"/app.sock", harness.FreePort(e.T)
	args := []string{"--socket", tcp, "--socket", unix, "--chmod-socket=666", "--http-socket", http, "--chdir", appDir(e, "validated.py", "djangoapp.py"),
		"--module", module, "--master", "--processes", fmt.Sprint(processes)}
	s := e.Start(append(args, more...)...)
	s.WaitServing("http", http)
	nginx := e.Nginx(tcp, "unix:"+unix)
	return s, []front{{"nginx, TCP", "http", nginx[0]}, {"nginx, unix", "http", nginx[1]}, {"uwsgi protocol", "uwsgi", tcp}, {"http-socket", "http", http}}
}

// TestWSGIValidate: the standard library's validator finds nothing on either protocol.
func TestWSGIValidate(t *testing.T) {
	e := harness.New(t)
	s, all := fronts(e, 1, "validated", "--catch-exceptions")
	for _, f := range all {
		for _, path := range []string{"/", "/a%20b/c?x=1&y=%C3%A4", "//double", "/%E4"} {
			r := harness.Get(t, f.proto, f.addr, path)
			if r.Status != 200 || !strings.HasPrefix(r.Body, "read 0 bytes, script ''") {
				t.Errorf("%s: GET %s: %d %.500q", f.name, path, r.Status, r.Body)
			}
		}
		r, err := post(f, "/p?q=1", "hello body")
		if err != nil || r.Status != 200 || r.Body != "read 10 bytes, script '', query 'q=1', input b'hello body'" {
			t.Errorf("%s: POST: %+v, %v", f.name, r, err)
		}
	}
	for _, word := range []string{"AssertionError", "Traceback", "WSGIWarning"} {
		if strings.Contains(s.Log(), word) {
			t.Errorf("the validator complained: the log has %s", word)
		}
	}
}

func post(f front, path, body string) (*harness.Response, error) {
	if f.proto == "uwsgi" {
		return harness.FetchUWSGI(f.addr, harness.Vars("POST", path), body, 10*time.Second)
	}
	return harness.FetchRaw(f.addr, fmt.Sprintf("POST %s HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body), 10*time.Second)
}

// TestPEP3333 goes through the corners of the specification on every front.
func TestPEP3333(t *testing.T) {
	e := harness.New(t)
	s, all := fronts(e, 1, "probe")
	source, err := os.ReadFile(e.Dir + "/app/probe.py")
	if err != nil {
		t.Fatal(err)
	}
	worker := getBody(t, "http", all[3].addr, "/pid")
	closings := 0
	for _, f := range all {
		for _, c := range []struct {
			path   string
			status int
			body   string
		}{
			{"/exc-info", 503, "replaced"},
			{"/write", 200, "written, returned"},
			{"/closing", 200, "abc"},
			{"/wrapped", 200, string(source)},
			{"/big?3000000", 200, strings.Repeat("b", 3000000)},
			{"/no-content", 204, ""},
			{"/nowhere", 404, "no such page"},
		} {
			r := harness.Get(t, f.proto, f.addr, c.path)
			if r.Status != c.status || r.Body != c.body {
				t.Errorf("%s: %s: %d %.100q", f.name, c.path, r.Status, r.Body)
			}
		}
		if r := harness.Get(t, f.proto, f.addr, "/exc-info"); r.Header.Get("X-Replaced") != "yes" {
			t.Errorf("%s: the headers were not replaced: %v", f.name, r.Header)
		}
		_, _ = harness.Fetch(f.proto, f.addr, "/closing?broken", 5*time.Second)
		closings += 2
		if got := getBody(t, f.proto, f.addr, "/closed"); got != fmt.Sprint(closings) {
			t.Errorf("%s: close was called %s times, want %d", f.name, got, closings)
		}
		for _, path := range []string{"/fail", "/bad-text"} {
			if r, err := harness.Fetch(f.proto, f.addr, path, 5*time.Second); err == nil && r.Status < 500 {
				t.Errorf("%s: %s: an app's error became %d %.100q", f.name, path, r.Status, r.Body)
			}
		}
		if r, err := harness.Fetch(f.proto, f.addr, "/fail-late", 5*time.Second); err == nil && r.Body != "first" {
			t.Errorf("%s: /fail-late: %+v", f.name, r)
		}
		r, err := head(f, "/big?1000")
		if err != nil || r.Status != 200 || r.Header.Get("Content-Length") != "1000" || r.Body != "" {
			t.Errorf("%s: HEAD: %+v, %v", f.name, r, err)
		}
	}
	if n := s.CountLog(`RuntimeError: asked to fail$`); n != len(all) {
		t.Errorf("%d tracebacks of /fail, want %d", n, len(all))
	}
	if now := getBody(t, "http", all[3].addr, "/pid"); now != worker {
		t.Errorf("the worker was %s and is %s", worker, now)
	}
}

func head(f front, path string) (*harness.Response, error) {
	if f.proto == "uwsgi" {
		return harness.FetchUWSGI(f.addr, harness.Vars("HEAD", path), "", 5*time.Second)
	}
	return harness.FetchRaw(f.addr, "HEAD "+path+" HTTP/1.0\r\nHost: x\r\n\r\n", 5*time.Second)
}

// TestRequestBodies sends bodies of many sizes by every front and reads them back whole and by lines.
func TestRequestBodies(t *testing.T) {
	e := harness.New(t)
	_, all := fronts(e, 2, "probe")
	for _, f := range all {
		for _, size := range []int{0, 1, 4095, 4096, 4097, 65536, 5 << 20} {
			body := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
			r, err := post(f, "/echo", body)
			if err != nil || r.Status != 200 || r.Body != body {
				t.Errorf("%s: echo of %d bytes: %v", f.name, size, err)
			}
		}
		if r, err := post(f, "/lines", "a\nbb\n\nccc"); err != nil || r.Body != "2 3 1 3 " {
			t.Errorf("%s: lines: %+v, %v", f.name, r, err)
		}
		if r, err := post(f, "/code", strings.Repeat("unread", 100000)); err != nil || r.Status != 200 || !strings.HasPrefix(r.Body, "one\n") {
			t.Errorf("%s: a body the app does not read: %v", f.name, err)
		}
	}
}

// TestEnvironBehindNginx looks at the variables an app gets through nginx.
func TestEnvironBehindNginx(t *testing.T) {
	e := harness.New(t)
	_, all := fronts(e, 2, "probe")
	node, _ := os.Hostname()
	for _, f := range all {
		var v map[string]any
		getJSON(t, f.proto, f.addr, "/environ?a=b", &v)
		for key, want := range map[string]any{
			"REQUEST_METHOD": "GET", "PATH_INFO": "/environ", "QUERY_STRING": "a=b", "REQUEST_URI": "/environ?a=b", "REMOTE_ADDR": "127.0.0.1",
			"SCRIPT_NAME": "", "wsgi.url_scheme": "http", "wsgi.multithread": false, "wsgi.multiprocess": true, "wsgi.run_once": false,
			"wsgi.version": "(1, 0)", "uwsgi.node": fmt.Sprintf("b'%s'", node),
		} {
			if v[key] != want {
				t.Errorf("%s: %s is %#v, want %#v", f.name, key, v[key], want)
			}
		}
	}
}

// TestDjango serves a Django site in the jail, behind nginx.
func TestDjango(t *testing.T) {
	e := harness.New(t)
	root, socket := e.RootfsCopy(), harness.FreePort(t)
	e.CopyApp("djangoapp.py", root+harness.AppDir)
	s := e.Start("--socket", socket, "--chdir", harness.AppDir, "--uid", "uwsgi", "--gid", "uwsgi", "--module", "djangoapp", "--master",
		"--processes", "2", "--namespace", root+":django")
	s.WaitServing("uwsgi", socket)
	nginx := e.Nginx(socket)[0]
	if got := getBody(t, "http", nginx, "/?x=%20y"); got != `{"hostname": "django", "uid": 4711, "secure": false, "path": "/?x=%20y"}` {
		t.Errorf("the site says %s", got)
	}
	if r := harness.Get(t, "http", nginx, "/missing"); r.Status != 404 {
		t.Errorf("a missing page has status %d", r.Status)
	}
}
