package python_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// TestLoad tries the ways an application is named, and what happens when it is not found.
func TestLoad(t *testing.T) {
	const app = `
class Space: pass
def make(): return application
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"application"]
def other(environ, start_response):
    start_response("200 OK", [])
    return [b"other"]
Space.deep = other
app = other
wrong = 3
`
	const onlyApp = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [__name__.encode()]\n"
	tests := []struct {
		name, source, module, file, callable string
		want                                 string // "" = does not load
		log                                  string
	}{
		{name: "default", source: app, module: "app", want: "application"},
		{name: "app when there is no application", source: onlyApp, module: "app", want: "app"},
		{name: "module:callable", source: app, module: "app:other", want: "other"},
		{name: "callable", source: app, module: "app", callable: "other", want: "other"},
		{name: "dotted", source: app, module: "app:Space.deep", want: "other"},
		{name: "factory", source: app, module: "app:make()", want: "application"},
		{name: "file", source: onlyApp, file: "./app.py", want: "uwsgi_file___app"},
		{name: "no such module", source: app, module: "nothing_here", log: "No module named 'nothing_here'"},
		{name: "no such callable", source: app, module: "app:nothing", log: "nothing"},
		{name: "not callable", source: app, module: "app:wrong", log: "int is not callable"},
		{name: "no callable at all", source: "x = 1", module: "app", log: "cannot find a WSGI callable in app"},
		{name: "import error", source: "import app_that_is_not_there", module: "app", log: "app_that_is_not_there"},
		{name: "syntax error", source: "def (", module: "app", log: "SyntaxError"},
		{name: "exit while importing", source: "raise SystemExit(0)", module: "app", log: "SystemExit: 0"},
		{name: "no such file", source: app, file: "missing.py", log: "missing.py"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conf := newConf(test.module, "http")
			conf.WSGIFile, conf.Callable = test.file, test.callable
			m := startMaster(t, conf, test.source)
			ok := m.loaded()
			if ok != (test.want != "") {
				t.Fatalf("loaded %v:\n%s", ok, m.log)
			}
			if _, has := m.fork(1); has != ok {
				t.Errorf("loaded %v, but the worker has an app: %v", ok, has)
			}
			got := talk(t, m.addrs[0], []byte("GET / HTTP/1.0\r\n\r\n"))
			if ok {
				if body(got) != test.want {
					t.Errorf("got %q, want the body %q", got, test.want)
				}
				return
			}
			if !strings.HasPrefix(got, "HTTP/1.1 500 Internal Server Error\r\n") || body(got) != "Internal Server Error" {
				t.Errorf("without an app: got %q", got)
			}
			m.waitLog("--- no python application found, check your startup logs for errors ---")
			m.waitLog(test.log)
			if n := strings.Count(m.log.String(), test.log); n == 0 || strings.Count(m.log.String(), "Traceback") > 1 {
				t.Errorf("%q is %d times in the log:\n%s", test.log, n, m.log)
			}
			if strings.Contains(m.log.String(), "_gowsgi/") {
				t.Errorf("the traceback shows frames of the runtime:\n%s", m.log)
			}
		})
	}
}

// TestLazy imports in each worker, after the fork.
func TestLazy(t *testing.T) {
	const app = `
import os
me = os.getpid()
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d %d" % (me, os.getpid())]
`
	conf := newConf("app", "http")
	conf.LazyApps = true
	m := startMaster(t, conf, app)
	if !m.loaded() {
		t.Error("a zygote that imports nothing says it failed")
	}
	pid, _ := m.fork(1)
	if got, want := body(talk(t, m.addrs[0], []byte("GET / HTTP/1.0\r\n\r\n"))), fmt.Sprintf("%d %d", pid, pid); got != want {
		t.Errorf("imported and served in %q, want %q", got, want)
	}

	for _, needApp := range []bool{true, false} {
		conf.NeedApp = needApp
		m := startMaster(t, conf, "raise ImportError('nope')")
		m.loaded()
		pid := m.forkOnly(1)
		if needApp {
			if status := m.wait(pid, 5*time.Second); status.ExitStatus() != 22 {
				t.Errorf("need-app: the worker ended with %v, want exit code 22", status)
			}
		} else if got := m.next(); got != fmt.Sprintf("ready 1 %d 0", pid) {
			t.Errorf("got %q", got)
		}
		m.waitLogs("ImportError: nope", 1)
	}
}

