package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func moment(requests uint64, custom ...Metric) *Moment {
	w := Worker{ID: 1, State: StateRunning, Requests: requests, RunningTime: requests * 1000, AvgRT: 700, TX: 10, Cores: make([]CoreView, 1)}
	snap := Snapshot{Time: time.Unix(1700000000+int64(requests), 0), Workers: []Worker{w}}
	snap.Totals.add(&w)
	return &Moment{Snapshot: snap, Info: Info{Custom: custom}}
}

// datagrams returns the address of a socket and a function that reads n datagrams.
func datagrams(t *testing.T) (addr string, read func(n int) []string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String(), func(n int) (got []string) {
		buf := make([]byte, 1000)
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		for range n {
			k, _, err := c.ReadFrom(buf)
			if err != nil {
				t.Fatalf("after %q: %v", got, err)
			}
			got = append(got, string(buf[:k]))
		}
		return got
	}
}

func TestPushSocket(t *testing.T) {
	addr, read := datagrams(t)
	m := moment(7, Metric{Name: "mine", Kind: KindGauge, Value: -3})
	target := NewSocketTarget(addr, "pre")
	if err := target.Push(m); err != nil {
		t.Fatal(err)
	}
	got := read(len(m.metrics()))
	for _, want := range []string{"pre.worker.0.requests 0 7", "pre.core.idle_workers 1 1", "pre.worker.1.avg_response_time 1 700", "pre.mine 1 -3"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// TestPushStatsd: counters go out as their growth, negative gauges in two steps.
func TestPushStatsd(t *testing.T) {
	addr, read := datagrams(t)
	target := NewStatsdTarget(addr, "uwsgi")
	target.NoWorkers = true
	for _, c := range []struct {
		value int64
		want  []string
	}{
		{5, []string{"uwsgi.hits:5|c", "uwsgi.temp:0|g", "uwsgi.temp:-2|g"}},
		{12, []string{"uwsgi.hits:7|c"}},
		{3, []string{"uwsgi.hits:3|c"}},
	} {
		m := moment(1, Metric{Name: "hits", Value: c.value}, Metric{Name: "temp", Kind: KindGauge, Value: -2})
		if err := target.Push(m); err != nil {
			t.Fatal(err)
		}
		got := read(5 + 5 + 2 + 1 + 2) // core, core.total, aliases, hits, temp twice
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
		if strings.Contains(strings.Join(got, " "), "worker.") {
			t.Errorf("workers in %q", got)
		}
	}
	target.AllGauges = true
	if err := target.Push(moment(1, Metric{Name: "hits", Value: 9})); err != nil {
		t.Fatal(err)
	}
	if got := read(13); !slices.Contains(got, "uwsgi.hits:9|g") {
		t.Errorf("no gauge in %q", got)
	}
}

func TestCarbonLines(t *testing.T) {
	target := &CarbonTarget{Prefix: "uwsgi.host.id", IdleAvg: IdleLast}
	text, commit := target.lines(moment(100))
	const first = `uwsgi.host.id.requests 100 1700000100
uwsgi.host.id.worker1.requests 100 1700000100
uwsgi.host.id.worker1.avg_rt 700 1700000100
uwsgi.host.id.worker1.tx 10 1700000100
uwsgi.host.id.worker1.busyness 0 1700000100
uwsgi.host.id.worker1.harakiri 0 1700000100
uwsgi.host.id.avg_rt 700 1700000100
uwsgi.host.id.tx 10 1700000100
uwsgi.host.id.busyness 0 1700000100
uwsgi.host.id.active_workers 1 1700000100
uwsgi.host.id.harakiri 0 1700000100
`
	if text != first {
		t.Errorf("lines are\n%swant\n%s", text, first)
	}
	commit()
	m := moment(110)
	m.Snapshot.Workers[0].RunningTime += 4e6 // of the 10 seconds
	text, _ = target.lines(m)
	if !strings.Contains(text, ".worker1.busyness 40 ") || !strings.Contains(text, ".id.busyness 40 ") {
		t.Errorf("busyness is not 40 in\n%s", text)
	}
	m = moment(100)
	for idle, want := range map[string]string{IdleLast: ".worker1.avg_rt 700 ", IdleZero: ".worker1.avg_rt 0 "} {
		target.IdleAvg = idle
		if text, _ = target.lines(m); !strings.Contains(text, want) {
			t.Errorf("idle %s: no %q in\n%s", idle, want, text)
		}
	}
	target.IdleAvg = IdleNone
	if text, _ = target.lines(m); strings.Contains(text, "worker1.avg_rt") {
		t.Errorf("idle none: an average in\n%s", text)
	}
	target.UseMetrics = true
	if text, _ = target.lines(m); !strings.Contains(text, "uwsgi.host.id.worker.1.core.0.requests 0 ") {
		t.Errorf("metrics are\n%s", text)
	}
}

func TestPushCarbon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		text, _ := io.ReadAll(c)
		got <- string(text)
	}()
	target := &CarbonTarget{Addr: l.Addr().String(), Prefix: "p", Timeout: 3 * time.Second}
	if err := target.Push(moment(5)); err != nil {
		t.Fatal(err)
	}
	if text := <-got; !strings.HasPrefix(text, "p.requests 5 ") {
		t.Errorf("carbon got %q", text)
	}
}

func TestPushFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stats")
	target := &FileTarget{Separator: "\n\n", Options: StatsOptions{Minified: true}, Open: func() (*os.File, error) {
		return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	}}
	for n := range 2 {
		if err := target.Push(moment(uint64(n + 1))); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n\n")
	if len(parts) != 3 || parts[2] != "" {
		t.Fatalf("file is %q", text)
	}
	doc, err := DecodeStats([]byte(parts[1]))
	if err != nil || doc.Workers[0].Requests != 2 {
		t.Errorf("second document: %v %+v", err, doc)
	}
}

// failingTarget fails as often as it is told.
type failingTarget struct{ fail, calls int }

func (f *failingTarget) Push(*Moment) error {
	f.calls++
	if f.calls <= f.fail {
		return errors.New("away")
	}
	return nil
}

// TestRunPushReportsChangesOnly: a series of errors is one report, its end another.
func TestRunPushReportsChangesOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	target := &failingTarget{fail: 4}
	var reports []error
	RunPush(ctx, target, Schedule{Every: time.Millisecond}, func() Moment { return Moment{} }, func(err error) {
		reports = append(reports, err)
		if err == nil {
			cancel()
		}
	})
	if len(reports) != 2 || reports[0] == nil || reports[1] != nil || target.calls != 5 {
		t.Errorf("%d calls, reports %v", target.calls, reports)
	}
}

func TestPushRetries(t *testing.T) {
	target := &failingTarget{fail: 2}
	s := Schedule{Retries: 2, RetryAfter: time.Millisecond}
	if err := pushOnce(context.Background(), target, s, func() Moment { return Moment{} }); err != nil || target.calls != 3 {
		t.Errorf("%v after %d calls", err, target.calls)
	}
	target = &failingTarget{fail: 3}
	if err := pushOnce(context.Background(), target, s, func() Moment { return Moment{} }); err == nil || target.calls != 3 {
		t.Errorf("%v after %d calls", err, target.calls)
	}
}
