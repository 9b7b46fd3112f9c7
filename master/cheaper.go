package master

import (
	"fmt"
	"time"
)

// Cheaper says how the number of workers follows the load. Min 0 means that it does not.
type Cheaper struct {
	Min      int      `json:"min"`      // workers that are there at least
	Initial  int      `json:"initial"`  // at the start
	Step     int      `json:"step"`     // how many more at once
	Overload int      `json:"overload"` // ticks of spare, connections of backlog, seconds of busyness
	Algo     string   `json:"algo"`     // spare, spare2, backlog, busyness, manual
	Idle     int      `json:"idle"`     // ticks of spare2
	RSSSoft  uint64   `json:"rss_soft"` // bytes of all workers above which none is added, 0 = no limit
	RSSHard  uint64   `json:"rss_hard"` // bytes above which workers are taken away
	Busyness Busyness `json:"busyness"`
}

// Busyness are the settings of that algorithm.
type Busyness struct {
	Max               int  `json:"max"` // percent
	Min               int  `json:"min"`
	Multiplier        int  `json:"multiplier"` // windows below Min before a worker is taken away
	Penalty           int  `json:"penalty"`    // windows more after one was taken away too early
	BacklogAlert      int  `json:"backlog_alert"`
	BacklogMultiplier int  `json:"backlog_multiplier"`
	BacklogStep       int  `json:"backlog_step"`
	BacklogNonzero    int  `json:"backlog_nonzero"` // seconds
	Verbose           bool `json:"verbose"`
}

// view is what a scaler sees at a tick.
type view struct {
	now     time.Time
	running int     // workers that accept
	busy    int     // of those, in a request
	coming  int     // workers on their way: forked, or leaving to be replaced
	cheap   int     // places without a worker
	queue   int     // connections that wait to be accepted
	load    float64 // percent of the time since the last tick that the workers were busy
	rss     uint64  // bytes of all workers
}

// scaler decides how many workers there should be more (or one less) from what it saw over time.
type scaler struct {
	set  *Cheaper
	over int // ticks in a row that all were busy
	rest int // ticks in a row that more than one was idle
	busyness
}

// busyness is the memory of that algorithm.
type busyness struct {
	windowEnd  time.Time
	ticks      int
	sum        float64
	low        int // windows in a row below Min
	penalty    int // windows more than Multiplier
	lastCheap  time.Time
	emergency  int // workers that an alert added
	queueSince time.Time
}

// decide returns how many workers to add, or -1 to take one away, and what to say about it.
func (c *scaler) decide(v view) (delta int, lines []string) {
	switch c.set.Algo {
	case "spare":
		delta = c.spare(v)
	case "spare2":
		delta = c.spare2(v)
	case "backlog":
		delta = c.backlog(v)
	case "busyness":
		delta, lines = c.busy(v)
	}
	if hard := c.set.RSSHard; hard > 0 && v.rss >= hard {
		return -1, append(lines, fmt.Sprintf("cheaper: the workers hold %d bytes, the hard limit is %d", v.rss, hard))
	}
	if soft := c.set.RSSSoft; soft > 0 && v.rss >= soft && delta > 0 {
		return 0, append(lines, fmt.Sprintf("cheaper: no worker is added, the workers hold %d bytes and the soft limit is %d", v.rss, soft))
	}
	delta = min(delta, v.cheap)
	if v.coming > 0 && delta > 0 {
		delta = 0 // first see what those do that are on their way
	}
	if delta < 0 && v.running+v.coming <= c.set.Min {
		delta = 0
	}
	return delta, lines
}

// spare keeps one worker idle: it adds some when all were busy for a while, and takes one away when more than one was idle for a while.
func (c *scaler) spare(v view) int {
	idle := v.running - v.busy
	switch {
	case idle <= 0:
		c.rest = 0
		if c.over++; c.over > c.set.Overload {
			c.over = 0
			return c.set.Step
		}
	case idle == 1:
		c.over, c.rest = 0, 0
	default:
		c.over = 0
		if c.rest++; c.rest >= max(c.set.Overload, 1) {
			c.rest = 0
			return -1
		}
	}
	return 0
}

// spare2 keeps as many workers idle as cheaper says.
func (c *scaler) spare2(v view) int {
	idle := v.running - v.busy
	switch {
	case idle < c.set.Min:
		c.rest = 0
		return min(c.set.Step, c.set.Min-idle)
	case idle == c.set.Min:
		c.rest = 0
	default:
		if c.rest++; c.rest >= c.set.Idle {
			c.rest = 0
			return -1
		}
	}
	return 0
}

