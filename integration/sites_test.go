package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
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

	programs []string // scripts that do nothing but wait
	rootfs   string   // where the file expects one; its app is the last of apps
	mounts   []string // further file systems of the host
	pidfile  string   // of a server that detaches itself
}

// refusedSites are those that do not start, with the line that says why.
var refusedSites = map[string]string{
	"14-emperor": `^14-emperor.ini:2: emperor = .*: not supported yet`,
	"15-static":  `^15-static.ini:10: route-uri = .*: not supported yet`,
	"31-gevent":  `^31-gevent.ini:4: gevent = 100: not supported yet`,
	"41-php":     `^41-php.ini:2: plugins = php: refused: php runs apps of another language.*run them with uWSGI`,
}

const siteCWD = "/srv/sites"

var startedSites = []startedSite{
	{file: "01-reference-jail", proto: "uwsgi", addr: "127.0.0.1:3031", rootfs: "/ns/001", apps: []string{"/ns/001/home/uwsgi/uwsgi/uwsgicc.py"}},
	{file: "02-django-nginx", proto: "uwsgi", addr: "/srv/shop/run/shop.sock", apps: []string{"/srv/shop/shop/wsgi.py"}, venv: "/srv/shop/venv", dirs: []string{"/srv/shop/run"}},
	{file: "03-flask-http", proto: "http", addr: "127.0.0.1:8080", apps: []string{"app.py"}},
	{file: "04-docker-env", proto: "http", addr: "127.0.0.1:8000", apps: []string{"core/wsgi.py"}},
	{file: "05-inline-comments", proto: "uwsgi", addr: "/run/app/uwsgi.sock", apps: []string{"app/main.py"}, dirs: []string{"/run/app"}},
	{file: "06-cheaper", proto: "uwsgi", addr: "127.0.0.1:3031", apps: []string{"plain/wsgi.py"}},
	{file: "07-worker-life", proto: "http", addr: "127.0.0.1:8000", apps: []string{"deploy/wsgi.py"}},
	{file: "08-sections", proto: "uwsgi", addr: "/run/seed/app.sock", apps: []string{"/srv/seed/seed/wsgi.py"}, dirs: []string{"/run/seed"}},
	{file: "09-typos", proto: "uwsgi", addr: "127.0.0.1:8001", apps: []string{"wsgi.py"}},
	{file: "10-include-sub", proto: "uwsgi", addr: "127.0.0.1:3032", apps: []string{"app.py"}},
	{file: "11-jail-keep", proto: "uwsgi", addr: "/apps/app1/run/app1.sock", rootfs: "/apps/app1", apps: []string{"/apps/app1/srv/app1/app1/wsgi.py"},
		dirs: []string{"/apps/app1/data"}, mounts: []string{"/apps/app1/nfs", "/mnt/nfs1"}},
	{file: "12-host-jail", proto: "http", addr: "127.0.0.1:8080", apps: []string{"demo.py"}},
	{file: "13-pivot-page", proto: "uwsgi", addr: "/run/app.sock", rootfs: "/distros/precise", apps: []string{"/distros/precise/app.py"},
		dirs: []string{"/distros/precise/.old_root"}},
	{file: "16-log-format", proto: "uwsgi", addr: "127.0.0.1:3031", apps: []string{"app.py"}},
	{file: "17-json-logs", proto: "http", addr: "127.0.0.1:9000", apps: []string{"api/wsgi.py"}},
	{file: "18-daemons", proto: "uwsgi", addr: "127.0.0.1:8001", apps: []string{"proj/wsgi.py"}, dirs: []string{"/tmp/spool"},
		programs: []string{"manage.py", "/usr/local/bin/celery", "py/mules/radius.py"}},
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
	{file: "33-daemonize", proto: "uwsgi", addr: "127.0.0.1:8009", apps: []string{"old.py"}, dirs: []string{"/var/log/uwsgi", "/var/run"}, pidfile: "/var/run/old.pid"},
	{file: "34-safe-pidfile", proto: "http", addr: "127.0.0.1:8010", apps: []string{"keep.py"}},
	{file: "35-limits", proto: "uwsgi", addr: "127.0.0.1:8011", rootfs: "/srv/root", apps: []string{"/srv/root/lim.py"}, mounts: []string{siteCgroups}},
	{file: "36-show-config", proto: "uwsgi", addr: "/srv/app.sock", apps: []string{"zenaida/wsgi.py"}},
	{file: "37-no-section", proto: "uwsgi", addr: "127.0.0.1:8012", apps: []string{"bare.py"}},
	{file: "38-shared-socket", proto: "http", addr: "127.0.0.1:80", apps: []string{"app.py"}},
	{file: "39-booleans", proto: "uwsgi", addr: "127.0.0.1:8013", apps: []string{"b.py"}},
	{file: "40-declare", proto: "uwsgi", addr: "/run/shop.sock", apps: []string{"shop/wsgi.py"}},
	{file: "42-many-threads", proto: "uwsgi", addr: "127.0.0.1:8014", apps: []string{"t/wsgi.py"}, programs: []string{"/usr/local/bin/python3"}},
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
	if err != nil || len(all) != len(startedSites)+len(refusedSites) {
		t.Fatalf("%d sites are started and %d refused of %d: %v", len(startedSites), len(refusedSites), len(all), err)
	}
	for file, expr := range refusedSites {
		t.Run(file, func(t *testing.T) {
			e := harness.New(t)
			refused(e, harness.Options{Dir: harness.Repo() + "/config/testdata/sites", Args: []string{"--ini", file + ".ini"}}, expr)
		})
	}
	for _, s := range startedSites {
		t.Run(s.file, func(t *testing.T) { s.serve(t) })
	}
}

