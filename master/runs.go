package master

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// commandRun is a command of an alarm or of touch-exec that runs, or is about to.
type commandRun struct {
	of       int       // which of the list it is of
	pid      int       // 0 until it was started
	deadline time.Time // SIGKILL then, zero = never
}

// commandRuns are those of one unit, by number.
type commandRuns map[int]*commandRun

// overdue kills those whose time to end is over.
func (c commandRuns) overdue(now time.Time) []Action {
	var acts []Action
	for _, n := range slices.Sorted(maps.Keys(c)) {
		r := c[n]
		if r.pid != 0 && !r.deadline.IsZero() && !r.deadline.After(now) {
			r.deadline = now.Add(brutalMercy)
			acts = append(acts, KillGroup{r.pid, unix.SIGKILL})
		}
	}
	return acts
}

// next is when the next one's time is over, zero when nobody's is running out.
func (c commandRuns) next() time.Time {
	var at time.Time
	for _, r := range c {
		if r.pid != 0 {
			at = earliest(at, r.deadline)
		}
	}
	return at
}
