package master

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gowsgi/worker"
)

// SignalSettings are the uwsgi signals that the configuration asks for.
type SignalSettings struct {
	Timers   []SignalTimer `json:"timers,omitempty"`
	Touch    []SignalFile  `json:"touch,omitempty"` // looked at every second
	Monitors []SignalFile  `json:"monitors,omitempty"`
}

// SignalTimer raises a signal every so many seconds.
type SignalTimer struct{ Signal, Seconds int }

// SignalFile raises a signal when a file changes.
type SignalFile struct {
	Path   string
	Signal int
}

// Queue is where the processes of a target read their signals: of a kind (worker, mule, farm, spooler), the one with the
// number, or with 0 whichever is free. Farms count from 1.
type Queue struct {
	Kind   string
	Number int
}

// Events and actions of the signal framework.
type (
	// Raised is a signal that the loop itself raises: a watched file changed.
	Raised struct{ Signal byte }
	// Raise has the loop raise a signal.
	Raise struct{ Signal byte }
	// Deliver puts a signal into a queue.
	Deliver struct {
		Queue  Queue
		Signal byte
	}
	// WatchFile has the loop raise the signal when something happens to the file, or in the directory.
	WatchFile struct {
		Path   string
		Signal byte
	}
)

func (Raised) event()     {}
func (Raise) action()     {}
func (Deliver) action()   {}
func (WatchFile) action() {}

// maxTimers bounds what apps may ask for, of timers, cron times and watched files each.
const maxTimers = 1024

// usignals is the unit of uwsgi signals: it knows who is to get each and raises those of timers and cron times. A process of
// the app asks, so everything it says is bounded, and nothing can be asked for twice: with lazy-apps each worker says the
// same.
type usignals struct {
	set     *Settings
	alive   func(worker int) bool
	targets [256]string
	told    [256]bool // that there is nobody for the signal
	timers  []uTimer
	crons   []uCron
	files   map[WatchFile]bool
	now     time.Time
}

type uTimer struct {
	signal byte
	every  time.Duration
	times  int64 // how often it still comes, 0 = for ever
	due    time.Time
}

type uCron struct {
	signal byte
	when   [5]int
	last   int64 // the minute in which it was raised
}

func newSignals(set *Settings, alive func(int) bool) *usignals {
	return &usignals{set: set, alive: alive, files: map[WatchFile]bool{}}
}

func (u *usignals) gone() bool { return true } // it has no processes

func (u *usignals) next() time.Time {
	var at time.Time
	for i := range u.timers {
		if at.IsZero() || u.timers[i].due.Before(at) {
			at = u.timers[i].due
		}
	}
	if len(u.crons) > 0 {
		if minute := u.now.Truncate(time.Minute).Add(time.Minute); at.IsZero() || minute.Before(at) {
			at = minute
		}
	}
	return at
}

func (u *usignals) handle(ev Event, now time.Time) []Action {
	u.now = now
	switch ev := ev.(type) {
	case Serving:
		return u.configured(now)
	case Said:
		return u.said(ev.Message, now)
	case Raised:
		return u.raise(ev.Signal)
	case Woke:
		return u.due(now)
	case Leaving:
		u.timers, u.crons = nil, nil // nobody will be there for them
	}
	return nil
}

func (u *usignals) configured(now time.Time) []Action {
	for _, t := range u.set.Signals.Timers {
		u.addTimer(byte(t.Signal), time.Duration(t.Seconds)*time.Second, 0, now)
	}
	var acts []Action
	for _, f := range u.set.Signals.Monitors {
		acts = append(acts, u.watch(WatchFile{f.Path, byte(f.Signal)})...)
	}
	return acts
}

func (u *usignals) said(msg worker.Message, now time.Time) []Action {
	switch msg.Kind {
	case worker.Signal:
		return u.raise(msg.Signal)
	case worker.Register:
		u.targets[msg.Signal], u.told[msg.Signal] = msg.Text, false
	case worker.Timer:
		return u.addTimer(msg.Signal, time.Duration(msg.Usec)*time.Microsecond, msg.Times, now)
	case worker.SigCron:
		return u.addCron(uCron{signal: msg.Signal, when: msg.Cron}, now)
	case worker.FileMon:
		return u.watch(WatchFile{msg.Text, msg.Signal})
	}
	return nil
}

func (u *usignals) addTimer(signal byte, every time.Duration, times int64, now time.Time) []Action {
	every = max(every, time.Millisecond)
	for i := range u.timers {
		if t := &u.timers[i]; t.signal == signal && t.every == every && (t.times > 0) == (times > 0) {
			t.times = max(t.times, times)
			return nil
		}
	}
	if len(u.timers) >= maxTimers {
		return tooMany("timers")
	}
	u.timers = append(u.timers, uTimer{signal, every, times, now.Add(every)})
	return nil
}

