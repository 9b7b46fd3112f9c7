package integration

import (
	"syscall"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestUpgradeAndStop: a stop that is asked for at any moment of an upgrade is a stop. While the image is exchanged it may be one without grace.
func TestUpgradeAndStop(t *testing.T) {
	e := harness.New(t)
	in := install(e)
	for n := range 8 {
		s := upgrading(t, in, n)
		s.Signal(syscall.SIGINT)
		if code := s.WaitExit(15 * time.Second); code != 0 && code != 128+int(syscall.SIGINT) {
			t.Errorf("stopped in an upgrade: exit code %d", code)
		}
	}
}

// TestUpgradeAndReload: a SIGHUP at any moment of an upgrade ends nothing, and neither is forgotten.
func TestUpgradeAndReload(t *testing.T) {
	e := harness.New(t)
	in := install(e)
	for n := range 8 {
		s := upgrading(t, in, n)
		s.Signal(syscall.SIGHUP)
		s.WaitLog(15*time.Second, "has taken over")
		s.WaitLog(15*time.Second, "gracefully killing workers")
		if code, out := in.upgrade(); code != 0 { // which also waits for all that was asked for before
			t.Errorf("an upgrade after it: %d, %s", code, out)
		}
		s.Signal(syscall.SIGINT)
		if code := s.WaitExit(15 * time.Second); code != 0 {
			t.Errorf("stopped: exit code %d", code)
		}
	}
}

// upgrading is a server that was told to upgrade, a little later in each of eight rounds.
func upgrading(t *testing.T, in *installed, round int) *harness.Server {
	http := harness.FreePort(t)
	s := in.start(nil, "--http-socket", http, "--master", "--chdir", in.app, "--module", "probe", "--pidfile", in.pid)
	s.WaitServing("http", http)
	s.Signal(syscall.SIGUSR2)
	if round < 4 {
		time.Sleep(time.Duration(round) * 5 * time.Millisecond)
		return s
	}
	s.WaitLog(10*time.Second, "Upgrade: trying")
	time.Sleep(time.Duration(round-4) * 15 * time.Millisecond)
	return s
}
