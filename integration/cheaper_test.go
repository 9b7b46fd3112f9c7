package integration

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// statuses lists the status words of all workers, sorted, from the stats socket. The words come from the scoreboard, the number wanted from
// the parent, which the master tells a moment later: they must agree soon, not at once.
func statuses(t *testing.T, addr string) []string {
	t.Helper()
	all, wanted := workerWords(t, addr)
	if !harness.Eventually(3*time.Second, func() bool {
		if wanted == len(all)-count(all, "cheap") {
			return true
		}
		all, wanted = workerWords(t, addr)
		return false
	}) {
		t.Errorf("%d workers are wanted, %q", wanted, all)
	}
	return all
}

// workerWords asks the stats socket once for the status words and for the number of workers that are wanted.
func workerWords(t *testing.T, addr string) (all []string, wanted int) {
	t.Helper()
	text, err := harness.Exchange(addr, "", false, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Workers []struct{ Status string }
		Gowsgi  struct {
			Wanted int `json:"workers_wanted"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %.300q", err, text)
	}
	for _, w := range doc.Workers {
		all = append(all, w.Status)
	}
	slices.Sort(all)
	return all, doc.Gowsgi.Wanted
}

func count(words []string, word string) int {
	n := 0
	for _, w := range words {
		if w == word {
			n++
		}
	}
	return n
}

// TestCheaper: workers come under load and leave after it, and no request is lost meanwhile.
func TestCheaper(t *testing.T) {
	for _, c := range []struct {
		algo string
		args []string
	}{
		{algo: "spare", args: []string{"--cheaper-overload", "1", "--cheaper-step", "2"}},
		{algo: "spare, jailed", args: []string{"--cheaper-overload", "1", "--cheaper-step", "2", "--namespace", "@host:cheaper"}},
		{algo: "spare2", args: []string{"--cheaper-algo", "spare2", "--cheaper-step", "2", "--cheaper-idle", "1"}},
		{algo: "backlog", args: []string{"--cheaper-algo", "backlog", "--cheaper-overload", "1", "--cheaper-step", "3"}},
		{algo: "busyness", args: []string{"--cheaper-algo", "busyness", "--cheaper-overload", "1", "--cheaper-step", "3", "--cheaper-busyness-multiplier", "1",
			"--cheaper-busyness-verbose"}},
	} {
		t.Run(c.algo, func(t *testing.T) {
			e := harness.New(t)
			stats := harness.FreePort(t)
			s, addr := plain(e, 4, append([]string{"--cheaper", "1", "--stats", stats, "--disable-logging"}, c.args...)...)
			if got := statuses(t, stats); count(got, "cheap") != 3 {
				t.Errorf("at the start: %q", got)
			}
			slow := harness.Target{Proto: "http", Addr: addr, Path: "/sleep?0.1"}
			load := harness.StartLoad(slices.Repeat([]harness.Target{slow}, 8), func(body string) bool { return body == "slept" })
			if !harness.Eventually(15*time.Second, func() bool { return count(statuses(t, stats), "cheap") == 0 }) {
				t.Errorf("under load: %q", statuses(t, stats))
			}
			if r := load.Stop(); r.Failed() > 0 || r.OK == 0 {
				t.Errorf("%v %q", r, r.Samples)
			}
			// Some requests go on, so that those that leave are seen to lose none.
			few := harness.StartLoad([]harness.Target{{Proto: "http", Addr: addr, Path: "/pid"}}, func(string) bool { time.Sleep(20 * time.Millisecond); return true })
			want := 2
			if c.algo == "spare2" { // one idle worker beside the one that serves
				want = 1
			}
			if !harness.Eventually(15*time.Second, func() bool { return count(statuses(t, stats), "cheap") >= want }) {
				t.Errorf("after the load: %q", statuses(t, stats))
			}
			if r := few.Stop(); r.Failed() > 0 || r.OK == 0 {
				t.Errorf("while workers leave: %v %q", r, r.Samples)
			}
			s.WaitLog(3e9, `worker \d killed successfully \(pid: \d+\)`)
			s.WaitLog(3e9, `uWSGI worker \d cheaped\.`)
		})
	}
}

// TestCheaperManual: the fifo letters + and - add and take away one worker, - never below cheaper; C takes all away.
func TestCheaperManual(t *testing.T) {
	e := harness.New(t)
	stats, fifo := harness.FreePort(t), e.Dir+"/fifo"
	_, addr := plain(e, 3, "--cheaper", "1", "--cheaper-algo", "manual", "--stats", stats, "--master-fifo", fifo)
	for _, c := range []struct {
		letters string
		cheap   int
	}{{"+", 1}, {"+", 0}, {"+", 0}, {"-", 1}, {"---", 2}, {"C", 3}} {
		if err := os.WriteFile(fifo, []byte(c.letters), 0o600); err != nil {
			t.Fatal(err)
		}
		if !harness.Eventually(5*time.Second, func() bool {
			s := statuses(t, stats)
			return count(s, "cheap") == c.cheap && count(s, "idle") == 3-c.cheap
		}) {
			t.Errorf("after %q: %q", c.letters, statuses(t, stats))
		}
	}
	if got := getBody(t, "http", addr, "/"); got != "probe\n" {
		t.Errorf("asleep, woken: %q", got)
	}
}

// TestIdle: without requests no worker is kept, and the next connection brings them back; cheap starts without any.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{{"plain", nil}, {"jailed", []string{"--namespace", "@host:idle"}}} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			addr, stats := harness.FreePort(t), harness.FreePort(t)
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", appDir(e), "--module", "probe", "--processes", "2", "--cheap", "--idle", "2",
				"--stats", stats}, c.args...)...)
			for range 2 {
				s.WaitLog(10e9, `cheap mode enabled: waiting for socket connection\.\.\.`)
				if got := statuses(t, stats); count(got, "cheap") != 2 {
					t.Errorf("asleep: %q", got)
				}
				s.Forget()
				if got := getBody(t, "http", addr, "/"); got != "probe\n" {
					t.Errorf("woken: %q", got)
				}
				if !harness.Eventually(5*time.Second, func() bool { return count(statuses(t, stats), "idle") == 2 }) {
					t.Errorf("awake: %q", statuses(t, stats))
				}
			}
		})
	}
}

// TestDieOnIdle: without requests the whole ends, with 0.
func TestDieOnIdle(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--idle", "2", "--die-on-idle")
	getBody(t, "http", addr, "/sleep?2.5") // a request is no idleness
	if !s.Running() {
		t.Error("ended after a request that took longer than idle")
	}
	if code := s.WaitExit(10e9); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDieOnNoWorkers: when all workers are in their back-off the whole ends.
func TestDieOnNoWorkers(t *testing.T) {
	e := harness.New(t)
	s, addr := plain(e, 1, "--die-on-no-workers")
	go func() {
		for range 3 {
			_, _ = harness.Fetch("http", addr, "/exit?3", 2*time.Second)
		}
	}()
	if code := s.WaitExit(15e9); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if s.CountLog(`no worker is left: leaving \(die-on-no-workers\)`) != 1 {
		t.Error("the log does not say why")
	}
}
