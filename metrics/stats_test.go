package metrics

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestStatsForms(t *testing.T) {
	snap, info := fullFigures(t)
	full := Stats(snap, info, StatsOptions{})
	small := Stats(snap, info, StatsOptions{Minified: true})
	var compact bytes.Buffer
	if err := json.Compact(&compact, full); err != nil {
		t.Fatal(err)
	}
	if compact.String() != string(small) {
		t.Errorf("the forms differ:\n%s\n%s", compact.String(), small)
	}
	if bytes.ContainsAny(small, "\n\t") {
		t.Error("the minified form has white space")
	}
	for _, want := range []string{"{\n\t\"version\":\"0.1\",\n\t\"listen_queue\":3,\n", "\n\t\"sockets\":[\n\t\t{\n\t\t\t\"name\":\"127.0.0.1:3031\""} {
		if !bytes.Contains(full, []byte(want)) {
			t.Errorf("no %q in\n%s", want, full)
		}
	}
	without, err := DecodeStats(Stats(snap, info, StatsOptions{NoCores: true}))
	if err != nil {
		t.Fatal(err)
	}
	with, err := DecodeStats(full)
	if err != nil {
		t.Fatal(err)
	}
	if without.Workers[0].Cores != nil || len(with.Workers[0].Cores) != 2 {
		t.Errorf("cores are %v and %v", without.Workers[0].Cores, with.Workers[0].Cores)
	}
	if bytes.Contains(Stats(snap, info, StatsOptions{NoCores: true}), []byte("cores")) {
		t.Error("stats-no-cores shows cores")
	}
}

func TestStatsValues(t *testing.T) {
	snap, info := fullFigures(t)
	doc, err := DecodeStats(Stats(snap, info, StatsOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(doc, NewDocument(snap, info)) {
		t.Errorf("decoded as %+v\nwant %+v", doc, NewDocument(snap, info))
	}
	w, idle := doc.Workers[0], doc.Workers[1]
	if w.ID != 1 || w.PID != 12 || w.Status != "busy" || w.Accepting != 1 || w.Requests != 4 || w.TX != 100 ||
		w.RespawnCount != 1 || w.Apps[0].Requests != 4 || w.Cores[1].InRequest != 1 || w.Cores[0].InRequest != 0 {
		t.Errorf("worker 1 is %+v", w)
	}
	if age := time.Now().Unix() - w.Cores[1].ReqInfo.RequestStart; age < 0 || age > 10 {
		t.Errorf("request runs for %d s", age)
	}
	if idle.ID != 0 || idle.Status != "cheap" || len(idle.Apps) != 0 || idle.LastSpawn != 0 {
		t.Errorf("worker 2 is %+v", idle)
	}
	g := doc.Gowsgi
	if g.Generation != 3 || g.Deaths["oom"] != 1 || len(g.Deaths) != 1 || g.Reloads.OK != 1 || g.Reloads.Failed != 1 ||
		g.Reloads.Reasons["app"] != 1 || g.Processes["busy"] != 1 || g.Processes["cheap"] != 1 || g.Workers[0].Deaths["oom"] != 1 ||
		g.Workers[0].State != "running" || g.JailBuild != 0.04 || doc.Load != 3 || doc.ListenQueue != 3 {
		t.Errorf("document is %+v, gowsgi %+v", doc, g)
	}
}

func TestUWSGIStatusWords(t *testing.T) {
	busy := []CoreView{{}, {InRequest: true}}
	for _, c := range []struct {
		state  State
		cores  []CoreView
		paused bool
		want   string
	}{
		{StateNone, nil, false, "cheap"},
		{StateCheap, nil, true, "cheap"},
		{StateDead, busy, false, "cheap"},
		{StateStarting, nil, false, "idle"},
		{StateRunning, nil, false, "idle"},
		{StateRunning, nil, true, "pause"},
		{StateRunning, busy, true, "busy"},
		{StateStopping, busy, false, "busy"},
		{StateStopping, nil, false, "idle"},
	} {
		w := Worker{State: c.state, Cores: c.cores}
		if got := w.uwsgiStatus(c.paused); got != c.want {
			t.Errorf("%v with %v, paused %v: %q, want %q", c.state, c.cores, c.paused, got, c.want)
		}
	}
}

// TestStatsEscapes has every string of the document hold what JSON must not: uWSGI writes most of them raw.
func TestStatsEscapes(t *testing.T) {
	nasty := "a\"b\\c\n\t\x00\x1b[31m\xff<&>{[,:]}é"
	info := Info{
		Version: nasty, CWD: nasty,
		Sockets: []SocketInfo{{Name: nasty, Proto: nasty}}, Locks: []LockInfo{{Name: nasty}},
		Daemons: []DaemonInfo{{Command: nasty}}, Spoolers: []SpoolerInfo{{Dir: nasty}},
		Crons: []CronInfo{{Command: nasty, Legion: nasty}}, Apps: []AppInfo{{Mountpoint: nasty, Chdir: nasty}},
	}
	info.Reloads.Failed(ReloadConfig, time.Now(), nasty)
	for _, minified := range []bool{false, true} {
		text := Stats(Snapshot{}, info, StatsOptions{Minified: minified})
		doc, err := DecodeStats(text)
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		want := strings.ToValidUTF8(nasty, "\uFFFD")
		if doc.CWD != want || doc.Sockets[0].Name != want || doc.Crons[0].Legion != want || doc.Gowsgi.Reloads.LastError != want {
			t.Errorf("cwd came back as %q, want %q", doc.CWD, want)
		}
		if !bytes.Contains(text, []byte("<&>")) {
			t.Error("characters that JSON allows were escaped")
		}
	}
}

func TestStatsOfNothing(t *testing.T) {
	text := Stats(Snapshot{}, Info{}, StatsOptions{Minified: true})
	for _, want := range []string{`"locks":[]`, `"sockets":[]`, `"workers":[]`, `"deaths":{}`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, not := range []string{"null", "daemons", "spoolers", "crons"} {
		if bytes.Contains(text, []byte(not)) {
			t.Errorf("%s in %s", not, text)
		}
	}
}

func FuzzIndent(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"c\"]\\"},[]],"d":{}}`))
	f.Add([]byte(`"\\"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after bytes.Buffer
		if json.Compact(&before, text) != nil {
			return
		}
		if err := json.Compact(&after, indent(before.Bytes())); err != nil {
			t.Fatalf("%q was made invalid: %v", text, err)
		}
		if before.String() != after.String() {
			t.Fatalf("%q was changed to %q", before.String(), after.String())
		}
	})
}
