package reload

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/logs"
)

func testState(t testing.TB) *State {
	t.Helper()
	cfg, err := config.Load(config.Options{Args: []string{"--http-socket", "127.0.0.1:8080", "--socket", "@x", "--module", "app", "--cron", "5 -1 -1 -1 -1 true"}})
	if err != nil {
		t.Fatal(err)
	}
	return &State{
		Head: Head{stateMajor, stateMinor, os.Getpid(), 9}, Program: "1.2.3", Args: []string{"--ini", "x"}, Config: cfg,
		Plan: planState{Last: 4, Asked: 3, Upgrades: 1, Covered: 1, Settled: endState{"app", "no app", 2}},
		Stack: stackState{
			Process: jail.Handover{PID: 77, Generation: 4, Control: 11, Held: []byte{1, 2}, Pidfd: 12, Leaf: -1},
			Uses:    []int{1, 0}, Intake: 0, Dir: "/srv", Owner: [2]int{33, 33}, Sockets: [2]int{-1, -1}, Alone: true, Started: time.Unix(5, 0).UTC(),
			Unread: []jail.Message{{Type: jail.MsgPong}},
		},
		Sockets:   []socketState{{Key: "@x", Addr: "@x", Family: "unix", File: 13}, {Key: "127.0.0.1:8080", File: 14, Place: &placeState{Dir: 15}}},
		Endpoints: []socketState{{Key: "s", File: 16}}, Fifo: &fifoState{Dir: 17, File: 18, Unread: []byte("r")}, Locks: []int{19}, Status: 20,
		Notices: &socketState{File: 26}, Lease: &jail.LeaseHandover{UID: 1, GID: 1, Size: 1, File: 21},
		Metrics: metrics.Handover{Boards: []metrics.BoardHandover{{File: 22, Slots: 1, Cores: 1, Generation: 4}}},
		Logs:    logs.Handover{Main: -1, Output: -1, Intakes: []logs.IntakeHandover{{Rest: -1, Channel: 23, Sources: []logs.SourceHandover{{File: 24, Held: []byte("ab")}}}}},
	}
}

func TestStateGoesAndComes(t *testing.T) {
	s := testState(t)
	s.Files = s.files(25, 2, 25)
	if want := []int{9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}; !slices.Equal(s.Files, want) {
		t.Errorf("the files are %v, want %v", s.Files, want)
	}
	f, err := s.seal()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the state can be changed")
	}
	data, err := readSealed(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeState(data)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := s.encode()
	two, _ := back.encode()
	if string(one) != string(two) || back.Head != s.Head || !reflect.DeepEqual(back.Stack, s.Stack) {
		t.Errorf("%s\nbecame\n%s", one, two)
	}
}

// The configuration goes through JSON: whatever it holds must be plain data that comes back.
func TestConfigurationIsData(t *testing.T) {
	for _, args := range [][]string{
		{"--http-socket", ":1", "--module", "app", "--namespace", "@host:x", "--uid", "33", "--umask", "022", "--harakiri", "3"},
		{"--socket", "/x", "--wsgi-file", "a.py", "--attach-daemon2", "cmd=a,stopsignal=15", "--mule", "--spooler", "/tmp", "--cron2", "minute=3 b",
			"--log-format", "%(uri)", "--logger", "file:/x", "--log-route", "a b", "--metric", "name=x", "--alarm", "a log:", "--log-alarm", "a x", "--hook-pre-jail", "exec:x"},
	} {
		cfg, err := config.Load(config.Options{Args: args})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var back config.Config
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(&back); string(again) != string(text) {
			t.Errorf("%s\nbecame\n%s", text, again)
		}
		if how := differs("Config", reflect.ValueOf(*cfg), reflect.ValueOf(back)); how != "" {
			t.Error(how)
		}
	}
}

