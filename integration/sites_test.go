package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// startedSite is a file of config/testdata/sites that is started as it is: its paths are made in a mount namespace, its ports are those of a
// network namespace.
type startedSite struct {
	file        string
	proto, addr string   // where one request goes
	apps        []string // files that the app is written to
	venv        string   // a virtualenv that the file names
	dirs        []string // further directories
	args        []string // what the tool that starts such files adds
	path        string   // of the request, "" = /
}

const siteCWD = "/srv/sites"

var startedSites = []startedSite{
	{file: "02-django-nginx", proto: "uwsgi", addr: "/srv/shop/run/shop.sock", apps: []string{"/srv/shop/shop/wsgi.py"}, venv: "/srv/shop/venv", dirs: []string{"/srv/shop/run"}},
	{file: "03-flask-http", proto: "http", addr: "127.0.0.1:8080", apps: []string{"app.py"}},
	{file: "04-docker-env", proto: "http", addr: "127.0.0.1:8000", apps: []string{"core/wsgi.py"}},
	{file: "05-inline-comments", proto: "uwsgi", addr: "/run/app/uwsgi.sock", apps: []string{"app/main.py"}, dirs: []string{"/run/app"}},
	{file: "06-cheaper", proto: "uwsgi", addr: "127.0.0.1:3031", apps: []string{"plain/wsgi.py"}},
	{file: "07-worker-life", proto: "http", addr: "127.0.0.1:8000", apps: []string{"deploy/wsgi.py"}},
	{file: "08-sections", proto: "uwsgi", addr: "/run/seed/app.sock", apps: []string{"/srv/seed/seed/wsgi.py"}, dirs: []string{"/run/seed"}},
	{file: "09-typos", proto: "uwsgi", addr: "127.0.0.1:8001", apps: []string{"wsgi.py"}},
	{file: "10-include-sub", proto: "uwsgi", addr: "127.0.0.1:3032", apps: []string{"app.py"}},
	{file: "12-host-jail", proto: "http", addr: "127.0.0.1:8080", apps: []string{"demo.py"}},
	{file: "19-ubuntu-app", proto: "uwsgi", addr: "/run/uwsgi/app/site/socket", apps: []string{"/var/www/site/plain/wsgi.py"}, venv: "/var/www/site/venv",
		dirs: []string{"/run/uwsgi/app/site"}, args: []string{"--socket", "/run/uwsgi/app/site/socket"}},
	{file: "20-http-router", proto: "http", addr: "127.0.0.1:8080", apps: []string{"web.py"}},
	{file: "21-sockopts", proto: "uwsgi", addr: "@app", apps: []string{"app.py"}},
	{file: "22-somaxconn", proto: "uwsgi", addr: "127.0.0.1:8002", apps: []string{"kpi/wsgi.py"}},
	{file: "23-arith", proto: "uwsgi", addr: "127.0.0.1:8003", apps: []string{"registry/app.py"}},
	{file: "24-for-sockets", proto: "uwsgi", addr: "127.0.0.1:4033", apps: []string{"multi.py"}},
	{file: "25-env", proto: "http", addr: "127.0.0.1:8004", apps: []string{"app/wsgi.py"}},
	{file: "26-stats", proto: "uwsgi", addr: "/tmp/a.sock", apps: []string{"a.py"}},
	{file: "27-crlf", proto: "uwsgi", addr: "127.0.0.1:8005", apps: []string{"win/app.py"}},
	{file: "28-bom", proto: "uwsgi", addr: "127.0.0.1:8006", apps: []string{"bom/app.py"}},
	{file: "29-trailing-semicolon", proto: "uwsgi", addr: "127.0.0.1:8080", apps: []string{"av/gate.py"}},
	{file: "30-custom-placeholders", proto: "uwsgi", addr: "/var/www/example.org/uh_project/run.sock", apps: []string{"/var/www/example.org/uh_project/uh/wsgi.py"},
		venv: "/var/www/example.org/uh_project/venv", dirs: []string{"/var/www/example.org/uh_project/logs"}},
	{file: "32-mounts", proto: "uwsgi", addr: "127.0.0.1:8008", apps: []string{"one.py", "two.py"}, path: "/app2/x"},
	{file: "34-safe-pidfile", proto: "http", addr: "127.0.0.1:8010", apps: []string{"keep.py"}},
	{file: "36-show-config", proto: "uwsgi", addr: "/srv/app.sock", apps: []string{"zenaida/wsgi.py"}},
	{file: "37-no-section", proto: "uwsgi", addr: "127.0.0.1:8012", apps: []string{"bare.py"}},
	{file: "38-shared-socket", proto: "http", addr: "127.0.0.1:80", apps: []string{"app.py"}},
	{file: "39-booleans", proto: "uwsgi", addr: "127.0.0.1:8013", apps: []string{"b.py"}},
	{file: "40-declare", proto: "uwsgi", addr: "/run/shop.sock", apps: []string{"shop/wsgi.py"}},
}

