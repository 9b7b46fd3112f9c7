package master

import (
	"testing"
	"time"

	"gowsgi/metrics"
)

// seen is one tick of a scaler's table: what it sees and what it should answer; times repeats it.
type seen struct {
	v     view
	times int
	want  int
}

// budget: table, a row for each course of a load.
func TestScaler(t *testing.T) {
	all := func(n int) view { return view{running: n, busy: n, cheap: 8 - n, load: 100} }
	idle := func(n, busy int) view { return view{running: n, busy: busy, cheap: 8 - n} }
	queue := func(n, queue int) view { return view{running: n, busy: n, cheap: 8 - n, queue: queue} }
	load := func(n int, percent float64) view { return view{running: n, busy: 1, cheap: 8 - n, load: percent} }
	busyness := Busyness{Max: 50, Min: 25, Multiplier: 2, Penalty: 2, BacklogAlert: 33, BacklogMultiplier: 1, BacklogStep: 3, BacklogNonzero: 60}
	tests := map[string]struct {
		set  Cheaper
		seen []seen
	}{
		"spare adds when all were busy for long enough": {Cheaper{Algo: "spare", Min: 2, Overload: 3, Step: 2}, []seen{
			{all(2), 3, 0}, {all(2), 1, 2}, {all(4), 3, 0}, {all(4), 1, 2}}},
		"spare forgets a peak":                          {Cheaper{Algo: "spare", Min: 2, Overload: 3, Step: 2}, []seen{{all(2), 3, 0}, {idle(2, 1), 1, 0}, {all(2), 3, 0}}},
		"spare takes away when more than one was idle":  {Cheaper{Algo: "spare", Min: 2, Overload: 3, Step: 1}, []seen{{idle(4, 1), 2, 0}, {idle(4, 1), 1, -1}, {idle(3, 0), 2, 0}, {idle(3, 0), 1, -1}}},
		"spare keeps one idle":                          {Cheaper{Algo: "spare", Min: 2, Overload: 3, Step: 1}, []seen{{idle(4, 3), 30, 0}}},
		"spare keeps the least number":                  {Cheaper{Algo: "spare", Min: 2, Overload: 3, Step: 1}, []seen{{idle(2, 0), 30, 0}}},
		"spare with overload 0":                         {Cheaper{Algo: "spare", Min: 1, Overload: 0, Step: 1}, []seen{{all(2), 1, 1}, {idle(3, 0), 1, -1}}},
		"no more than there are places":                 {Cheaper{Algo: "spare", Min: 2, Overload: 0, Step: 5}, []seen{{all(6), 1, 2}, {all(8), 1, 0}}},
		"waits for those on their way":                  {Cheaper{Algo: "spare", Min: 2, Overload: 0, Step: 1}, []seen{{view{running: 2, busy: 2, coming: 1, cheap: 5}, 5, 0}}},
		"spare2 keeps as many idle as cheaper":          {Cheaper{Algo: "spare2", Min: 2, Step: 4, Idle: 3}, []seen{{idle(2, 1), 1, 1}, {idle(2, 2), 1, 2}, {idle(4, 2), 9, 0}, {idle(5, 2), 2, 0}, {idle(5, 2), 1, -1}}},
		"spare2 adds no more than a step":               {Cheaper{Algo: "spare2", Min: 5, Step: 2, Idle: 3}, []seen{{all(5), 1, 2}}},
		"backlog":                                       {Cheaper{Algo: "backlog", Min: 2, Step: 2, Overload: 3}, []seen{{queue(2, 4), 2, 2}, {queue(4, 3), 3, 0}, {queue(4, 2), 3, 0}, {idle(4, 2), 2, -1}}},
		"manual":                                        {Cheaper{Algo: "manual", Min: 2, Step: 2}, []seen{{all(2), 20, 0}, {idle(5, 0), 20, 0}}},
		"the soft limit of memory":                      {Cheaper{Algo: "spare", Min: 2, Step: 1, RSSSoft: 100}, []seen{{view{running: 2, busy: 2, cheap: 6, rss: 99}, 1, 1}, {view{running: 2, busy: 2, cheap: 6, rss: 100}, 5, 0}}},
		"the hard limit of memory":                      {Cheaper{Algo: "spare", Min: 2, Step: 1, RSSSoft: 100, RSSHard: 200}, []seen{{view{running: 4, busy: 4, cheap: 4, rss: 200}, 2, -1}}},
		"busyness adds above max":                       {Cheaper{Algo: "busyness", Min: 2, Step: 2, Overload: 3, Busyness: busyness}, []seen{{load(2, 60), 3, 0}, {load(2, 60), 1, 2}, {load(4, 60), 2, 0}, {load(4, 60), 1, 2}}},
		"busyness is an average":                        {Cheaper{Algo: "busyness", Min: 2, Step: 2, Overload: 3, Busyness: busyness}, []seen{{load(2, 100), 1, 0}, {load(2, 30), 6, 0}}},
		"busyness takes away after a number of windows": {Cheaper{Algo: "busyness", Min: 2, Step: 2, Overload: 3, Busyness: busyness}, []seen{{load(4, 10), 6, 0}, {load(4, 10), 1, -1}, {load(3, 10), 5, 0}, {load(3, 10), 1, -1}, {load(2, 10), 30, 0}}},
		"busyness is patient after it was too quick":    {Cheaper{Algo: "busyness", Min: 2, Step: 1, Overload: 3, Busyness: busyness}, []seen{{load(4, 10), 6, 0}, {load(4, 10), 1, -1}, {load(3, 90), 2, 0}, {load(3, 90), 1, 1}, {load(4, 10), 11, 0}, {load(4, 10), 1, -1}}},
		"busyness does not wait when the queue is long": {Cheaper{Algo: "busyness", Min: 2, Step: 1, Overload: 30, Busyness: busyness}, []seen{{queue(2, 33), 3, 0}, {queue(2, 34), 1, 3}, {queue(7, 34), 1, 1}, {queue(8, 34), 1, 0}}},
		"busyness does not let a queue be for ever":     {Cheaper{Algo: "busyness", Min: 2, Step: 1, Overload: 300, Busyness: busyness}, []seen{{queue(2, 1), 61, 0}, {queue(2, 1), 1, 3}, {queue(5, 1), 60, 0}, {queue(5, 0), 1, 0}, {queue(5, 1), 61, 0}, {queue(5, 1), 1, 3}}},
		"busyness takes emergency workers away sooner":  {Cheaper{Algo: "busyness", Min: 2, Step: 1, Overload: 3, Busyness: busyness}, []seen{{queue(2, 34), 1, 3}, {load(5, 0), 3, 0}, {load(5, 0), 1, -1}, {load(4, 0), 2, 0}, {load(4, 0), 1, -1}, {load(3, 0), 2, 0}, {load(3, 0), 1, -1}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &scaler{set: &tt.set}
			now := time.Unix(1000, 0)
			for i, s := range tt.seen {
				for n := range s.times {
					s.v.now = now
					got, _ := c.decide(s.v)
					if got != s.want {
						t.Fatalf("row %d, tick %d: %+d, want %+d", i+1, n+1, got, s.want)
					}
					now = now.Add(time.Second)
				}
			}
		})
	}
}

