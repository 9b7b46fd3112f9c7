package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// What uwsgitop reads, and the types it needs.
var (
	topKeys    = map[string]string{"version": "string", "listen_queue": "number", "cwd": "string", "uid": "number", "gid": "number", "pid": "number"}
	workerKeys = map[string]string{"id": "number", "pid": "number", "requests": "number", "exceptions": "number", "signals": "number", "status": "string",
		"avg_rt": "number", "rss": "number", "vsz": "number", "tx": "number", "respawn_count": "number", "harakiri_count": "number", "running_time": "number",
		"last_spawn": "number", "accepting": "number", "delta_requests": "number"}
	coreKeys = map[string]string{"id": "number", "requests": "number", "in_request": "number"}
)

func readStats(t *testing.T, addr string) map[string]any {
	t.Helper()
	text, err := harness.Exchange(addr, "", false, 5*time.Second)
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	var stats map[string]any
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatalf("stats: %v in %.300q", err, text)
	}
	return stats
}

func checkKeys(t *testing.T, what string, object any, keys map[string]string) {
	t.Helper()
	m, ok := object.(map[string]any)
	if !ok {
		t.Errorf("%s is %T", what, object)
		return
	}
	for key, kind := range keys {
		value, there := m[key]
		_, isNumber := value.(float64)
		_, isString := value.(string)
		if !there || kind == "number" && !isNumber || kind == "string" && !isString {
			t.Errorf("%s: %s is %#v, want a %s", what, key, value, kind)
		}
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// TestStats reads uWSGI's stats JSON with every key uwsgitop reads; counters go on over a respawn and a reload.
func TestStats(t *testing.T) {
	e := harness.New(t)
	w := newSite(e, false)
	s := w.start()
	for range 20 {
		getBody(t, "http", w.http, "/code")
	}
	stats := readStats(t, w.stats)
	checkKeys(t, "stats", stats, topKeys)
	if stats["pid"] != 1.0 || stats["uid"] != float64(harness.RootfsUID) && stats["uid"] != 0.0 {
		t.Errorf("pid %v, uid %v", stats["pid"], stats["uid"])
	}
	if len(list(stats["workers"])) != 4 {
		t.Fatalf("%d workers, want 4", len(list(stats["workers"])))
	}
	for _, worker := range list(stats["workers"]) {
		checkKeys(t, "worker", worker, workerKeys)
		cores := list(worker.(map[string]any)["cores"])
		if len(cores) != 1 {
			t.Errorf("%d cores", len(cores))
		}
		for _, core := range cores {
			checkKeys(t, "core", core, coreKeys)
		}
	}
	if len(list(stats["sockets"])) != 2 {
		t.Errorf("%d sockets, want 2", len(list(stats["sockets"])))
	}
	before := total(stats)
	if before < 20 {
		t.Errorf("%v requests, 20 were made", before)
	}
	_, _ = harness.Fetch("http", w.http, "/exit?3", 5*time.Second)
	s.WaitLog(5*time.Second, `Respawned uWSGI worker`)
	if now := total(readStats(t, w.stats)); now < before {
		t.Errorf("after a respawn: %v requests, before %v", now, before)
	}
	w.code("two")
	w.hup()
	w.waitServed("two")
	if now := total(readStats(t, w.stats)); now < before {
		t.Errorf("after a reload: %v requests, before %v", now, before)
	}
}

func total(stats map[string]any) (sum float64) {
	for _, worker := range list(stats["workers"]) {
		n, _ := worker.(map[string]any)["requests"].(float64)
		sum += n
	}
	return sum
}

// TestStatsShowsABusyWorker: status and in_request tell what a worker does.
func TestStatsShowsABusyWorker(t *testing.T) {
	e := harness.New(t)
	stats := harness.FreePort(t)
	_, addr := plain(e, 2, "--stats", stats)
	done := inFlight(addr, 1.5)
	busy := map[string]int{}
	for _, worker := range list(readStats(t, stats)["workers"]) {
		busy[worker.(map[string]any)["status"].(string)]++
	}
	if busy["busy"] != 1 || busy["idle"] != 1 {
		t.Errorf("workers are %v", busy)
	}
	<-done
}

// TestStatsForms: unix socket, HTTP, minified.
func TestStatsForms(t *testing.T) {
	e := harness.New(t)
	unix, http := e.Dir+"/stats.sock", harness.FreePort(t)
	plain(e, 1, "--stats", unix, "--stats-minified")
	text, err := harness.Exchange(unix, "", false, 5*time.Second)
	if err != nil || !json.Valid([]byte(text)) || strings.ContainsAny(text, "\n\t") {
		t.Errorf("minified stats: %v %.200q", err, text)
	}
	s := e.Start("--http-socket", harness.FreePort(t), "--chdir", e.Dir+"/app", "--module", "probe", "--master", "--stats", http, "--stats-http")
	s.WaitServing("http", http)
	r := harness.Get(t, "http", http, "/")
	if r.Status != 200 || r.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(r.Body)) {
		t.Errorf("stats over HTTP: %d %v %.100q", r.Status, r.Header, r.Body)
	}
}

// TestIdleStatsClient: a client of the stats socket that neither reads nor leaves costs nobody anything.
func TestIdleStatsClient(t *testing.T) {
	e := harness.New(t)
	stats := harness.FreePort(t)
	s, addr := plain(e, 1, "--stats", stats, "--stats-http")
	for range 20 {
		c, err := harness.Dial(stats, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	old := getBody(t, "http", addr, "/pid")
	_, _ = harness.Fetch("http", addr, "/exit?1", 5*time.Second)
	began := time.Now()
	s.WaitLog(5*time.Second, `Respawned uWSGI worker 1`)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the respawn of %s waited %s", old, took)
	}
}
