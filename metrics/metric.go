package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Kind is uWSGI's type of a metric; the number is shown.
type Kind uint32

// The kinds of metrics.
const (
	KindCounter  Kind = iota // grows
	KindGauge                // goes up and down
	KindAbsolute             // a value that is neither
	KindAlias                // another name of a metric
)

var kindNames = []string{"counter", "gauge", "absolute", "alias"}

// KindOf reads uWSGI's word for a kind.
func KindOf(word string) (Kind, bool) {
	for i, name := range kindNames {
		if name == word {
			return Kind(i), true
		}
	}
	return 0, false
}

// Metric is one of uWSGI's metrics at one moment.
type Metric struct {
	Name  string
	OID   string
	Kind  Kind
	Value int64
}

// MetricList is metrics in uWSGI's order. As JSON it is an object of name to type, oid and value, in that order.
type MetricList []Metric

// MarshalJSON implements json.Marshaler; a map would lose the order.
func (l MetricList) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range l {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		oid, err := json.Marshal(m.OID)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, `%s:{"type":%d,"oid":%s,"value":%d}`, name, m.Kind, oid, m.Value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *MetricList) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return fmt.Errorf("metrics are no object: %v %v", tok, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var one struct {
			Type  Kind   `json:"type"`
			OID   string `json:"oid"`
			Value int64  `json:"value"`
		}
		if err := d.Decode(&one); err != nil {
			return err
		}
		*l = append(*l, Metric{name.(string), one.OID, one.Type, one.Value})
	}
	return nil
}

// metricBuilder collects metrics; a counter above what a signed number holds stays at its maximum.
type metricBuilder struct{ list MetricList }

func (b *metricBuilder) add(kind Kind, oid, name string, v uint64) {
	b.list = append(b.list, Metric{name, oid, kind, int64(min(v, counterMax))})
}

// BuiltinMetrics are the metrics that uWSGI keeps of its own accord, with its names, numbers and order. Worker 0 stands
// for all workers together.
func BuiltinMetrics(snap *Snapshot, info *Info, noCores bool) MetricList {
	var b metricBuilder
	idle, busy := 0, 0
	for i := range snap.Workers {
		switch snap.Workers[i].uwsgiStatus(info.Paused) {
		case StatusIdle.String():
			idle++
		case StatusBusy.String():
			busy++
		}
	}
	b.add(KindCounter, "5.1", "core.routed_signals", 0)
	b.add(KindCounter, "5.2", "core.unrouted_signals", 0)
	b.add(KindGauge, "5.3", "core.busy_workers", uint64(busy))
	b.add(KindGauge, "5.4", "core.idle_workers", uint64(idle))
	b.add(KindCounter, "5.5", "core.overloaded", info.QueueErrors)
	all := allWorkers(snap)
	b.worker(0, &all)
	for i := range snap.Workers {
		w := &snap.Workers[i]
		b.worker(w.ID, w)
		for j := range w.Cores {
			if !noCores {
				b.core(w.ID, &w.Cores[j])
			}
		}
	}
	b.add(KindCounter, "5.100", "core.total_tx", all.TX)
	b.add(KindGauge, "5.101", "core.total_rss", all.RSS)
	b.add(KindGauge, "5.102", "core.total_vsz", all.VSZ)
	b.add(KindGauge, "5.103", "core.avg_response_time", all.AvgRT)
	b.add(KindCounter, "5.104", "core.total_running_time", all.RunningTime)
	for i, s := range info.Sockets {
		b.add(KindGauge, fmt.Sprintf("7.%d.1", i), fmt.Sprintf("socket.%d.listen_queue", i), uint64(max(s.Queue.Length, 0)))
	}
	b.add(KindAlias, "5.101", "rss_size", all.RSS)
	b.add(KindAlias, "5.102", "vsz_size", all.VSZ)
	return b.list
}

// allWorkers adds up the workers; those that only ended generations had count too.
func allWorkers(snap *Snapshot) Worker {
	t := &snap.Totals
	all := Worker{
		Requests: t.Requests, Exceptions: t.Exceptions, TX: t.TX, RunningTime: t.RunningTime, RespawnCount: t.Spawns, RSS: t.RSS,
	}
	var rt uint64
	for i := range snap.Workers {
		w := &snap.Workers[i]
		all.DeltaRequests = SatAdd(all.DeltaRequests, w.DeltaRequests)
		all.VSZ = SatAdd(all.VSZ, w.VSZ)
		rt = SatAdd(rt, w.AvgRT)
	}
	if n := uint64(len(snap.Workers)); n > 0 {
		all.AvgRT = rt / n
	}
	return all
}

// worker adds the metrics of a worker. That two of them have the number 13 is uWSGI's doing.
func (b *metricBuilder) worker(id int, w *Worker) {
	add := func(kind Kind, last int, name string, v uint64) {
		b.add(kind, fmt.Sprintf("3.%d.%d", id, last), fmt.Sprintf("worker.%d.%s", id, name), v)
	}
	add(KindCounter, 1, "requests", w.Requests)
	add(KindAbsolute, 2, "delta_requests", w.DeltaRequests)
	add(KindCounter, 13, "failed_requests", w.Exceptions)
	add(KindCounter, 14, "respawns", w.RespawnCount)
	add(KindGauge, 8, "avg_response_time", w.AvgRT)
	add(KindCounter, 9, "total_tx", w.TX)
	add(KindGauge, 11, "rss_size", w.RSS)
	add(KindGauge, 12, "vsz_size", w.VSZ)
	add(KindCounter, 13, "running_time", w.RunningTime)
}

func (b *metricBuilder) core(worker int, c *CoreView) {
	add := func(last int, name string, v uint64) {
		b.add(KindCounter, fmt.Sprintf("3.%d.2.%d.%d", worker, c.ID, last), fmt.Sprintf("worker.%d.core.%d.%s", worker, c.ID, name), v)
	}
	add(1, "requests", c.Requests)
	add(3, "write_errors", c.WriteErrors)
	add(4, "routed_requests", 0)
	add(5, "static_requests", 0)
	add(6, "offloaded_requests", 0)
	add(7, "exceptions", c.Exceptions)
	add(8, "read_errors", c.ReadErrors)
}