// differs compares values; a list or map of nothing is as good as none. Where an option stood (Pos, Entry) and what is not exported are for
// reading only: no other package sees them.
func differs(path string, a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			if !f.IsExported() || f.Tag.Get("json") == "-" && slices.Contains([]string{"Pos", "Entry"}, f.Name) {
				continue
			}
			if how := differs(path+"."+f.Name, a.Field(i), b.Field(i)); how != "" {
				return how
			}
		}
		return ""
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s had %d elements, has %d", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if how := differs(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); how != "" {
				return how
			}
		}
		return ""
	case reflect.Pointer:
		if a.IsNil() != b.IsNil() {
			return path + " came or went"
		}
		if a.IsNil() {
			return ""
		}
		return differs(path, a.Elem(), b.Elem())
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) && !(a.Kind() == reflect.Map && a.Len()+b.Len() == 0) {
		return fmt.Sprintf("%s was %v, is %v", path, a, b)
	}
	return ""
}

func TestStateRefuses(t *testing.T) {
	whole, err := testState(t).encode()
	if err != nil {
		t.Fatal(err)
	}
	line, body, _ := strings.Cut(string(whole), "\n")
	for _, c := range []struct{ in, want string }{
		{"", "no first line"},
		{body, "no first line"},
		{"gowsgi-state x\n" + body, `first line is "gowsgi-state x"`},
		{"gowsgi-state 2.0 1 9\n" + body, "has version 2.0, this program knows 1"},
		{"gowsgi-state 0.9 1 9\n" + body, "first line"},
		{"gowsgi-state 1.0 1 -9\n" + body, "first line"},
		{line + "\n", "cannot read the state"},
		{line + "\n{}", "it has no configuration"},
		{line + "\n" + strings.Replace(body, `"uses":[1,0]`, `"uses":[1,2]`, 1), "a socket that is not there"},
		{line + "\n" + strings.Replace(body, `"uses":[1,0]`, `"uses":[1]`, 1), "not the sockets of the configuration"},
		{line + "\n" + strings.Replace(body, `"generation":4`, `"generation":5`, 1), "it has no"},
		{line + "\n" + strings.Replace(body, `"intake":0`, `"intake":1`, 1), "no such log"},
		{line + "\n" + strings.Replace(body, `"boards":[`, `"bards":[`, 1), "no scoreboard"},
	} {
		if _, err := DecodeState([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: %v, want %q", c.in, err, c.want)
		}
	}
	later := "gowsgi-state 1.7 1 9\n" + strings.Replace(body, `{"program"`, `{"weather":{"rain":true},"program"`, 1)
	if s, err := DecodeState([]byte(later)); err != nil || s.Minor != 7 {
		t.Errorf("a later minor version: %v", err)
	}
}

func TestReadSealedRefuses(t *testing.T) {
	fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, bad := range []int{fd, 0, 1 << 20} {
		if _, err := readSealed(bad); err == nil {
			t.Errorf("descriptor %d was read", bad)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	whole, err := testState(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("gowsgi-state 1.0 1 9\n{}"))
	f.Add([]byte("gowsgi-state 2.1 1 9\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := DecodeState(in)
		if err != nil {
			return
		}
		s.files() // and what is taken can be walked
		for _, i := range s.Stack.Uses {
			_ = s.Sockets[i]
		}
		if s.Stack.Intake >= 0 {
			_ = s.Logs.Intakes[s.Stack.Intake]
		}
		again, err := s.encode()
		if err != nil {
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		if _, err := DecodeState(again); err != nil {
			t.Fatalf("cannot decode what was encoded: %v", err)
		}
	})
}

func TestReadAnswer(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{probeOK + "1.2.3\n", ""},
		{"", "does not say"},
		{"hello\n", "does not say"},
		{probeRefused + "x.ini:1: bad\x1b[31m\n", "x.ini:1: bad [31m"},
		{strings.Repeat("y", 2*maxAnswer), "does not say"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = w.WriteString(c.said); w.Close() }()
		if err := readAnswer(r, 5*time.Second); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q", c.said, err, c.want)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := readAnswer(r, 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no answer in 10ms") {
		t.Errorf("silence: %v", err)
	}
}
