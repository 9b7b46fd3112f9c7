package hook

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStop: everything that waits gives up when it is told to stop, a command that ignores SIGTERM with its children too.
func TestStop(t *testing.T) {
	dir := t.TempDir()
	began := filepath.Join(dir, "began")
	for line, waits := range map[string]bool{
		"wait_for_fs:/nosuchfile 100":                                      false,
		"wait_for_socket:" + dir + "/nosuchsocket 100":                     false,
		"spinningfifo:" + dir + "/nosuchfifo text":                         false,
		"wait_for_interface:nosuchif 100":                                  false,
		"wait_for_mountpoint:" + dir + " 100":                              false,
		"exec:echo > " + began + "; exec sleep 100":                        true,
		"exec:trap '' TERM; echo > " + began + "; sleep 100; sleep 100":    true,
		"safeexec:trap '' TERM; echo > " + began + "; sleep 100; sleep 99": true,
	} {
		h, err := Parse(AsRoot, line)
		if err != nil {
			t.Fatal(err)
		}
		stop, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- Run(h, Context{Stop: stop}) }()
		for range 1000 {
			if _, err := os.Stat(began); !waits || err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		close(stop)
		select {
		case err := <-done:
			if !errors.Is(err, ErrStopped) {
				t.Errorf("%s: %v", line, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s waits on", line)
		}
		_ = os.Remove(began)
	}
}