// backlog adds while more connections wait than cheaper-overload, and takes one away when fewer do and a worker is idle.
func (c *scaler) backlog(v view) int {
	switch {
	case v.queue > c.set.Overload:
		return c.set.Step
	case v.queue < c.set.Overload && v.busy < v.running:
		return -1
	}
	return 0
}

// busy keeps the share of the time that workers are busy between two limits. The average is that of a window of
// cheaper-overload seconds; a queue that is too long, or never empty, does not wait for the window's end.
func (c *scaler) busy(v view) (int, []string) {
	b := &c.set.Busyness
	c.sum += v.load
	c.ticks++
	if delta, line := c.alert(v); delta > 0 {
		return delta, []string{line}
	}
	if c.windowEnd.IsZero() {
		c.windowEnd = v.now.Add(c.window())
	}
	if v.now.Before(c.windowEnd) {
		return 0, nil
	}
	average := c.sum / float64(c.ticks)
	c.sum, c.ticks, c.windowEnd = 0, 0, v.now.Add(c.window())
	var lines []string
	if b.Verbose {
		lines = append(lines, fmt.Sprintf("[busyness] %ds average busyness of %d worker(s) is at %d%%", c.set.Overload, v.running, int(average)))
	}
	switch {
	case average > float64(b.Max):
		c.low = 0
		if !c.lastCheap.IsZero() && v.now.Sub(c.lastCheap) < c.patience() && v.cheap > 0 {
			c.penalty += b.Penalty
			lines = append(lines, fmt.Sprintf("[busyness] worker(s) respawned %d second(s) after worker cheap, increasing cheaper multiplier to %d",
				int(v.now.Sub(c.lastCheap).Seconds()), b.Multiplier+c.penalty))
			c.lastCheap = time.Time{}
		}
		if v.cheap > 0 {
			lines = append(lines, fmt.Sprintf("[busyness] %ds average busyness is at %d%%, will spawn %d new worker(s)", c.set.Overload, int(average), min(c.set.Step, v.cheap)))
		}
		return c.set.Step, lines
	case average >= float64(b.Min):
		c.low = 0
		return 0, lines
	}
	c.low++
	if c.penalty > 0 && !c.lastCheap.IsZero() && v.now.Sub(c.lastCheap) > c.patience() {
		c.penalty = 0 // it was not taken away too early this time
	}
	need := b.Multiplier + c.penalty
	if c.emergency > 0 {
		need = b.BacklogMultiplier
	}
	if c.low < need || v.running+v.coming <= c.set.Min {
		return 0, lines
	}
	c.low = 0
	c.lastCheap = v.now
	c.emergency = max(c.emergency-1, 0)
	return -1, append(lines, fmt.Sprintf("[busyness] %ds average busyness is at %d%%, cheap one of %d running workers", c.set.Overload, int(average), v.running))
}

func (c *scaler) window() time.Duration { return time.Duration(max(c.set.Overload, 1)) * time.Second }

// patience is for how long a worker that was taken away should not be missed.
func (c *scaler) patience() time.Duration {
	return c.window() * time.Duration(c.set.Busyness.Multiplier+c.penalty)
}

// alert is about the listen queue.
func (c *scaler) alert(v view) (int, string) {
	b := &c.set.Busyness
	if v.queue == 0 {
		c.queueSince = time.Time{}
		return 0, ""
	}
	if c.queueSince.IsZero() {
		c.queueSince = v.now
	}
	if v.cheap == 0 || v.coming > 0 {
		return 0, ""
	}
	if b.BacklogAlert > 0 && v.queue > b.BacklogAlert {
		n := min(b.BacklogStep, v.cheap)
		c.emergency += n
		return n, fmt.Sprintf("[busyness] %d requests in listen queue, spawning %d emergency worker(s) (limit is %d)", v.queue, n, b.BacklogAlert)
	}
	if since := v.now.Sub(c.queueSince); b.BacklogNonzero > 0 && since > time.Duration(b.BacklogNonzero)*time.Second {
		c.queueSince = v.now
		n := min(b.BacklogStep, v.cheap)
		c.emergency += n
		return n, fmt.Sprintf("[busyness] listen queue is not empty for %d seconds, spawning %d emergency worker(s)", int(since.Seconds()), n)
	}
	return 0, ""
}
