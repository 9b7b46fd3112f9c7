// Package chaos kills and reloads a stack at random under constant load, once in each of its forms. CHAOS_SECONDS says for how long in all
// (30), CHAOS_SEED repeats a run's choices, CHAOS_FORM (with the seed that it had) runs one form only.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

const (
	processes = 4
	threads   = 2
	masterGap = 12 * time.Second // a stack that served for ten seconds is built again without a pause
)

// form is a way to set up the stack.
type form struct {
	name  string
	root  bool // it has a rootfs of its own
	lines func(c *storm) string
	deeds string // what is done to it beside what is done to all
}

// common is done to all forms, some of it more often.
const common = "worker worker zygote master daemon mule reload hup touch touch-workers touch-chain touch-mules touch-log workers chain brutal " +
	"brutal-workers pause broken bad-letter"

var forms = []form{
	{"plain", false, func(*storm) string { return "cheaper-algo = manual\ncheaper = 1\ncheaper-initial = 4\n" }, "more less cheap"},
	{"host", false, func(*storm) string { return "namespace = @host:chaos\n" }, ""},
	{"rootfs", true, func(c *storm) string {
		return "uid = uwsgi\ngid = uwsgi\nnamespace = " + c.root + ":chaos\nlazy-apps = true\n"
	}, ""},
	{"overlap", true, func(c *storm) string {
		return "uid = uwsgi\ngid = uwsgi\nnamespace = " + c.root + ":chaos\nreload-overlap = true\n"
	}, ""},
	{"confined", true, func(c *storm) string {
		return fmt.Sprintf("uid = uwsgi\ngid = uwsgi\nnamespace = %s:chaos\nnamespace-overlay = true\ncgroup = %s\njail-net = veth:%s,10.213.81.2/30,10.213.81.1\n",
			c.root, c.cgroup, c.link)
	}, ""},
}

// storm is one run of one form.
type storm struct {
	form
	t          *testing.T
	e          *harness.Env
	s          *harness.Server
	root, dir  string // of the stack, "" = the machine's; where its files are
	ini        string
	http, tcp  string
	prometheus string
	cgroup     string
	link       string
	allowed    int // requests that may have been in a process that was killed or told to be brutal
	lastMaster time.Time
	did        map[string]int
	last       map[string]float64 // the counters as last seen
}

func TestChaos(t *testing.T) {
	harness.NeedRoot(t)
	seconds := number("CHAOS_SECONDS", 30)
	seed := number("CHAOS_SEED", int(time.Now().UnixNano()&0xffffff))
	wanted := os.Getenv("CHAOS_FORM")
	each := time.Duration(seconds) * time.Second
	if wanted == "" {
		each /= time.Duration(len(forms))
	}
	for i, f := range forms {
		if wanted == "" || wanted == f.name {
			t.Run(f.name, func(t *testing.T) { run(t, f, each, seed+i) })
		}
	}
}

func run(t *testing.T, f form, long time.Duration, seed int) {
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	c := &storm{form: f, t: t, e: harness.New(t), did: map[string]int{}, last: map[string]float64{}}
	c.start()
	defer c.showLog()
	c.perform("reload") // so that what is made once and kept is there before the first count
	c.settle()
	asked := c.requests() // by the harness
	load := harness.StartLoad([]harness.Target{
		{Proto: "http", Addr: c.http, Path: "/code"}, {Proto: "http", Addr: c.http, Path: "/pid?0.02"},
		{Proto: "uwsgi", Addr: c.tcp, Path: "/code"}, {Proto: "uwsgi", Addr: c.tcp, Path: "/pid?0.02"},
	}, func(string) bool { return true })
	deeds := strings.Fields(common + " " + f.deeds)
	var before holdings
	began := time.Now()
	for end := began.Add(long); time.Now().Before(end); {
		if before.processes == 0 && time.Since(began) > min(long/3, time.Minute) { // it is warm now
			c.settle()
			before = c.count()
		}
		c.perform(deeds[random.IntN(len(deeds))])
		time.Sleep(time.Duration(100+random.IntN(900)) * time.Millisecond)
		c.monotone()
	}
	sum := load.Stop()
	t.Logf("seed %d: %v; %s; at most %d may have failed", seed, c.did, sum, c.allowed)
	if sum.Refused+sum.Timeout+sum.Other+sum.Status+sum.Wrong > 0 || sum.Failed() > c.allowed {
		t.Errorf("seed %d: requests failed that no kill explains: %s (%d allowed): %s", seed, sum, c.allowed, strings.Join(sum.Samples, "; "))
	}
	c.settle()
	c.tracebacks()
	c.consistent(asked, sum)
	c.compare(before)
	c.s.End()
	c.leftBehind()
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// start writes the configuration and starts the stack. Files of the stack are in a directory that it and the test both see.
func (c *storm) start() {
	e := c.e
	c.http, c.tcp, c.prometheus = harness.FreePort(c.t), harness.FreePort(c.t), harness.FreePort(c.t)
	c.cgroup, c.link = "/sys/fs/cgroup/pids/"+fmt.Sprintf("gowsgi-chaos-%d", os.Getpid()), fmt.Sprintf("gwc%d", os.Getpid()%1000000)
	app, dir := e.Dir+"/app", e.Dir
	if c.form.root {
		c.root = e.RootfsCopy()
		app, dir = harness.AppDir, "/tmp"
	} else {
		e.CopyApp("probe.py", app)
	}
	c.dir = c.root + dir
	if c.root != "" {
		c.dir = c.root + "/tmp"
	}
	c.ini = fmt.Sprintf(`[uwsgi]
socket = %s
http-socket = %s
chdir = %s
master = true
module = probe
processes = %d
threads = %d
disable-logging = true
pidfile = %[6]s/pid
logto = %[6]s/log
log-date = true
prometheus = %[7]s
attach-daemon = exec sleep 4711
mule = true
worker-reload-mercy = 20
master-fifo = %[8]s/fifo
touch-reload = %[8]s/touch
touch-workers-reload = %[8]s/touch-workers
touch-chain-reload = %[8]s/touch-chain
touch-mules-reload = %[8]s/touch-mules
touch-logreopen = %[8]s/touch-log
%[9]s`, c.tcp, c.http, app, processes, threads, e.Dir, c.prometheus, dir, c.form.lines(c))
	c.s = e.StartWith(harness.Options{Args: []string{"--ini", e.Write("site.ini", c.ini)}})
	c.s.WaitServing("http", c.http)
	c.s.WaitServing("uwsgi", c.tcp)
}
