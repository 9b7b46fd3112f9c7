package integration

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gowsgi/integration/harness"
)

// TestUnixSocketBehindNginx: nginx reaches a unix socket as www-data, with the mode and owner asked for.
func TestUnixSocketBehindNginx(t *testing.T) {
	harness.NeedRoot(t)
	www, err := user.Lookup("www-data")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		args  []string
		mode  os.FileMode
		owner string // uid, "" = not looked at
		works bool
	}{
		{"chmod-socket alone is 666", []string{"--chmod-socket"}, 0o666, "0", true},
		{"chmod-socket=600", []string{"--chmod-socket=600"}, 0o600, "0", false},
		{"chmod-socket=660 and chown-socket", []string{"--chmod-socket=660", "--chown-socket", "www-data:www-data"}, 0o660, www.Uid, true},
		{"chown-socket after a uid drop", []string{"--chmod-socket=660", "--chown-socket", "www-data:www-data", "--uid", "nobody"}, 0o660, www.Uid, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			path := filepath.Join(e.Dir, "app.sock")
			s := e.Start(append([]string{"--socket", path, "--chdir", appDir(e), "--module", "probe", "--master"}, c.args...)...)
			s.WaitServing("uwsgi", path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != c.mode {
				t.Errorf("mode is %o, want %o", info.Mode().Perm(), c.mode)
			}
			if uid := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)); uid != c.owner {
				t.Errorf("owner is %s, want %s", uid, c.owner)
			}
			r := harness.Get(t, "http", e.Nginx("unix:" + path)[0], "/code")
			if works := r.Status == 200; works != c.works {
				t.Errorf("through nginx: status %d", r.Status)
			}
		})
	}
}

// TestUnixSocketInJail: under namespace the path means the path in the new root, so the host sees root + path; a symlink of the rootfs
// does not lead out of it.
func TestUnixSocketInJail(t *testing.T) {
	e := harness.New(t)
	root := e.RootfsCopy()
	if err := os.Symlink("/run", root+"/link"); err != nil {
		t.Fatal(err)
	}
	args := jailArgs(root, harness.FreePort(t), 1)
	s := e.Start(append(args, "--socket", "/link/app.sock", "--chmod-socket=666", "--vacuum")...)
	s.WaitServing("uwsgi", root+"/run/app.sock")
	if harness.Exists("/run/app.sock") {
		t.Error("the socket is in the host's /run")
	}
	getBody(t, "http", e.Nginx("unix:" + root + "/run/app.sock")[0], "/code")
	s.End()
	if harness.Exists(root + "/run/app.sock") {
		t.Error("vacuum left the socket")
	}
}

// TestSeveralSockets: all kinds in one server, each answers in its protocol.
func TestSeveralSockets(t *testing.T) {
	e := harness.New(t)
	tcp, unix, http, http11 := harness.FreePort(t), filepath.Join(e.Dir, "a.sock"), harness.FreePort(t), harness.FreePort(t)
	s := e.Start("--socket", tcp, "--uwsgi-socket", unix, "--http-socket", http, "--http11-socket", http11, "--chdir", appDir(e), "--module",
		"probe", "--master", "--processes", "2")
	s.WaitServing("uwsgi", tcp)
	for _, c := range [][2]string{{"uwsgi", tcp}, {"uwsgi", unix}, {"http", http}, {"http", http11}} {
		if r := harness.Get(t, c[0], c[1], "/code"); r.Status != 200 || !strings.HasPrefix(r.Body, "one\n") {
			t.Errorf("%v: %+v", c, r)
		}
	}
}

// TestListenDefault: the queue is the system's maximum when listen is not given, and what is asked for otherwise.
func TestListenDefault(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Fatal(err)
	}
	maximum := strings.TrimSpace(string(text))
	for _, c := range []struct {
		name string
		args []string
		want string
	}{{"default", nil, maximum}, {"listen = 7", []string{"--listen", "7"}, "7"}, {"-l 9", []string{"-l", "9"}, "9"}} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			_, addr := plain(e, 1, c.args...)
			_, port, _ := net.SplitHostPort(addr)
			fields := strings.Fields(e.Run("ss", "-Hltn", "sport = :"+port))
			if len(fields) < 3 || fields[2] != c.want {
				t.Errorf("ss says %v, want a queue of %s", fields, c.want)
			}
		})
	}
	t.Run("more than the maximum", func(t *testing.T) {
		e := harness.New(t)
		s := e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe", "--master", "--listen", "1000000")
		if code := s.WaitExit(10e9); code != 1 {
			t.Errorf("exit code %d", code)
		}
		s.WaitLog(1e9, "(?i)listen.*"+maximum)
	})
}

// TestAddressInUse: the start ends with one line that names the address.
func TestAddressInUse(t *testing.T) {
	e := harness.New(t)
	_, addr := plain(e, 1)
	s := e.Start("--http-socket", addr, "--chdir", e.Dir, "--module", "probe", "--master")
	if code := s.WaitExit(10e9); code != 1 {
		t.Errorf("exit code %d", code)
	}
	checkOneLine(t, s, []string{addr, "address already in use"})
}

// TestStaleUnixSocket: the socket file a killed server left is no obstacle to the next start.
func TestStaleUnixSocket(t *testing.T) {
	e := harness.New(t)
	path := filepath.Join(e.Dir, "app.sock")
	args := []string{"--socket", path, "--chdir", appDir(e), "--module", "probe", "--master"}
	first := e.Start(args...)
	first.WaitServing("uwsgi", path)
	first.Signal(syscall.SIGKILL)
	first.WaitExit(5e9)
	if !harness.Exists(path) {
		t.Fatal("a killed server cannot have removed its socket")
	}
	second := e.Start(args...)
	second.WaitServing("uwsgi", path)
}

// TestVacuum removes only what is the server's own: a socket or pidfile that somebody else put in the place stays.
func TestVacuum(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		replace bool
		left    bool
	}{
		{"vacuum", []string{"--vacuum"}, false, false},
		{"no vacuum", nil, false, true},
		{"vacuum, replaced by another's", []string{"--vacuum"}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			path, pidfile := filepath.Join(e.Dir, "app.sock"), filepath.Join(e.Dir, "pid")
			s := e.Start(append([]string{"--socket", path, "--pidfile", pidfile, "--chdir", appDir(e), "--module", "probe", "--master"}, c.args...)...)
			s.WaitServing("uwsgi", path)
			if text, err := os.ReadFile(pidfile); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(s.PID) {
				t.Errorf("pidfile holds %q, the parent is %d (%v)", text, s.PID, err)
			}
			s.Signal(syscall.SIGHUP) // after a reload the socket is still known as our own
			s.WaitServing("uwsgi", path)
			if c.replace {
				for _, name := range []string{path, pidfile} {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
				l, err := net.Listen("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				e.Write("pid", "1\n")
			}
			s.Signal(syscall.SIGINT)
			if code := s.WaitExit(10e9); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if harness.Exists(path) != c.left {
				t.Errorf("socket is there: %v", harness.Exists(path))
			}
			if harness.Exists(pidfile) != c.left {
				t.Errorf("pidfile is there: %v", harness.Exists(pidfile))
			}
		})
	}
}
