package metrics

import (
	"slices"
	"sync"
	"time"
)

// How the value of a configured metric comes about. Without one the app sets it.
const (
	CollectFile        = "file"
	CollectSum         = "sum"
	CollectAvg         = "avg"
	CollectAdder       = "adder"
	CollectMultiplier  = "multiplier"
	CollectAccumulator = "accumulator"
)

// Collectors are the ways that Keeper knows.
var Collectors = []string{CollectFile, CollectSum, CollectAvg, CollectAdder, CollectMultiplier, CollectAccumulator}

// MetricDef is a metric of the configuration.
type MetricDef struct {
	Name, OID string
	Kind      Kind
	Initial   int64
	Alias     string   // another name of this metric
	Collector string   // "" = the app sets it
	Children  []string // names
	Path      string   // of the collector file
	Number    int64    // of adder and multiplier
	Every     time.Duration
	Reset     bool // to the initial value after each push
}

func (d *MetricDef) writable() bool { return d.Collector == "" && d.Alias == "" }

// Keeper keeps the configured metrics over all generations. The app changes its metrics in the rows of its generation's
// scoreboard; a new generation starts with the values of the one before. All methods may be called concurrently and
// none of them waits for anybody.
type Keeper struct {
	mu     sync.Mutex
	read   func(path string) (int64, error) // for the collector file
	defs   []MetricDef
	values map[string]int64
	due    map[string]time.Time
	owed   map[string]int64 // what an older generation counted beside the newest, not yet added there
	boards []*keptBoard     // oldest first
}

// keptBoard is a live scoreboard with its rows by name.
type keptBoard struct {
	board *Board
	rows  map[string]int
	seed  map[string]int64 // what the app's metrics started with, or stood at when a newer generation started
}

// Configure takes over the metrics of a configuration, with a function that reads the number in a file. Metrics there
// were keep their values.
func (k *Keeper) Configure(defs []MetricDef, read func(path string) (int64, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readApp()
	k.read = read
	old := k.values
	k.defs, k.values, k.due = slices.Clone(defs), map[string]int64{}, map[string]time.Time{}
	for _, d := range defs {
		if v, ok := old[d.Name]; ok {
			k.values[d.Name] = v
		} else {
			k.values[d.Name] = d.Initial
		}
	}
	if k.owed == nil {
		k.owed = map[string]int64{}
	}
}

// Restore sets a metric that the app changes to a value from before this instance.
func (k *Keeper) Restore(name string, v int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.values[name]; ok {
		k.values[name] = v
	}
}

// Rows returns the rows for the scoreboard of a new generation: uWSGI's own metrics, then the configured ones with the
// values they have now.
func (k *Keeper) Rows(slots, cores, sockets int, noCores bool) []MetricRow {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readApp()
	snap := Snapshot{Workers: make([]Worker, slots)}
	for i := range snap.Workers {
		snap.Workers[i].ID = i + 1
		snap.Workers[i].Cores = make([]CoreView, cores)
		for j := range snap.Workers[i].Cores {
			snap.Workers[i].Cores[j].ID = j
		}
	}
	info := Info{Sockets: make([]SocketInfo, sockets)}
	var rows []MetricRow
	for _, m := range BuiltinMetrics(&snap, &info, noCores) {
		m.Value = 0
		rows = append(rows, MetricRow{Metric: m})
	}
	for i := range k.defs {
		d := &k.defs[i]
		rows = append(rows, MetricRow{Metric{d.Name, d.OID, d.Kind, k.values[d.Name]}, d.writable()})
	}
	return rows
}

// Add makes a scoreboard that was made with these rows the newest.
func (k *Keeper) Add(b *Board, rows []MetricRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := &keptBoard{board: b, rows: map[string]int{}, seed: map[string]int64{}}
	for i, r := range rows {
		kept.rows[r.Name] = i
		if !r.Writable {
			continue
		}
		kept.seed[r.Name] = r.Value
		for _, older := range k.boards { // from here on the older one counts beside the new one
			if row, ok := older.rows[r.Name]; ok {
				now := older.board.MetricValue(row)
				if older == k.boards[len(k.boards)-1] {
					k.owe(r.Name, r.Kind, now, r.Value) // what came between Rows and now
				} else {
					k.owe(r.Name, r.Kind, now, older.seed[r.Name])
				}
				older.seed[r.Name] = now
			}
		}
	}
	k.boards = append(k.boards, kept)
}

// owe notes growth of a counter that the newest scoreboard does not have yet.
func (k *Keeper) owe(name string, kind Kind, now, before int64) {
	if kind == KindCounter && now > before {
		k.owed[name] = addSaturated(k.owed[name], now-before)
	}
}

// Retire takes out the scoreboard of a generation that ended; it may be closed then.
func (k *Keeper) Retire(b *Board) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.boards, func(kept *keptBoard) bool { return kept.board == b })
	if i < 0 {
		return
	}
	k.readApp()
	old := k.boards[i]
	k.boards = slices.Delete(k.boards, i, i+1)
	if i == len(k.boards) {
		return // it was the newest: its values are the values
	}
	for _, d := range k.defs {
		if row, ok := old.rows[d.Name]; ok && d.writable() {
			k.owe(d.Name, d.Kind, old.board.MetricValue(row), old.seed[d.Name])
		}
	}
}

