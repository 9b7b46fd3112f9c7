package metrics

import (
	"math"
	"sync"
	"testing"
	"time"
)

// checkSane checks what must hold of a snapshot whatever the board holds.
func checkSane(t testing.TB, s Snapshot) {
	t.Helper()
	check := func(name string, v uint64) {
		if v > math.MaxInt64 {
			t.Errorf("%s is %d", name, v)
		}
	}
	for _, list := range [][]Worker{s.Workers, s.Gone} {
		for _, w := range list {
			for name, v := range map[string]uint64{
				"requests": w.Requests, "delta": w.DeltaRequests, "exceptions": w.Exceptions, "harakiri": w.Harakiri,
				"signals": w.Signals, "rss": w.RSS, "vsz": w.VSZ, "running time": w.RunningTime,
				"respawns": w.RespawnCount, "tx": w.TX, "avg_rt": w.AvgRT,
			} {
				check(name, v)
			}
			if w.PID < 0 || w.State > StateDead || w.Status >= numStatuses {
				t.Errorf("worker %d has pid %d, state %d, status %d", w.ID, w.PID, w.State, w.Status)
			}
			for _, c := range w.Cores {
				if c.Start.After(s.Time) || c.InRequest == c.Start.IsZero() {
					t.Errorf("core %d: in request %v since %v at %v", c.ID, c.InRequest, c.Start, s.Time)
				}
			}
		}
	}
	check("total rss", s.Totals.RSS)
	check("total requests", s.Totals.Requests)
	for _, n := range s.Processes {
		if n < 0 {
			t.Errorf("processes are %v", s.Processes)
		}
	}
}

// start does what a master does to have a worker run.
func start(b *Board, slot, pid int) {
	b.Spawned(slot, pid, time.Now())
	b.SetState(slot, StateRunning)
}

func TestSnapshotOfAWorkersLife(t *testing.T) {
	b := newTestBoard(t, 1, 2, 5)
	var s Store
	s.Add(b)
	look := func(name string, want Worker) {
		t.Helper()
		snap := s.Snapshot()
		checkSane(t, snap)
		got := snap.Workers[0]
		if got.Status != want.Status || got.State != want.State || got.PID != want.PID || got.Requests != want.Requests ||
			got.DeltaRequests != want.DeltaRequests || got.RespawnCount != want.RespawnCount ||
			got.Respawns != want.Respawns || got.Accepting != want.Accepting || got.RSS != want.RSS {
			t.Errorf("%s: worker is %+v\nwant %+v", name, got, want)
		}
		if snap.Processes[want.Status] != 1 {
			t.Errorf("%s: processes are %v", name, snap.Processes)
		}
	}
	look("never started", Worker{Status: StatusCheap})
	b.Spawned(0, 10, time.Now())
	b.SetState(0, StateStarting)
	look("starting", Worker{Status: StatusStarting, State: StateStarting, PID: 10, RespawnCount: 1})
	b.SetState(0, StateRunning)
	b.SetMemory(0, 4096, 8192)
	b.StoreCore(0, 0, Core{Requests: 3, Accepting: true})
	look("idle", Worker{Status: StatusIdle, State: StateRunning, PID: 10, RespawnCount: 1, Requests: 3, DeltaRequests: 3,
		Accepting: true, RSS: 4096})
	b.StoreCore(0, 1, Core{Requests: 1, InRequest: true, Start: monotonic()})
	look("busy", Worker{Status: StatusBusy, State: StateRunning, PID: 10, RespawnCount: 1, Requests: 4, DeltaRequests: 4,
		Accepting: true, RSS: 4096})
	b.SetState(0, StateStopping)
	look("stopping", Worker{Status: StatusStopping, State: StateStopping, PID: 10, RespawnCount: 1, Requests: 4,
		DeltaRequests: 4, Accepting: true, RSS: 4096})
	b.SetState(0, StateDead)
	b.Died(0, CauseMaxRequests)
	look("dead, not cleared yet", Worker{Status: StatusDead, State: StateDead, RespawnCount: 1, Requests: 4, DeltaRequests: 4})
	b.ClearCore(0)
	start(b, 0, 11)
	look("again", Worker{Status: StatusIdle, State: StateRunning, PID: 11, RespawnCount: 2, Respawns: 1, Requests: 4, RSS: 4096})
	b.SetState(0, StateCheap)
	look("cheap", Worker{Status: StatusCheap, State: StateCheap, RespawnCount: 2, Respawns: 1, Requests: 4})
	if got := s.Snapshot().Totals.Deaths[CauseMaxRequests]; got != 1 {
		t.Errorf("deaths of max-requests are %d", got)
	}
}

