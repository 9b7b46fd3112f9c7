// Package chaos kills and reloads a jailed stack at random under constant load. CHAOS_SECONDS says for how long (30), CHAOS_SEED repeats a
// run's choices.
package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

const (
	processes = 4
	threads   = 2
	masterGap = 12 * time.Second // a stack that served for ten seconds is built again without a pause
)

// storm is one run.
type storm struct {
	t          *testing.T
	e          *harness.Env
	s          *harness.Server
	root       string
	http, tcp  string
	prometheus string
	allowed    int // requests that may have been in a process that was killed or told to be brutal
	lastMaster time.Time
	did        map[string]int
	last       float64 // requests_total as last seen
}

func TestChaos(t *testing.T) {
	harness.NeedRoot(t)
	seconds := number("CHAOS_SECONDS", 30)
	seed := number("CHAOS_SEED", int(time.Now().UnixNano()&0xffffff))
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	c := &storm{t: t, e: harness.New(t), did: map[string]int{}}
	c.start()
	c.perform("reload") // so that what is made once and kept is there before the first count
	before := c.count()
	load := harness.StartLoad([]harness.Target{
		{Proto: "http", Addr: c.http, Path: "/code"}, {Proto: "http", Addr: c.http, Path: "/pid?0.02"},
		{Proto: "uwsgi", Addr: c.tcp, Path: "/code"}, {Proto: "uwsgi", Addr: c.tcp, Path: "/pid?0.02"},
	}, func(string) bool { return true })
	names := []string{"worker", "worker", "zygote", "master", "reload", "hup", "touch", "workers", "chain", "brutal", "brutal workers", "pause"}
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		c.perform(names[random.IntN(len(names))])
		time.Sleep(time.Duration(200+random.IntN(1300)) * time.Millisecond)
		c.monotone()
	}
	sum := load.Stop()
	t.Logf("seed %d: %v; %s; at most %d may have failed", seed, c.did, sum, c.allowed)
	if sum.Refused+sum.Timeout+sum.Other+sum.Status+sum.Wrong > 0 || sum.Failed() > c.allowed {
		t.Errorf("seed %d: requests failed that no kill explains: %s (%d allowed): %s", seed, sum, c.allowed, strings.Join(sum.Samples, "; "))
	}
	c.settle()
	c.tracebacks()
	c.consistent(sum)
	c.compare(before, c.count())
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func (c *storm) start() {
	e := c.e
	c.root, c.http, c.tcp, c.prometheus = e.RootfsCopy(), harness.FreePort(c.t), harness.FreePort(c.t), harness.FreePort(c.t)
	ini := e.Write("site.ini", fmt.Sprintf(`[uwsgi]
socket = %s
http-socket = %s
chdir = %s
uid = uwsgi
gid = uwsgi
module = probe
processes = %d
threads = %d
disable-logging = true
pidfile = %[6]s/pid
master-fifo = /tmp/fifo
touch-reload = /tmp/touch
prometheus = %[7]s
namespace = %[8]s:chaos
`, c.tcp, c.http, harness.AppDir, processes, threads, e.Dir, c.prometheus, c.root))
	c.s = e.Start("--ini", ini)
	c.s.WaitServing("http", c.http)
	c.s.WaitServing("uwsgi", c.tcp)
}

// perform does one thing and notes how many requests it may cost.
func (c *storm) perform(what string) {
	all := processes * threads
	switch what {
	case "worker":
		c.allowed += c.kill("uWSGI worker", threads)
	case "zygote":
		c.kill("uWSGI zygote", 0)
	case "master":
		if time.Since(c.lastMaster) < masterGap {
			return
		}
		c.lastMaster = time.Now()
		for _, m := range harness.Children(c.s.PID) {
			_ = unix.Kill(m.PID, unix.SIGKILL)
			c.allowed += all
		}
	case "reload":
		c.reload()
	case "hup":
		c.s.Signal(unix.SIGHUP)
	case "touch":
		c.e.Write(c.root+"/tmp/touch", fmt.Sprint(time.Now()))
	case "pause":
		c.fifo("p")
		time.Sleep(300 * time.Millisecond)
		c.fifo("p") // a reload that came between has ended the pause, and this would begin one
		c.fifo("r")
	case "workers", "chain", "brutal", "brutal workers":
		c.fifo(map[string]string{"workers": "w", "chain": "c", "brutal": "R", "brutal workers": "W"}[what])
		if strings.HasPrefix(what, "brutal") {
			c.allowed += all
		}
	}
	c.did[what]++
}