// siteApp answers under every name that a site may ask for.
const siteApp = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("served by %s" % __file__).encode()]


app = alive = application
`

// TestSitesServe starts the files of config/testdata/sites unchanged, each with an app where the file expects it, and asks each for a page.
func TestSitesServe(t *testing.T) {
	harness.NeedRoot(t)
	all, err := filepath.Glob(harness.Repo() + "/config/testdata/sites/*.ini")
	if err != nil || len(startedSites) < len(all)/2 {
		t.Fatalf("%d of %d sites are started, not half: %v", len(startedSites), len(all), err)
	}
	for _, s := range startedSites {
		t.Run(s.file, func(t *testing.T) { s.serve(t) })
	}
}

func (s *startedSite) serve(t *testing.T) {
	e := harness.New(t)
	tree := filepath.Join(e.Dir, "tree")
	at := func(name string) string {
		if !filepath.IsAbs(name) {
			name = filepath.Join(siteCWD, name)
		}
		return filepath.Join(tree, name)
	}
	if err := os.CopyFS(at("."), os.DirFS(harness.Repo()+"/config/testdata/sites")); err != nil {
		t.Fatal(err)
	}
	for _, app := range s.apps {
		e.Write(at(app), siteApp)
	}
	if s.venv != "" {
		e.Write(at(s.venv+"/pyvenv.cfg"), "home = /usr/bin\ninclude-system-site-packages = false\n")
		e.Run("mkdir", "-p", at(s.venv+"/bin"))
		e.Run("ln", "-s", "/usr/bin/python3", at(s.venv+"/bin/python3"))
	}
	script := `exec 9<"$1" && shift && ip link set lo up` // by descriptor: the binary may lie below what is hidden now
	for _, top := range []string{"/srv", "/var", "/run", "/tmp"} {
		e.Run("mkdir", "-p", tree+top)
		script += fmt.Sprintf(" && mount --bind %s%s %s", tree, top, top)
	}
	for _, dir := range s.dirs {
		e.Run("mkdir", "-p", at(dir))
	}
	server := e.StartWith(harness.Options{
		Wrap: []string{"unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script + " && cd " + siteCWD + ` && exec /proc/self/fd/9 "$@"`, "sh"},
		Args: append([]string{"--ini", s.file + ".ini"}, s.args...),
	})
	addr, path := s.addr, s.path
	if strings.HasPrefix(addr, "/") {
		addr = tree + addr
	}
	if path == "" {
		path = "/"
	}
	var body string
	var err error
	ok := harness.Eventually(15*time.Second, func() bool {
		err = inNetworkOf(server.PID, func() error {
			r, err := harness.Fetch(s.proto, addr, path, 2*time.Second)
			if err == nil {
				body = fmt.Sprint(r.Status, " ", r.Body)
			}
			return err
		})
		return err == nil || !server.Running()
	})
	want := "200 served by "
	if !ok || !strings.HasPrefix(body, want) || !strings.HasSuffix(body, filepath.Base(s.apps[len(s.apps)-1])) {
		t.Errorf("%s: %q, %v; running: %v", s.file, body, err, server.Running())
	}
	server.End()
}

// inNetworkOf runs f in the network namespace of a process, once that has one of its own.
func inNetworkOf(pid int, f func() error) error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	name := fmt.Sprintf("/proc/%d/ns/net", pid)
	if other, err := os.Readlink(name); err != nil || other == own {
		return fmt.Errorf("no network namespace yet: %s %v", other, err)
	}
	done := make(chan error)
	var enter func(held chan struct{})
	enter = func(held chan struct{}) {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The first thread cannot end, and it is what others see of the process: hold it while another one does the work.
			defer runtime.UnlockOSThread()
			release := make(chan struct{})
			go enter(release)
			<-release
			return
		}
		if held != nil {
			defer close(held)
		}
		ns, err := os.Open(name)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err // the thread stays locked and ends with the goroutine
	}
	go enter(nil)
	return <-done
}
