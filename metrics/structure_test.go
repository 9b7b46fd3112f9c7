package metrics

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// structureFile holds the structure of a real uWSGI's document: key names, their order and JSON types.
// `go test -run UWSGI -update` writes it anew from the uwsgi installed here.
const structureFile = "testdata/uwsgi-stats-structure.txt"

var update = flag.Bool("update", false, "write "+structureFile+" from the uwsgi installed here")

// shape is the structure of a JSON value: its type and the keys of its objects in order. The elements of an array are
// laid over each other.
type shape struct {
	types []string
	keys  []string
	under map[string]*shape
}

func (s *shape) child(key string) *shape {
	if s.under == nil {
		s.under = map[string]*shape{}
	}
	if s.under[key] == nil {
		s.under[key] = &shape{}
		s.keys = append(s.keys, key)
	}
	return s.under[key]
}

// read takes the next value of the decoder in. The keys of locks are data (their names), so they count as one.
func (s *shape) read(d *json.Decoder, name string) error {
	tok, err := d.Token()
	if err != nil {
		return err
	}
	kind := strings.Replace(fmt.Sprintf("%T", tok), "float64", "number", 1)
	switch tok {
	case json.Delim('['):
		kind = "array"
		for d.More() {
			if err := s.child("[]").read(d, name+"[]"); err != nil {
				return err
			}
		}
		_, err = d.Token()
	case json.Delim('{'):
		kind = "object"
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			word := key.(string)
			if name == ".locks[]" {
				word = "*"
			}
			if err := s.child(word).read(d, name+"."+word); err != nil {
				return err
			}
		}
		_, err = d.Token()
	}
	if !slices.Contains(s.types, kind) {
		s.types = append(s.types, kind)
	}
	return err
}

func (s *shape) lines(name string) []string {
	out := []string{name + " " + strings.Join(s.types, "|")}
	for _, key := range s.keys {
		sub := name + "." + key
		if key == "[]" {
			sub = name + key
		}
		out = append(out, s.under[key].lines(sub)...)
	}
	return out
}

func structureOf(t *testing.T, text []byte) []string {
	t.Helper()
	var s shape
	if err := s.read(json.NewDecoder(bytes.NewReader(text)), ""); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s.lines("")[1:] // the first is the document itself
}

func readStructure(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(structureFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// compareLines reports the first difference of two structures.
func compareLines(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("line %d is %q, want %q", i+1, g, w)
		}
	}
}

const slowApp = `
import time
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'x' * 10
    time.sleep(30)
`

