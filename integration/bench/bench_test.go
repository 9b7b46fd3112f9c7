// Package bench compares gowsgi with Debian's uWSGI on this machine: `make bench`. Both serve the same hello-world app with the same
// command line, at the same time; the load goes to them in turn, round by round, so that whatever else the machine does meets both.
// What counts is the median over the rounds of the ratio gowsgi : uWSGI.
package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

var uwsgi = []string{"uwsgi", "--plugin", "python3"}

// number returns an environment variable as a number.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

var (
	rounds   = number("BENCH_ROUNDS", 7)
	requests = number("BENCH_REQUESTS", 30000) // of one round, for each server
	clients  = number("BENCH_CLIENTS", 16)
)

// contender is one of the two servers.
type contender struct {
	name    string
	program []string
	addr    string // where the load goes
	server  *harness.Server
	nginx   int
}

// sample is what one round of one server came to.
type sample struct {
	cpu, nginx float64 // microseconds a request
	rate       float64 // requests a second
	p99        float64 // milliseconds
}

func contenders() []*contender {
	return []*contender{{name: "gowsgi", program: harness.Binary()}, {name: "uWSGI", program: uwsgi}}
}

// BenchmarkUWSGIProtocol: nginx in front, uwsgi_pass over TCP.
func BenchmarkUWSGIProtocol(b *testing.B) {
	e := harness.New(b)
	both := contenders()
	for _, c := range both {
		socket := harness.FreePort(b)
		c.start(e, "--socket", socket)
		c.server.WaitServing("uwsgi", socket)
		c.addr = e.Nginx(socket)[0]
		c.nginx = e.NginxPID
	}
	duel(b, "uwsgi protocol behind nginx", both, true)
}

// BenchmarkHTTPSocket: no web server in front, a new connection for each request.
func BenchmarkHTTPSocket(b *testing.B) {
	e := harness.New(b)
	both := contenders()
	for _, c := range both {
		c.addr = harness.FreePort(b)
		c.start(e, "--http-socket", c.addr)
		c.server.WaitServing("http", c.addr)
	}
	duel(b, "http-socket", both, false)
}

func (c *contender) start(e *harness.Env, socket ...string) {
	dir := e.Dir + "/" + c.name
	e.CopyApp("hello.py", dir)
	args := append(socket, "--chdir", dir, "--module", "hello", "--master", "--processes", "4", "--disable-logging", "--listen", "1024")
	c.server = e.StartWith(harness.Options{Program: c.program, Args: args})
}

func duel(b *testing.B, title string, both []*contender, keepAlive bool) {
	fmt.Printf("\n%s: %d requests a round, %d clients, CPU of all server processes\n", title, requests, clients)
	for _, c := range both {
		c.round(b, requests/5, keepAlive) // warm up
	}
	var cpu, rate, p99 []float64
	for i := 1; i <= rounds; i++ {
		var s [2]sample
		order := []int{0, 1}
		if i%2 == 0 {
			order = []int{1, 0}
		}
		for _, k := range order {
			s[k] = both[k].round(b, requests, keepAlive)
		}
		for k, c := range both {
			apart := ""
			if c.nginx != 0 {
				apart = fmt.Sprintf(" (nginx %5.1f us)", s[k].nginx)
			}
			fmt.Printf("  round %d  %-6s  %5.1f us CPU/request%s  %7.0f requests/s  p99 %6.2f ms\n", i, c.name, s[k].cpu, apart, s[k].rate, s[k].p99)
		}
		cpu, rate, p99 = append(cpu, s[0].cpu/s[1].cpu), append(rate, s[0].rate/s[1].rate), append(p99, s[0].p99/s[1].p99)
	}
	fmt.Printf("  median of gowsgi : uWSGI   CPU/request %.2f   requests/s %.2f   p99 %.2f\n", median(cpu), median(rate), median(p99))
	b.ReportMetric(median(cpu), "CPU-ratio")
	b.ReportMetric(median(rate), "rate-ratio")
}

func (c *contender) round(b *testing.B, n int, keepAlive bool) sample {
	b.Helper()
	cpu, nginx, began := harness.CPUTime(c.server.PID), time.Duration(0), time.Now()
	if c.nginx != 0 {
		nginx = harness.CPUTime(c.nginx)
	}
	latencies, err := load(c.addr, n, clients, keepAlive)
	if err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	took := time.Since(began)
	s := sample{cpu: perRequest(harness.CPUTime(c.server.PID)-cpu, n), rate: float64(n) / took.Seconds()}
	if c.nginx != 0 {
		s.nginx = perRequest(harness.CPUTime(c.nginx)-nginx, n)
	}
	slices.Sort(latencies)
	s.p99 = float64(latencies[len(latencies)*99/100].Microseconds()) / 1000
	return s
}

func perRequest(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / 1000 / float64(n) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// BenchmarkJailStart: the time from exec to the first byte an app in a fresh jail serves.
func BenchmarkJailStart(b *testing.B) {
	e := harness.New(b)
	root := e.RootfsCopy()
	e.CopyApp("hello.py", root+harness.AppDir)
	both := contenders()
	fmt.Printf("\nexec to first byte served in a jail (--namespace, rootfs, 4 workers)\n")
	var ratios []float64
	for i := 1; i <= rounds; i++ {
		var took [2]time.Duration
		for k, c := range both {
			took[k] = c.startInJail(b, e, root)
		}
		fmt.Printf("  round %d  gowsgi %6.1f ms  uWSGI %6.1f ms\n", i, float64(took[0].Microseconds())/1000, float64(took[1].Microseconds())/1000)
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	fmt.Printf("  median of gowsgi : uWSGI   %.2f\n", median(ratios))
	b.ReportMetric(median(ratios), "start-ratio")
}

func (c *contender) startInJail(b *testing.B, e *harness.Env, root string) time.Duration {
	b.Helper()
	addr := harness.FreePort(b)
	began := time.Now()
	s := e.StartWith(harness.Options{Program: c.program, Args: []string{"--http-socket", addr, "--chdir", harness.AppDir, "--uid", "uwsgi", "--gid",
		"uwsgi", "--module", "hello", "--master", "--processes", "4", "--disable-logging", "--namespace", root + ":jail"}})
	for {
		if r, err := harness.Fetch("http", addr, "/", time.Second); err == nil && r.Status == 200 {
			break
		}
		if time.Since(began) > 20*time.Second {
			b.Fatalf("%s does not serve:\n%s", c.name, s.Log())
		}
		time.Sleep(200 * time.Microsecond)
	}
	took := time.Since(began)
	// uWSGI's outer process would leave its jail running, or start another one: everything is killed at once.
	for _, p := range harness.Tree(s.PID) {
		_ = unix.Kill(p.PID, unix.SIGKILL)
	}
	s.WaitExit(5 * time.Second)
	return took
}
