package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// lineCount counts the lines of a file that may not be there yet.
func lineCount(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
}

// TestCron: jobs run in the minute they are for, once, also when a reload comes within it; a unique one not beside itself; one that
// takes too long is killed with all it started. It waits for the minute to change and is the only test that does.
func TestCron(t *testing.T) {
	e := harness.New(t)
	if late := time.Now().Second() - 45; late > 0 {
		time.Sleep(time.Duration(16-late) * time.Second) // so that what follows is over within one minute
	}
	stats := harness.FreePort(t)
	now := time.Now().Local()
	never := fmt.Sprintf("-1 %d -1 -1 -1", (now.Hour()+5)%24)
	s, addr := plain(e, 1, "--stats", stats, "--reload-mercy", "1",
		"--cron", "-1 -1 -1 -1 -1 echo every >> "+e.Dir+"/every",
		"--cron", fmt.Sprintf("-1 %d %d -1 -1", now.Hour(), now.Day())+" echo hour >> "+e.Dir+"/hour",
		"--cron", never+" echo never >> "+e.Dir+"/never",
		"--cron2", "unique=1,harakiri=2 sleep 1020 & sleep 1021",
		"--unique-cron", "-1 -1 -1 -1 -1 echo unique >> "+e.Dir+"/unique; exec sleep 1022",
		"--cron2", "minute=-1 exit 3")
	started := time.Now().Minute()
	if !harness.Eventually(5*time.Second, func() bool {
		return lineCount(e.Dir+"/every") == 1 && lineCount(e.Dir+"/hour") == 1 && lineCount(e.Dir+"/unique") == 1
	}) {
		t.Fatal("the jobs did not run")
	}
	s.WaitLog(time.Second, `\[uwsgi-cron\] running "exit 3" \(pid \d+\)`)
	s.WaitLog(3*time.Second, `\[uwsgi-cron\] command "exit 3" running with pid \d+ exited after \d+ second\(s\): it exited with code 3`)
	s.WaitLog(4*time.Second, `\*\*\* HARAKIRI ON CRON "sleep 1020 & sleep 1021" \(pid: \d+\) \*\*\*`)
	for _, name := range []string{"sleep 1020", "sleep 1021"} {
		waitNamed(t, s, name, 0)
	}
	run := waitNamed(t, s, "sleep 1022", 1)
	jobs := readStats(t, stats)["crons"].([]any)
	if job := jobs[4].(map[string]any); job["pid"] != float64(run[0].PID) || job["unique"] != 1.0 || job["minute"] != -1.0 {
		t.Errorf("stats have %v", job)
	}
	s.Signal(unix.SIGHUP)
	waitGone(t, "after the reload", run)
	s.WaitServing("http", addr)
	s.WaitLog(5*time.Second, `registered as cron task`)
	if time.Now().Minute() == started && (lineCount(e.Dir+"/every") != 1 || lineCount(e.Dir+"/unique") != 1) {
		t.Error("a job ran twice in a minute")
	}
	for time.Now().Minute() == started {
		time.Sleep(100 * time.Millisecond)
	}
	if !harness.Eventually(3*time.Second, func() bool { return lineCount(e.Dir+"/every") == 2 && lineCount(e.Dir+"/unique") == 2 }) {
		t.Errorf("in the next minute: %d and %d runs, want 2", lineCount(e.Dir+"/every"), lineCount(e.Dir+"/unique"))
	}
	if harness.Exists(e.Dir + "/never") {
		t.Error("a job ran at a time that is not its own")
	}
	noZombies(t, s)
	below := harness.Tree(s.PID)[1:]
	s.Signal(unix.SIGINT)
	s.WaitExit(6 * time.Second)
	waitGone(t, "after the stop", below)
}

// TestBadCrons: a time that never comes, or crontab's star, is refused at the start.
func TestBadCrons(t *testing.T) {
	e := harness.New(t)
	for value, want := range map[string]string{
		"*/5 -1 -1 -1 -1 x": `minute: "\*/5" is not a number.*-1 is every \(-5\)`,
		"0 24 -1 -1 -1 x":   `hour: 24 never comes: 0 to 23`,
		"0 0 -1 -1 -1":      `no command`,
		"0 0 x":             `day: "x" is not a number`,
	} {
		s := e.Start("--http-socket", harness.FreePort(t), "--chdir", appDir(e), "--module", "probe", "--cron", value)
		if code := s.WaitExit(5 * time.Second); code != 1 {
			t.Errorf("%s: exit code %d", value, code)
		}
		s.WaitLog(time.Second, want)
	}
}
