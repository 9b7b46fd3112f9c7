package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// built are binaries of other versions, by what they are built with.
var built sync.Map

// binaryOf builds the program with another version; each is built once.
func binaryOf(t *testing.T, version string, flags ...string) string {
	t.Helper()
	if os.Getenv("GOWSGI_BINARY") != "" {
		t.Skip("an upgrade is of our own binary")
	}
	key := version + strings.Join(flags, " ")
	build, _ := built.LoadOrStore(key, sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "gowsgi-versions")
		if err != nil {
			return "", err
		}
		args := append([]string{"build", "-trimpath", "-ldflags", "-X main.version=" + version}, flags...)
		cmd := exec.Command("go", append(args, "-o", dir+"/gowsgi", "./cmd/gowsgi")...)
		cmd.Dir = harness.Repo()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return dir + "/gowsgi", nil
	}))
	name, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func matches(expr, text string) bool { return regexp.MustCompile(expr).MatchString(text) }

func removeBinaries() {
	built.Range(func(_, build any) bool {
		if name, err := build.(func() (string, error))(); err == nil {
			os.RemoveAll(strings.TrimSuffix(name, "/gowsgi"))
		}
		return true
	})
}

// installed is a program that can be replaced while it runs.
type installed struct {
	e    *harness.Env
	path string
	pid  string // file
	app  string // directory
}

func install(e *harness.Env) *installed {
	e.T.Helper()
	in := &installed{e: e, path: e.Dir + "/bin/gowsgi", pid: e.Dir + "/pid", app: e.Dir + "/app"}
	e.CopyApp("probe.py", in.app)
	if err := os.MkdirAll(e.Dir+"/bin", 0o755); err != nil {
		e.T.Fatal(err)
	}
	in.put(harness.Binary()[0])
	return in
}

// put installs another binary as a package manager does.
func (in *installed) put(from string) {
	in.e.T.Helper()
	in.e.Run("cp", from, in.path+".new")
	if err := os.Rename(in.path+".new", in.path); err != nil {
		in.e.T.Fatal(err)
	}
}

// program puts a file with this text in the binary's place.
func (in *installed) program(text string) {
	in.e.T.Helper()
	in.e.Write(in.path+".new", text)
	if err := os.Chmod(in.path+".new", 0o755); err != nil {
		in.e.T.Fatal(err)
	}
	if err := os.Rename(in.path+".new", in.path); err != nil {
		in.e.T.Fatal(err)
	}
}

func (in *installed) start(env []string, args ...string) *harness.Server {
	in.e.T.Helper()
	return in.e.StartWith(harness.Options{Program: []string{in.path}, Args: args, Env: env})
}

// upgrade asks for one, with the binary that the tests are about, and returns the exit code and what was said.
func (in *installed) upgrade() (int, string) {
	in.e.T.Helper()
	cmd := exec.Command(harness.Binary()[0], "--upgrade", in.pid)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

func (in *installed) mustUpgrade() {
	in.e.T.Helper()
	if code, out := in.upgrade(); code != 0 {
		in.e.T.Fatalf("--upgrade gives %d: %s", code, out)
	}
}

// TestUpgradeUnderLoad: five upgrades in a row, to another version each time, under load. Nothing fails, the pid stays, no counter goes back.
func TestUpgradeUnderLoad(t *testing.T) {
	versions := []string{binaryOf(t, "7.0.1"), binaryOf(t, "7.0.2")}
	for _, mode := range []struct {
		name string
		args []string
	}{
		{"plain", nil},
		{"jailed", []string{"--namespace", "@host:upgraded"}}, {"jailed-overlap", []string{"--namespace", "@host:upgraded", "--reload-overlap"}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			e := harness.New(t)
			in := install(e)
			http, stats, prometheus := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
			s := in.start(nil, append([]string{"--http-socket", http, "--stats", stats, "--prometheus", prometheus, "--pidfile", in.pid, "--master",
				"--processes", "2", "--disable-logging", "--chdir", in.app, "--module", "probe"}, mode.args...)...)
			s.WaitServing("http", http)
			watch := watchCounter(t, prometheus, "gowsgi_requests_total")
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: http, Path: "/pid"}, {Proto: "http", Addr: http, Path: "/pid"}}, func(string) bool { return true })
			for n := range 5 {
				in.put(versions[n%2])
				in.mustUpgrade()
				want := fmt.Sprintf(`gowsgi_build_info{version="7.0.%d"}`, n%2+1)
				if !harness.Eventually(10*time.Second, func() bool { return metricValue(t, prometheus, want) == 1 }) {
					t.Errorf("upgrade %d: no %s", n, want)
				}
			}
			sum := load.Stop()
			reads := watch()
			t.Logf("%s, the counter was read %d times", sum, reads)
			if reads < 10 {
				t.Errorf("the counter was read %d times only", reads)
			}
			if sum.Failed() != 0 || sum.Wrong != 0 || sum.OK < 100 {
				t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
			}
			if got, _ := sumOf(metrics(t, prometheus), "gowsgi_requests_total"); got < float64(sum.OK) {
				t.Errorf("%v requests counted of %d", got, sum.OK)
			}
			if got := metricValue(t, prometheus, `gowsgi_upgrades_total{result="ok"}`); got != 5 {
				t.Errorf("%v upgrades counted", got)
			}
			if !s.Running() || len(harness.Children(s.PID)) == 0 {
				t.Errorf("the parent is not pid %d any more", s.PID)
			}
			if n := len(openFiles(t, s.PID)); n > 40 {
				t.Errorf("%d descriptors are open: %v", n, openFiles(t, s.PID))
			}
		})
	}
}