func TestSnapshotTimes(t *testing.T) {
	b := newTestBoard(t, 1, 2, 1)
	var s Store
	s.Add(b)
	start(b, 0, 1)
	b.StoreCore(0, 0, Core{InRequest: true, Start: monotonic() - 3e9, AvgRT: 100})
	b.StoreCore(0, 1, Core{AvgRT: 300})
	w := s.Snapshot().Workers[0]
	if age := time.Since(w.Cores[0].Start); age < 3*time.Second || age > 10*time.Second {
		t.Errorf("request runs for %v, want 3s", age)
	}
	if w.AvgRT != 200 {
		t.Errorf("avg_rt is %d, want 200", w.AvgRT)
	}
	if age := time.Since(w.LastSpawn); age < 0 || age > 10*time.Second {
		t.Errorf("last spawn was %v ago", age)
	}
}

func TestCountersGoOnOverReload(t *testing.T) {
	var s Store
	old := newTestBoard(t, 2, 2, 1)
	s.Add(old)
	start(old, 0, 10)
	start(old, 1, 11)
	old.StoreCore(0, 0, Core{Requests: 5, TX: 50})
	old.StoreCore(0, 1, Core{Requests: 2})
	old.StoreCore(1, 0, Core{Requests: 7, Exceptions: 1})
	old.SetMemory(0, 1000, 1000)

	next := newTestBoard(t, 1, 1, 2)
	s.Add(next)
	s.Add(next)
	w := s.Snapshot().Workers[0]
	if w.PID != 10 || w.Generation != 1 || w.Requests != 7 {
		t.Errorf("before the new one started: %+v", w)
	}
	start(next, 0, 20)
	next.SetMemory(0, 500, 500)
	next.StoreCore(0, 0, Core{Requests: 1, TX: 10, InRequest: true, Start: monotonic()})
	snap := s.Snapshot()
	w = snap.Workers[0]
	if w.PID != 20 || w.Generation != 2 || w.Requests != 8 || w.TX != 60 || w.DeltaRequests != 1 || w.RespawnCount != 2 ||
		w.Respawns != 0 || len(w.Cores) != 1 || w.Cores[0].Requests != 6 {
		t.Errorf("during the overlap: %+v", w)
	}
	if snap.Generation != 2 || snap.Processes[StatusBusy] != 1 || snap.Processes[StatusIdle] != 2 || snap.Totals.RSS != 1500 {
		t.Errorf("during the overlap: generation %d, processes %v, rss %d", snap.Generation, snap.Processes, snap.Totals.RSS)
	}
	old.StoreCore(1, 0, Core{Requests: 9, Exceptions: 1}) // the last request of the old one
	s.Retire(old)
	s.Retire(old)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	snap = s.Snapshot()
	if snap.Totals.Requests != 17 || snap.Totals.Exceptions != 1 || snap.Totals.Spawns != 3 || snap.Totals.RSS != 500 {
		t.Errorf("after the overlap: %+v", snap.Totals)
	}
	if len(snap.Workers) != 1 || len(snap.Gone) != 1 || snap.Gone[0].ID != 2 || snap.Gone[0].Requests != 9 || snap.Gone[0].PID != 0 {
		t.Errorf("after the overlap: workers %+v, gone %+v", snap.Workers, snap.Gone)
	}
	s.Retire(next)
	snap = s.Snapshot()
	if snap.Totals.Requests != 17 || len(snap.Workers) != 0 || len(snap.Gone) != 2 || snap.Generation != 0 {
		t.Errorf("with none live: %+v", snap)
	}
	if snap.Processes != [numStatuses]int{} {
		t.Errorf("with none live: processes %v", snap.Processes)
	}
}

