package integration

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestUpgradeTearsNoLine: lines that are on their way from the jail to the log when the parent replaces itself, half of them written, come out
// whole, each once.
func TestUpgradeTearsNoLine(t *testing.T) {
	e := harness.New(t)
	in := install(e)
	in.put(binaryOf(t, "7.0.1"))
	e.Write(in.app+"/lines.py", `
import itertools, os, sys, time
serial = itertools.count()
def application(environ, start_response):
    name = "%d-%d" % (os.getpid(), next(serial))
    sys.stderr.write("LINE " + name + " " + "".join("%05dx" % i for i in range(25)))
    sys.stderr.flush()
    time.sleep(0.02)
    sys.stderr.write("".join("%05dx" % i for i in range(25, 50)) + " END\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]
`)
	http, log := harness.FreePort(t), e.Dir+"/out.log"
	s := in.start(nil, "--http-socket", http, "--master", "--processes", "2", "--chdir", in.app, "--module", "lines", "--pidfile", in.pid,
		"--disable-logging", "--logger", "file:"+log)
	s.WaitServing("http", http)
	var mu sync.Mutex
	answered := map[string]bool{}
	load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: http, Path: "/"}, {Proto: "http", Addr: http, Path: "/"}}, func(body string) bool {
		mu.Lock()
		defer mu.Unlock()
		again := answered[body]
		answered[body] = true
		return !again
	})
	for range 3 {
		in.mustUpgrade()
	}
	sum := load.Stop()
	if sum.Failed() != 0 || sum.Wrong != 0 || sum.OK < 10 {
		t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
	}
	missing := ""
	harness.Eventually(10*time.Second, func() bool {
		have := longLines(t, log)
		missing = ""
		for name := range answered {
			if have[name] != 1 {
				missing = fmt.Sprintf("%s is there %d times", name, have[name])
			}
		}
		return missing == ""
	})
	if missing != "" {
		text, _ := os.ReadFile(log)
		t.Errorf("of %d lines, %s; the log has %d bytes, told of losses: %v", len(answered), missing, len(text), regexp.MustCompile("(?m)^.*(lost|dropped).*$").FindAllString(string(text), 3))
	}
}

// longLines counts the whole ones by their names.
func longLines(t *testing.T, log string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^LINE ([0-9]+-[0-9]+) ([0-9x]+) END$`).FindAllStringSubmatch(string(text), -1) {
		if len(m[2]) == 300 {
			have[m[1]]++
		}
	}
	return have
}