func (u *usignals) addCron(c uCron, now time.Time) []Action {
	for i := range u.crons {
		if u.crons[i].signal == c.signal && u.crons[i].when == c.when {
			return nil
		}
	}
	if len(u.crons) >= maxTimers {
		return tooMany("cron times")
	}
	u.crons = append(u.crons, c)
	return u.due(now)
}

func (u *usignals) watch(w WatchFile) []Action {
	if u.files[w] {
		return nil
	}
	if len(u.files) >= maxTimers {
		return tooMany("file monitors")
	}
	u.files[w] = true
	return []Action{w}
}

func tooMany(what string) []Action {
	return []Action{Log{Warn, fmt.Sprintf("[uwsgi-signal] more than %d %s: ignored", maxTimers, what)}}
}

// due raises the signals of timers and cron times. A timer that was missed (a stopped machine) is raised once.
func (u *usignals) due(now time.Time) []Action {
	var acts []Action
	keep := u.timers[:0]
	for _, t := range u.timers {
		if !t.due.After(now) {
			acts = append(acts, u.raise(t.signal)...)
			if t.due = t.due.Add(t.every); !t.due.After(now) {
				t.due = now.Add(t.every)
			}
			if t.times == 1 {
				continue
			}
			t.times = max(t.times-1, 0)
		}
		keep = append(keep, t)
	}
	u.timers = keep
	minute := now.Unix() / 60
	for i := range u.crons {
		if c := &u.crons[i]; c.last != minute && cronMatches(c.when, now) {
			c.last = minute
			acts = append(acts, Log{Info, fmt.Sprintf("[uwsgi-cron] routing signal %d", c.signal)})
			acts = append(acts, u.raise(c.signal)...)
		}
	}
	return acts
}

// cronMatches compares a time with minute, hour, day, month and day of the week: -1 is any, -n every n, 7 is Sunday too, and
// of a day and a day of the week that are both given one is enough.
func cronMatches(when [5]int, now time.Time) bool {
	value := [5]int{now.Minute(), now.Hour(), now.Day(), int(now.Month()), int(now.Weekday())}
	if when[4] == 7 {
		when[4] = 0
	}
	var match [5]bool
	for i, w := range when {
		match[i] = w == value[i] || w == -1 || w < -1 && value[i]%-w == 0
	}
	day := match[2] && match[4]
	if when[2] >= 0 && when[4] >= 0 {
		day = match[2] || match[4]
	}
	return match[0] && match[1] && match[3] && day
}

// raise sends a signal to whoever it was registered for.
func (u *usignals) raise(signal byte) []Action {
	var acts []Action
	for _, q := range u.queues(u.targets[signal]) {
		acts = append(acts, Deliver{q, signal})
	}
	if acts == nil && !u.told[signal] {
		u.told[signal] = true
		acts = []Action{Log{Warn, fmt.Sprintf("[uwsgi-signal] signal %d is for %q, and there is none", signal, u.targets[signal])}}
	}
	return acts
}

// queues are the queues of a target in uWSGI's words; one that it does not know means any worker.
func (u *usignals) queues(target string) []Queue {
	conf := &u.set.Conf
	mules := len(conf.Helpers.Mules)
	switch target {
	case "workers", "active-workers":
		var list []Queue
		for i := 1; i <= conf.Processes; i++ {
			if target == "workers" || u.alive(i) {
				list = append(list, Queue{"worker", i})
			}
		}
		return list
	case "mule":
		if mules > 0 {
			return []Queue{{"mule", 0}}
		}
		return nil
	case "mules":
		var list []Queue
		for i := 1; i <= mules; i++ {
			list = append(list, Queue{"mule", i})
		}
		return list
	case "spooler":
		if conf.Helpers.Spool.Count() > 0 {
			return []Queue{{"spooler", 0}}
		}
		return nil
	}
	if name, ok := strings.CutPrefix(target, "farm_"); ok {
		for i, farm := range conf.Helpers.Farms {
			if farm.Name == name {
				return []Queue{{"farm", i + 1}}
			}
		}
		return nil
	}
	for kind, n := range map[string]int{"worker": conf.Processes, "mule": mules, "farm": len(conf.Helpers.Farms)} {
		if word, ok := strings.CutPrefix(target, kind); ok && word != "" {
			if i, err := strconv.Atoi(word); err == nil {
				if i < 1 || i > n {
					return nil
				}
				return []Queue{{kind, i}}
			}
		}
	}
	return []Queue{{"worker", 0}}
}
