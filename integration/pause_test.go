package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestPause: running requests finish, new ones wait, whoever is born meanwhile waits too, and all are answered afterwards.
func TestPause(t *testing.T) {
	for _, threads := range []string{"1", "3"} {
		t.Run("threads "+threads, func(t *testing.T) {
			e := harness.New(t)
			fifo, pidfile := e.Dir+"/fifo", e.Dir+"/pid"
			s, addr := plain(e, 2, "--threads", threads, "--master-fifo", fifo, "--pidfile", pidfile)
			ask := map[string]func(){
				"signal":        func() { s.Signal(unix.SIGTSTP) },
				"master":        func() { _ = unix.Kill(s.Master(), unix.SIGTSTP) },
				"action":        func() { client(t, "--pause", pidfile) },
				"fifo":          func() { _ = os.WriteFile(fifo, []byte("p"), 0) },
				"all at once":   func() { s.Signal(unix.SIGTSTP); _ = unix.Kill(s.Master(), unix.SIGTSTP) }, // as Ctrl-Z does
				"worker itself": func() { pauseWithNoise(s) },
			}
			for name, pause := range ask {
				if threads != "1" && name != "signal" {
					continue
				}
				running := fetchLater(addr, "/pid?0.4")
				time.Sleep(100 * time.Millisecond) // so that it runs
				s.Forget()
				pause()
				s.WaitLog(5*time.Second, `\*\*\* worker 2 suspended \*\*\*`)
				if r := <-running; r != "" {
					t.Errorf("%s: the request that ran: %s", name, r)
				}
				if name == "signal" { // a worker that is born in a pause
					for _, w := range harness.Children(s.Master()) {
						if w.Name != "uWSGI zygote" {
							_ = unix.Kill(w.PID, unix.SIGKILL)
							break
						}
					}
					s.WaitLog(5*time.Second, `Respawned uWSGI worker`)
				}
				var waiting []chan string
				for range 5 {
					waiting = append(waiting, fetchLater(addr, "/pid?0"))
				}
				select {
				case r := <-waiting[0]:
					t.Fatalf("%s: a request was served in the pause (%q)", name, r)
				case <-time.After(300 * time.Millisecond):
				}
				ask["fifo"]()
				for _, w := range waiting {
					if r := <-w; r != "" {
						t.Errorf("%s: a request that waited: %s", name, r)
					}
				}
			}
			s.Forget()
			ask["fifo"]()
			s.WaitLog(5*time.Second, `suspended`)
			s.Signal(unix.SIGHUP)
			s.WaitServing("http", addr)
		})
	}
}

// pauseWithNoise: what a terminal sends to the workers themselves does not matter.
func pauseWithNoise(s *harness.Server) {
	for _, w := range harness.Children(s.Master()) {
		_ = unix.Kill(w.PID, unix.SIGTSTP)
	}
	s.Signal(unix.SIGTSTP)
}

// fetchLater asks in the background; what comes is "" or what was wrong.
func fetchLater(addr, path string) chan string {
	done := make(chan string, 1)
	go func() {
		r, err := harness.Fetch("http", addr, path, 15*time.Second)
		switch {
		case err != nil:
			done <- err.Error()
		case r.Status != 200:
			done <- fmt.Sprintf("status %d", r.Status)
		default:
			done <- ""
		}
	}()
	return done
}
