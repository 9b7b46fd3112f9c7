package logs

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func newHub(t *testing.T, set Settings) *Hub {
	t.Helper()
	h, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// TestSort: routes, filters, encoders and the loggers of request lines, each line where it belongs.
func TestSort(t *testing.T) {
	lines := []struct {
		kind Kind
		text string
	}{{Own, "spawned uWSGI worker 1\n"}, {App, "{\"a\": 1}\nplain \"text\"\n"}, {Request, "GET / => generated\n"}, {App, "noise\n"}}
	for _, c := range []struct {
		name string
		sort Sort
		want map[string]string // by file
	}{
		{"nothing", Sort{}, map[string]string{"main": "spawned uWSGI worker 1\n{\"a\": 1}\nplain \"text\"\nGET / => generated\nnoise\n"}},
		{"a logger", Sort{Loggers: []Logger{{"", "file", "DIR/one"}}, Drains: []string{"^noise"}},
			map[string]string{"main": "", "one": "spawned uWSGI worker 1\n{\"a\": 1}\nplain \"text\"\nGET / => generated\n"}},
		{"requests apart", Sort{ReqLoggers: []Logger{{"", "file", "DIR/req"}}, ReqEncoders: []string{"prefix req: "}, Filters: []string{"^noise", "spawned"}},
			map[string]string{"main": "spawned uWSGI worker 1\nnoise\n", "req": "req: GET / => generated\n"}},
		{"routes, as real files have them", Sort{
			Loggers:  []Logger{{"app", "file", "DIR/app"}, {"default", "file", "DIR/default"}},
			Routes:   []Route{{"app", `^{`}, {"default", `^((?!\{).)*$`}, {"nobody", "noise"}},
			Encoders: []string{`json:default {"msg": "${msg}"}`, "format:app [${msg}]${unknown}", "nl"}},
			map[string]string{"main": "", "app": "[{\"a\": 1}]\n",
				"default": "{\"msg\": \"spawned uWSGI worker 1\"}\n{\"msg\": \"plain \\\"text\\\"\"}\n{\"msg\": \"GET / =\\u003e generated\"}\n{\"msg\": \"noise\"}\n"}},
		{"a route to nobody", Sort{Routes: []Route{{"x", "noise"}}, Encoders: []string{"suffix !"}, Filters: []string{"noise"}}, map[string]string{"main": "noise!\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, list := range [][]Logger{c.sort.Loggers, c.sort.ReqLoggers} {
				for i := range list {
					list[i].Arg = strings.Replace(list[i].Arg, "DIR", dir, 1)
				}
			}
			h := newHub(t, Settings{Place: HostPlace(dir + "/main"), Sort: c.sort})
			for _, l := range lines {
				h.take(l.kind, []byte(l.text))
			}
			if err := h.Close(5 * time.Second); err != nil {
				t.Error(err)
			}
			for name, want := range c.want {
				if got := read(t, filepath.Join(dir, name)); got != want {
					t.Errorf("%s holds\n%swant\n%s", name, got, want)
				}
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	now := time.Unix(1700000000, 123456000)
	for text, want := range map[string]string{
		"${unix}|${micros}|${strftime:%Y-%m}|${msg}": "1700000000|1700000000123456|2023-11|a\"b",
		"${msgnl}":       "a\"b\n",
		"${msg":          "${msg",
		"100%% $ {} ${}": "100%% $ {} ",
	} {
		if got := string(template(text, false)([]byte(`a"b`), now)); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

// TestSlowExpression: an expression that explodes on a line costs a bounded time, and does not match.
func TestSlowExpression(t *testing.T) {
	m, err := Compile(`(?!x)(a+)+$`)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if m.Match([]byte(strings.Repeat("a", 40) + "b")) {
		t.Error("it matches")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if !m.Match([]byte("aaa")) {
		t.Error("it does not match at all")
	}
}

// TestFile: truncating, rotating by size and by order, reopening after a rename.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/log"
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHub(t, Settings{Place: HostPlace(path), File: FileOptions{Truncate: true, MaxSize: 100, Backup: path + ".1"}})
	var told []string
	h.Tell(func(text string, bad bool) { told = append(told, fmt.Sprint(text, bad)) })
	say := func(text string) {
		_, _ = h.Write([]byte(text + "\n"))
		if !h.main.flush(5 * time.Second) {
			t.Fatal("not written")
		}
	}
	say("short")
	if got := read(t, path); got != "short\n" {
		t.Errorf("truncated and written: %q", got)
	}
	say(strings.Repeat("x", 100))
	if got := read(t, path+".1"); got != "short\n"+strings.Repeat("x", 100)+"\n" {
		t.Errorf("the rotated file: %q", got)
	}
	if got := read(t, path); !regexp.MustCompile(`^\[\d+\] logsize: 107, triggering rotation: \S+ is now \S+\n$`).MatchString(got) {
		t.Errorf("the new file: %q", got)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	h.Reopen()
	say("after reopening")
	if got := read(t, path); got != "after reopening\n" {
		t.Errorf("reopened: %q", got)
	}
	h.Rotate()
	say("after rotating")
	if got := read(t, path); got != "after rotating\n" || read(t, path+".1") != "after reopening\n" {
		t.Errorf("rotated: %q, %q", got, read(t, path+".1"))
	}
	if len(told) != 2 || !strings.HasSuffix(told[0], "reopened.false") {
		t.Errorf("told %q", told)
	}
	// A place where nothing can be made any more: the lines go on into the old file.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	h.Rotate()
	say("on")
	if len(told) != 3 || !strings.HasSuffix(told[2], "true") || h.main.Dropped() != 0 {
		t.Errorf("told %q, %d dropped", told, h.main.Dropped())
	}
}

// TestDatagrams: a line is a packet, with rsyslog's head where it is asked for; a receiver that is not there costs lines only.
func TestDatagrams(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.LocalAddr().String()
	for logger, want := range map[Logger]string{
		{"", "socket", addr}:                    `^a line\n$`,
		{"", "rsyslog", addr + ",name"}:         `^<29>\w{3} [ \d]\d \d\d:\d\d:\d\d name: a line$`,
		{"", "rsyslog", addr + ",other,142"}:    `^<142>\w{3} [ \d]\d \d\d:\d\d:\d\d other: a line$`,
		{"", "socket", "127.0.0.1:1"}:           "",
		{"", "socket", t.TempDir() + "/nobody"}: "",
	} {
		s, err := OpenSink(logger.Type, logger.Arg, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.put([]byte("a line\n"), 1)
		s.flush(5 * time.Second)
		if want == "" {
			continue
		}
		buf := make([]byte, 1000)
		_ = l.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, _, err := l.ReadFrom(buf)
		if err != nil || !regexp.MustCompile(want).Match(buf[:n]) {
			t.Errorf("%v: %q, %v", logger, buf[:n], err)
		}
	}
	for _, bad := range []Logger{{"", "fd", "x"}, {"", "fd", "999"}, {"", "syslog", "tag,nowhere"}, {"", "rsyslog", "h,n,x"}, {"", "what", ""},
		{"", "file", "/nowhere/at/all"}, {"", "file", "logfile=/tmp/x,maxsize=many"}, {"", "file", "logfile=/tmp/x,what=1"}} {
		if _, err := OpenSink(bad.Type, bad.Arg, nil); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