// realStats runs the uwsgi of this machine with one request going on and returns its document.
func realStats(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("uwsgi"); err != nil {
		t.Skip("no uwsgi here to compare with")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(slowApp), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command("uwsgi", "--plugin", "python3", "--master", "--need-app", "--http-socket", "http", "--stats", "stats",
		"--wsgi-file", "app.py", "--processes", "2", "--cheaper", "1", "--threads", "2", "--attach-daemon", "sleep 100",
		"--cron", "1 2 3 4 5 true", "--spooler", "spool", "--enable-metrics", "--metric", "name=mine,type=gauge,oid=100.1")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		slow := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		slow.Stop()
	})
	request := dialPath(t, filepath.Join(dir, "http"), &log)
	if _, err := request.Write([]byte("GET /slow HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := request.Read(make([]byte, 1)); err != nil {
		t.Fatalf("no answer: %v: %s", err, log.Bytes())
	}
	text, err := io.ReadAll(dialPath(t, filepath.Join(dir, "stats"), &log))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// dialPath connects to a socket that is about to appear.
func dialPath(t *testing.T, path string, log *bytes.Buffer) net.Conn {
	t.Helper()
	var err error
	for range 100 {
		var c net.Conn
		if c, err = net.Dial("unix", path); err == nil {
			t.Cleanup(func() { c.Close() })
			if err := c.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%v: %s", err, log.Bytes())
	return nil
}

// TestStructureIsRealUWSGIs keeps the stored structure true to the real thing.
func TestStructureIsRealUWSGIs(t *testing.T) {
	text := realStats(t)
	got := structureOf(t, text)
	if *update {
		if err := os.WriteFile(structureFile, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compareLines(t, got, readStructure(t))
	doc, err := DecodeStats(text)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Gowsgi != nil || len(doc.Workers) != 2 || doc.Workers[0].PID == 0 || doc.Workers[0].Status != "busy" {
		t.Errorf("decoded as %+v", doc)
	}
	snap, info := fullFigures(t)
	ours := info.metrics(&snap)
	if len(ours) != len(doc.Metrics) {
		t.Fatalf("uWSGI has %d metrics, we have %d", len(doc.Metrics), len(ours))
	}
	for i, m := range doc.Metrics {
		m.Value = ours[i].Value
		if m != ours[i] {
			t.Errorf("metric %d is %+v, uWSGI's is %+v", i, ours[i], m)
		}
	}
	if lines := RenderTop(nil, doc, TopOptions{Width: 100}); !strings.Contains(strings.Join(lines, "\n"), "busy") {
		t.Errorf("the real document is shown as %q", lines)
	}
}

// fullFigures is a moment with everything the document can hold.
func fullFigures(t *testing.T) (Snapshot, Info) {
	t.Helper()
	b := newTestBoard(t, 2, 2, 3)
	start(b, 0, 12)
	b.StoreCore(0, 1, Core{Requests: 4, TX: 100, RunningTime: 20e6, InRequest: true, Start: monotonic(), Accepting: true,
		Buckets: [NumBuckets]uint64{0: 2, 1: 1, 15: 1}})
	b.Died(0, CauseOOM)
	var s Store
	s.Add(b)
	info := Info{
		MetricsOn: true, Custom: MetricList{{Name: "mine", OID: "100.1", Kind: KindGauge}},
		Version: "0.1", PID: 1, UID: 33, GID: 33, CWD: "/srv", Start: time.Now(), Wanted: 2,
		Sockets:    []SocketInfo{{Name: "127.0.0.1:3031", Proto: "uwsgi", Queue: Queue{Length: 3, Max: 100}}},
		Apps:       []AppInfo{{Mountpoint: "", StartupTime: 1}},
		Locks:      []LockInfo{{Name: "user 0"}},
		LogDropped: map[string]uint64{"stderr": 3},
		Daemons:    []DaemonInfo{{Command: "sleep 100", PID: 9}},
		Spoolers:   []SpoolerInfo{{Dir: "/spool", PID: 8}},
		Crons:      []CronInfo{{Minute: 1, Hour: 2, Day: 3, Month: 4, Week: 5, Command: "true", PID: -1}},
	}
	info.Reloads.Succeeded(time.Now())
	info.Reloads.Failed(ReloadApp, time.Now(), "cannot load app: no module")
	info.JailBuilds.Observe(40 * time.Millisecond)
	return s.Snapshot(), info
}

// TestStatsHasUWSGIsStructure compares ours with the real one, key for key. Ours only lacks the request variables, and
// has one key more, at the end.
func TestStatsHasUWSGIsStructure(t *testing.T) {
	snap, info := fullFigures(t)
	got := structureOf(t, Stats(snap, info, StatsOptions{}))
	ours := slices.IndexFunc(got, func(line string) bool { return strings.HasPrefix(line, ".gowsgi") })
	if ours < 0 {
		t.Fatal("no key gowsgi")
	}
	for _, line := range got[ours:] {
		if !strings.HasPrefix(line, ".gowsgi") {
			t.Errorf("%q comes after gowsgi", line)
		}
	}
	want := slices.DeleteFunc(readStructure(t), func(line string) bool {
		return strings.HasPrefix(line, ".workers[].cores[].vars[] ")
	})
	compareLines(t, got[:ours], want)
}
