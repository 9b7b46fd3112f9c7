package master

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
	"gowsgi/worker"
)

// world plays the kernel, the zygotes and the workers for a machine, with chance as its only plan.
type world struct {
	t     *testing.T
	seed  uint64
	rnd   *rand.Rand
	m     *machine
	now   time.Time
	queue []Event // to be told, in order
	procs map[int]*proc
	pid   int
	code  int
	wild  bool // things go wrong
}

// proc is a process of the world.
type proc struct {
	zygote uint64  // of its channel; its own when slot is 0
	slot   int     // 0: a zygote
	orders []Event // a zygote's: what it has still to do
	loads  bool    // a zygote that imports
	deaf   bool    // does not leave when it is told to
	ended  bool    // its end is in the queue
}

func newWorld(t *testing.T, seed uint64, set Settings) *world {
	set.MercySeconds = 5
	m := newMachine(&set, 1)
	w := &world{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1000, 0), procs: map[int]*proc{}, pid: 10, code: -1, m: m, wild: true}
	m.jitter = w.rnd.Float64
	return w
}

func (w *world) chance(percent int) bool { return w.wild && w.rnd.IntN(100) < percent }

func (w *world) spawn(p *proc) int {
	w.pid++
	w.procs[w.pid] = p
	return w.pid
}

func (w *world) end(pid int, status unix.WaitStatus) {
	if p := w.procs[pid]; !p.ended {
		p.ended = true
		w.queue = append(w.queue, Exited{PID: pid, Status: status})
	}
}

// feed gives the machine an event and does what it answers.
func (w *world) feed(ev Event) {
	w.t.Helper()
	if gone, ok := ev.(Exited); ok {
		delete(w.procs, gone.PID)
	}
	before := make([]slotState, len(w.m.slots))
	for i := range before {
		before[i] = w.m.slots[i].state
	}
	acts := w.m.handle(ev, w.now)
	w.check(ev, before)
	for _, act := range acts {
		w.do(act, ev)
	}
}

func (w *world) do(act Action, ev Event) {
	switch act := act.(type) {
	case StartZygote:
		pid := w.spawn(&proc{zygote: act.Number, loads: true})
		w.feed(ZygoteStarted{act.Number, pid})
	case Fork:
		if p := w.zygoteOf(act.Zygote); p != nil {
			p.orders = append(p.orders, Said{worker.Message{Slot: act.Slot, Seq: act.Seq}, act.Zygote})
		}
	case QuitZygote:
		if p := w.zygoteOf(act.Number); p != nil {
			p.orders = append(p.orders, Leave{})
		}
	case Kill:
		p := w.procs[act.PID]
		if p == nil {
			w.t.Fatalf("seed %d, %T%+v: signal %d to pid %d, which is gone", w.seed, ev, ev, act.Signal, act.PID)
		}
		switch {
		case act.Signal == unix.SIGKILL:
			w.end(act.PID, unix.WaitStatus(unix.SIGKILL))
		case act.Signal == unix.SIGHUP && !p.deaf:
			w.end(act.PID, 17<<8)
		case act.Signal == unix.SIGINT && !p.deaf:
			w.end(act.PID, 30<<8)
		}
	case Exit:
		w.code = act.Code
	case WatchSockets:
		w.queue = append(w.queue, Knocked{})
	}
}

func (w *world) zygoteOf(number uint64) *proc {
	for _, p := range w.procs {
		if p.slot == 0 && p.zygote == number {
			return p
		}
	}
	return nil
}

