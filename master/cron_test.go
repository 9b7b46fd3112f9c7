package master

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

func cronTime(t *testing.T, text string) CronTime {
	t.Helper()
	var c CronTime
	if _, err := fmt.Sscan(text, &c.Minute, &c.Hour, &c.Day, &c.Month, &c.Week); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCronTime: the rows were tried on uWSGI 2.0.21 on Tuesday, 24 November.
func TestCronTime(t *testing.T) {
	now := civilOf(time.Date(2026, 11, 24, 7, 52, 11, 0, time.UTC), time.UTC)
	for text, want := range map[string]bool{
		"-1 -1 -1 -1 -1": true, "52 7 24 11 2": true, "51 7 24 11 2": false, "52 8 24 11 2": false, "52 7 24 10 2": false, "99 -1 -1 -1 -1": false,
		"-1 -1 24 -1 5": true, "-1 -1 23 -1 2": true, "-1 -1 23 -1 3": false, "-1 -1 24 -1 -1": true, "-1 -1 23 -1 -1": false, "-1 -1 -1 -1 5": false,
		"-1 -1 -2 -1 -3": false, "-1 -1 -7 -1 -2": false, "-1 -1 -7 -1 2": false, "-1 -1 24 -1 -5": false, "-1 -1 -2 -1 -2": true, "-1 -1 24 -1 -2": true,
		"-1 -1 -1 -5 -1": false, "-1 -1 -1 -11 -1": true, "-1 -1 -1 -10 -1": false, "-1 -1 -1 11 -1": true, "-4 -7 -1 -1 -1": true, "-5 -1 -1 -1 -1": false,
	} {
		if got := cronTime(t, text).at(now); got != want {
			t.Errorf("%s is due: %v, want %v", text, got, want)
		}
	}
	sunday := civilOf(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), time.UTC)
	for _, text := range []string{"0 0 -1 -1 0", "0 0 -1 -1 7", "0 0 5 -1 7"} {
		if !cronTime(t, text).at(sunday) {
			t.Errorf("%s is not due on a Sunday", text)
		}
	}
}

// walk lets the clock go in steps and returns when, by the wall clock, the job ran.
func walk(c *calendar, job CronTime, from time.Time, steps ...time.Duration) string {
	var ran []string
	now := from
	for _, d := range append([]time.Duration{0}, steps...) {
		now = now.Add(d)
		if c.due(now, []CronTime{job})[0] {
			ran = append(ran, now.In(c.where).Format("15:04"))
		}
	}
	return strings.Join(ran, " ")
}

func minutes(n int, each time.Duration) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = each
	}
	return list
}

