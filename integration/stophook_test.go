package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// TestStopEndsHooks: SIGINT ends a start that waits in a hook, in each process that runs some, with the commands of the hook.
func TestStopEndsHooks(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	e.Run("chmod", "777", root+"/tmp")
	for i, phase := range []string{"asap", "post-jail", "in-jail", "as-root", "as-user", "pre-app", "post-app", "master-start"} {
		t.Run(phase, func(t *testing.T) {
			e := e.With(t)
			mark, dir := fmt.Sprintf("began-%s", phase), root+"/tmp/"
			seen := "/tmp/" // as the hook sees it
			if phase == "asap" || phase == "post-jail" {
				seen = dir
			}
			for _, hook := range []string{"wait_for_file:/nosuchfile 100",
				fmt.Sprintf("exec:trap '' TERM; echo > %s%s; sleep 98%d; sleep 98%d", seen, mark, i, i)} {
				s := e.StartWith(harness.Options{Args: append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), "--hook-"+phase, hook)})
				if hook[0] == 'w' {
					s.WaitLog(10*time.Second, `"wait_for_file:`)
				} else if !harness.Eventually(10*time.Second, func() bool { return harness.Exists(dir + mark) }) {
					t.Fatalf("the hook does not run:\n%s", s.Log())
				}
				s.Signal(unix.SIGINT)
				s.WaitExit(8 * time.Second) // a master that does not hear is killed after 10
				if left := commands(t, "sleep", fmt.Sprintf("98%d", i)); len(left) > 0 {
					t.Errorf("%s: left over: %v", hook, left)
				}
			}
		})
	}
}

// commands finds the processes with this command line.
func commands(t *testing.T, words ...string) []string {
	t.Helper()
	want := ""
	for _, w := range words {
		want += w + "\x00"
	}
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, f := range found {
		if text, err := os.ReadFile(f); err == nil && string(text) == want {
			left = append(left, f)
		}
	}
	return left
}