// TestPath checks sys.argv and sys.path: the pythonpath entries with globs expanded, the last one first as uWSGI has it, then
// the current directory.
func TestPath(t *testing.T) {
	extra := t.TempDir()
	for _, dir := range []string{"b1", "b0"} {
		if err := os.Mkdir(filepath.Join(extra, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := newConf("app", "http")
	conf.PythonPath = []string{extra + "/b*", "/plain"}
	conf.PyArgv = "one two"
	m := startMaster(t, conf, "import sys\ndef app(e, s):\n    s('200 OK', [])\n    return [repr((sys.path[:5], sys.argv)).encode()]\n")
	m.loaded()
	m.fork(1)
	want := fmt.Sprintf("(['/plain', '%s/b1', '%s/b0', '%s', '.'], ['uwsgi', 'one', 'two'])", extra, extra, m.dir)
	if got := body(talk(t, m.addrs[0], []byte("GET / HTTP/1.0\r\n\r\n"))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestEnd sends each signal to an idle and to a busy worker.
func TestEnd(t *testing.T) {
	tests := []struct {
		signal unix.Signal
		busy   bool
		code   int
		answer string
		bye    bool // exit handlers ran
	}{
		{unix.SIGHUP, false, 17, "", true},
		{unix.SIGHUP, true, 17, "slow", true},
		{unix.SIGINT, false, 30, "", false},
		{unix.SIGTERM, false, 30, "", false},
		{unix.SIGTERM, true, 30, "", false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s busy=%v", unix.SignalName(test.signal), test.busy), func(t *testing.T) {
			m, pid := startApp(t, nil, "http")
			answer := make(chan string, 1)
			if test.busy {
				go func() { answer <- talk(t, m.addrs[0], []byte("GET /slow?0.4 HTTP/1.0\r\n\r\n")) }()
				m.waitLog("slow begins")
			} else {
				answer <- ""
			}
			unix.Kill(pid, test.signal)
			if status := m.wait(pid, 2*time.Second); !status.Exited() || status.ExitStatus() != test.code {
				t.Errorf("ended with %v, want exit code %d", status, test.code)
			}
			if got := <-answer; body(got) != test.answer {
				t.Errorf("the client got %q, want the body %q", got, test.answer)
			}
			time.Sleep(20 * time.Millisecond)
			if got := strings.Contains(m.log.String(), "exit handler of 1"); got != test.bye {
				t.Errorf("exit handlers ran: %v, want %v", got, test.bye)
			}
		})
	}
}

// TestNoLostConnection stops and replaces workers without pause while clients connect anew: no request may fail.
func TestNoLostConnection(t *testing.T) {
	for name, protos := range map[string][]string{
		"epoll": {"http", "uwsgi+unix"}, "accept tcp": {"http"}, "accept unix": {"uwsgi+unix"},
	} {
		t.Run(name, func(t *testing.T) { noLostConnection(t, protos) })
	}
}

func noLostConnection(t *testing.T, protos []string) {
	conf := newConf("app", protos...)
	conf.Processes = 2
	conf.Timeout = 10
	m := startMaster(t, conf, hello)
	m.loaded()
	pids := map[int]int{}
	for slot := 1; slot <= 2; slot++ {
		pids[slot], _ = m.fork(slot)
	}
	var stop atomic.Bool
	var served atomic.Int64
	var clients sync.WaitGroup
	request := map[string][]byte{"http": []byte("GET / HTTP/1.0\r\n\r\n"), "uwsgi+unix": get("/")}
	for i := range 4 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			proto := protos[i%len(protos)]
			network := map[string]string{"http": "tcp", "uwsgi+unix": "unix"}[proto]
			for !stop.Load() {
				conn, err := net.Dial(network, m.addrs[i%len(protos)])
				if err != nil {
					t.Errorf("cannot connect: %v", err)
					return
				}
				conn.Write(request[proto])
				got, err := io.ReadAll(conn)
				conn.Close()
				if err != nil || !strings.HasSuffix(string(got), "hello") {
					t.Errorf("request %d: got %q, %v", served.Load(), got, err)
					return
				}
				served.Add(1)
			}
		}()
	}
	for round := range 30 {
		slot := round%2 + 1
		time.Sleep(15 * time.Millisecond)
		unix.Kill(pids[slot], unix.SIGHUP)
		if status := m.wait(pids[slot], 5*time.Second); status.ExitStatus() != 17 {
			t.Errorf("worker ended with %v", status)
		}
		pids[slot], _ = m.fork(slot)
	}
	stop.Store(true)
	clients.Wait()
	if served.Load() < 100 {
		t.Errorf("only %d requests were served", served.Load())
	}
	m.waitField(1, 0, fieldBusy, 1<<32)
	m.waitField(2, 0, fieldBusy, 1<<32)
	if sum := m.field(1, 0, fieldRequests) + m.field(2, 0, fieldRequests); sum != uint64(served.Load()) {
		t.Errorf("the board counts %d requests over %d workers, the clients %d", sum, 32, served.Load())
	}
}

// TestLifeline closes the master's end: idle workers end, busy ones after their request, also under constant load.
func TestLifeline(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		m, pid := startApp(t, nil, "http")
		m.lifeline.Close()
		m.wait(pid, time.Second)
		m.waitLog("uWSGI worker 1 screams: UAAAAAAH my master disconnected: i will kill myself !!!")
	})
	t.Run("busy", func(t *testing.T) {
		m, pid := startApp(t, nil, "http")
		answer := make(chan string, 1)
		go func() { answer <- talk(t, m.addrs[0], []byte("GET /slow?0.3 HTTP/1.0\r\n\r\n")) }()
		m.waitLog("slow begins")
		m.lifeline.Close()
		m.wait(pid, 2*time.Second)
		if got := <-answer; body(got) != "slow" {
			t.Errorf("the running request got %q", got)
		}
	})
	t.Run("threads", func(t *testing.T) {
		m, pid := startApp(t, func(c *worker.Conf) { c.Threads = 3 }, "http")
		m.lifeline.Close()
		m.wait(pid, time.Second)
	})
	t.Run("loaded", func(t *testing.T) {
		m, pid := startApp(t, nil, "http", "http11")
		var stop atomic.Bool
		var clients sync.WaitGroup
		defer clients.Wait()
		defer stop.Store(true)
		for i := range 6 {
			clients.Add(1)
			go func() {
				defer clients.Done()
				for !stop.Load() {
					conn, err := net.DialTimeout("tcp", m.addrs[i%2], time.Second)
					if err != nil {
						return
					}
					conn.SetDeadline(time.Now().Add(time.Second))
					fmt.Fprint(conn, strings.Repeat("GET /ignore HTTP/1.1\r\nHost: x\r\n\r\n", 1+i%2*50))
					conn.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, conn)
					conn.Close()
				}
			}()
		}
		time.Sleep(100 * time.Millisecond)
		m.lifeline.Close()
		m.wait(pid, 2*time.Second)
	})
}