// readApp brings the values of the app's metrics up to date from the newest scoreboard.
func (k *Keeper) readApp() {
	if len(k.boards) == 0 {
		return
	}
	newest := k.boards[len(k.boards)-1]
	for i := range k.defs {
		d := &k.defs[i]
		if row, ok := newest.rows[d.Name]; ok && d.writable() {
			k.values[d.Name] = newest.board.MetricValue(row)
		}
	}
}

// List returns the configured metrics as they are now. A counter shows what a leaving generation counts, too.
func (k *Keeper) List() MetricList {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readApp()
	list := make(MetricList, 0, len(k.defs))
	for i := range k.defs {
		d := &k.defs[i]
		v := k.values[d.Name]
		if d.writable() && d.Kind == KindCounter {
			v = addSaturated(v, k.owed[d.Name])
			for _, older := range k.boards[:max(len(k.boards)-1, 0)] {
				if row, ok := older.rows[d.Name]; ok {
					v = addSaturated(v, max(older.board.MetricValue(row)-older.seed[d.Name], 0))
				}
			}
		}
		list = append(list, Metric{d.Name, d.OID, d.Kind, v})
	}
	return list
}

// Tick collects what is due and shows uWSGI's own metrics, as they are given, to the app.
func (k *Keeper) Tick(now time.Time, builtin MetricList) {
	due, read := k.dueFiles(now)
	for _, one := range due { // a file may be slow: nobody waits for it here
		v, err := read(one.Path)
		if err == nil {
			k.mu.Lock()
			k.values[one.Name] = v
			k.mu.Unlock()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readApp()
	k.settle()
	all := make(map[string]int64, len(builtin)+len(k.values))
	for _, m := range builtin {
		all[m.Name] = m.Value
	}
	for i := range k.defs {
		d := &k.defs[i]
		if d.Alias != "" {
			k.values[d.Name] = all[d.Alias]
		} else if d.Collector != "" && d.Collector != CollectFile && k.isDue(d, now) {
			k.values[d.Name] = d.collect(k.values[d.Name], all)
		}
		all[d.Name] = k.values[d.Name]
	}
	for _, kept := range k.boards {
		for name, row := range kept.rows {
			if _, app := kept.seed[name]; !app {
				kept.board.SetMetric(row, all[name])
			}
		}
	}
}

// settle adds what is owed to the rows of the newest scoreboard. A row that is busy has its turn at the next tick.
func (k *Keeper) settle() {
	if len(k.boards) == 0 {
		for name, n := range k.owed {
			k.values[name] = addSaturated(k.values[name], n)
		}
		clear(k.owed)
		return
	}
	newest := k.boards[len(k.boards)-1]
	for name, n := range k.owed {
		row, ok := newest.rows[name]
		if ok && newest.board.changeMetric(row, func(v int64) int64 { return addSaturated(v, n) }) != nil {
			continue
		}
		delete(k.owed, name)
	}
}

func (k *Keeper) isDue(d *MetricDef, now time.Time) bool {
	if now.Before(k.due[d.Name]) {
		return false
	}
	k.due[d.Name] = now.Add(d.Every)
	return true
}

func (k *Keeper) dueFiles(now time.Time) (list []MetricDef, read func(string) (int64, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.defs {
		if d := &k.defs[i]; d.Collector == CollectFile && k.isDue(d, now) {
			list = append(list, *d)
		}
	}
	return list, k.read
}

// collect makes the next value of a metric from those of its children.
func (d *MetricDef) collect(last int64, all map[string]int64) int64 {
	var sum int64
	for _, child := range d.Children {
		sum = addSaturated(sum, all[child])
	}
	switch d.Collector {
	case CollectAvg:
		return sum / max(int64(len(d.Children)), 1)
	case CollectAdder:
		return addSaturated(sum, d.Number)
	case CollectMultiplier:
		return sum * d.Number
	case CollectAccumulator:
		return addSaturated(last, sum)
	}
	return sum
}

// Pushed puts the metrics that want it back to their initial value.
func (k *Keeper) Pushed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.defs {
		d := &k.defs[i]
		if !d.Reset {
			continue
		}
		k.values[d.Name] = d.Initial
		if len(k.boards) == 0 || !d.writable() {
			continue
		}
		newest := k.boards[len(k.boards)-1]
		if row, ok := newest.rows[d.Name]; ok {
			_ = newest.board.changeMetric(row, func(int64) int64 { return d.Initial }) // busy: the next push does it
		}
	}
}