// reload waits for its result. That it fails may come from a kill just before; that it never ends is a fault.
func (c *storm) reload() {
	words := append(harness.Binary(), "--reload", c.e.Dir+"/pid")
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if ctx.Err() != nil {
		c.t.Errorf("gowsgi --reload does not end: %s", out)
	} else if err != nil {
		c.did["reload that failed"]++
	}
}

// kill sends SIGKILL to one process of the jail with this name; it returns cost if there was one.
func (c *storm) kill(name string, cost int) int {
	for _, p := range harness.Tree(c.s.PID) {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
		if strings.HasPrefix(string(comm), name) {
			_ = unix.Kill(p.PID, unix.SIGKILL)
			return cost
		}
	}
	return 0
}

func (c *storm) fifo(letter string) {
	f, err := os.OpenFile(c.root+"/tmp/fifo", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		c.t.Errorf("the fifo: %v", err)
		return
	}
	defer f.Close()
	if _, err := f.WriteString(letter); err != nil {
		c.t.Errorf("the fifo: %v", err)
	}
}

// requests reads gowsgi_requests_total of all workers.
func (c *storm) requests() (total float64) {
	r, err := harness.Fetch("http", c.prometheus, "/metrics", 5*time.Second)
	if err != nil {
		c.t.Errorf("the metrics: %v", err)
		return c.last
	}
	for line := range strings.Lines(r.Body) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "gowsgi_requests_total{") {
			n, _ := strconv.ParseFloat(value, 64)
			total += n
		}
		if _, value, ok := strings.Cut(strings.TrimSpace(line), " -"); ok && !strings.HasPrefix(line, "#") && value[0] >= '0' && value[0] <= '9' {
			c.t.Errorf("a metric below 0: %s", line)
		}
	}
	return total
}

func (c *storm) monotone() {
	now := c.requests()
	if now < c.last {
		c.t.Errorf("gowsgi_requests_total went back from %v to %v", c.last, now)
	}
	c.last = now
}

// settle waits until the last reload is over and all workers serve.
func (c *storm) settle() {
	c.perform("reload")
	if !harness.Eventually(30*time.Second, func() bool { return c.workers() == processes && len(harness.Children(c.s.PID)) == 1 }) {
		c.t.Errorf("%d workers at the end, want %d", c.workers(), processes)
	}
}

func (c *storm) workers() (n int) {
	for _, p := range harness.Tree(c.s.PID) {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID)); strings.HasPrefix(string(comm), "uWSGI worker") {
			n++
		}
	}
	return n
}

// consistent compares what the server counted with what clients got: a killed worker may have answered and not counted, or counted nothing
// of what it cut.
func (c *storm) consistent(sum harness.Result) {
	served := int(c.requests())
	asked := sum.OK + sum.Failed()
	if served < sum.OK-c.allowed || served > asked+c.allowed+10 {
		c.t.Errorf("%d requests are counted, clients have %d answers and %d failures", served, sum.OK, sum.Failed())
	}
}

// tracebacks shows what the app or its runtime raised: nothing is meant to.
func (c *storm) tracebacks() {
	lines := c.s.LogLines()
	for i, line := range lines {
		if strings.HasPrefix(line, "Traceback") {
			c.t.Errorf("the log has\n%s", strings.Join(lines[max(0, i-12):min(len(lines), i+16)], "\n"))
			return
		}
	}
}

// holdings is what must not grow.
type holdings struct{ processes, zombies, fds, threads, mounts, rss int }

func (c *storm) count() holdings {
	var h holdings
	for _, p := range harness.Tree(c.s.PID) {
		h.processes++
		if p.State == 'Z' {
			h.zombies++
		}
	}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.s.PID))
	h.fds = len(fds)
	h.mounts = strings.Count(harness.Mountinfo(c.t), "\n")
	h.threads, _ = strconv.Atoi(harness.StatusField(c.s.PID, "Threads")[0])
	h.rss, _ = strconv.Atoi(harness.StatusField(c.s.PID, "VmRSS")[0])
	return h
}

func (c *storm) compare(before, after holdings) {
	c.t.Logf("before %+v, after %+v", before, after)
	if after.zombies > 0 || after.processes > before.processes || after.mounts != before.mounts {
		c.t.Errorf("left behind: before %+v, after %+v", before, after)
	}
	if after.fds > before.fds+4 || after.threads > before.threads+8 || after.rss > 2*before.rss+16<<10 {
		c.t.Errorf("the parent has grown: before %+v, after %+v", before, after)
	}
}
