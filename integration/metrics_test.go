package integration

import (
	"bufio"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

var metricLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*\})?) ([^ ]+)$`)

// metrics reads the Prometheus text of an endpoint; a line that is neither a comment nor a sample fails the test.
func metrics(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	r := harness.Get(t, "http", addr, "/metrics")
	if r.Status != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("metrics: status %d, type %q", r.Status, r.Header.Get("Content-Type"))
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(r.Body))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "# HELP ") || strings.HasPrefix(line, "# TYPE ") {
			continue
		}
		m := metricLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		value, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatalf("no number: %q", line)
		}
		if _, twice := values[m[1]]; twice {
			t.Fatalf("twice: %q", line)
		}
		values[m[1]] = value
	}
	return values
}

func metricValue(t *testing.T, addr, name string) float64 {
	t.Helper()
	value, ok := metrics(t, addr)[name]
	if !ok {
		return -1
	}
	return value
}

// sumOf adds up the samples of a family.
func sumOf(values map[string]float64, family string) (sum float64, samples int) {
	for name, value := range values {
		if name == family || strings.HasPrefix(name, family+"{") {
			sum += value
			samples++
		}
	}
	return sum, samples
}

// TestPrometheus looks at every metric the issue names, then lets a worker die and a reload happen: counters go on.
func TestPrometheus(t *testing.T) {
	e := harness.New(t)
	w := newSite(e, false)
	s := w.start()
	for range 30 {
		getBody(t, "http", w.http, "/code")
	}
	_, _ = harness.Fetch("http", w.http, "/fail", 5*time.Second)
	var before map[string]float64
	harness.Eventually(3*time.Second, func() bool { // memory is measured once a second, and a request is counted after its answer
		before = metrics(t, w.prometheus)
		rss, _ := sumOf(before, "gowsgi_worker_rss_bytes")
		exceptions, _ := sumOf(before, "gowsgi_exceptions_total")
		return rss > 0 && exceptions > 0
	})
	for _, family := range []string{"gowsgi_requests_total", "gowsgi_exceptions_total", "gowsgi_workers", "gowsgi_workers_wanted",
		"gowsgi_worker_spawns_total", "gowsgi_worker_deaths_total", "gowsgi_reloads_total", "gowsgi_jail_build_seconds_count",
		"gowsgi_request_duration_seconds_bucket", "gowsgi_request_duration_seconds_count",
		"gowsgi_worker_rss_bytes", "gowsgi_listen_queue", "gowsgi_listen_queue_max", "gowsgi_generation", "gowsgi_start_time_seconds"} {
		if _, n := sumOf(before, family); n == 0 {
			t.Errorf("no metric %s", family)
		}
	}
	if n, _ := sumOf(before, "gowsgi_requests_total"); n < 31 || n > 60 {
		t.Errorf("%v requests are counted, 31 and some were made", n)
	}
	if n, _ := sumOf(before, "gowsgi_exceptions_total"); n != 1 {
		t.Errorf("%v exceptions are counted, one was made", n)
	}
	if n, _ := sumOf(before, "gowsgi_workers"); n != 4 {
		t.Errorf("%v workers are counted, 4 run", n)
	}
	if n, _ := sumOf(before, "gowsgi_worker_rss_bytes"); n < 4e6 || n > 4e9 {
		t.Errorf("the workers use %v bytes", n)
	}

	_, _ = harness.Fetch("http", w.http, "/exit?3", 5*time.Second)
	s.WaitLog(5*time.Second, `Respawned uWSGI worker`)
	time.Sleep(1200 * time.Millisecond)
	died := metrics(t, w.prometheus)
	checkCounters(t, "a death", before, died)
	if n, _ := sumOf(died, "gowsgi_worker_deaths_total"); n != 1 {
		t.Errorf("%v deaths are counted, one happened", n)
	}
	w.code("two")
	w.hup()
	w.waitServed("two")
	var after map[string]float64
	harness.Eventually(5*time.Second, func() bool { // it counts once all workers accept, and the first one answers before that
		after = metrics(t, w.prometheus)
		return after[`gowsgi_reloads_total{result="ok"}`] == 1
	})
	checkCounters(t, "a reload", died, after)
	if after[`gowsgi_reloads_total{result="ok"}`] != 1 {
		t.Error("the reload is not counted")
	}
	if after["gowsgi_generation"] <= before["gowsgi_generation"] {
		t.Error("the generation is the same")
	}
}

// checkCounters: no counter goes back.
func checkCounters(t *testing.T, what string, before, after map[string]float64) {
	t.Helper()
	for name, old := range before {
		family, _, _ := strings.Cut(name, "{")
		if strings.HasPrefix(name, "gowsgi_") && (strings.HasSuffix(family, "_total") || strings.HasSuffix(family, "_count") ||
			strings.HasSuffix(family, "_bucket")) && after[name] < old {
			t.Errorf("after %s: %s went from %v to %v", what, name, old, after[name])
		}
	}
}

// TestListenQueueMetric fills the queue of a busy worker: stats and metric show what is waiting.
func TestListenQueueMetric(t *testing.T) {
	e := harness.New(t)
	prometheus := harness.FreePort(t)
	_, addr := plain(e, 1, "--prometheus", prometheus)
	go func() { _, _ = harness.Fetch("http", addr, "/sleep?3", 10*time.Second) }()
	time.Sleep(300 * time.Millisecond)
	for range 5 {
		c, err := harness.Dial(addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET /pid HTTP/1.0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	var waiting float64
	if !harness.Eventually(2*time.Second, func() bool { waiting, _ = sumOf(metrics(t, prometheus), "gowsgi_listen_queue"); return waiting == 5 }) {
		t.Errorf("5 connections wait, the metric says %v", waiting)
	}
}