// work lets one zygote get on.
func (w *world) work() {
	for pid := 11; pid <= w.pid; pid++ { // in order: a map's would not be repeatable
		p := w.procs[pid]
		if p == nil || p.slot != 0 || p.ended || w.rnd.IntN(2) == 0 {
			continue
		}
		switch {
		case p.loads && w.chance(5):
			w.end(pid, unix.WaitStatus(unix.SIGSEGV))
		case p.loads:
			p.loads = false
			w.queue = append(w.queue, Said{worker.Message{Kind: worker.Loaded, OK: !w.chance(20)}, p.zygote})
		case len(p.orders) > 0:
			order := p.orders[0]
			p.orders = p.orders[1:]
			if ask, ok := order.(Said); ok {
				if w.chance(5) { // it is killed, and what it has forked comes all the same
					w.end(pid, unix.WaitStatus(unix.SIGKILL))
				}
				w.fork(ask, p)
			} else {
				w.end(pid, 0)
			}
		}
	}
}

func (w *world) fork(ask Said, zygote *proc) {
	if w.chance(5) {
		ask.Kind = worker.Unforked
		w.queue = append(w.queue, ask)
		return
	}
	pid := w.spawn(&proc{zygote: zygote.zygote, slot: ask.Slot, deaf: w.chance(10)})
	ask.Kind, ask.PID = worker.Forked, pid
	w.queue = append(w.queue, ask)
	if w.chance(10) {
		w.end(pid, 1<<8)
		return
	}
	w.queue = append(w.queue, Said{worker.Message{Kind: worker.Ready, Slot: ask.Slot, PID: pid, OK: true}, zygote.zygote})
}

// step lets something happen.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rnd.IntN(1500)) * time.Millisecond)
	w.work()
	for n := w.rnd.IntN(4); n > 0 && len(w.queue) > 0; n-- {
		ev := w.queue[0]
		w.queue = w.queue[1:]
		w.feed(ev)
	}
	if at := w.m.next(); !at.IsZero() && !at.After(w.now) {
		w.feed(Woke{})
	}
	if !w.wild {
		w.feed(Ticked{Workers: make([]Load, len(w.m.slots))})
		return
	}
	s := &w.m.slots[w.rnd.IntN(len(w.m.slots))]
	switch w.rnd.IntN(14) {
	case 0:
		w.feed(Renew{Chain: w.rnd.IntN(2) == 0, Brutal: w.rnd.IntN(4) == 0})
	case 1:
		w.feed(Scale{Delta: w.rnd.IntN(5) - 2})
	case 2:
		if w.rnd.IntN(5) == 0 {
			w.feed(Scale{Cheap: true})
		}
	case 3, 4:
		w.feed(Said{worker.Message{Kind: worker.Served, Slot: s.id, PID: s.pid}, 1})
	case 5:
		w.feed(Said{worker.Message{Kind: worker.Monitored, Slot: s.id, PID: s.pid}, 1})
	case 6:
		w.feed(Sampled{Slot: s.id, Busy: time.Duration(w.rnd.IntN(9)) * time.Second, Others: w.rnd.IntN(3), RSS: uint64(w.rnd.IntN(120))})
	case 7:
		for pid := 11 + w.rnd.IntN(w.pid); pid <= w.pid; pid++ {
			if p := w.procs[pid]; p != nil && w.chance(30) {
				w.end(pid, unix.WaitStatus(unix.SIGKILL))
				break
			}
		}
	default:
		loads := make([]Load, len(w.m.slots))
		for i := range loads {
			loads[i].Busy = w.rnd.IntN(2) == 0
		}
		w.feed(Ticked{Workers: loads, Queue: w.rnd.IntN(3)})
	}
}