// TestZygoteEnds has the zygote leave at quit and when its channel ends.
func TestZygoteEnds(t *testing.T) {
	for _, quit := range []bool{true, false} {
		m := startMaster(t, newConf("app", "http"), hello)
		m.loaded()
		if quit {
			unix.Write(m.channel, worker.QuitCommand())
		} else {
			unix.Shutdown(m.channel, unix.SHUT_RDWR)
		}
		if status := m.wait(m.zygote, 2*time.Second); status.ExitStatus() != 0 {
			t.Errorf("quit %v: the zygote ended with %v", quit, status)
		}
	}
}

// TestDescriptors looks at what a worker and a program it starts can reach.
func TestDescriptors(t *testing.T) {
	m, pid := startApp(t, nil, "http", "uwsgi", "uwsgi+unix")
	got := body(talk(t, m.addrs[0], []byte("GET /fds HTTP/1.0\r\n\r\n")))
	own, child, _ := strings.Cut(got, "\n")
	kinds := map[string]int{}
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	for _, entry := range entries {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, entry.Name()))
		kind, _, _ := strings.Cut(target, ":")
		kinds[kind]++
	}
	// Sockets: the channel and three listeners. Pipes: 1 and 2 (the log), the lifeline, two to wake and stop (both ends).
	// /memfd: the board, and the copy that Python's mmap keeps. /dev/null is standard input.
	want := map[string]int{"socket": 4, "pipe": 7, "/memfd": 2, "/dev/null": 1, "anon_inode": 1}
	for kind, n := range kinds {
		if want[kind] != n {
			t.Errorf("a worker holds %d descriptors of kind %s, want %d: %s", n, kind, want[kind], own)
		}
	}
	if child != "['0', '1', '2', '3']" { // 3 is ls reading the directory
		t.Errorf("a program the app starts has %s", child)
	}
}

// TestReparented has the worker's parent be the master, not the zygote.
func TestReparented(t *testing.T) {
	m, pid := startApp(t, nil, "http")
	want := fmt.Sprintf("%d %d", pid, os.Getpid())
	if got := body(talk(t, m.addrs[0], []byte("GET /pid HTTP/1.0\r\n\r\n"))); got != want {
		t.Errorf("pid and parent are %q, want %q", got, want)
	}
	for range 20 {
		unix.Kill(pid, unix.SIGKILL)
		m.wait(pid, time.Second)
		pid, _ = m.fork(1)
	}
	zombies, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", m.zygote, m.zygote))
	if len(strings.TrimSpace(string(zombies))) != 0 {
		t.Errorf("the zygote has children left: %s", zombies)
	}
}

// TestEarlySignal sends SIGHUP and SIGTERM to workers that were only just forked: they end with uWSGI's codes, not killed.
func TestEarlySignal(t *testing.T) {
	m := startMaster(t, newConf("app", "http"), hello)
	m.loaded()
	for range 10 {
		for signal, code := range map[unix.Signal]int{unix.SIGHUP: 17, unix.SIGTERM: 30} {
			pid := m.forkOnly(1)
			unix.Kill(pid, signal)
			if status := m.wait(pid, 20*time.Second); !status.Exited() || status.ExitStatus() != code {
				t.Errorf("%s: ended with %v, want exit code %d", unix.SignalName(signal), status, code)
			}
		}
	}
}