// siteWorld is what a started site sees in place of the machine.
type siteWorld struct {
	*startedSite
	e      *harness.Env
	tree   string // holds /srv, /var and so on
	rootfs string // a copy of the rootfs, when the site has one
}

// siteTops are the directories of the machine that are hidden behind those of a site.
var siteTops = []string{"/srv", "/var", "/run", "/tmp"}

// at says where a path of the site is outside.
func (w *siteWorld) at(name string) string {
	if w.rootfs != "" && strings.HasPrefix(name, w.startedSite.rootfs) {
		return w.rootfs + strings.TrimPrefix(name, w.startedSite.rootfs)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(siteCWD, name)
	}
	return filepath.Join(w.tree, name)
}

// fill writes all files that the site expects.
func (w *siteWorld) fill() {
	e := w.e
	if err := os.CopyFS(w.at("."), os.DirFS(harness.Repo()+"/config/testdata/sites")); err != nil {
		e.T.Fatal(err)
	}
	if w.startedSite.rootfs != "" {
		w.rootfs = e.RootfsCopy()
		for name, line := range map[string]string{"/etc/passwd": "app1:x:1234:1234::/:/bin/sh\n", "/etc/group": "app1:x:1234:\n"} {
			old, err := os.ReadFile(w.rootfs + name)
			if err != nil {
				e.T.Fatal(err)
			}
			e.Write(w.rootfs+name, string(old)+line)
		}
	}
	for _, app := range w.apps {
		e.Write(w.at(app), siteApp)
	}
	if w.venv != "" {
		e.Write(w.at(w.venv+"/pyvenv.cfg"), "home = /usr/bin\ninclude-system-site-packages = false\n")
		w.programs = append(w.programs, w.venv+"/bin/python3")
	}
	for _, name := range w.programs {
		switch {
		case filepath.Base(name) == "python3":
			e.Run("mkdir", "-p", filepath.Dir(w.at(name)))
			e.Run("ln", "-s", "/usr/bin/python3", w.at(name))
		case strings.Contains(name, "mules/"):
			e.Write(w.at(name), "import time\nwhile True:\n    time.sleep(1)\n")
		default:
			e.Write(w.at(name), "#!/bin/sh\nexec sleep 1000\n")
			e.Run("chmod", "755", w.at(name))
		}
	}
	for _, dir := range append(w.dirs, siteTops...) {
		e.Run("mkdir", "-p", w.at(dir))
	}
}