// check holds what is to be true after any event.
func (w *world) check(ev Event, before []slotState) {
	w.t.Helper()
	recycled, missing, wanted := 0, 0, w.m.phase != serving || w.m.sleep.asleep
	for i := range w.m.slots {
		s := &w.m.slots[i]
		if (s.pid != 0) != (s.state == slotStarting || s.state == slotRunning || s.state == slotLeaving) {
			w.t.Fatalf("seed %d, after %T%+v: slot %d is %v with pid %d", w.seed, ev, ev, s.id, s.state, s.pid)
		}
		if p := w.procs[s.pid]; s.pid != 0 && (p == nil || p.slot != s.id) {
			w.t.Fatalf("seed %d, after %T%+v: slot %d has pid %d, which is not its own", w.seed, ev, ev, s.id, s.pid)
		}
		if s.state == slotLeaving && before[i] == slotRunning {
			switch s.why {
			case metrics.CauseMaxRequests, metrics.CauseLifetime, metrics.CauseException, metrics.CauseRSS:
				recycled++
			}
		}
		if s.wanted() && s.state != slotRunning {
			missing++
		}
		wanted = wanted || (s.wanted() && !s.surplus && (s.state != slotLeaving || s.why != metrics.CauseCheap))
	}
	if !wanted {
		w.t.Fatalf("seed %d, after %T%+v: the master does not sleep, but no worker is there and none is to come", w.seed, ev, ev)
	}
	if recycled > 0 && missing > 1 && w.m.phase == serving {
		w.t.Fatalf("seed %d, after %T%+v: a worker is recycled while %d do not serve", w.seed, ev, ev, missing)
	}
}

// TestWorld: whatever happens in whatever order, once it is quiet all workers that are wanted serve, and the master can leave.
func TestWorld(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			set := Settings{Limits: Limits{Harakiri: 7 * time.Second, MaxLifetime: time.Minute, ReloadRSS: 110, EvilRSS: 118}}
			set.Conf.Processes, set.Conf.Threads = 4, 2
			set.Conf.LazyApps = seed%5 == 4
			if seed%2 == 1 {
				set.Cheaper = Cheaper{Min: 1, Initial: 2, Step: 1, Overload: 2, Algo: "spare"}
			}
			if seed%3 == 1 {
				set.Sleep.Idle = 20 * time.Second
			}
			w := newWorld(t, seed, set)
			w.feed(Booted{})
			for range 300 {
				w.step()
			}
			if w.code != -1 {
				t.Fatalf("seed %d: the master left with %d", seed, w.code)
			}
			w.quieten()
			w.feed(Leave{})
			for range 100 {
				w.step()
				w.now = w.now.Add(time.Second)
			}
			if w.code != 0 || len(w.procs) > 0 {
				t.Errorf("seed %d: the master left with %d and %d processes: %v %+v", seed, w.code, len(w.procs), w.m.phase, w.m.slots)
			}
		})
	}
}

// quieten waits until nothing changes any more, and looks at what there is.
func (w *world) quieten() {
	w.t.Helper()
	w.wild = false
	w.m.set.Limits, w.m.set.Sleep, w.m.scaler = Limits{}, Sleep{}, nil
	for range 200 {
		w.step()
		w.now = w.now.Add(time.Second)
	}
	serving := 0
	for i := range w.m.slots {
		s := &w.m.slots[i]
		if s.wanted() && s.state != slotRunning {
			w.t.Fatalf("seed %d: slot %d is %v for good (zygote %+v, second %+v, retired %d)", w.seed, s.id, s.state, w.m.zygote, w.m.second, len(w.m.retired))
		}
		if s.state == slotRunning {
			serving++
		}
		if s.state == slotRunning && s.epoch != w.m.epoch {
			w.t.Fatalf("seed %d: slot %d has the code of epoch %d, wanted is %d", w.seed, s.id, s.epoch, w.m.epoch)
		}
	}
	if !w.m.announced {
		w.t.Fatalf("seed %d: all serve, and the parent was never told: %+v", w.seed, w.m.slots)
	}
	if serving == 0 || w.m.zygote.state != zygoteReady || w.m.second != nil || len(w.m.retired) > 0 || w.m.renewal.active {
		w.t.Fatalf("seed %d: %d serve, zygote %+v, second %+v, %d retired, renewal %+v", w.seed, serving, w.m.zygote, w.m.second, len(w.m.retired), w.m.renewal)
	}
}
