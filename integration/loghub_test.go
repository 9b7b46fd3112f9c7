package integration

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// logPipe makes a pipe with a name to be a server's standard error; Wrap has the words that put it there.
func logPipe(e *harness.Env) (reader *os.File, wrap []string) {
	e.T.Helper()
	fifo := e.Dir + "/log.fifo"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		e.T.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		e.T.Fatal(err)
	}
	e.T.Cleanup(func() { reader.Close() })
	return reader, []string{"bash", "-c", `exec "$@" >"$0" 2>&1`, fifo}
}

// pipeLog collects the lines that come out of a log pipe.
type pipeLog struct {
	mu    sync.Mutex
	lines []string
}

func collect(reader *os.File) *pipeLog {
	l := &pipeLog{}
	go func() {
		lines := bufio.NewReaderSize(reader, 1<<20)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			l.mu.Lock()
			l.lines = append(l.lines, strings.TrimSuffix(line, "\n"))
			l.mu.Unlock()
		}
	}()
	return l
}

// wait waits until a line holds the text and returns the first such line.
func (l *pipeLog) wait(t testing.TB, text string) string {
	t.Helper()
	found := ""
	if !harness.Eventually(10*time.Second, func() bool {
		for _, line := range l.all() {
			if strings.Contains(line, text) {
				found = line
				return true
			}
		}
		return false
	}) {
		t.Errorf("no line holds %q:\n%.2000s", text, strings.Join(l.all(), "\n"))
	}
	return found
}

func (l *pipeLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:len(l.lines):len(l.lines)]
}

const shouter = `
import os, sys, subprocess, logging
logging.basicConfig(stream=sys.stderr, format='%(message)s')
def application(environ, start_response):
    start_response('200 OK', [])
    letter, how = environ['QUERY_STRING'].split(',')
    for i in range(30):
        if how == 'print':
            print(letter * 65536)
        elif how == 'logging':
            logging.warning(letter * 65536)
        else:
            os.write(2, (letter * 65536 + '\n').encode())
    return [b'ok']
`

var droppedNotice = regexp.MustCompile(`^\*\*\* (\d+) log lines were dropped`)

// TestLogNotTorn: lines of 64 KiB from eight workers, printed, logged and written, come out whole when the log is a pipe.
func TestLogNotTorn(t *testing.T) {
	e := harness.New(t)
	e.Write("app/shouter.py", shouter)
	reader, wrap := logPipe(e)
	log := collect(reader)
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{Wrap: wrap, Args: []string{"--http-socket", addr, "--chdir", e.Dir + "/app", "--module", "shouter",
		"--processes", "8", "--disable-logging"}})
	log.wait(t, "spawned uWSGI worker 8")
	var clients sync.WaitGroup
	ways := []string{"print", "logging", "write"}
	for i := range 24 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			path := fmt.Sprintf("/?%c,%s", 'A'+i, ways[i%len(ways)])
			if r, err := harness.Fetch("http", addr, path, 20*time.Second); err != nil || r.Body != "ok" {
				t.Errorf("%s: %v %v", path, r, err)
			}
		}()
	}
	clients.Wait()
	s.Signal(unix.SIGINT)
	if code := s.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	log.wait(t, "goodbye to uWSGI.")
	whole, dropped := 0, 0
	for _, line := range log.all() {
		if m := droppedNotice.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			dropped += n
		}
		if len(line) < 3 || strings.Count(line, line[:1]) < len(line)/2 {
			continue
		}
		if len(line) != 65536 || strings.Count(line, line[:1]) != len(line) {
			t.Errorf("a torn line of %d bytes: %.20q...%q", len(line), line, line[max(0, len(line)-20):])
		}
		whole++
	}
	// This reader may be much slower than eight writers on a busy machine: what it missed was counted, and what fits into the queue it has.
	if whole+dropped < 24*30 || whole < 60 {
		t.Errorf("%d lines and %d dropped of %d", whole, dropped, 24*30)
	}
}

// TestLogOpenedAgain: programs that open /dev/stderr or /dev/stdout write to the log, also as another user in a jail, and cannot read it.
func TestLogOpenedAgain(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	reader, wrap := logPipe(e)
	log := collect(reader)
	c := imprisonWith(e, rootfsUser, attackRoot(e), harness.Options{Wrap: wrap})
	// The program of the attack app prints into a pipe of its own, so fd 2 it is.
	c.want("opening", `
with open('/proc/self/fd/2', 'w') as f:
    f.write('by way of the link\n')
os.system('echo by a shell >/dev/stderr')
os.write(2, b'half a line')
print(opened('/proc/self/fd/2', os.O_RDONLY))`, "EACCES")
	log.wait(t, "by way of the link")
	log.wait(t, "by a shell")
	log.wait(t, "half a line")
	log.wait(t, "POST /run => generated")
}

// TestLogEndIsThere: what was written last before the end is in the log.
func TestLogEndIsThere(t *testing.T) {
	e := harness.New(t)
	reader, wrap := logPipe(e)
	log := collect(reader)
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{Wrap: wrap, Args: []string{"--http-socket", addr, "--chdir", appDir(e), "--module", "nowhere", "--need-app"}})
	if code := s.WaitExit(10 * time.Second); code != 22 {
		t.Errorf("exit code %d", code)
	}
	log.wait(t, "No module named 'nowhere'")
	log.wait(t, "goodbye to uWSGI.")
}
