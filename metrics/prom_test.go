package metrics_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gowsgi/metrics"
	"gowsgi/metrics/prom"
)

func TestMetricsPassTheLinter(t *testing.T) {
	snap, info := metrics.FullFigures(t)
	problems, err := testutil.CollectAndLint(prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return snap, info }))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsValues(t *testing.T) {
	snap, info := metrics.FullFigures(t)
	c := prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return snap, info })
	want, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	names := []string{"gowsgi_requests_total", "gowsgi_workers", "gowsgi_reloads_total", "gowsgi_reload_failures_total",
		"gowsgi_listen_queue", "gowsgi_listen_queue_max", "gowsgi_build_info", "gowsgi_jail_build_seconds",
		"gowsgi_request_duration_seconds", "gowsgi_last_jail_build_seconds"}
	if err := testutil.CollectAndCompare(c, want, names...); err != nil {
		t.Error(err)
	}
}

// gather scrapes once and returns every sample by its name and labels.
func gather(t *testing.T, c *prom.Collector) map[string]float64 {
	t.Helper()
	reg, err := prom.NewRegistry(c)
	if err != nil {
		t.Fatal(err)
	}
	found, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range found {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "," + l.GetName() + "=" + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if h := m.GetHistogram(); h != nil {
				all[name+"_sum"], all[name+"_count"] = h.GetSampleSum(), float64(h.GetSampleCount())
				for _, b := range h.GetBucket() {
					all[fmt.Sprintf("%s_bucket,le=%g", name, b.GetUpperBound())] = float64(b.GetCumulativeCount())
				}
			}
		}
	}
	return all
}

// TestHostileFiguresGiveSaneMetrics scrapes a spoilt board: nothing is negative, no series breaks the scrape and no
// counter goes back when the board is zeroed.
func TestHostileFiguresGiveSaneMetrics(t *testing.T) {
	b := metrics.NewTestBoard(t, 3, 1, 1)
	var s metrics.Store
	s.Add(b)
	info := metrics.Info{Version: "\xff", Wanted: -3, Sockets: []metrics.SocketInfo{
		{Name: "\xff\x00", Queue: metrics.Queue{Length: 1, Max: 2}}, {Name: "same", Queue: metrics.Queue{Length: 1, Max: 2}},
		{Name: "same", Queue: metrics.Queue{Length: 4, Max: 2}}, {Name: "not measured"},
	}}
	c := prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return s.Snapshot(), info })
	for i := range b.Memory() {
		b.Memory()[i] = 0xff
	}
	before := gather(t, c)
	if got := before["gowsgi_listen_queue,socket=same"]; got != 5 {
		t.Errorf("two sockets of one name have %v waiting, want 5", got)
	}
	if _, ok := before["gowsgi_listen_queue,socket=not measured"]; ok {
		t.Error("a queue that was not measured is shown")
	}
	if before["gowsgi_requests_total,worker=1"] < 1e18 {
		t.Errorf("the spoilt counter is %v", before["gowsgi_requests_total,worker=1"])
	}
	for name, v := range before {
		if v < 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	for i := range b.Memory() {
		b.Memory()[i] = 0
	}
	after := gather(t, c)
	for name, v := range before {
		if strings.HasPrefix(name, "gowsgi_") && (strings.Contains(name, "_total") || strings.Contains(name, "_seconds_")) && after[name] < v {
			t.Errorf("%s went back from %v to %v", name, v, after[name])
		}
	}
}

func TestSumOfRequestsSurvivesFewerWorkers(t *testing.T) {
	var s metrics.Store
	c := prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return s.Snapshot(), metrics.Info{} })
	wide, narrow := metrics.NewTestBoard(t, 3, 1, 1), metrics.NewTestBoard(t, 1, 1, 2)
	s.Add(wide)
	wide.StoreCore(2, 0, metrics.Core{Requests: 7})
	s.Retire(wide)
	s.Add(narrow)
	got := gather(t, c)
	if got["gowsgi_requests_total,worker=3"] != 7 || got["gowsgi_generation"] != 2 {
		t.Errorf("worker 3 has %v requests in generation %v", got["gowsgi_requests_total,worker=3"], got["gowsgi_generation"])
	}
	if _, ok := got["gowsgi_worker_rss_bytes,worker=3"]; ok {
		t.Error("a worker that is gone has memory")
	}
}

func TestServePrometheus(t *testing.T) {
	snap, info := metrics.FullFigures(t)
	reg, err := prom.NewRegistry(prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return snap, info }))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- prom.Serve(l, prom.Handler(reg)) }()
	for range 2 * 64 { // idle ones keep nobody out
		metrics.Dial(t, l.Addr())
	}
	client := &http.Client{Timeout: 5 * time.Second}
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/metrics": {200, "gowsgi_requests_total{worker=\"1\"} 4\n"},
		"/":        {200, "/metrics"},
		"/other":   {404, ""},
	} {
		resp, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.code || !strings.Contains(string(body), want.text) {
			t.Errorf("%s gives %d, %v, %s", path, resp.StatusCode, err, body)
		}
		if path == "/metrics" && (!strings.Contains(string(body), "process_open_fds") || !strings.Contains(string(body), "go_goroutines")) {
			t.Error("the parent's own figures are missing")
		}
	}
	client.CloseIdleConnections()
	l.Close()
	if err := <-done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestEveryMetricIsDocumented compares name, type and labels of every metric with the table of docs/metrics.md.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) == 7 && strings.HasPrefix(cells[1], " `gowsgi_") {
			labels := strings.NewReplacer("`", "", " ", "").Replace(cells[4])
			documented[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2]) + " " + labels
		}
	}
	snap, info := metrics.FullFigures(t)
	reg := prometheus.NewRegistry()
	if err := reg.Register(prom.NewCollector(func() (metrics.Snapshot, metrics.Info) { return snap, info })); err != nil {
		t.Fatal(err)
	}
	found, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got := strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ",")
		if want := documented[f.GetName()]; got != want {
			t.Errorf("%s is a %q, documented as %q", f.GetName(), got, want)
		}
		delete(documented, f.GetName())
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}
