package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"gowsgi/integration/harness"
)

// nsDir makes sure /ns/001, where the reference page has its rootfs, exists as a place to mount on, and removes what it made.
func nsDir(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"/ns", "/ns/001"} {
		if err := os.Mkdir(dir, 0o755); err == nil {
			t.Cleanup(func() { os.Remove(dir) })
		} else if !os.IsExist(err) {
			t.Fatal(err)
		}
	}
}

// TestReferenceCommand runs the command of the reference page, word by word, behind nginx. The rootfs is bound to /ns/001 in a mount
// namespace made for the test, so a real /ns/001 of the machine is not touched.
func TestReferenceCommand(t *testing.T) {
	e := harness.New(t)
	root := e.RootfsCopy()
	nsDir(t)
	const socket = "127.0.0.1:3031"
	if c, err := harness.Dial(socket, 1e9); err == nil {
		c.Close()
		t.Fatalf("port of the reference command is taken: %s", socket)
	}
	const command = "--socket 127.0.0.1:3031 --chdir /home/uwsgi/uwsgi --uid uwsgi --gid uwsgi --module uwsgicc --master --processes 4 " +
		"--namespace /ns/001:mybeautifulhostname"
	s := e.StartWith(harness.Options{Args: strings.Fields(command), Wrap: inPrivateMounts("mount --bind " + root + " /ns/001")})
	checkReference(t, e, s, socket)
}

// TestReferenceIni gives the same as keys of an ini file.
func TestReferenceIni(t *testing.T) {
	e := harness.New(t)
	root, socket := e.RootfsCopy(), harness.FreePort(t)
	before := e.Run("ls", "-A", root)
	ini := e.Write("site.ini", fmt.Sprintf(`[uwsgi]
socket = %s
chdir = /home/uwsgi/uwsgi
uid = uwsgi
gid = uwsgi
module = uwsgicc
master = true
processes = 4
namespace = %s:mybeautifulhostname
`, socket, root))
	s := e.Start("--ini", ini)
	checkReference(t, e, s, socket)
	if after := e.Run("ls", "-A", root); after != before {
		t.Errorf("the rootfs holds something new while the jail runs:\n%s", harness.Diff(before, after))
	}
	if now := harness.Mountinfo(t); strings.Contains(now, root) {
		t.Errorf("the host sees a mount of the jail:\n%s", now)
	}
	s.End()
	if after := e.Run("ls", "-A", root); after != before {
		t.Errorf("something was left in the rootfs:\n%s", harness.Diff(before, after))
	}
}

func checkReference(t *testing.T, e *harness.Env, s *harness.Server, socket string) {
	t.Helper()
	s.WaitServing("uwsgi", socket)
	for i := 1; i <= 4; i++ {
		s.WaitLog(5e9, fmt.Sprintf(`spawned uWSGI worker %d \(pid: \d+, cores: 1\)`, i))
	}
	nginx := e.Nginx(socket)[0]
	node, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	page := getBody(t, "http", nginx, "/")
	for _, want := range []string{"<p>node " + node + "</p>", "<p>hostname mybeautifulhostname</p>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	checkFlaskForms(t, nginx)
	f := getFacts(t, "http", nginx)
	if want := [2][3]int{{4711, 4711, 4711}, {4711, 4711, 4711}}; f.IDs != want {
		t.Errorf("ids are %v, want %v", f.IDs, want)
	}
	if f.CWD != harness.AppDir {
		t.Errorf("working directory is %s", f.CWD)
	}
	if f.PPID != 1 {
		t.Errorf("the worker's parent is %d, not the master with pid 1", f.PPID)
	}
	if f.Python != "/usr/bin/python3" {
		t.Errorf("interpreter is %s", f.Python)
	}
	if seen := workers(t, "http", nginx, 4); len(seen) != 4 {
		t.Errorf("only the workers %v answer, not 4", seen)
	}
}

// checkFlaskForms sends a form and an upload through nginx.
func checkFlaskForms(t *testing.T, addr string) {
	t.Helper()
	form := "name=w%C3%BCrfel"
	r, err := harness.FetchRaw(addr, fmt.Sprintf("POST /form HTTP/1.0\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(form), form), 10e9)
	if err != nil || r.Status != 200 || r.Body != "hello würfel" {
		t.Errorf("form: %+v, %v", r, err)
	}
	file := strings.Repeat("x", 1<<20)
	body := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\n" + file + "\r\n--b--\r\n"
	r, err = harness.FetchRaw(addr, fmt.Sprintf("POST /upload HTTP/1.0\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body), 10e9)
	if err != nil || r.Body != fmt.Sprint(1<<20) {
		t.Errorf("upload: %+v, %v", r, err)
	}
}

// TestCallableForms shows every way to name the app: application is taken before app.
func TestCallableForms(t *testing.T) {
	const both = "def application(e, s):\n    s('200 OK', [])\n    return [b'application']\n\n\n" +
		"def app(e, s):\n    s('200 OK', [])\n    return [b'app']\n\n\ndef other(e, s):\n    s('200 OK', [])\n    return [b'other']\n"
	only := both[strings.Index(both, "def app("):]
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"application first", []string{"--module", "both"}, "application"},
		{"then app", []string{"--module", "only"}, "app"},
		{"callable", []string{"--module", "both", "--callable", "other"}, "other"},
		{"module:callable", []string{"--module", "both:other"}, "other"},
		{"module in a package", []string{"--module", "pkg.mod:app"}, "app"},
		{"wsgi-file", []string{"--wsgi-file", "both.py"}, "application"},
		{"wsgi-file with callable", []string{"--wsgi-file", "only.py", "--callable", "other"}, "other"},
		{"file", []string{"--file", "only.py"}, "app"},
		{"w", []string{"-w", "both:app"}, "app"},
		{"pythonpath", []string{"--pythonpath", "lib", "--module", "inlib"}, "application"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			for name, text := range map[string]string{"both.py": both, "only.py": only, "pkg/__init__.py": "", "pkg/mod.py": both, "lib/inlib.py": both} {
				e.Write("app/"+name, text)
			}
			addr := harness.FreePort(t)
			s := e.Start(slices.Concat([]string{"--http-socket", addr, "--chdir", e.Dir + "/app", "--master"}, c.args)...)
			s.WaitServing("http", addr)
			if got := getBody(t, "http", addr, "/"); got != c.want {
				t.Errorf("%v serves %q, want %q", c.args, got, c.want)
			}
		})
	}
}
