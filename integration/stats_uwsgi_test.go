package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// paths collects every path of a JSON value with its type. Names of locks are data, elements of an array lie over each other.
func paths(value any, at string, into map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for key, sub := range v {
			if at == ".locks[]" {
				key = "*"
			}
			paths(sub, at+"."+key, into)
		}
	case []any:
		into[at+" array"] = true
		for _, sub := range v {
			paths(sub, at+"[]", into)
		}
	default:
		into[fmt.Sprintf("%s %T", at, v)] = true
	}
}

// statsOf serves a small app with the same options, asks for it twice, lets one request fail and one hang, and reads the document.
func statsOf(e *harness.Env, program []string) map[string]any {
	e.T.Helper()
	const processes = 2
	http, stats := harness.FreePort(e.T), harness.FreePort(e.T)
	args := []string{"--http-socket", http, "--socket", harness.FreePort(e.T), "--socket", e.Dir + "/" + fmt.Sprint(len(program)) + ".sock",
		"--chdir", appDir(e), "--module", "probe", "--master", "--processes", fmt.Sprint(processes), "--threads", "3", "--stats", stats,
		"--enable-metrics", "--need-app"}
	if program != nil {
		args = append(slices.Clone(program[1:]), args...)
		program = program[:1]
	}
	s := e.StartWith(harness.Options{Program: program, Args: args})
	s.WaitServing("http", http)
	for range 2 {
		getBody(e.T.(*testing.T), "http", http, "/code")
	}
	_, _ = harness.Fetch("http", http, "/fail", 5*time.Second)
	done := inFlight(http, 1.5)
	var doc map[string]any
	harness.Eventually(time.Second, func() bool { // a request is written down after the client has its answer
		doc = readStats(e.T.(*testing.T), stats)
		_, exceptions, busy := countsOf(doc)
		return exceptions == 1 && busy == 1
	})
	<-done
	return doc
}

// countsOf adds up the workers.
func countsOf(doc map[string]any) (requests, exceptions, busy float64) {
	for _, w := range list(doc["workers"]) {
		worker := w.(map[string]any)
		requests += worker["requests"].(float64)
		exceptions += worker["exceptions"].(float64)
		for _, c := range list(worker["cores"]) {
			busy += c.(map[string]any)["in_request"].(float64)
		}
	}
	return requests, exceptions, busy
}

// TestStatsAreUWSGIs starts the real uWSGI beside ours: the same paths and types in both documents, and the same counts. What differs is
// named here and in docs/differences.md.
func TestStatsAreUWSGIs(t *testing.T) {
	e := harness.New(t)
	ours, theirs := statsOf(e, nil), statsOf(e, []string{"uwsgi", "--plugin", "python3"})
	for _, doc := range []map[string]any{ours, theirs} {
		if requests, exceptions, busy := countsOf(doc); requests < 3 || exceptions != 1 || busy != 1 {
			t.Errorf("requests %v, exceptions %v, busy %v: want at least 3, 1, 1", requests, exceptions, busy)
		}
	}
	a, b := map[string]bool{}, map[string]bool{}
	paths(ours, "", a)
	paths(theirs, "", b)
	for p := range a {
		if !b[p] && !strings.HasPrefix(p, ".gowsgi") {
			t.Errorf("only ours: %s", p)
		}
	}
	for p := range b {
		if !a[p] && p != ".workers[].cores[].vars[] string" {
			t.Errorf("only uWSGI's: %s", p)
		}
	}
	om, tm := ours["metrics"].(map[string]any), theirs["metrics"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(tm)) {
		mine, its := om[name].(map[string]any), tm[name].(map[string]any)
		if mine["type"] != its["type"] || mine["oid"] != its["oid"] {
			t.Errorf("metric %s is %v, uWSGI's is %v", name, mine, its)
		}
	}
	if os, ts := shownSockets(ours), shownSockets(theirs); len(os) != 3 || os[0] != ts[0] || os[1] != ts[1] || os[2] != ts[2] {
		t.Errorf("sockets are %v, uWSGI's %v", os, ts)
	}
}

// shownSockets lists the protocols of the sockets, in order.
func shownSockets(doc map[string]any) (all []string) {
	for _, s := range list(doc["sockets"]) {
		all = append(all, s.(map[string]any)["proto"].(string))
	}
	return all
}

