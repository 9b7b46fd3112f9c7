package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// succeed hands a hub to another one in this process: descriptors get numbers of their own, as the first hub's files stay open.
func succeed(t *testing.T, h *Hub, set Settings) (*Hub, []*Intake, map[*Intake]int) {
	t.Helper()
	thaw, err := h.Freeze(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	out, index := h.Handover()
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	set.Handed = &Handover{}
	if err := json.Unmarshal(text, set.Handed); err != nil {
		t.Fatal(err)
	}
	own := func(fd *int) {
		if *fd >= 0 {
			if *fd, err = unix.Dup(*fd); err != nil {
				t.Fatal(err)
			}
		}
	}
	own(&set.Handed.Main)
	for i := range set.Handed.Intakes {
		one := &set.Handed.Intakes[i]
		own(&one.Rest)
		own(&one.Channel)
		for n := range one.Sources {
			own(&one.Sources[n].File)
		}
	}
	next, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	intakes, err := next.Adopt()
	if err != nil {
		t.Fatal(err)
	}
	next.Begin()
	_ = thaw // the old image does not go on
	return next, intakes, index
}

func TestHandoverTearsNoLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	set := Settings{Out: os.Stderr, Place: HostPlace(name), Notice: func(uint64) []byte { return nil }}
	hub, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	in, err := hub.Intake(1)
	if err != nil {
		t.Fatal(err)
	}
	write := func(f *os.File, text string) {
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	rest, worker, channel := in.rest, in.workers[0], in.channel
	// The path leads nowhere from here on: what goes on is the open file.
	if err := os.Rename(name, name+".moved"); err != nil {
		t.Fatal(err)
	}
	hub.Write([]byte("first\n"))
	want = append(want, "first")
	for n := range 20 {
		write(rest, fmt.Sprintf("r%d whole\nr%d be", n, n))
		write(worker, fmt.Sprintf("w%d be", n))
		write(channel, fmt.Sprintf("ochannel %d before", n))
		var intakes []*Intake
		var index map[*Intake]int
		hub, intakes, index = succeed(t, hub, set)
		if len(intakes) != 1 || index[in] != 0 {
			t.Fatalf("%d intakes, index %v", len(intakes), index)
		}
		in = intakes[0]
		write(channel, fmt.Sprintf("rchannel %d after", n))
		write(rest, "ginning\n")
		write(worker, "ginning\n")
		want = append(want, fmt.Sprintf("r%d whole", n), fmt.Sprintf("r%d beginning", n), fmt.Sprintf("w%d beginning", n),
			fmt.Sprintf("channel %d before", n), fmt.Sprintf("channel %d after", n))
	}
	for _, f := range []*os.File{rest, worker, channel} {
		f.Close()
	}
	in.End()
	awaitLines(t, name+".moved", want)
	if _, err := os.Stat(name); err == nil {
		t.Error("the log was opened anew")
	}
}

// awaitLines waits until the file has exactly these lines, in any order.
func awaitLines(t *testing.T, name string, want []string) {
	t.Helper()
	var text string
	deadline := time.Now().Add(5 * time.Second)
	for strings.Count(text, "\n") < len(want) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
		b, _ := os.ReadFile(name)
		text = string(b)
	}
	have := map[string]int{}
	for line := range strings.Lines(text) {
		have[strings.TrimSuffix(line, "\n")]++
	}
	for _, line := range want {
		if have[line] != 1 {
			t.Errorf("%q is there %d times", line, have[line])
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d lines, want %d:\n%s", len(have), len(want), text)
	}
}

// A reader that is stuck is no reason to lose lines: the hub goes on as it was.
func TestFreezeGivesUpOnAStuckReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hub, err := New(Settings{Out: w, Notice: func(uint64) []byte { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	in, err := hub.Intake(0)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 99) + "\n"
	for range 2000 {
		hub.Write([]byte(line))
	}
	if _, err := hub.Freeze(20 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "cannot write the log stderr to its end") {
		t.Fatalf("frozen: %v", err)
	}
	if _, err := in.rest.WriteString("after\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 0, 300<<10)
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 64<<10)
	for !strings.Contains(string(got), "after\n") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, buf[:n]...)
	}
	if n := strings.Count(string(got), line); n != 2000 {
		t.Errorf("%d lines of 2000", n)
	}
	// And again, now that somebody reads.
	thaw, err := hub.Freeze(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	thaw()
	in.Handed()
	in.End()
	if err := hub.Close(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestHandoverCounts(t *testing.T) {
	set := Settings{Out: os.Stderr, Notice: func(uint64) []byte { return nil }, Handed: &Handover{Main: -1, Output: -1, Dropped: map[string]uint64{"stderr": 7, "gone": 1}}}
	hub, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	if d := hub.Dropped(); d["stderr"] != 7 {
		t.Errorf("%v", d)
	}
	for _, bad := range []IntakeHandover{{Rest: 1 << 20, Channel: -1}, {Rest: -1, Channel: -1, Sources: []SourceHandover{{File: -1}}}} {
		hub.set.Handed.Intakes = []IntakeHandover{bad}
		if _, err := hub.Adopt(); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
