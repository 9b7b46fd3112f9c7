package config

import "strings"

// Cheaper says how the number of workers follows the load. Cheaper 0 means that it does not.
type Cheaper struct {
	Cheaper  int    `json:"cheaper,omitempty"` // workers that are there at least
	Initial  int    `json:"initial,omitempty"` // at the start
	Step     int    `json:"step"`
	Overload int    `json:"overload"`
	Algo     string `json:"algo"`
	Idle     int    `json:"idle"`               // of spare2
	RSSSoft  int64  `json:"rss_soft,omitempty"` // bytes
	RSSHard  int64  `json:"rss_hard,omitempty"`

	BusynessMax       int  `json:"busyness_max"`
	BusynessMin       int  `json:"busyness_min"`
	Multiplier        int  `json:"multiplier"`
	Penalty           int  `json:"penalty"`
	BacklogAlert      int  `json:"backlog_alert"`
	BacklogMultiplier int  `json:"backlog_multiplier"`
	BacklogStep       int  `json:"backlog_step"`
	BacklogNonzero    int  `json:"backlog_nonzero"`
	Verbose           bool `json:"verbose,omitempty"`

	Cheap         bool `json:"cheap,omitempty"`        // no worker before the first connection
	IdleSeconds   int  `json:"idle_seconds,omitempty"` // without a request, after which no worker is kept
	DieOnIdle     bool `json:"die_on_idle,omitempty"`
	DieOnNoWorker bool `json:"die_on_no_workers,omitempty"`
}

// defaultCheaper holds uWSGI's defaults.
func defaultCheaper() Cheaper {
	return Cheaper{Step: 1, Overload: 3, Algo: "spare", Idle: 10, BusynessMax: 50, BusynessMin: 25, Multiplier: 10, Penalty: 2,
		BacklogAlert: 33, BacklogMultiplier: 3, BacklogStep: 1, BacklogNonzero: 60}
}

// CheaperAlgos are the names that cheaper-algo takes.
var CheaperAlgos = []string{"spare", "spare2", "backlog", "busyness", "manual"}

func (c *Cheaper) options() []option {
	return []option{
		{"cheaper", "run as few workers as this when there is little to do, as many as processes under load", number(&c.Cheaper, 1, maxWorkers)},
		{"cheaper-initial", "workers at the start", number(&c.Initial, 1, maxWorkers)},
		{"cheaper-step", "how many workers are added at once", number(&c.Step, 1, maxWorkers)},
		{"cheaper-overload", "spare: seconds that all workers are busy before one is added; backlog: waiting connections; busyness: seconds of a window", number(&c.Overload, 0, maxSeconds)},
		{"cheaper-algo", "how the number of workers is found: spare, spare2, backlog, busyness, manual", c.setAlgo},
		{"cheaper-idle", "spare2: seconds that more than cheaper workers are idle before one is taken away", number(&c.Idle, 1, maxSeconds)},
		{"cheaper-rss-limit-soft", "add no worker while all of them together hold this many bytes", number64(&c.RSSSoft, 0, 1<<60)},
		{"cheaper-rss-limit-hard", "take workers away while all of them together hold this many bytes", number64(&c.RSSHard, 0, 1<<60)},
		{"cheaper-busyness-max", "busyness: add workers above this many percent", number(&c.BusynessMax, 0, 100)},
		{"cheaper-busyness-min", "busyness: take one away below this many percent", number(&c.BusynessMin, 0, 100)},
		{"cheaper-busyness-multiplier", "busyness: windows of little to do before a worker is taken away", number(&c.Multiplier, 1, maxSeconds)},
		{"cheaper-busyness-penalty", "busyness: windows more after a worker was taken away too early", number(&c.Penalty, 0, maxSeconds)},
		{"cheaper-busyness-verbose", "busyness: say each window's average in the log", boolean(&c.Verbose)},
		{"cheaper-busyness-backlog-alert", "busyness: add workers at once when more connections wait", number(&c.BacklogAlert, 0, 1<<20)},
		{"cheaper-busyness-backlog-multiplier", "busyness: as cheaper-busyness-multiplier, for workers that an alert added", number(&c.BacklogMultiplier, 1, maxSeconds)},
		{"cheaper-busyness-backlog-step", "busyness: how many workers an alert adds", number(&c.BacklogStep, 1, maxWorkers)},
		{"cheaper-busyness-backlog-nonzero", "busyness: add workers when connections were waiting for this many seconds", number(&c.BacklogNonzero, 0, maxSeconds)},
		{"cheap", "start no worker before the first connection", boolean(&c.Cheap)},
		{"idle", "keep no worker after this many seconds without a request; the next connection brings them back", number(&c.IdleSeconds, 0, maxSeconds)},
		{"die-on-idle", "stop instead when idle says so", boolean(&c.DieOnIdle)},
		{"die-on-no-workers", "stop when no worker is left and none is about to be started", boolean(&c.DieOnNoWorker)},
	}
}

func (c *Cheaper) setAlgo(v *value) error {
	name := v.tidy()
	for _, known := range CheaperAlgos {
		if name == known {
			c.Algo = name
			return nil
		}
	}
	if name == "backlog2" {
		return bad("backlog2 compares the queue with socket-timeout and is of no use", "write backlog or busyness")
	}
	return bad("no such algorithm", "write one of "+strings.Join(CheaperAlgos, ", "))
}
