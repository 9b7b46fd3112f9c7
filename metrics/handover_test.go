package metrics

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asNext sends the state through JSON and gives the descriptors numbers of their own, as if an exec had kept them.
func asNext(t *testing.T, s *Store, k *Keeper, i *Info) Handover {
	t.Helper()
	h := Handover{Info: i.Handover()}
	h.Base, h.Boards = s.Handover()
	var thaw func()
	h.Keeper, thaw = k.Handover()
	thaw()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var next Handover
	if err := json.Unmarshal(text, &next); err != nil {
		t.Fatal(err)
	}
	for n := range next.Boards {
		if next.Boards[n].File, err = unix.Dup(next.Boards[n].File); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// counted is a store and a keeper after two generations, the second of which lives.
func counted(t *testing.T, s *Store, k *Keeper) *Board {
	t.Helper()
	k.Configure([]MetricDef{{Name: "hits", Kind: KindCounter, Initial: 5}}, nil)
	gone, err := NewBoard(2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Add(gone)
	gone.StoreCore(1, 0, Core{Requests: 11, TX: 7, Buckets: [NumBuckets]uint64{3: 4}})
	s.Retire(gone)
	gone.Close()
	rows := k.Rows(3, 2, 1, false)
	b, err := NewBoard(3, 2, 2, rows...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s.Add(b)
	k.Add(b, rows)
	b.StoreCore(0, 1, Core{Requests: 100, Exceptions: 3})
	s.Snapshot()
	b.StoreCore(0, 1, Core{Requests: 40}) // turned back from inside: the highest value stays
	if err := b.changeMetric(k.boards[0].rows["hits"], func(v int64) int64 { return v + 37 }); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHandoverKeepsEveryCounter(t *testing.T) {
	var s Store
	var k Keeper
	b := counted(t, &s, &k)
	var info Info
	info.Start = time.Unix(1000, 0).UTC()
	info.Reloads.Succeeded(time.Unix(2000, 0))
	info.Reloads.Failed(ReloadApp, time.Unix(3000, 0), "no app")
	info.JailBuilds.Observe(30 * time.Millisecond)
	info.MasterRespawns, info.QueueErrors = 4, 5
	info.Reloads.Upgrades[UpgradeProbe] = 6

	h := asNext(t, &s, &k, &info)
	var s2 Store
	var k2 Keeper
	var info2 Info
	boards, err := s2.Adopt(h.Base, h.Boards)
	if err != nil {
		t.Fatal(err)
	}
	defer boards[0].Close()
	k2.Adopt(h.Keeper, boards)
	k2.Configure([]MetricDef{{Name: "hits", Kind: KindCounter, Initial: 5}, {Name: "new", Initial: 1}}, nil)
	info2.Adopt(h.Info)

	snap := s2.Snapshot()
	if snap.Totals.Requests != 111 || snap.Totals.TX != 7 || snap.Totals.Exceptions != 3 || snap.Generation != 2 {
		t.Errorf("totals %+v of generation %d", snap.Totals, snap.Generation)
	}
	b.StoreCore(0, 1, Core{Requests: 101}) // the memory is the same
	if snap = s2.Snapshot(); snap.Totals.Requests != 112 {
		t.Errorf("%d requests, want 112", snap.Totals.Requests)
	}
	if list := k2.List(); len(list) != 2 || list[0].Value != 42 || list[1].Value != 1 {
		t.Errorf("metrics %+v", list)
	}
	s2.Retire(boards[0])
	k2.Retire(boards[0])
	if list := k2.List(); list[0].Value != 42 {
		t.Errorf("metrics after the end of the generation %+v", list)
	}
	if info2.Reloads.OK != 1 || info2.Reloads.Failures(ReloadApp) != 1 || info2.Reloads.LastError != "no app" || !info2.Start.Equal(info.Start) ||
		info2.JailBuilds != info.JailBuilds || info2.MasterRespawns != 4 || info2.QueueErrors != 5 || info2.Reloads.Upgrades[UpgradeProbe] != 6 {
		t.Errorf("%+v became %+v", info, info2)
	}
}

// What a later image counts under a name of its own is not lost in an older one, and shorter lists are no error.
func TestHandoverBetweenVersions(t *testing.T) {
	var info Info
	info.Adopt(InfoHandover{ReloadFailures: map[string]uint64{"app": 1, "weather": 2, "other": 3}, BuildBuckets: []uint64{1}})
	if info.Reloads.Failures(ReloadApp) != 1 || info.Reloads.AllFailures() != 6 {
		t.Errorf("%+v", info.Reloads)
	}
	var s Store
	if _, err := s.Adopt([]SlotHandover{{Spawns: 2, Deaths: []uint64{1}, Cores: []CoreHandover{{Requests: 9}}}}, nil); err != nil {
		t.Fatal(err)
	}
	if snap := s.Snapshot(); snap.Totals.Requests != 9 {
		t.Errorf("%+v", snap.Totals)
	}
}

func TestAdoptRefusesAnotherFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, h := range []BoardHandover{{File: int(f.Fd()), Slots: 1, Cores: 1}, {File: 1 << 20, Slots: 1, Cores: 1}, {File: int(f.Fd())}} {
		var s Store
		if _, err := s.Adopt(nil, []BoardHandover{h}); err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
}
