package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestReloadChangesSockets: a reload binds a socket that is new and closes one that is gone, while another one loses no request.
func TestReloadChangesSockets(t *testing.T) {
	e := harness.New(t)
	e.Write("env.py", environApp)
	stays, goes, comes := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
	write := func(sockets ...string) {
		e.Write("a.ini", "[uwsgi]\nmodule = env\nprocesses = 2\nhttp-socket = "+strings.Join(sockets, "\nhttp-socket = ")+"\n")
	}
	write(stays, goes)
	s := e.Start("--ini", e.Dir+"/a.ini")
	s.WaitServing("http", stays)
	s.WaitServing("http", goes)
	inode := socketInode(e, stays)
	var lost, served atomic.Int64
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			if r, err := harness.Fetch("http", stays, "/", 10*time.Second); err != nil || r.Status != 200 {
				lost.Add(1)
			}
			served.Add(1)
		}
	}()
	write(stays, comes)
	s.Signal(syscall.SIGHUP)
	s.WaitServing("http", comes)
	s.WaitLog(5*time.Second, `Closing TCP address `+goes+`: nothing uses it any more`)
	if c, err := net.DialTimeout("tcp", goes, time.Second); err == nil {
		c.Close()
		t.Errorf("the socket that is gone still takes connections")
	}
	close(done)
	<-ended
	if lost.Load() > 0 || served.Load() == 0 {
		t.Errorf("%d of %d requests to the socket that stays were lost", lost.Load(), served.Load())
	}
	if now := socketInode(e, stays); now != inode {
		t.Errorf("the socket that stays was %s and is %s", inode, now)
	}
}

// TestFallbackConfigServes: a broken file at the first start gives way to its fallback-config, with its errors in the log.
func TestFallbackConfigServes(t *testing.T) {
	e := harness.New(t)
	e.Write("env.py", environApp)
	addr := harness.FreePort(t)
	e.Write("safe.ini", "[uwsgi]\nmodule = env\nhttp-socket = "+addr+"\n")
	s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nfallback-config = "+e.Dir+"/safe.ini\nprocesses = many\nhttp-socket = :0\n"))
	s.WaitServing("http", addr)
	s.WaitLog(time.Second, `a\.ini:3: processes = many: not a whole number.*the fallback-config is used`)
}

// TestCheckConfig: everything that is wrong at once, and nothing started; or what becomes of each line.
func TestCheckConfig(t *testing.T) {
	e := harness.New(t)
	check := func(text string) (string, int) {
		e.Write("part.ini", "[uwsgi]\nthreads = lots\n")
		cmd := exec.Command(harness.Binary()[0], "--check-config", "--ini", e.Write("a.ini", "[uwsgi]\n"+text))
		cmd.Dir = e.Dir
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := check("processes = many\ninclude = part.ini\nhttp-socket = nowhere:\nnamespace = relative\nrack = x.ru\nvaccum = true\n")
	for _, want := range []string{"a.ini:2: processes = many: not a whole number", "part.ini:2 (included from", "threads = lots", "a.ini:4: http-socket = nowhere:",
		"a.ini:5: namespace = relative", "a.ini:6: rack = x.ru: refused"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, out)
		}
	}
	for text, want := range map[string]string{
		"socket = :0\nhook-as-root = mount:proc\n": "a.ini:3: hook-as-root: cannot use hook",
		"socket = :0\ncap = fly\n":                 `cannot keep capability "fly"`,
	} {
		if out, code := check(text); code != 1 || !strings.Contains(out, want) {
			t.Errorf("%q: exit %d, no %q in\n%s", text, code, want, out)
		}
	}
	out, code = check("name = shop\nhttp-socket = :0\nchdir = /srv/%(name)\nthunder-lock = true\nvaccum = true\n")
	for _, want := range []string{"done", "a.ini:4: chdir = /srv/shop", "no effect", "thunder-lock = true (", "placeholder", "a.ini:6: vaccum: unknown option"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in\n%s", code, want, out)
		}
	}
}

// TestConfigOverHTTP: a file may be named by a URL, as for uWSGI.
func TestConfigOverHTTP(t *testing.T) {
	e := harness.New(t)
	e.Write("env.py", environApp)
	addr := harness.FreePort(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "[uwsgi]\nmodule = env\nhttp-socket = %s\n", addr)
	}))
	defer web.Close()
	e.Start("--ini", web.URL+"/site.ini").WaitServing("http", addr)
}
