package metrics

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// What one image of the parent hands to the next, so that no counter goes back. Fields are only ever added.

// Handover is all of it. It is plain data, to be written as JSON.
type Handover struct {
	Info   InfoHandover    `json:"info"`
	Base   []SlotHandover  `json:"base,omitempty"` // what ended generations counted
	Boards []BoardHandover `json:"boards,omitempty"`
	Keeper KeeperHandover  `json:"keeper"`
}

// BoardHandover is a live scoreboard, by its descriptor. Its dimensions are here because the jail may have written over those in its header.
type BoardHandover struct {
	File       int            `json:"file"`
	Slots      int            `json:"slots"`
	Cores      int            `json:"cores"`
	Rows       int            `json:"rows"`
	Generation uint64         `json:"generation"`
	High       []SlotHandover `json:"high"` // the highest counters seen
}

// SlotHandover is the counters of a worker.
type SlotHandover struct {
	Spawns   uint64         `json:"spawns"`
	Respawns uint64         `json:"respawns"`
	Harakiri uint64         `json:"harakiri"`
	Signals  uint64         `json:"signals"`
	Deaths   []uint64       `json:"deaths"`
	Cores    []CoreHandover `json:"cores"`
}

// CoreHandover is the counters of a core.
type CoreHandover struct {
	Requests    uint64   `json:"requests"`
	Exceptions  uint64   `json:"exceptions"`
	TX          uint64   `json:"tx"`
	RunningTime uint64   `json:"running_time"`
	WriteErrors uint64   `json:"write_errors"`
	ReadErrors  uint64   `json:"read_errors"`
	Buckets     []uint64 `json:"buckets"`
}

func (c *slotCounts) handover() SlotHandover {
	h := SlotHandover{Spawns: c.spawns, Respawns: c.respawns, Harakiri: c.harakiri, Signals: c.signals, Deaths: slices.Clone(c.deaths[:])}
	for _, o := range c.cores {
		h.Cores = append(h.Cores, CoreHandover{o.requests, o.exceptions, o.tx, o.runningTime, o.writeErrors, o.readErrors, slices.Clone(o.buckets[:])})
	}
	return h
}

func (h *SlotHandover) counts() slotCounts {
	c := slotCounts{spawns: h.Spawns, respawns: h.Respawns, harakiri: h.Harakiri, signals: h.Signals}
	copy(c.deaths[:], h.Deaths)
	for _, o := range h.Cores {
		core := coreCounts{requests: o.Requests, exceptions: o.Exceptions, tx: o.TX, runningTime: o.RunningTime, writeErrors: o.WriteErrors, readErrors: o.ReadErrors}
		copy(core.buckets[:], o.Buckets)
		c.cores = append(c.cores, core)
	}
	return c
}

// Handover tells what was counted and where the live boards are.
func (s *Store) Handover() (base []SlotHandover, boards []BoardHandover) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.base {
		base = append(base, s.base[i].handover())
	}
	for _, l := range s.live {
		l.read()
		b := BoardHandover{File: int(l.board.file.Fd()), Slots: l.board.slots, Cores: l.board.cores, Rows: l.board.rows, Generation: l.board.generation}
		for i := range l.high {
			b.High = append(b.High, l.high[i].handover())
		}
		boards = append(boards, b)
	}
	return base, boards
}

// Adopt is Handover's other side. It returns the live boards, which are in the store then.
func (s *Store) Adopt(base []SlotHandover, boards []BoardHandover) ([]*Board, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Board
	for _, h := range boards {
		b, err := adoptBoard(&h)
		if err != nil {
			return nil, err
		}
		l := newLiveBoard(b)
		for i := range min(len(h.High), len(l.high)) {
			high := h.High[i].counts()
			for len(high.cores) < b.cores {
				high.cores = append(high.cores, coreCounts{})
			}
			l.high[i] = high
		}
		s.live = append(s.live, l)
		list = append(list, b)
	}
	for i := range base {
		s.base = append(s.base, base[i].counts())
	}
	return list, nil
}

func adoptBoard(h *BoardHandover) (*Board, error) {
	if err := checkDimensions(h.Slots, h.Cores, h.Rows); err != nil {
		return nil, fmt.Errorf("cannot take over a scoreboard: %w", err)
	}
	like := &Board{slots: h.Slots, cores: h.Cores, rows: h.Rows, generation: h.Generation}
	var st unix.Stat_t
	if err := unix.Fstat(h.File, &st); err != nil {
		return nil, fmt.Errorf("cannot take over the scoreboard of generation %d: %w", h.Generation, err)
	}
	if want := int64(boardSize(h.Slots, h.Cores, h.Rows)); st.Size != want {
		return nil, fmt.Errorf("cannot take over the scoreboard of generation %d: it has %d bytes, not %d", h.Generation, st.Size, want)
	}
	unix.CloseOnExec(h.File)
	return mapBoard(os.NewFile(uintptr(h.File), "scoreboard"), like)
}

// KeeperHandover is the values of the configured metrics.
type KeeperHandover struct {
	Values map[string]int64    `json:"values,omitempty"`
	Owed   map[string]int64    `json:"owed,omitempty"`
	Boards []KeptBoardHandover `json:"boards,omitempty"`
}

