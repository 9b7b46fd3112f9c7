package integration

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

const countingApp = `import uwsgi


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/exit":
        import os
        os._exit(3)
    if environ["PATH_INFO"] == "/hit":
        for _ in range(10):
            uwsgi.metric_inc("hits")
        uwsgi.metric_set("temp", -3)
    return [("%d %d %d" % (uwsgi.metric_get("hits"), uwsgi.metric_get("limit"), uwsgi.metric_get("worker.0.requests"))).encode()]
`

// TestMetricsOfTheApp counts in several workers and threads, over a crash and reloads of both kinds, and looks at every place that shows it.
func TestMetricsOfTheApp(t *testing.T) {
	for _, overlap := range [][]string{nil, {"--reload-overlap"}} {
		t.Run(fmt.Sprint("overlap ", len(overlap)), func(t *testing.T) {
			e := harness.New(t)
			http, stats, prometheus := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
			e.Write("app/counting.py", countingApp)
			number := e.Write("number", "17 and more\n")
			files := e.Dir + "/metrics"
			if err := os.Mkdir(files, 0o777); err != nil {
				t.Fatal(err)
			}
			s := e.Start(append(overlap, "--http-socket", http, "--chdir", e.Dir+"/app", "--module", "counting", "--master", "--processes", "2", "--threads", "2",
				"--stats", stats, "--prometheus", prometheus, "--metrics-dir", files,
				"--metric", "name=hits,oid=100.1", "--metric", "name=temp,type=gauge", "--metric", "name=limit,type=gauge,collector=file,arg1="+number,
				"--metric", "name=both,collector=sum,children=hits;limit", "--metric", "name=again,alias=hits")...)
			s.WaitServing("http", http)
			hit := func(times int) {
				var all sync.WaitGroup
				for range times {
					all.Go(func() { getBody(t, "http", http, "/hit") })
				}
				all.Wait()
			}
			hits := func() string {
				word, _, _ := strings.Cut(getBody(t, "http", http, "/"), " ")
				return word
			}
			hit(20)
			if got := hits(); got != "200" {
				t.Fatalf("the app counts %s, 200 were made", got)
			}
			_, _ = harness.Fetch("http", http, "/exit", 5*time.Second)
			s.WaitLog(5*time.Second, `Respawned uWSGI worker`)
			hit(5)
			s.Signal(1)
			if !harness.Eventually(10*time.Second, func() bool { return metricValue(t, prometheus, `gowsgi_reloads_total{result="ok"}`) == 1 }) {
				t.Fatal("no reload")
			}
			hit(5)
			checkAppMetrics(t, stats, prometheus, files, http)
			if got := hits(); got != "300" {
				t.Errorf("the app counts %s, 300 were made", got)
			}
		})
	}
}

func checkAppMetrics(t *testing.T, stats, prometheus, files, http string) {
	t.Helper()
	want := map[string]float64{"hits": 300, "temp": -3, "limit": 17, "both": 317, "again": 300}
	var shown map[string]any
	if !harness.Eventually(5*time.Second, func() bool { // collectors work once a second
		shown = readStats(t, stats)["metrics"].(map[string]any)
		for name, v := range want {
			if shown[name].(map[string]any)["value"] != v || metricValue(t, prometheus, `gowsgi_app_metric{name="`+name+`"}`) != v {
				return false
			}
		}
		return true
	}) {
		t.Errorf("shown are %v, %v, %v, want %v", shown["hits"], shown["both"], shown["again"], want)
	}
	if hits := shown["hits"].(map[string]any); hits["oid"] != "100.1" || hits["type"] != 0.0 {
		t.Errorf("hits is %v", hits)
	}
	if !harness.Eventually(5*time.Second, func() bool {
		for name, v := range want {
			text, err := os.ReadFile(files + "/" + name)
			if err != nil || string(text) != fmt.Sprintf("%v\n", v) {
				return false
			}
		}
		return true
	}) {
		t.Error("metrics-dir does not hold the values")
	}
	if !harness.Eventually(5*time.Second, func() bool { // the app sees collected and built-in ones
		var hits, limit, requests int
		_, err := fmt.Sscan(getBody(t, "http", http, "/"), &hits, &limit, &requests)
		return err == nil && hits == 300 && limit == 17 && requests >= 30
	}) {
		t.Error("the app does not see what is collected")
	}
}

// TestMetricsDirRestore: the app's metrics start with what an earlier instance left; a metric of nothing is refused.
func TestMetricsDirRestore(t *testing.T) {
	e := harness.New(t)
	http := harness.FreePort(t)
	e.Write("app/counting.py", countingApp)
	e.Write("old/hits", "1234\n")
	args := []string{"--http-socket", http, "--chdir", e.Dir + "/app", "--module", "counting", "--master", "--metric", "hits"}
	s := e.Start(append(args, "--metrics-dir", e.Dir+"/old", "--metrics-dir-restore")...)
	s.WaitServing("http", http)
	if got := getBody(t, "http", http, "/"); !strings.HasPrefix(got, "1234 ") {
		t.Errorf("the app sees %q, want 1234 first", got)
	}
	s.End()
	s = e.Start(append(args, "--metric", "name=sum,collector=sum,children=hits;nothing")...)
	if code := s.WaitExit(5 * time.Second); code != 1 || s.CountLog(`cannot keep metric sum: there is no metric nothing`) == 0 {
		t.Errorf("ended with %d:\n%s", code, s.Log())
	}
}
