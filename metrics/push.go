package metrics

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// pushTimeout bounds one push of a target that has no limit of its own.
const pushTimeout = 3 * time.Second

// Moment is what a push is made of.
type Moment struct {
	Snapshot Snapshot
	Info     Info
}

// metrics returns the metrics of the moment, also when the document is not to show them.
func (m *Moment) metrics() MetricList {
	return append(BuiltinMetrics(&m.Snapshot, &m.Info, m.Info.MetricsNoCore), m.Info.Custom...)
}

// Target is a place that figures are pushed to. Only its own goroutine uses it.
type Target interface {
	Push(m *Moment) error
}

// Schedule says when a target is pushed to, and how often a push that failed is tried again before the next one is due.
type Schedule struct {
	Every      time.Duration
	Retries    int
	RetryAfter time.Duration
}

// RunPush pushes to a target until ctx ends. report is told the first error of a series, and nil when it is over: a
// server that is away for a night is worth two lines, not thousands.
func RunPush(ctx context.Context, t Target, s Schedule, source func() Moment, report func(error)) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	failing := false
	for {
		err := pushOnce(ctx, t, s, source)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != failing {
			failing = err != nil
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func pushOnce(ctx context.Context, t Target, s Schedule, source func() Moment) error {
	for try := 0; ; try++ {
		m := source()
		err := t.Push(&m)
		if err == nil || try >= s.Retries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(s.RetryAfter):
		}
	}
}

// FileTarget appends the JSON document and a separator to a file. The file is opened anew for each push, so it can be
// moved away between two.
type FileTarget struct {
	Open      func() (*os.File, error)
	Separator string
	Options   StatsOptions
}

// Push implements Target.
func (t *FileTarget) Push(m *Moment) error {
	f, err := t.Open()
	if err != nil {
		return err
	}
	text := append(Stats(m.Snapshot, m.Info, t.Options), t.Separator...)
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// dialOnce is a connection that is made when it is needed and made anew after an error.
type dialOnce struct {
	network, addr string
	conn          net.Conn
}

func (d *dialOnce) send(packets [][]byte) error {
	if d.conn == nil {
		c, err := net.DialTimeout(d.network, d.addr, pushTimeout)
		if err != nil {
			return err
		}
		d.conn = c
	}
	err := d.conn.SetWriteDeadline(time.Now().Add(pushTimeout))
	for _, p := range packets {
		if err == nil {
			_, err = d.conn.Write(p)
		}
	}
	if err != nil {
		d.conn.Close()
		d.conn = nil
	}
	return err
}

// SocketTarget sends each metric as one datagram: its name after the prefix, the number of its kind, its value.
type SocketTarget struct {
	Prefix string
	to     dialOnce
}

// NewSocketTarget sends to host:port over UDP, or to the path of a unix datagram socket.
func NewSocketTarget(addr, prefix string) *SocketTarget {
	return &SocketTarget{Prefix: prefix, to: dialOnce{network: datagramNetwork(addr), addr: addr}}
}

func datagramNetwork(addr string) string {
	if strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "@") {
		return "unixgram"
	}
	return "udp"
}

// Push implements Target.
func (t *SocketTarget) Push(m *Moment) error {
	var packets [][]byte
	for _, one := range m.metrics() {
		packets = append(packets, fmt.Appendf(nil, "%s.%s %d %d", t.Prefix, one.Name, one.Kind, one.Value))
	}
	return t.to.send(packets)
}

// StatsdTarget sends each metric as one datagram of statsd. A counter goes out as what it grew by since the push
// before, because statsd adds up what it is sent.
type StatsdTarget struct {
	Prefix    string
	AllGauges bool
	NoWorkers bool
	to        dialOnce
	sent      map[string]int64 // counters as they were at the last push
}

// NewStatsdTarget sends to host:port over UDP, or to the path of a unix datagram socket.
func NewStatsdTarget(addr, prefix string) *StatsdTarget {
	return &StatsdTarget{Prefix: prefix, to: dialOnce{network: datagramNetwork(addr), addr: addr}, sent: map[string]int64{}}
}

// Push implements Target.
func (t *StatsdTarget) Push(m *Moment) error {
	next := map[string]int64{}
	var packets [][]byte
	say := func(name string, v int64, kind byte) {
		packets = append(packets, fmt.Appendf(nil, "%s.%s:%d|%c", t.Prefix, name, v, kind))
	}
	for _, one := range m.metrics() {
		switch {
		case t.NoWorkers && strings.HasPrefix(one.Name, "worker."):
		case one.Kind == KindCounter && !t.AllGauges:
			grown := one.Value - t.sent[one.Name]
			if one.Value < t.sent[one.Name] { // the app set it back: it counts from zero
				grown = max(one.Value, 0)
			}
			next[one.Name] = one.Value
			say(one.Name, grown, 'c')
		case one.Value < 0: // a sign would mean a change of the gauge, not its value
			say(one.Name, 0, 'g')
			say(one.Name, one.Value, 'g')
		default:
			say(one.Name, one.Value, 'g')
		}
	}
	if err := t.to.send(packets); err != nil {
		return err
	}
	t.sent = next
	return nil
}

// sendAll writes a text over a TCP connection made for it.
func sendAll(addr, text string, timeout time.Duration) error {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err = io.WriteString(c, text)
	return err
}