// KeptBoardHandover is where the metrics of a live board are.
type KeptBoardHandover struct {
	Generation uint64           `json:"generation"`
	Rows       map[string]int   `json:"rows"`
	Seed       map[string]int64 `json:"seed"`
}

// Handover tells the values. Until thaw is called nothing changes them: what another goroutine added to a scoreboard after this would be
// added once more by whoever adopts it.
func (k *Keeper) Handover() (h KeeperHandover, thaw func()) {
	k.mu.Lock()
	k.readApp()
	h = KeeperHandover{Values: maps.Clone(k.values), Owed: maps.Clone(k.owed)}
	for _, b := range k.boards {
		h.Boards = append(h.Boards, KeptBoardHandover{b.board.generation, maps.Clone(b.rows), maps.Clone(b.seed)})
	}
	return h, k.mu.Unlock
}

// Adopt is Handover's other side; boards are those that Store.Adopt gave. It comes before Configure.
func (k *Keeper) Adopt(h KeeperHandover, boards []*Board) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.values, k.owed = h.Values, h.Owed
	for _, kept := range h.Boards {
		for _, b := range boards {
			if b.generation == kept.Generation {
				k.boards = append(k.boards, &keptBoard{board: b, rows: kept.Rows, seed: kept.Seed})
			}
		}
	}
}

// InfoHandover is what the parent counts by itself.
type InfoHandover struct {
	Start          time.Time         `json:"start"`
	ReloadsOK      uint64            `json:"reloads_ok"`
	ReloadFailures map[string]uint64 `json:"reload_failures,omitempty"`
	LastOK         time.Time         `json:"last_ok"`
	LastFailed     time.Time         `json:"last_failed"`
	LastError      string            `json:"last_error,omitempty"`
	Builds         uint64            `json:"builds"`
	BuildSum       time.Duration     `json:"build_sum"`
	BuildLast      time.Duration     `json:"build_last"`
	BuildBuckets   []uint64          `json:"build_buckets"`
	MasterRespawns uint64            `json:"master_respawns"`
	QueueErrors    uint64            `json:"queue_errors"`
	Upgrades       map[string]uint64 `json:"upgrades,omitempty"`
	Jail           string            `json:"jail,omitempty"` // JSON
}

// Handover tells the figures that go on.
func (i *Info) Handover() InfoHandover {
	h := InfoHandover{
		Start: i.Start, ReloadsOK: i.Reloads.OK, LastOK: i.Reloads.LastOK, LastFailed: i.Reloads.LastFailed, LastError: i.Reloads.LastError,
		Builds: i.JailBuilds.Count, BuildSum: i.JailBuilds.Sum, BuildLast: i.JailBuilds.Last, BuildBuckets: slices.Clone(i.JailBuilds.buckets[:]),
		MasterRespawns: i.MasterRespawns, QueueErrors: i.QueueErrors, Upgrades: map[string]uint64{}, Jail: string(i.Jail),
		ReloadFailures: map[string]uint64{"other": i.Reloads.failedOther},
	}
	for why, n := range i.Reloads.failures {
		h.ReloadFailures[ReloadFailure(why).String()] = n
	}
	for result, n := range i.Reloads.Upgrades {
		h.Upgrades[UpgradeResult(result).String()] = n
	}
	return h
}

// Adopt is Handover's other side. A label that this image does not know is counted as another.
func (i *Info) Adopt(h InfoHandover) {
	i.Start, i.MasterRespawns, i.QueueErrors = h.Start, h.MasterRespawns, h.QueueErrors
	i.Reloads = Reloads{OK: h.ReloadsOK, LastOK: h.LastOK, LastFailed: h.LastFailed, LastError: h.LastError}
	i.JailBuilds = BuildTimes{Last: h.BuildLast, Count: h.Builds, Sum: h.BuildSum}
	copy(i.JailBuilds.buckets[:], h.BuildBuckets)
	left := maps.Clone(h.ReloadFailures)
	for why := range i.Reloads.failures {
		name := ReloadFailure(why).String()
		i.Reloads.failures[why] = left[name]
		delete(left, name)
	}
	for _, n := range left {
		i.Reloads.failedOther += n
	}
	for result := range i.Reloads.Upgrades {
		i.Reloads.Upgrades[result] = h.Upgrades[UpgradeResult(result).String()]
	}
	if h.Jail != "" {
		i.Jail = []byte(h.Jail)
	}
}

// UpgradeResult says how a replacement of the parent's own image ended.
type UpgradeResult uint8

// The results.
const (
	UpgradeOK    UpgradeResult = iota
	UpgradeProbe               // the new image, tried as a child, did not say that it can take over
	UpgradeExec                // the system, or a log that nobody reads, did not let it start
	UpgradeAdopt               // it started and could not take over: the old one was executed again
	numUpgradeResults
)

var upgradeNames = [numUpgradeResults]string{"ok", "probe", "exec", "adopt"}

// String returns the label of the result, one of a fixed set.
func (r UpgradeResult) String() string {
	if r < numUpgradeResults {
		return upgradeNames[r]
	}
	return "other"
}