// TestCalendar: no minute is lost or counted twice, whatever the clock does.
func TestCalendar(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(y, m, d, h, min int) time.Time { return time.Date(y, time.Month(m), d, h, min, 30, 0, time.UTC) }
	spring, autumn := at(2026, 3, 29, 0, 58), at(2026, 10, 25, 0, 28) // 01:58 before 02:00 becomes 03:00; 02:28 before 03:00 becomes 02:00
	tests := map[string]struct {
		job   string
		from  time.Time
		steps []time.Duration
		want  string
	}{
		"once a minute":                     {"-1 -1 -1 -1 -1", at(2026, 5, 1, 10, 0), minutes(8, 20*time.Second), "12:00 12:01 12:02 12:03"},
		"spring, in the hour that is not":   {"30 2 -1 -1 -1", spring, minutes(10, time.Minute), "03:00"},
		"spring, after it":                  {"5 3 -1 -1 -1", spring, minutes(30, time.Minute), "03:05"},
		"spring, every 20 minutes":          {"-20 -1 -1 -1 -1", spring, minutes(45, time.Minute), "03:00 03:20 03:40"},
		"autumn, in the hour that is twice": {"30 2 -1 -1 -1", autumn, minutes(120, time.Minute), "02:30"},
		"autumn, every 30 minutes":          {"-30 -1 -1 -1 -1", autumn, minutes(100, time.Minute), "02:30 02:00 02:30 03:00"},
		"autumn, after it":                  {"10 3 -1 -1 -1", autumn, minutes(120, time.Minute), "03:10"},
		"asleep for an hour, daily":         {"30 12 -1 -1 -1", at(2026, 5, 1, 10, 0), []time.Duration{time.Hour}, "13:00"},
		"asleep for an hour, every":         {"-1 -1 -1 -1 -1", at(2026, 5, 1, 10, 0), []time.Duration{time.Hour}, "12:00 13:00"},
		"asleep for a day, daily":           {"30 12 -1 -1 -1", at(2026, 5, 1, 10, 0), []time.Duration{24 * time.Hour}, ""},
		"set back by a day":                 {"1 12 -1 -1 -1", at(2026, 5, 2, 10, 1), []time.Duration{-24 * time.Hour, time.Minute}, "12:01 12:01"},
		"set back by seconds":               {"-1 -1 -1 -1 -1", at(2026, 5, 1, 10, 0), []time.Duration{-40 * time.Second, 40 * time.Second, time.Minute}, "12:00 12:01"},
		"starts within the minute":          {"0 12 -1 -1 -1", at(2026, 5, 1, 10, 0), nil, "12:00"},
	}
	for name, tt := range tests {
		c := &calendar{where: berlin}
		if got := walk(c, cronTime(t, tt.job), tt.from, tt.steps...); got != tt.want {
			t.Errorf("%s: ran at %q, want %q", name, got, tt.want)
		}
	}
	c := &calendar{where: berlin}
	c.since(at(2026, 5, 1, 10, 0).Unix())
	if got := walk(c, cronTime(t, "0 12 -1 -1 -1"), at(2026, 5, 1, 10, 0), minutes(3, 10*time.Second)...); got != "" {
		t.Errorf("after a reload within the minute: ran again at %q", got)
	}
	c.since(at(2026, 5, 1, 10, 0).Unix())
	if got := walk(c, cronTime(t, "2 12 -1 -1 -1"), at(2026, 5, 1, 10, 5)); got != "12:05" {
		t.Errorf("during a reload: ran at %q, want as soon as the reload is over", got)
	}
}

func cronJob(n int) Job { return Job{"cron", n} }

