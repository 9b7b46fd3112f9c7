package reload

import (
	"time"

	"gowsgi/config"
	"gowsgi/metrics"
)

// thresholds remembers what was told of each metric-alarm. Only the goroutine that collects metrics uses it.
type thresholds struct{ told map[string]toldThreshold }

// toldThreshold is of the last alarm.
type toldThreshold struct {
	at   time.Time
	zero int64 // the value that counts as 0
}

// look tells which alarms are to be raised at these values.
func (t *thresholds) look(list []config.Threshold, now metrics.MetricList, at time.Time) []logHit {
	if len(list) == 0 {
		return nil
	}
	values := make(map[string]int64, len(now))
	for _, m := range now {
		values[m.Name] = m.Value
	}
	before := t.told
	t.told = map[string]toldThreshold{} // those of thresholds that a reload took away are forgotten
	var hits []logHit
	for i := range list {
		l := &list[i]
		id := l.Entry.Value
		told, value := before[id], values[l.Key]
		if value < told.zero { // the metric began anew
			told.zero = 0
		}
		waits := !told.at.IsZero() && at.Sub(told.at) < time.Duration(l.Rate)*time.Second
		if value-told.zero >= l.Value && !waits {
			text := l.Msg
			if text == "" {
				text = l.Key
			}
			hits = append(hits, logHit{l.Alarms, text})
			told.at = at
			if l.Reset {
				told.zero = value
			}
		}
		t.told[id] = told
	}
	return hits
}