// topDocument is what uwsgitop takes from the document. It reads these keys without asking whether they are there.
type topDocument struct {
	Version     *string  `json:"version"`
	ListenQueue *float64 `json:"listen_queue"`
	CWD         *string  `json:"cwd"`
	UID         *float64 `json:"uid"`
	GID         *float64 `json:"gid"`
	PID         *float64 `json:"pid"`
	Workers     []struct {
		ID       *float64 `json:"id"`
		PID      *float64 `json:"pid"`
		Requests *float64 `json:"requests"`
		Status   *string  `json:"status"`
		AvgRT    *float64 `json:"avg_rt"`
		RSS      *float64 `json:"rss"`
		Running  *float64 `json:"running_time"`
		Spawn    *float64 `json:"last_spawn"`
		Cores    []struct {
			ID        *float64 `json:"id"`
			Requests  *float64 `json:"requests"`
			InRequest *float64 `json:"in_request"`
		} `json:"cores"`
	} `json:"workers"`
}

// TestUwsgitopReads: a client like uwsgitop takes the document from a TCP, a unix and an HTTP address, sorts and sums.
func TestUwsgitopReads(t *testing.T) {
	e := harness.New(t)
	unix, tcp := e.Dir+"/stats.sock", harness.FreePort(t)
	_, http := plain(e, 3, "--threads", "2", "--stats", unix, "--stats", tcp, "--stats", tcp, "--stats", "@"+e.Dir)
	for range 9 {
		getBody(t, "http", http, "/code")
	}
	abstract := "@" + e.Dir
	for _, addr := range []string{unix, tcp, abstract} {
		network := "unix"
		if addr == tcp {
			network = "tcp"
		}
		c, err := net.DialTimeout(network, addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var doc topDocument
		err = json.NewDecoder(c).Decode(&doc)
		c.Close()
		if err != nil || doc.Version == nil || doc.ListenQueue == nil || doc.CWD == nil || doc.UID == nil || doc.GID == nil || doc.PID == nil || len(doc.Workers) != 3 {
			t.Fatalf("%s: %v %+v", addr, err, doc)
		}
		sum := 0.0
		for _, w := range doc.Workers {
			if w.ID == nil || w.PID == nil || w.Status == nil || w.AvgRT == nil || w.RSS == nil || w.Running == nil || w.Spawn == nil || len(w.Cores) != 2 {
				t.Fatalf("%s: worker %+v", addr, w)
			}
			for _, c := range w.Cores {
				sum += *c.Requests
			}
		}
		if sum < 8 { // the last one may not be written down yet
			t.Errorf("%s: the cores served %v requests, 9 were made", addr, sum)
		}
	}
}

// TestStatsPush: a file, a socket, statsd and carbon get the figures; a counter goes to statsd as its growth.
func TestStatsPush(t *testing.T) {
	e := harness.New(t)
	plainly, statsd := udp(t), udp(t)
	carbon, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer carbon.Close()
	file := e.Dir + "/pushed"
	_, http := plain(e, 1, "--stats-push", "file:path="+file+",freq=1", "--stats-push", "socket:"+plainly.LocalAddr().String()+",mine",
		"--stats-push", "statsd:"+statsd.LocalAddr().String(), "--stats-pusher-default-freq", "1", "--statsd-no-workers",
		"--carbon", carbon.Addr().String(), "--carbon-freq", "1", "--carbon-root", "root", "--carbon-id", "here")
	for range 5 {
		getBody(t, "http", http, "/code")
	}
	if !harness.Eventually(5*time.Second, func() bool { return strings.HasPrefix(receive(t, plainly), "mine.worker.1.requests 0 ") }) {
		t.Error("no requests of worker 1 came to the socket")
	}
	growth, last := 0, ""
	harness.Eventually(5*time.Second, func() bool {
		last = receive(t, statsd)
		if strings.Contains(last, "worker.1") {
			t.Fatalf("a worker's own metric is pushed: %q", last)
		}
		n := 0
		if _, err := fmt.Sscanf(last, "uwsgi.core.total_tx:%d|c", &n); err == nil && n > 0 {
			growth++
		}
		return growth > 0
	})
	if growth == 0 {
		t.Errorf("statsd was sent no growth of total_tx; the last datagram is %q", last)
	}
	c, err := carbon.Accept()
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 4096)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	n, _ := c.Read(text)
	c.Close()
	if host, _ := os.Hostname(); !strings.HasPrefix(string(text[:n]), "root."+host+".here.requests ") {
		t.Errorf("carbon was sent %q", text[:n])
	}
	if !harness.Eventually(5*time.Second, func() bool { return strings.Count(readFile(t, file), "\n\n") >= 2 }) {
		t.Errorf("the file holds %q", readFile(t, file))
	}
	first, _, _ := strings.Cut(readFile(t, file), "\n\n")
	if !json.Valid([]byte(first)) || !strings.Contains(first, `"core.total_tx"`) {
		t.Errorf("the file holds %.300q", first)
	}
}

func udp(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive(t *testing.T, c net.PacketConn) string {
	t.Helper()
	buf := make([]byte, 2000)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _, err := c.ReadFrom(buf)
	if err != nil {
		t.Fatalf("nothing was pushed: %v", err)
	}
	return string(buf[:n])
}
