package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gowsgi/worker"
)

func signalWords(acts []Action) string {
	var out []string
	for _, a := range acts {
		switch a := a.(type) {
		case Deliver:
			out = append(out, fmt.Sprintf("%d>%s%d", a.Signal, a.Queue.Kind, a.Queue.Number))
		case WatchFile:
			out = append(out, fmt.Sprintf("%d watch %s", a.Signal, a.Path))
		}
	}
	return strings.Join(out, " ")
}

func says(packet string) Said {
	msg, err := worker.ParseMessage([]byte(packet))
	if err != nil {
		panic(err)
	}
	return Said{msg, 1}
}

func newTestSignals() *usignals {
	set := &Settings{Signals: SignalSettings{
		Timers: []SignalTimer{{9, 60}}, Monitors: []SignalFile{{"/conf", 8}},
	}}
	set.Conf.Processes = 3
	set.Conf.Helpers = worker.Helpers{
		Mules: []string{"", "m.py"}, Farms: []worker.Farm{{Name: "pigs", Mules: []int{1, 2}}},
		Spool: worker.Spool{Dirs: []worker.SpoolDir{{Path: "/s"}}, Processes: 1},
	}
	return newSignals(set, func(i int) bool { return i != 2 })
}

func TestSignalTargets(t *testing.T) {
	for target, want := range map[string]string{
		"": "5>worker0", "worker": "5>worker0", "worker2": "5>worker2", "worker4": "", "worker0": "",
		"workers": "5>worker1 5>worker2 5>worker3", "active-workers": "5>worker1 5>worker3",
		"mule": "5>mule0", "mule2": "5>mule2", "mule3": "", "mules": "5>mule1 5>mule2",
		"farm_pigs": "5>farm1", "farm_cows": "", "farm1": "5>farm1", "farm2": "",
		"spooler": "5>spooler0", "who knows": "5>worker0",
	} {
		u := newTestSignals()
		u.handle(says("register 5 "+target), time.Unix(0, 0))
		if got := signalWords(u.handle(says("signal 5"), time.Unix(0, 0))); got != want {
			t.Errorf("target %q: %q, want %q", target, got, want)
		}
	}
	u := newTestSignals()
	if got := signalWords(u.handle(Raised{7}, time.Unix(0, 0))); got != "7>worker0" {
		t.Errorf("not registered: %q", got)
	}
}

func TestSignalTimers(t *testing.T) {
	start := time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"one that repeats", []step{
			{ev: says("timer 5 1000000 0")},
			{ev: Woke{}},
			{ev: Woke{}, wait: time.Second, want: "5>worker0"},
			{ev: Woke{}},
			{ev: Woke{}, wait: 10 * time.Second, want: "5>worker0"},
			{ev: Woke{}, wait: time.Second, want: "5>worker0"},
		}},
		{"one that ends", []step{
			{ev: says("timer 5 1000000 2")},
			{ev: Woke{}, wait: time.Second, want: "5>worker0"},
			{ev: Woke{}, wait: time.Second, want: "5>worker0"},
			{ev: Woke{}, wait: time.Second},
		}},
		{"the same again is one", []step{
			{ev: says("timer 5 1000000 0")},
			{ev: says("timer 5 1000000 0")},
			{ev: says("timer 6 1000000 0")},
			{ev: Woke{}, wait: time.Second, want: "5>worker0 6>worker0"},
		}},
		{"configured ones", []step{
			{ev: Serving{}, want: "8 watch /conf"},
			{ev: says("filemon 8 /conf")},
			{ev: Woke{}, wait: time.Minute, want: "9>worker0"},
		}},
		{"cron", []step{
			{ev: says("sigcron 5 -1 -1 -1 -1 -1"), want: "5>worker0"},
			{ev: Woke{}, wait: 10 * time.Second},
			{ev: Woke{}, wait: 20 * time.Second, want: "5>worker0"},
			{ev: says("sigcron 6 2 10 -1 -1 -1")},
			{ev: Woke{}, wait: time.Minute, want: "5>worker0 6>worker0"},
			{ev: Woke{}, wait: time.Minute + 9*time.Second, want: "5>worker0"},
		}},
		{"none while leaving", []step{
			{ev: says("timer 5 1000000 0")},
			{ev: says("sigcron 6 2 10 -1 -1 -1")},
			{ev: Leaving{}},
			{ev: Woke{}, wait: time.Hour},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newTestSignals()
			now := start
			for i, s := range tt.steps {
				now = now.Add(s.wait)
				if got := signalWords(u.handle(s.ev, now)); got != s.want {
					t.Fatalf("step %d, %T%+v: %q, want %q", i, s.ev, s.ev, got, s.want)
				}
			}
		})
	}
}

func TestSignalNext(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 30, 0, time.UTC)
	u := newTestSignals()
	if !u.next().IsZero() {
		t.Error("woken for nothing")
	}
	u.handle(says("sigcron 5 1 -1 -1 -1 -1"), now)
	if got := u.next(); !got.Equal(now.Add(30 * time.Second)) {
		t.Errorf("cron: woken at %v", got)
	}
	u.handle(says("timer 5 2500000 0"), now)
	if got := u.next(); !got.Equal(now.Add(2500 * time.Millisecond)) {
		t.Errorf("timer: woken at %v", got)
	}
	for i := range 2 * maxTimers {
		u.handle(says(fmt.Sprintf("timer 5 %d 0", 1000*(i+10))), now)
	}
	if len(u.timers) != maxTimers {
		t.Errorf("%d timers", len(u.timers))
	}
}

func TestCronMatches(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC) // a Tuesday
	for _, tt := range []struct {
		when [5]int
		want bool
	}{
		{[5]int{-1, -1, -1, -1, -1}, true},
		{[5]int{30, 10, 24, 11, 2}, true},
		{[5]int{-15, -5, -1, -1, -1}, true},
		{[5]int{-7, -1, -1, -1, -1}, false},
		{[5]int{31, -1, -1, -1, -1}, false},
		{[5]int{-1, -1, 24, -1, 5}, true},
		{[5]int{-1, -1, 23, -1, 2}, true},
		{[5]int{-1, -1, 23, -1, 5}, false},
		{[5]int{-1, -1, -1, -1, 5}, false},
		{[5]int{-1, -1, 23, -1, -1}, false},
		{[5]int{-1, -1, -1, 12, -1}, false},
	} {
		if got := cronMatches(tt.when, now); got != tt.want {
			t.Errorf("%v at %v: %v", tt.when, now, got)
		}
	}
	if sunday := now.AddDate(0, 0, 5); !cronMatches([5]int{-1, -1, -1, -1, 7}, sunday) || !cronMatches([5]int{-1, -1, -1, -1, 0}, sunday) {
		t.Error("Sunday is 0 and 7")
	}
}
