package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gowsgi/integration/harness"
)

// scrape reads all series.
func (c *storm) scrape() map[string]float64 {
	series := map[string]float64{}
	r, err := harness.Fetch("http", c.prometheus, "/metrics", 10*time.Second)
	if err != nil {
		c.t.Errorf("the metrics: %v", err)
		return series
	}
	for line := range strings.Lines(r.Body) {
		at := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil || n < 0 {
			c.t.Errorf("a metric that is below 0 or no number: %s", line)
		}
		series[line[:at]] = n
	}
	return series
}

// requests is gowsgi_requests_total of all workers.
func (c *storm) requests() (total int) {
	for name, n := range c.scrape() {
		if strings.HasPrefix(name, "gowsgi_requests_total{") {
			total += int(n)
		}
	}
	return total
}

// monotone looks at all counters: none goes back, and none is lost.
func (c *storm) monotone() {
	now := c.scrape()
	for name, before := range c.last {
		if n, there := now[name]; len(now) > 0 && (!there || n < before) {
			c.t.Errorf("%s went from %v to %v", name, before, n)
		}
	}
	c.last = map[string]float64{}
	for name, n := range now {
		family, _, _ := strings.Cut(name, "{")
		for _, end := range []string{"_total", "_bucket", "_count", "_sum"} {
			if strings.HasPrefix(name, "gowsgi_") && strings.HasSuffix(family, end) {
				c.last[name] = n
			}
		}
	}
}

// settle waits until the last reload is over and all that should run does.
func (c *storm) settle() {
	c.perform("reload")
	if !harness.Eventually(30*time.Second, func() bool {
		return c.named("uWSGI worker") == processes && c.named("uWSGI mule") == 1 && c.named("sleep") == 1 && len(harness.Children(c.s.PID)) == 1 &&
			len(harness.Tree(c.s.PID)) == processes+5 && c.requests() >= 0
	}) {
		c.t.Errorf("it does not come to rest: %s", c.census())
	}
}

// census names all processes.
func (c *storm) census() string {
	var all []string
	for _, p := range harness.Tree(c.s.PID) {
		all = append(all, fmt.Sprintf("%d<%d %c %s", p.PID, p.PPID, p.State, comm(p.PID)))
	}
	return strings.Join(all, "; ")
}

func (c *storm) logEnd(size int) []byte {
	text, _ := os.ReadFile(c.e.Dir + "/log")
	return text[max(0, len(text)-size):]
}

func (c *storm) named(name string) (n int) {
	for _, p := range harness.Tree(c.s.PID) {
		if strings.HasPrefix(comm(p.PID), name) {
			n++
		}
	}
	return n
}

// consistent compares what the server counted with what clients got: a killed worker may have answered and not counted, or counted nothing
// of what it cut.
func (c *storm) consistent(before int, sum harness.Result) {
	var served int
	if !harness.Eventually(5*time.Second, func() bool { // a request is counted after the client has its answer
		served = c.requests() - before
		return served >= sum.OK-c.allowed && served <= sum.OK+sum.Failed()+c.allowed
	}) {
		c.t.Errorf("%d requests are counted, clients have %d answers and %d failures", served, sum.OK, sum.Failed())
	}
}

// showLog has the end of the log in the report of a run that failed.
func (c *storm) showLog() {
	if c.t.Failed() {
		c.t.Logf("log:\n%s", c.logEnd(60000))
	}
}

// tracebacks shows what the app or its runtime raised: nothing is meant to. When PID 1 is killed, those that the kernel kills with it can
// start no process or thread any more, and seldom come further than the first line of what they say about it.
func (c *storm) tracebacks() {
	text, err := os.ReadFile(c.e.Dir + "/log")
	if err != nil {
		c.t.Fatal(err)
	}
	lines := append(strings.Split(string(text), "\n"), c.s.LogLines()...)
	for i, line := range lines {
		rest := strings.Join(lines[i:min(len(lines), i+16)], "\n")
		cut := strings.Contains(rest, "The stack ended (the master was killed by signal 9)") &&
			(strings.Contains(rest, "can't start new thread") || !strings.Contains(rest, "\n  File"))
		if (strings.HasPrefix(line, "Traceback") && !cut) || strings.HasPrefix(line, "panic:") || strings.Contains(line, "DATA RACE") {
			c.t.Errorf("the log has\n%s", strings.Join(lines[max(0, i-12):i], "\n")+"\n"+rest)
			return
		}
	}
}

// holdings is what must not grow; the master's are those of PID 1.
type holdings struct {
	processes, zombies, mounts, groups, links int
	fds, threads, rss                         int
	masterFds, masterThreads, masterRSS       int
}

func (c *storm) count() holdings {
	var h holdings
	for _, p := range harness.Tree(c.s.PID) {
		h.processes++
		if p.State == 'Z' {
			h.zombies++
		}
	}
	h.mounts = strings.Count(harness.Mountinfo(c.t), "\n")
	groups, _ := filepath.Glob(c.cgroup + "/*/")
	links, _ := filepath.Glob("/sys/class/net/gwc*")
	h.groups, h.links = len(groups), len(links)
	h.fds, h.threads, h.rss = held(c.s.PID)
	for _, m := range harness.Children(c.s.PID) {
		h.masterFds, h.masterThreads, h.masterRSS = held(m.PID)
	}
	return h
}

// held counts descriptors, threads and kilobytes of a process.
func held(pid int) (fds, threads, rss int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	threads, _ = strconv.Atoi(harness.StatusField(pid, "Threads")[0])
	rss, _ = strconv.Atoi(harness.StatusField(pid, "VmRSS")[0])
	return len(names), threads, rss
}

// compare waits for what is on its way out, and holds the rest against what there was when the stack was warm.
func (c *storm) compare(before holdings) {
	var after holdings
	same := func() bool {
		after = c.count()
		return after.zombies == 0 && after.processes == before.processes && after.mounts == before.mounts && after.groups == before.groups &&
			after.links == before.links && after.fds <= before.fds && after.masterFds <= before.masterFds
	}
	ok := harness.Eventually(10*time.Second, same)
	c.t.Logf("before %+v, after %+v", before, after)
	if !ok {
		c.t.Errorf("left behind: before %+v, after %+v", before, after)
	}
	if after.threads > before.threads+8 || after.masterThreads > before.masterThreads+8 || after.rss > before.rss+8<<10 || after.masterRSS > before.masterRSS+8<<10 {
		c.t.Errorf("grown: before %+v, after %+v", before, after)
	}
}

// leftBehind looks at what stays after the end; processes are the harness's to find.
func (c *storm) leftBehind() {
	for _, name := range []string{c.cgroup, "/sys/class/net/" + c.link} {
		if name == c.cgroup {
			if err := os.Remove(name); err == nil || os.IsNotExist(err) { // the group that the configuration names stays, empty
				continue
			}
		}
		if harness.Exists(name) {
			c.t.Errorf("%s is still there", name)
		}
	}
}
