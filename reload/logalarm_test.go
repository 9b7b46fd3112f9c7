package reload

import (
	"strings"
	"testing"
	"time"

	"gowsgi/config"
)

func TestLogAlarms(t *testing.T) {
	a, err := newLogAlarms([]config.LogAlarm{
		{Names: []string{"n"}, Expr: "healthy", Not: true}, {Names: []string{"p", "q"}, Expr: "(?i)error"}, {Names: []string{"r"}, Expr: "^disk .* full$"},
		{Names: []string{"s"}, Expr: "^oom(?! averted)"},
	}, make(chan logHit, logHits))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"an ERROR\n": "p+q:an ERROR", "error, but healthy\n": "", "disk /a full\r\n": "r:disk /a full", "disk error full": "p+q:disk error full r:disk error full",
		"quiet": "", "oom averted": "", "oom": "s:oom", "": "", "ALARM: page error": "", "Tue Nov 24 07:54:57 2026 - ALARM: error": "", "[uwsgi-alarm] error": "",
		strings.Repeat("x", logLook) + "error": "",
	} {
		a.look([]byte(line))
		var got []string
		for len(a.hits) > 0 {
			h := <-a.hits
			got = append(got, strings.Join(h.names, "+")+":"+h.text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%.40q raises %q, want %q", line, got, want)
		}
	}
	for range 10 * logHits { // nobody reads: it must not wait
		a.look([]byte("error"))
	}
	if len(a.hits) != logHits {
		t.Errorf("%d wait", len(a.hits))
	}
	if _, err := newLogAlarms([]config.LogAlarm{{Expr: "("}}, nil); err == nil {
		t.Error("a broken expression is accepted")
	}
}

func TestPace(t *testing.T) {
	var p pace
	now, passed := time.Unix(100, 0), 0
	for range 2999 {
		if now = now.Add(time.Millisecond); p.allows(now, 10) {
			passed++
		}
	}
	if passed != 30 {
		t.Errorf("%d in 3 seconds, want 10 in each second", passed)
	}
}
