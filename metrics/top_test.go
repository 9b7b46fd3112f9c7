package metrics

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func topDocument() *Document {
	return &Document{
		Version: "0.1", PID: 1, UID: 33, GID: 33, CWD: "/srv",
		Sockets: []SocketDoc{{Name: "127.0.0.1:3031", Queue: 3, MaxQueue: 100}},
		Workers: []WorkerDoc{
			{ID: 1, PID: 10, Status: "idle", Requests: 100, RSS: 50 << 20, TX: 2048, AvgRT: 1500, RespawnCount: 1, LastSpawn: 1000},
			{ID: 2, PID: 11, Status: "busy", Requests: 300, RSS: 60 << 20, RunningTime: 1e6, RespawnCount: 3, LastSpawn: 4000},
			{Status: "cheap"},
		},
		Gowsgi: &GowsgiDoc{
			Generation: 2, StartedAt: 400, Time: 4000, WorkersWanted: 2, Requests: 1000, RSS: 110 << 20, Respawns: 2,
			Deaths:  map[string]int64{"signal": 1, "oom": 7, "exit": 1, "stop": 0},
			Reloads: ReloadsDoc{OK: 1, Failed: 1, LastOK: 500, LastFailed: 3990, LastError: "cannot load app: no module named x"},
			Workers: []GowsgiWorkerDoc{{ID: 1, Generation: 2, State: "running"}, {ID: 2, Generation: 2, State: "running",
				Deaths: map[string]int64{"oom": 7}}, {ID: 3, State: "none"}},
			JailBuild: 0.04,
		},
	}
}

func TestTopShowsRates(t *testing.T) {
	prev, cur := topDocument(), topDocument()
	prev.Workers[0].Requests = 90
	prev.Workers[1].Requests = 250
	prev.Workers[1].RunningTime = 0
	got := RenderTop(prev, cur, TopOptions{Elapsed: 2 * time.Second})
	want := []string{
		"gowsgi top - 0.1 - pid 1, uid 33, gid 33, cwd /srv",
		"requests 1000, rps 30.0, tx 0B, rss 110.0M",
		"workers 3: 1 busy, 1 idle, 1 cheap",
		"queues 127.0.0.1:3031 3/100",
		"up 1h00m, generation 2, wanted 2, respawns 2, harakiri 0, reloads 1 ok 1 failed, jail built in 40 ms",
		"deaths oom=7 exit=1 signal=1",
		"last reload failed 10s ago: cannot load app: no module named x",
		"",
		" WID      PID STATUS %BUSY        REQ      RPS    EXC   HAR  SPAWN      RSS       TX   AVG ms      AGE STATE",
		"   2       11 busy    50.0        300     25.0      0     0      3    60.0M       0B      0.0       0s running gen 2 oom=7",
		"   1       10 idle     0.0        100      5.0      0     0      1    50.0M     2.0K      1.5   50m00s running gen 2",
		"   0        0 cheap    0.0          0      0.0      0     0      0       0B       0B      0.0        - none gen 0",
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d is\n%q, want\n%q", i+1, g, w)
		}
	}
}

func TestTopWithoutAnEarlierDocument(t *testing.T) {
	cur := topDocument()
	for name, c := range map[string]struct {
		prev *Document
		opt  TopOptions
	}{
		"first":   {nil, TopOptions{Elapsed: time.Second}},
		"no time": {topDocument(), TopOptions{}},
	} {
		got := strings.Join(RenderTop(c.prev, cur, c.opt), "\n")
		if !strings.Contains(got, "rps -") || !strings.Contains(got, "   1       10 idle       -        100        -") {
			t.Errorf("%s: %s", name, got)
		}
	}
	grown := topDocument()
	grown.Workers = grown.Workers[:1] // workers 2 and 3 are new
	if got := strings.Join(RenderTop(grown, cur, TopOptions{Elapsed: time.Second}), "\n"); !strings.Contains(got, "rps 0.0") {
		t.Errorf("new workers: %s", got)
	}
}

func TestTopAfterARestartHasNoNegativeRate(t *testing.T) {
	prev, cur := topDocument(), topDocument()
	prev.Workers[0].Requests = 1 << 40
	prev.Workers[1].Requests = -5
	got := strings.Join(RenderTop(prev, cur, TopOptions{Elapsed: time.Second}), "\n")
	if strings.Contains(got, "-1") || !strings.Contains(got, "rps 400.0") {
		t.Errorf("shown as %s", got)
	}
}

func TestTopIsCutToTheScreen(t *testing.T) {
	for _, c := range []struct{ width, height, lines int }{{20, 0, 12}, {0, 3, 3}, {5, 100, 12}} {
		got := RenderTop(nil, topDocument(), TopOptions{Width: c.width, Height: c.height})
		if len(got) != c.lines {
			t.Errorf("%dx%d: %d lines, want %d", c.width, c.height, len(got), c.lines)
		}
		for _, line := range got {
			if c.width > 0 && utf8.RuneCountInString(line) > c.width {
				t.Errorf("%d cells wide: %q", c.width, line)
			}
		}
	}
}

func TestTopOfUWSGIsDocument(t *testing.T) {
	cur := topDocument()
	cur.Gowsgi = nil
	got := strings.Join(RenderTop(nil, cur, TopOptions{}), "\n")
	if !strings.Contains(got, "requests 400,") || strings.Contains(got, "generation") {
		t.Errorf("shown as %s", got)
	}
}

func FuzzTop(f *testing.F) {
	f.Add([]byte(`{"cwd":"\u001b]0;x\u0007","workers":[{"requests":-1,"last_spawn":9223372036854775807,"status":"\u001b[2J"}],"gowsgi":null}`),
		[]byte(`{"workers":[{"requests":9223372036854775807,"avg_rt":-5}],"gowsgi":{"workers":[],"deaths":{"\u0000":3}}}`), 40)
	f.Fuzz(func(t *testing.T, a, b []byte, width int) {
		prev, err := DecodeStats(a)
		if err != nil {
			return
		}
		cur, err := DecodeStats(b)
		if err != nil {
			return
		}
		for _, line := range RenderTop(prev, cur, TopOptions{Width: width, Elapsed: time.Second}) {
			for _, r := range line {
				if !unicode.IsPrint(r) {
					t.Fatalf("%q holds %q", line, r)
				}
			}
			if width > 0 && utf8.RuneCountInString(line) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
	})
}

func TestTopOrders(t *testing.T) {
	worker := func(id int, requests, running, rss int64) WorkerDoc {
		return WorkerDoc{ID: id, PID: 100 + id, Requests: requests, RunningTime: running, RSS: rss, Status: "idle"}
	}
	prev := &Document{Workers: []WorkerDoc{worker(1, 0, 0, 1), worker(2, 90, 0, 1), worker(3, 50, 0, 1)}}
	cur := &Document{Workers: []WorkerDoc{worker(1, 20, 100, 5), worker(2, 95, 300, 4), worker(3, 60, 200, 6)}}
	for order, want := range map[string]string{"": "1 3 2", SortRPS: "1 3 2", SortBusy: "2 3 1", SortRSS: "3 1 2", SortRequests: "2 3 1", SortID: "1 2 3"} {
		var got []string
		for _, line := range RenderTop(prev, cur, TopOptions{Elapsed: time.Second, Sort: order}) {
			if words := strings.Fields(line); len(words) > 2 && words[2] == "idle" {
				got = append(got, words[0])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("order %q is %v, want %s", order, got, want)
		}
	}
}