func TestHostileBoardIsTamed(t *testing.T) {
	for _, fill := range []byte{0xff, 0x80, 0x7f, 0x07, 0x01} {
		b := newTestBoard(t, 2, 2, 1)
		var s Store
		s.Add(b)
		s.Add(newTestBoard(t, 3, 1, 2))
		for i := range b.mem {
			b.mem[i] = fill
		}
		b.SetState(1, StateRunning)
		before := s.Snapshot()
		checkSane(t, before)
		if w := before.Workers[1]; w.Status != StatusBusy || w.PID <= 0 {
			t.Errorf("fill %#x: worker 2 is %+v", fill, w)
		}
		Stats(before, Info{}, StatsOptions{})
		for i := range b.mem {
			b.mem[i] = 0
		}
		after := s.Snapshot()
		checkSane(t, after)
		if after.Totals.Requests < before.Totals.Requests || after.Totals.Deaths[0] < before.Totals.Deaths[0] {
			t.Errorf("fill %#x: counters went back from %+v to %+v", fill, before.Totals, after.Totals)
		}
		s.Retire(b)
		if again := s.Snapshot(); again.Totals.Requests != after.Totals.Requests {
			t.Errorf("fill %#x: retiring changed %d to %d", fill, after.Totals.Requests, again.Totals.Requests)
		}
	}
}

// TestCountersNeverGoBack reads without pause while workers count, die and are replaced, and generations follow each
// other, overlapping every second time.
func TestCountersNeverGoBack(t *testing.T) {
	var s Store
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			var last Totals
			perWorker := map[int]uint64{}
			for {
				snap := s.Snapshot()
				if snap.Totals.Requests < last.Requests || snap.Totals.TX < last.TX || snap.Totals.Spawns < last.Spawns ||
					snap.Totals.Deaths[CauseSignal] < last.Deaths[CauseSignal] {
					t.Errorf("totals went back from %+v to %+v", last, snap.Totals)
					return
				}
				last = snap.Totals
				for _, list := range [][]Worker{snap.Workers, snap.Gone} {
					for _, w := range list {
						if w.Requests < perWorker[w.ID] {
							t.Errorf("worker %d went back from %d to %d", w.ID, perWorker[w.ID], w.Requests)
							return
						}
						perWorker[w.ID] = w.Requests
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	const generations, lives, requests, slots = 20, 5, 40, 3
	var old *Board
	for g := range generations {
		b := newTestBoard(t, slots, 1, uint64(g+1))
		overlap := g%2 == 1
		if old != nil && !overlap {
			s.Retire(old)
		}
		s.Add(b)
		liveOf(b, slots, lives, requests)
		if old != nil && overlap {
			s.Retire(old)
		}
		old = b
	}
	close(stop)
	readers.Wait()
	got := s.Snapshot().Totals
	if want := uint64(generations * lives * requests * slots); got.Requests != want || got.TX != 10*want {
		t.Errorf("%d requests and %d bytes counted, want %d and %d", got.Requests, got.TX, want, 10*want)
	}
	if want := uint64(generations * lives * slots); got.Deaths[CauseSignal] != want || got.Spawns != want {
		t.Errorf("%d deaths and %d spawns counted, want %d", got.Deaths[CauseSignal], got.Spawns, want)
	}
}

// liveOf runs the workers of a generation, each in its own goroutine, each killed and replaced some times.
func liveOf(b *Board, slots, lives, requests int) {
	var workers sync.WaitGroup
	for slot := range slots {
		workers.Go(func() {
			for life := range lives {
				start(b, slot, 100+life)
				c := b.Core(slot, 0) // a worker that starts goes on from what is there
				for range requests {
					c.Requests++
					c.TX += 10
					b.StoreCore(slot, 0, c)
				}
				b.SetState(slot, StateDead)
				b.Died(slot, CauseSignal)
				b.ClearCore(slot)
			}
		})
	}
	workers.Wait()
}

func BenchmarkSnapshot64(b *testing.B) {
	board := newTestBoard(b, 64, 1, 1)
	for slot := range 64 {
		start(board, slot, slot+2)
		board.StoreCore(slot, 0, Core{Requests: 1, Accepting: true})
	}
	var s Store
	s.Add(board)
	b.ReportAllocs()
	for b.Loop() {
		s.Snapshot()
	}
}
