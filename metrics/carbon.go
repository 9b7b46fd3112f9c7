package metrics

import (
	"fmt"
	"strings"
	"time"
)

// What the average of a worker without a request since the push before is shown as: carbon-idle-avg.
const (
	IdleLast = "last" // as it was
	IdleZero = "zero"
	IdleNone = "none" // not at all
)

// CarbonTarget sends figures to a carbon server in its line protocol: path, value, time.
type CarbonTarget struct {
	Addr       string
	Prefix     string // root, host and id, joined with dots
	Timeout    time.Duration
	NoWorkers  bool
	UseMetrics bool // uWSGI's metrics instead of the fixed set of lines
	IdleAvg    string

	last     time.Time
	running  map[int]uint64 // running time of each worker at the last push
	requests map[int]uint64
}

// Push implements Target.
func (t *CarbonTarget) Push(m *Moment) error {
	text, commit := t.lines(m)
	if err := sendAll(t.Addr, text, t.Timeout); err != nil {
		return err
	}
	commit()
	return nil
}

// lines renders a push. commit is called once it is sent: busyness is that of the time since the last push that arrived.
func (t *CarbonTarget) lines(m *Moment) (text string, commit func()) {
	var out strings.Builder
	now := m.Snapshot.Time
	say := func(name string, v int64) { fmt.Fprintf(&out, "%s.%s %d %d\n", t.Prefix, name, v, now.Unix()) }
	if t.UseMetrics {
		for _, one := range m.metrics() {
			say(one.Name, one.Value)
		}
		return out.String(), func() {}
	}
	running, requests := map[int]uint64{}, map[int]uint64{}
	busySum, rtSum, active := int64(0), int64(0), int64(0)
	total := &m.Snapshot.Totals
	say("requests", int64(total.Requests))
	for i := range m.Snapshot.Workers {
		w := &m.Snapshot.Workers[i]
		running[w.ID], requests[w.ID] = w.RunningTime, w.Requests
		busy := t.busyness(w, now)
		rt, show := t.average(w)
		busySum, rtSum = busySum+busy, rtSum+rt
		if hasProcess(w.State) {
			active++
		}
		if t.NoWorkers {
			continue
		}
		name := fmt.Sprintf("worker%d.", w.ID)
		say(name+"requests", int64(w.Requests))
		if show {
			say(name+"avg_rt", rt)
		}
		say(name+"tx", int64(w.TX))
		say(name+"busyness", busy)
		say(name+"harakiri", int64(w.Harakiri))
	}
	if active > 0 {
		say("avg_rt", rtSum/active)
	}
	say("tx", int64(total.TX))
	if active > 0 {
		say("busyness", busySum/active)
	}
	say("active_workers", active)
	say("harakiri", int64(total.Harakiri))
	return out.String(), func() { t.last, t.running, t.requests = now, running, requests }
}

// busyness is the share of the time since the last push, in percent, that a worker's cores spent in requests.
func (t *CarbonTarget) busyness(w *Worker, now time.Time) int64 {
	elapsed := now.Sub(t.last).Microseconds() * int64(max(len(w.Cores), 1))
	if t.last.IsZero() || elapsed <= 0 {
		return 0
	}
	spent := w.RunningTime - min(w.RunningTime, t.running[w.ID])
	return int64(min(spent, uint64(elapsed))) * 100 / elapsed
}

// average is the average response time to show for a worker, and whether to show it.
func (t *CarbonTarget) average(w *Worker) (rt int64, show bool) {
	idle := w.Requests == t.requests[w.ID]
	switch {
	case idle && t.IdleAvg == IdleNone:
		return 0, false
	case idle && t.IdleAvg == IdleZero:
		return 0, true
	}
	return int64(w.AvgRT), true
}