// script puts the site's files in place, in a mount namespace, and executes its arguments.
func (w *siteWorld) script() string {
	lines := []string{`exec 9<"$1"`, "shift", "ip link set lo up"} // by descriptor: the binary may lie below what is hidden soon
	if w.rootfs != "" {
		// The machine has no /ns: an overlay of its root has.
		over := filepath.Join(w.e.Dir, "over")
		lines = append(lines, "mkdir "+over, "mount -t tmpfs tmpfs "+over, "cd "+over, "mkdir upper work root",
			"mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root", "cd root")
		for _, dir := range []string{"dev", "proc", "sys", "tmp"} {
			lines = append(lines, "mount --rbind /"+dir+" "+dir)
		}
		lines = append(lines, "mkdir -p .old .rootfs ns", "mount --bind "+w.rootfs+" .rootfs", "pivot_root . .old", "umount -l /.old")
	}
	tops := siteTops
	if harness.Exists(filepath.Join(w.tree, "usr/local/bin")) {
		tops = append([]string{"/usr/local/bin"}, tops...)
	}
	for _, top := range tops {
		lines = append(lines, fmt.Sprintf("mount --bind %s%s %s", w.tree, top, top))
	}
	if w.rootfs != "" {
		lines = append(lines, "mkdir -p "+w.startedSite.rootfs, "mount --bind /.rootfs "+w.startedSite.rootfs)
	}
	for _, dir := range w.mounts {
		if dir != siteCgroups {
			lines = append(lines, "mkdir -p "+dir, "mount -t tmpfs none "+dir)
			continue
		}
		own := dir + "/" + w.cgroup()
		lines = append(lines, "mount -t cgroup2 none "+dir, "mkdir "+own, "mount --bind "+own+" "+dir)
	}
	return strings.Join(append(lines, "cd "+siteCWD, `exec /proc/self/fd/9 "$@"`), " && ")
}

const siteCgroups = "/sys/fs/cgroup"

// cgroup is the control group that the site takes for the root of all. It is gone when the test ends.
func (w *siteWorld) cgroup() string {
	name := fmt.Sprintf("gowsgi-site-%d", os.Getpid())
	remove := fmt.Sprintf("mount -t cgroup2 none /mnt && cd /mnt && { [ ! -d %s/app ] || rmdir %s/app; } && rmdir %s", name, name, name)
	w.e.T.Cleanup(func() {
		if !harness.Eventually(5*time.Second, func() bool {
			return exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", remove).Run() == nil
		}) {
			w.e.T.Errorf("cannot remove the control group %s", name)
		}
	})
	return name
}

func (s *startedSite) serve(t *testing.T) {
	e := harness.New(t)
	w := &siteWorld{startedSite: s, e: e, tree: filepath.Join(e.Dir, "tree")}
	w.fill()
	server := e.StartWith(harness.Options{
		Wrap: []string{"unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", w.script(), "sh"},
		Args: append([]string{"--ini", s.file + ".ini"}, s.args...),
	})
	pid := server.PID
	if s.pidfile != "" {
		if code := server.WaitExit(15 * time.Second); code != 0 {
			t.Fatalf("detaching: exit code %d", code)
		}
		pid = detached(e, w.at(s.pidfile))
	}
	addr, path := s.addr, s.path
	if strings.HasPrefix(addr, "/") {
		addr = w.at(addr)
	}
	if path == "" {
		path = "/"
	}
	var body string
	var err error
	ok := harness.Eventually(15*time.Second, func() bool {
		err = inNetworkOf(pid, func() error {
			r, err := harness.Fetch(s.proto, addr, path, 2*time.Second)
			if err == nil {
				body = fmt.Sprint(r.Status, " ", r.Body)
			}
			return err
		})
		return err == nil || s.pidfile == "" && !server.Running()
	})
	want := "200 served by "
	if !ok || !strings.HasPrefix(body, want) || !strings.HasSuffix(body, filepath.Base(s.apps[len(s.apps)-1])) {
		t.Errorf("%s: %q, %v; running: %v", s.file, body, err, server.Running())
	}
	if s.pidfile == "" {
		server.End()
	}
}

// detached gives the process of a pidfile, and ends it with the test.
func detached(e *harness.Env, pidfile string) int {
	text, err := os.ReadFile(pidfile)
	if err != nil {
		e.T.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		e.T.Fatal(err)
	}
	proc, ok := harness.ReadProc(pid)
	if !ok {
		e.T.Fatalf("pid %d of the pidfile is gone", pid)
	}
	e.T.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGINT)
		waitGone(e.T.(*testing.T), "the detached server", []harness.Proc{proc})
	})
	return pid
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