func ticks(loads ...Load) Ticked { return Ticked{Workers: loads} }

// budget: table, a row for each course of workers that come and go with the load.
func TestCheaper(t *testing.T) {
	const s = time.Second
	busy, idle := Load{Busy: true}, Load{}
	one := Settings{Cheaper: Cheaper{Min: 1, Initial: 1, Step: 1, Overload: 1, Algo: "spare"}}
	manual := Settings{Cheaper: Cheaper{Min: 1, Initial: 1, Step: 1, Overload: 1, Algo: "manual"}}
	sleepy := Settings{Sleep: Sleep{Idle: 5 * s}}
	// started brings one of two workers into service.
	started := func(more ...step) []step {
		return append([]step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: loadedMsg(true), want: "post-app, master-start, cheap 2, fork 1/1"},
			{ev: forkedMsg(1, 1, 11)}, {ev: readyMsg(1, 11, true), want: "tell ready"},
		}, more...)
	}
	grown := func(more ...step) []step {
		return started(append([]step{
			{ev: ticks(busy, idle)}, {ev: ticks(busy, idle), wait: s, want: "fork 2/2"}, {ev: forkedMsg(2, 2, 12)},
			{ev: readyMsg(2, 12, true)},
		}, more...)...)
	}
	tests := map[string]struct {
		set   Settings
		steps []step
	}{
		"more under load, fewer after it": {one, grown(
			step{ev: ticks(idle, idle), wait: s, want: "HUP 11"}, step{ev: ticks(idle, idle), wait: s, want: "HUP 11"},
			step{ev: exited(11, 17), want: "died cheap, cheap 1"}, step{ev: ticks(idle, idle), wait: s},
			step{ev: ticks(idle, busy), wait: s}, step{ev: ticks(idle, busy), wait: s, want: "fork 1/3"})},
		"a busy worker is not taken away": {one, grown(step{ev: ticks(busy, idle), wait: s}, step{ev: ticks(busy, busy), wait: s})},
		"one that does not leave is killed": {one, grown(
			step{ev: ticks(idle, idle), wait: s, want: "HUP 11"}, step{ev: Woke{}, wait: 60 * s, want: "KILL 11"}, step{ev: killed(11, 9), want: "died cheap, cheap 1"})},
		"recycling does not wait for empty places": {one, started(
			step{ev: servedMsg(1, 11), want: "HUP 11"}, step{ev: exited(11, 17), want: "died max-requests, fork 1/2"})},
		"leaving with an empty place": {one, started(
			step{ev: Leave{}, want: "quit, HUP 11"}, step{ev: exited(11, 17), want: "died reload"}, step{ev: exited(5, 0), want: "exit 0"})},
		"new code with an empty place": {one, started(
			step{ev: Renew{Chain: true}, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, HUP 11"},
			step{ev: ticks(busy, idle)}, step{ev: ticks(busy, idle), wait: s, want: "HUP 11"}, step{ev: ticks(busy, idle), wait: s, want: "HUP 11"},
			step{ev: exited(11, 17), want: "died reload, fork 1/2"}, step{ev: forkedMsg(1, 2, 13)}, step{ev: readyMsg(1, 13, true), want: "renewed"})},
		"by hand": {manual, started(
			step{ev: Scale{Delta: -1}}, step{ev: Scale{Delta: 1}, want: "fork 2/2"}, step{ev: Scale{Delta: 1}}, step{ev: forkedMsg(2, 2, 12)},
			step{ev: readyMsg(2, 12, true)}, step{ev: Scale{Delta: -1}, want: "HUP 12"}, step{ev: Scale{Delta: -1}},
			step{ev: exited(12, 17), want: "died cheap, cheap 2"})},
		"by hand without cheaper":            {Settings{}, after(step{ev: Scale{Delta: 1}}, step{ev: Scale{Delta: -1}})},
		"a wrong number of loads is no tick": {one, started(step{ev: ticks(busy)}, step{ev: ticks()})},
		"cheap until somebody comes": {Settings{Sleep: Sleep{Cheap: true}}, []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}},
			{ev: loadedMsg(true), want: "post-app, master-start, cheap 1, cheap 2, watch, tell ready"},
			{ev: ticks(idle, idle)}, {ev: Knocked{}, want: "fork 1/1, fork 2/2"}, {ev: Knocked{}}}},
		"idle": {sleepy, after(
			step{ev: ticks(idle, idle)}, step{ev: ticks(Load{Requests: 7}, idle), wait: 4 * s}, step{ev: ticks(Load{Requests: 7}, idle), wait: 4 * s},
			step{ev: ticks(Load{Requests: 7}, idle), wait: 1 * s, want: "HUP 11, HUP 12"}, step{ev: exited(11, 17), want: "died cheap, cheap 1"},
			step{ev: exited(12, 17), want: "died cheap, cheap 2, watch"}, step{ev: ticks(idle, idle), wait: s},
			step{ev: Knocked{}, want: "fork 1/3, fork 2/4"}, step{ev: ticks(idle, idle), wait: 4 * s})},
		"not idle while a request runs or waits": {sleepy, after(
			step{ev: ticks(idle, idle)}, step{ev: ticks(busy, idle), wait: 9 * s}, step{ev: Ticked{Workers: []Load{{}, {}}, Queue: 1}, wait: 9 * s})},
		"a worker that crashes on its way to sleep": {sleepy, after(
			step{ev: ticks(idle, idle)}, step{ev: ticks(idle, idle), wait: 5 * s, want: "HUP 11, HUP 12"}, step{ev: killed(11, 11), want: "died signal, cheap 1"},
			step{ev: Leave{}, want: "quit, HUP 12"}, step{ev: exited(12, 17), want: "died cheap"}, step{ev: exited(5, 0), want: "exit 0"})},
		"asleep as the parent wants it, with one on its way": {sleepy, after(
			step{ev: exited(11, 1), wait: s, want: "died exit, fork 1/3"}, step{ev: Scale{Cheap: true}, want: "HUP 12"}, step{ev: Scale{Cheap: true}},
			step{ev: forkedMsg(1, 3, 13)}, step{ev: readyMsg(1, 13, true), want: "HUP 13"}, step{ev: exited(12, 17), want: "died cheap, cheap 2"},
			step{ev: exited(13, 17), want: "died cheap, cheap 1, watch"})},
		"new code while asleep": {sleepy, after(
			step{ev: Scale{Cheap: true}, want: "HUP 11, HUP 12"}, step{ev: exited(11, 17), want: "died cheap, cheap 1"},
			step{ev: exited(12, 17), want: "died cheap, cheap 2, watch"}, step{ev: Renew{}, want: "zygote"}, step{ev: ZygoteStarted{2, 6}},
			step{ev: loadedBy(2, true), want: "quit, renewed"}, step{ev: Knocked{}, want: "fork 1/3, fork 2/4"})},
		"die-on-idle": {Settings{Sleep: Sleep{Idle: 5 * s, DieOnIdle: true}}, after(
			step{ev: ticks(idle, idle)}, step{ev: ticks(idle, idle), wait: 5 * s, want: "tell asked stop"}, step{ev: ticks(idle, idle), wait: 5 * s})},
		"die-on-no-workers": {Settings{Sleep: Sleep{DieOnNoWorkers: true}}, after(
			step{ev: exited(11, 1), want: "died exit, fork 1/3"}, step{ev: exited(12, 1), want: "died exit, fork 2/4"}, step{ev: ticks(idle, idle)},
			step{ev: forkedMsg(1, 3, 13)}, step{ev: forkedMsg(2, 4, 14)}, step{ev: exited(13, 1), want: "died exit"}, step{ev: ticks(idle, idle)},
			step{ev: exited(14, 1), want: "died exit"}, step{ev: ticks(idle, idle), want: "tell asked stop"}, step{ev: ticks(idle, idle)})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { drive(t, tt.set, tt.steps) })
	}
}

// TestBusynessIsMeasured: the share of the time is that of the workers which ran, over all their threads.
func TestBusynessIsMeasured(t *testing.T) {
	set := Settings{}
	set.Conf.Processes, set.Conf.Threads = 2, 2
	m := newMachine(&set, 1)
	m.phase = serving
	m.slots[0].state, m.slots[1].state = slotRunning, slotCheap
	now := time.Unix(1000, 0)
	m.look(ticks(Load{BusyTime: time.Hour}, Load{}), now)
	v := m.look(ticks(Load{BusyTime: time.Hour + time.Second}, Load{BusyTime: time.Hour}), now.Add(time.Second))
	if v.load != 50 || v.running != 1 || v.cheap != 1 {
		t.Errorf("one of two threads was busy: %+v", v)
	}
	m.slots[1].state, m.slots[1].why = slotLeaving, metrics.CauseCheap
	if v = m.look(ticks(Load{}, Load{}), now.Add(2*time.Second)); v.load != 0 || v.coming != 0 {
		t.Errorf("a counter that went back: %+v", v)
	}
}