// budget: table, a row for each state and event.
func TestCrons(t *testing.T) {
	every := Cron{CronTime: CronTime{-1, -1, -1, -1, -1}, Command: "c"}
	unique, hard := every, every
	unique.Unique, hard.Harakiri = true, 10*time.Second
	start := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	since := Alone{start.Unix()}
	first := []step{{ev: Booted{}}, {ev: Serving{}}, {ev: Alone{}, want: "launch 1 c"}, {ev: Launched{cronJob(1), 70}}}
	then := func(more ...step) []step { return append(first[:len(first):len(first)], more...) }
	tests := map[string]struct {
		job   Cron
		steps []step
		gone  bool
	}{
		"runs at once when the minute fits": {every, first, false},
		"not again in a minute in which another stack ran it": {every, []step{{ev: Serving{}}, {ev: since}, {ev: Woke{}, wait: 59 * time.Second},
			{ev: Woke{}, wait: time.Second, want: "launch 1 c"}}, false},
		"runs each minute, also beside itself": {every, then(step{ev: Woke{}, wait: 30 * time.Second}, step{ev: Woke{}, wait: 30 * time.Second, want: "launch 2 c"},
			step{ev: Launched{cronJob(2), 71}}, step{ev: exited(70, 0)}, step{ev: exited(71, 1)}), true},
		"unique: not beside itself": {unique, then(step{ev: Woke{}, wait: time.Minute}, step{ev: exited(70, 0), wait: time.Second},
			step{ev: Woke{}, wait: 59 * time.Second, want: "launch 2 c"}), false},
		"cannot be executed": {unique, []step{{ev: Serving{}}, {ev: Alone{}, want: "launch 1 c"}, {ev: LaunchFailed{cronJob(1), errors.New("no")}},
			{ev: Woke{}, wait: time.Minute, want: "launch 2 c"}}, false},
		"harakiri": {hard, then(step{ev: Woke{}, wait: 9 * time.Second}, step{ev: Woke{}, wait: time.Second, want: "KILL group 70"},
			step{ev: killed(70, 9)}), true},
		"leaving": {every, then(step{ev: Leaving{}}, step{ev: Woke{}, wait: time.Minute}, step{ev: WorkersGone{}, want: "TERM group 70"},
			step{ev: WorkersGone{}}, step{ev: Woke{}, wait: 3 * time.Second, want: "KILL group 70"}, step{ev: killed(70, 9)}), true},
		"leaving brutally": {every, then(step{ev: Leaving{Brutal: true}, want: "TERM group 70"}, step{ev: killed(70, 15)}), true},
		"leaving while it is launched": {every, []step{{ev: Serving{}}, {ev: Alone{}, want: "launch 1 c"}, {ev: Leaving{}},
			{ev: Launched{cronJob(1), 70}, want: "TERM group 70"}, {ev: killed(70, 15)}}, true},
		"not before the former stack is gone": {every, []step{{ev: Serving{}}, {ev: Woke{}, wait: time.Hour}}, true},
		"an end of something else":            {every, then(step{ev: exited(71, 0)}, step{ev: exited(0, 0)}, step{ev: Launched{Job{"daemon", 1}, 5}}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u := newCrons([]Cron{tt.job}, time.UTC, 3*time.Second)
			runUnit(t, u, start, tt.steps)
			if u.gone() != tt.gone {
				t.Errorf("gone is %v", u.gone())
			}
		})
	}
}

// TestCronRunsAreBounded: a job that never ends is not run without end, and the unit wakes for each minute.
func TestCronRunsAreBounded(t *testing.T) {
	u := newCrons([]Cron{{CronTime: CronTime{-1, -1, -1, -1, -1}, Command: "c"}}, time.UTC, time.Second)
	now := time.Date(2026, 5, 1, 10, 0, 10, 0, time.UTC)
	u.handle(Serving{}, now)
	started := 0
	count := func(acts []Action) {
		for _, a := range acts {
			if l, ok := a.(Launch); ok {
				started++
				u.handle(Launched{l.Job, 1000 + l.Job.N}, now)
			}
		}
	}
	count(u.handle(Alone{}, now))
	for range 600 {
		if now = u.next(); now.Sub(u.looked) > cronLook || !now.After(u.looked) {
			t.Fatalf("wakes at %v after %v", now, u.looked)
		}
		count(u.handle(Woke{}, now))
	}
	if started != cronRuns {
		t.Errorf("%d runs at a time, want %d", started, cronRuns)
	}
	var told jail.Message
	for _, a := range u.handle(Exited{PID: 1000 + cronRuns, Status: unix.WaitStatus(0)}, now) {
		if tell, ok := a.(Tell); ok {
			told = tell.Message
		}
	}
	if told.Event != "cron" || told.Slot != 1 || told.PID != 1000+cronRuns-1 {
		t.Errorf("the parent is told %+v", told)
	}
}

func TestLocation(t *testing.T) {
	for env, want := range map[string]string{"TZ=Asia/Tokyo": "Asia/Tokyo", "TZ=:Europe/Berlin": "Europe/Berlin", "TZ=": "UTC", "TZ=/no/such/file": "UTC"} {
		if got, err := location([]string{"A=1", env}); err != nil || got.String() != want {
			t.Errorf("%s gives %v (%v), want %s", env, got, err, want)
		}
	}
	if got, err := location([]string{"TZ=Nowhere/Land"}); err == nil || got != time.UTC {
		t.Errorf("an unknown zone gives %v (%v), want UTC and an error", got, err)
	}
}
