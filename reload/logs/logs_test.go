package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAssembler(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		in   []string
		want []string
	}{
		{[]string{"a\nb\n"}, []string{"a\nb\n"}},
		{[]string{"a", "b\n"}, []string{"ab\n"}},
		{[]string{"a\nb", "c\nd\ne"}, []string{"a\n", "bc\n", "d\n", "e\n"}},
		{[]string{"\n", "\n\n"}, []string{"\n", "\n\n"}},
		{[]string{"a\x00b", "\x00\n"}, []string{"a\x00b\x00\n"}},
		{[]string{long + "y\n"}, []string{long + "y\n"}},
		{[]string{long, "y\n"}, []string{long + "\n", "y\n"}},
		{[]string{"z" + long + long}, []string{"z" + long[1:] + "\n", long + "\n", "x\n"}},
	} {
		var a assembler
		var got []string
		out := func(lines []byte) { got = append(got, string(lines)) }
		for _, piece := range c.in {
			a.take([]byte(piece), out)
		}
		a.flush(out)
		if fmt.Sprintf("%.30q", got) != fmt.Sprintf("%.30q", c.want) || strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%.60q gives %.60q, want %.60q", c.in, got, c.want)
		}
	}
}

// slow is a target that waits until it is let go.
type slow struct {
	gate chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
	fail error
}

func (t *slow) write(buf []byte, _ []int) error {
	<-t.gate
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return t.fail
	}
	t.got.Write(buf)
	return nil
}
func (t *slow) reopen() (string, error) { return "reopened", nil }
func (t *slow) rotate() (string, error) { return "", errors.New("no room") }
func (t *slow) close() error            { return nil }

func (t *slow) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got.String()
}

// TestSinkDrops: a target that takes nothing blocks nobody, the loss is counted, and told once it takes lines again.
func TestSinkDrops(t *testing.T) {
	target := &slow{gate: make(chan struct{})}
	s := newSink("slow", target, 1000)
	s.notice = func(n uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", n) }
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 50 {
		if n, err := s.Write(line); n != 100 || err != nil {
			t.Fatalf("Write gives %d, %v", n, err)
		}
	}
	// Ten wait, and at most ten more are being written.
	if d := s.Dropped(); d < 30 || d > 40 {
		t.Errorf("%d lines dropped", d)
	}
	if s.flush(20 * time.Millisecond) {
		t.Error("flush says that all is written")
	}
	close(target.gate)
	if !s.flush(5 * time.Second) {
		t.Error("flush says that not all is written")
	}
	if want := fmt.Sprintf("dropped %d\n", s.Dropped()); !strings.HasSuffix(target.text(), want) {
		t.Errorf("the notice %q is missing in %.300q", want, target.text())
	}
	if _, _ = s.Write([]byte("after\n")); !s.flush(5*time.Second) || !strings.HasSuffix(target.text(), "\nafter\n") {
		t.Errorf("after that: %.300q", target.text())
	}
}

// TestSinkFails: lines that a target refuses are counted and told of when it takes some again.
func TestSinkFails(t *testing.T) {
	target := &slow{gate: make(chan struct{}), fail: errors.New("full")}
	close(target.gate)
	s := newSink("x", target, 1000)
	s.notice = func(n uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", n) }
	s.put([]byte("one\n"), 1)
	s.flush(5 * time.Second)
	target.mu.Lock()
	target.fail = nil
	target.mu.Unlock()
	s.put([]byte("two\n"), 1)
	s.flush(5 * time.Second)
	if target.text() != "two\ndropped 1\n" || s.Dropped() != 1 {
		t.Errorf("got %q, %d dropped", target.text(), s.Dropped())
	}
	var told []string
	s.tell = func(text string, bad bool) { told = append(told, fmt.Sprint(text, bad)) }
	s.maintain("reopen", target.reopen)
	s.maintain("rotate", target.rotate)
	s.flush(5 * time.Second)
	if got := strings.Join(told, ";"); got != "reopenedfalse;cannot rotate the log x: no roomtrue" {
		t.Errorf("told %q", got)
	}
	s.Close(time.Second)
	if s.put([]byte("late\n"), 1) {
		t.Error("a closed sink takes lines")
	}
}

// collector takes what an intake reads.
type collector struct {
	mu   sync.Mutex
	text map[Kind]*bytes.Buffer
}

func (c *collector) take(kind Kind, lines []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text[kind] == nil {
		c.text[kind] = &bytes.Buffer{}
	}
	c.text[kind].Write(lines)
}

func (c *collector) of(kind Kind) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text[kind] == nil {
		return ""
	}
	return c.text[kind].String()
}

// TestIntakeTears: lines of 64 KiB from eight writers come out whole, also when they are written in pieces.
func TestIntakeTears(t *testing.T) {
	c := &collector{text: map[Kind]*bytes.Buffer{}}
	in, err := newIntake(8, c.take)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, w := range in.workers {
		line := bytes.Repeat([]byte{byte('a' + i)}, 64<<10)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				_, _ = w.Write(line[:5000])
				_, _ = w.Write(line[5000:])
				_, _ = w.Write([]byte("\n"))
			}
		}()
	}
	wg.Wait()
	in.Handed()
	if !in.wait(10 * time.Second) {
		t.Fatal("the intake does not come to its end")
	}
	lines := strings.Split(strings.TrimSuffix(c.of(App), "\n"), "\n")
	if len(lines) != 160 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len(line) != 64<<10 || strings.Count(line, line[:1]) != len(line) {
			t.Fatalf("a torn line of %d bytes: %.20q...%q", len(line), line, line[max(len(line)-20, 0):])
		}
	}
}

// TestIntake: packets keep their kind, half a line comes after a while, the pipe can be opened again but not read.
func TestIntake(t *testing.T) {
	c := &collector{text: map[Kind]*bytes.Buffer{}}
	in, err := newIntake(0, c.take)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(in.channel.Fd())
	for _, packet := range []string{"oown\n", "rrequest", "", "?unknown\n", "o", "rlast\n"} {
		if err := unix.Send(fd, []byte(packet), 0); err != nil {
			t.Fatal(err)
		}
	}
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", in.rest.Fd()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(again, "half")
	again.Close()
	st, err := in.rest.Stat()
	if err != nil || st.Mode().Perm() != 0o222 {
		t.Errorf("mode of the pipe: %v, %v", st.Mode(), err)
	}
	for deadline := time.Now().Add(5 * time.Second); c.of(App) != "?unknown\nhalf\n" || c.of(Request) != "request\nlast\n"; {
		if time.Now().After(deadline) {
			t.Fatalf("app %q, requests %q", c.of(App), c.of(Request))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if c.of(Own) != "own\n" {
		t.Errorf("own %q", c.of(Own))
	}
	in.End() // somebody keeps the ends
	if !in.wait(10 * time.Second) {
		t.Error("a writer that stays keeps the intake open")
	}
	in.Handed()
}

// TestHubStuck: nobody reads the log, and the hub closes in time.
func TestHubStuck(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Fd() // blocking, as an inherited one
	h := newHub(t, Settings{Out: w})
	for range 3 * defaultLimit / 1000 {
		_, _ = h.Write(append(bytes.Repeat([]byte{'x'}, 999), '\n'))
	}
	began := time.Now()
	if err := h.Close(200 * time.Millisecond); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %s", took)
	}
	if h.Dropped()["stderr"] == 0 {
		t.Error("nothing was dropped")
	}
}
