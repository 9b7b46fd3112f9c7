package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
)

// terminal opens a pseudo terminal: the program's side, and what it shows.
func terminal(t *testing.T, columns, rows uint16) (slave, master *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all bytes.Buffer
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			all.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return slave, master, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// serveTop is a stats server with two workers; the second one has more memory, the first one more requests.
func serveTop(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = metrics.ServeStats(l, func() []byte {
			return []byte(`{"version":"9.9","workers":[{"id":1,"pid":11,"requests":500,"rss":1024,"status":"idle"},{"id":2,"pid":22,"requests":5,"rss":1048576,"status":"busy"}]}`)
		}, false)
	}()
	return l
}

func waitShown(t *testing.T, shown func() string, from int, want string) {
	t.Helper()
	for range 400 {
		if text := shown(); len(text) >= from && strings.Contains(text[from:], want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %q in what is shown: %q", want, shown()[from:])
}

// TestTopOnATerminal: keys order and end, a server that goes away is waited for, and the terminal is left as it was.
func TestTopOnATerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats")
	l := serveTop(t, path)
	slave, master, shown := terminal(t, 120, 20)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	code := make(chan int, 1)
	go func() { code <- runTop([]string{path}, slave, slave, slave) }()
	waitShown(t, shown, 0, "q quit")
	at := len(shown())
	if _, err := master.WriteString("m"); err != nil {
		t.Fatal(err)
	}
	waitShown(t, shown, at, "q quit")
	if text := shown()[at:]; strings.Index(text, "      22 busy") > strings.Index(text, "      11 idle") {
		t.Errorf("ordered by memory it is %q", text)
	}
	l.Close()
	waitShown(t, shown, at, "trying again")
	at = len(shown())
	defer serveTop(t, path).Close()
	waitShown(t, shown, at, "q quit")
	if _, err := master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-code:
		if got != 0 {
			t.Errorf("ended with %d", got)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("q does not end it")
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is %+v (%v), was %+v", after, err, before)
	}
	waitShown(t, shown, at, "\x1b[?1049l")
}

// TestTopOnce: without a terminal it is one page; an address where nobody is, or no statistics, is an error.
func TestTopOnce(t *testing.T) {
	dir := t.TempDir()
	l := serveTop(t, dir+"/stats")
	defer l.Close()
	out, err := os.Create(dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if code := runTop([]string{dir + "/stats"}, os.Stdin, out, out); code != 0 {
		t.Errorf("ended with %d", code)
	}
	for _, args := range [][]string{{dir + "/nobody"}, {}, {"--what"}, {"a", "b"}} {
		if code := runTop(args, os.Stdin, out, out); code != 1 {
			t.Errorf("%v ended with %d", args, code)
		}
	}
	text, _ := os.ReadFile(dir + "/out")
	for _, want := range []string{"gowsgi top - 9.9", "WID", "cannot reach the stats server", "cannot watch nothing", `cannot use "--what"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
