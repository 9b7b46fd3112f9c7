package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// versioned is an app whose answer tells its version; a broken one raises at import.
func versioned(e *harness.Env, dir, version string) {
	body := fmt.Sprintf("VERSION = %q\n", version)
	if version == "broken" {
		body = "raise ImportError('broken on purpose')\n"
	}
	e.Write(dir+"/versioned.py", body+`
import os
import time


def application(environ, start_response):
    time.sleep(float(environ.get('QUERY_STRING') or 0))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('%s %d' % (VERSION, os.getpid())).encode()]
`)
}

// processes lists who answers now, by version.
func answering(t *testing.T, addr string, count int) (versions, pids []string) {
	t.Helper()
	for range count {
		v, pid, _ := strings.Cut(getBody(t, "http", addr, "/"), " ")
		if !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
		if !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return versions, pids
}

// TestWorkersReload: new code comes into the same jail, one worker after the other or all at once; no request is lost, and
// code that does not import changes nothing.
func TestWorkersReload(t *testing.T) {
	for _, c := range []struct {
		name, option, letter, says string
		args                       []string
	}{
		{name: "chain", option: "--touch-chain-reload", letter: "c", says: `chain reloading complete`},
		{name: "chain, jailed", option: "--touch-chain-reload", letter: "c", says: `chain reloading complete`, args: []string{"--namespace", "@host:chain"}},
		{name: "chain, lazy", option: "--touch-chain-reload", letter: "c", says: `chain reloading complete`, args: []string{"--lazy-apps"}},
		{name: "all", option: "--touch-workers-reload", letter: "w", says: `worker 3 .*\n(.*\n)*Respawned uWSGI worker [123]`},
		{name: "all, lazy", option: "--touch-workers-reload", letter: "w", says: `Respawned`, args: []string{"--lazy-apps"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			dir, addr := appDir(e), harness.FreePort(t)
			trigger, fifo := e.Write(dir+"/trigger", ""), dir+"/fifo"
			versioned(e, dir, "one")
			s := e.Start(append([]string{"--http-socket", addr, "--chdir", dir, "--module", "versioned", "--processes", "3", "--disable-logging",
				"--env", "PYTHONDONTWRITEBYTECODE=1", "--master-fifo", fifo, c.option, trigger}, c.args...)...)
			s.WaitServing("http", addr)
			master := s.Master()
			path := harness.Target{Proto: "http", Addr: addr, Path: "/?0.02"}
			load := harness.StartLoad([]harness.Target{path, path, path, path}, func(body string) bool {
				return strings.HasPrefix(body, "one ") || strings.HasPrefix(body, "two ") || strings.HasPrefix(body, "three ")
			})
			renew := func(version string, ask func()) {
				t.Helper()
				versioned(e, dir, version)
				s.Forget()
				ask()
				s.WaitLog(10e9, c.says)
				if !harness.Eventually(5*time.Second, func() bool {
					versions, pids := answering(t, addr, 20)
					return len(versions) == 1 && versions[0] == version && len(pids) <= 3
				}) {
					t.Errorf("version %s is not served by all workers", version)
				}
			}
			renew("two", func() { e.Write(dir+"/trigger", "x") })
			renew("three", func() {
				if err := os.WriteFile(fifo, []byte(c.letter), 0o600); err != nil {
					t.Fatal(err)
				}
			})
			if len(c.args) == 0 || c.args[0] != "--lazy-apps" {
				_, before := answering(t, addr, 30)
				versioned(e, dir, "broken")
				e.Write(dir+"/trigger", "xx")
				s.WaitLog(10e9, `Workers reload abandoned, the workers go on with the old code`)
				versions, after := answering(t, addr, 30)
				slices.Sort(before)
				slices.Sort(after)
				if versions[0] != "three" || len(versions) != 1 || !slices.Equal(before, after) {
					t.Errorf("after code that does not import %q answers: %q, before %q", versions, after, before)
				}
			}
			if r := load.Stop(); r.Failed() > 0 || r.Wrong > 0 || r.OK < 50 {
				t.Errorf("under load: %v %q", r, r.Samples)
			}
			if s.Master() != master {
				t.Error("the jail was built anew")
			}
			if n := len(harness.Tree(master)); n != 5 {
				t.Errorf("%d processes: want a master, a zygote and 3 workers", n)
			}
		})
	}
}

// TestWorkersReloadFinishesRequests: a request that runs while its worker is replaced is answered; a brutal one is cut.
func TestWorkersReloadFinishesRequests(t *testing.T) {
	e := harness.New(t)
	dir, addr := appDir(e), harness.FreePort(t)
	fifo := dir + "/fifo"
	versioned(e, dir, "one")
	s := e.Start("--http-socket", addr, "--chdir", dir, "--module", "versioned", "--processes", "2", "--master-fifo", fifo)
	s.WaitServing("http", addr)
	for _, letter := range []string{"c", "w", "W"} {
		answer := make(chan error, 1)
		go func() {
			_, err := harness.Fetch("http", addr, "/?1.5", 10*time.Second)
			answer <- err
		}()
		time.Sleep(300 * time.Millisecond) // the request has to be there; a later arrival only weakens the test
		s.Forget()
		if err := os.WriteFile(fifo, []byte(letter), 0o600); err != nil {
			t.Fatal(err)
		}
		err := <-answer
		if cut := letter == "W"; (err != nil) != cut {
			t.Errorf("letter %s: the request ended with %v", letter, err)
		}
		if !harness.Eventually(10*time.Second, func() bool { return s.CountLog(`^Respawned uWSGI worker`) == 2 }) {
			t.Errorf("letter %s: the workers were not replaced", letter)
		}
		s.WaitServing("http", addr)
		time.Sleep(100 * time.Millisecond)
	}
}