// watchCounter reads a metric without pause; a scrape that the exec cuts is tried again. The function ends it.
func watchCounter(t *testing.T, addr, name string) (stop func() int) {
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		reads, last := 0, 0.0
		defer func() { ended <- reads }()
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			r, err := harness.Fetch("http", addr, "/metrics", 5*time.Second)
			if err != nil || r.Status != 200 {
				continue
			}
			now := 0.0
			for _, sample := range regexp.MustCompile(`(?m)^`+name+`(?:{[^}]*})? (.*)$`).FindAllStringSubmatch(r.Body, -1) {
				v, _ := strconv.ParseFloat(sample[1], 64)
				now += v
			}
			if now < last {
				t.Errorf("%s went from %v back to %v", name, last, now)
			}
			last = now
			if now > 0 {
				reads++
			}
		}
	}()
	return func() int { close(done); return <-ended }
}

func openFiles(t *testing.T, pid int) (list []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		link, _ := os.Readlink(dir + "/" + e.Name())
		list = append(list, e.Name()+" "+link)
	}
	return list
}

// TestUpgradeRefused: a binary or a configuration that is no good changes nothing, and whoever asked is told why.
func TestUpgradeRefused(t *testing.T) {
	good := binaryOf(t, "7.0.1")
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	e := harness.New(t)
	in := install(e)
	http, prometheus := harness.FreePort(t), harness.FreePort(t)
	ini := func(more string) string {
		return e.Write("upgrade.ini", fmt.Sprintf("[uwsgi]\nhttp-socket = %s\nprometheus = %s\npidfile = %s\nmaster = true\nchdir = %s\nmodule = probe\nprocesses = 2\n%s\n",
			http, prometheus, in.pid, in.app, more))
	}
	s := in.start(nil, "--ini", ini(""))
	s.WaitServing("http", http)
	master := s.Master()
	bad := []struct {
		name, want string
		put        func()
	}{
		{"no program", "it does not say that it can take over", func() { in.put("/bin/false") }},
		{"cut off", "cannot use|cannot execute", func() { in.program(string(whole[:len(whole)/3])) }},
		{"nothing", "cannot execute", func() { in.program("") }},
		{"sleeps", "it gives no answer in 5s", func() { in.program("#!/bin/sh\nexec sleep 60\n") }},
		{"says much", "it does not say that it can take over", func() { in.program("#!/bin/sh\nexec yes >&4\n") }},
		{"missing", "cannot execute", func() { os.Remove(in.path) }},
		{"configuration", "upgrade.ini:[0-9]+.*processes = many", func() { in.put(good); ini("processes = many") }},
	}
	for _, b := range bad {
		b.put()
		code, out := in.upgrade()
		if code != 1 || !matches(b.want, out) {
			t.Errorf("%s: exit code %d, %s", b.name, code, out)
		}
		if harness.Get(t, "http", http, "/pid").Status != 200 || s.Master() != master {
			t.Errorf("%s: the stack is another one", b.name)
		}
	}
	if got := metricValue(t, prometheus, `gowsgi_upgrades_total{result="probe"}`); got != float64(len(bad)) {
		t.Errorf("%v refused upgrades counted of %d", got, len(bad))
	}
	if link, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.PID)); err != nil || !strings.HasSuffix(link, "(deleted)") {
		t.Errorf("the old binary runs no more, but %s (%v)", link, err)
	}
	ini("")
	in.mustUpgrade()
	if s.Master() == master {
		t.Error("the good binary did not bring a new stack")
	}
}

// TestUpgradeGivenBack: a binary that fails in the middle of taking over, or crashes there, has the old one executed again, and the stack
// does not notice.
func TestUpgradeGivenBack(t *testing.T) {
	broken := binaryOf(t, "7.0.9", "-tags", "fault")
	for _, fault := range []string{"adopt", "adopt!"} {
		t.Run(fault, func(t *testing.T) {
			e := harness.New(t)
			in := install(e)
			http, prometheus := harness.FreePort(t), harness.FreePort(t)
			s := in.start([]string{"GOWSGI_FAULT=" + fault}, "--http-socket", http, "--prometheus", prometheus, "--pidfile", in.pid, "--master", "--processes", "2",
				"--chdir", in.app, "--module", "probe", "--log-master", "--master-fifo", e.Dir+"/fifo")
			s.WaitServing("http", http)
			master := s.Master()
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: http, Path: "/pid"}}, func(string) bool { return true })
			in.put(broken)
			for n := range 3 {
				if code, out := in.upgrade(); code != 1 || !matches(`cannot upgrade \(adopt\): .*(a fault was asked for|by a fault of the program)`, out) {
					t.Errorf("upgrade %d gives %d: %s", n, code, out)
				}
			}
			if s.Master() != master {
				t.Error("the stack is another one")
			}
			if got := metricValue(t, prometheus, `gowsgi_upgrades_total{result="adopt"}`); got != 3 {
				t.Errorf("%v counted", got)
			}
			in.put(binaryOf(t, "7.0.1"))
			in.mustUpgrade()
			if sum := load.Stop(); sum.Failed() != 0 || sum.OK < 10 {
				t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
			}
			s.WaitLog(5*time.Second, "gowsgi 7.0.1 has taken over")
			if n := s.CountLog("panic"); n != 0 {
				t.Errorf("%d panics in the log", n)
			}
		})
	}
}
