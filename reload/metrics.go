package reload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
)

// metricsEvery is how often metrics are collected, as in uWSGI.
const metricsEvery = time.Second

// kept is what the goroutine that collects metrics works for; it is replaced whole.
type kept struct {
	root, dir string // where paths of the jail are below, and relative to
	own       [2]int // who gets the files
	filesDir  string // metrics-dir
	noCores   bool

	thresholds []config.Threshold
}

// collecting is the metrics of the configuration and the goroutine that collects them.
type collecting struct {
	keeper  metrics.Keeper
	now     atomic.Pointer[kept]
	running bool
}

// keepMetrics takes over the metrics of the newest configuration; the first time that there are any it starts to collect.
func (p *parent) keepMetrics() {
	s := &p.newest.cfg.Stats
	k := &kept{root: p.newest.env.root, dir: p.newest.dir, own: [2]int{p.newest.uid, p.newest.gid}, filesDir: s.MetricsDir, noCores: s.MetricsNoCores, thresholds: s.Thresholds}
	p.metrics.now.Store(k)
	p.metrics.keeper.Configure(metricDefs(s), k.readFile)
	if p.metrics.running || !s.Metrics() {
		return
	}
	p.metrics.running = true
	if s.MetricsDirRestore && s.MetricsDir != "" && !p.upgrading.adopting {
		p.restoreMetrics(k, s)
	}
	go p.collect()
}

func metricDefs(s *config.Stats) []metrics.MetricDef {
	var list []metrics.MetricDef
	for _, m := range s.Custom {
		kind, _ := metrics.KindOf(m.Type)
		list = append(list, metrics.MetricDef{
			Name: m.Name, OID: m.OID, Kind: kind, Initial: m.Initial, Alias: m.Alias, Collector: m.Collector, Children: m.Children,
			Path: m.Path, Number: m.Number, Every: time.Duration(m.Freq) * time.Second, Reset: m.Reset,
		})
	}
	return list
}

// metricRows are the rows of metrics for a generation's scoreboard, none when metrics are not enabled.
func (p *parent) metricRows(snap *snapshot) []metrics.MetricRow {
	s := &snap.cfg.Stats
	if !s.Metrics() {
		return nil
	}
	return p.metrics.keeper.Rows(snap.cfg.Process.Processes, max(snap.cfg.Process.Threads, 1), len(snap.uses), s.MetricsNoCores)
}

// checkMetrics finds metrics that are made of others which do not exist.
func checkMetrics(cfg *config.Config) error {
	s := &cfg.Stats
	var known []string
	var none metrics.Keeper
	for _, r := range none.Rows(cfg.Process.Processes, max(cfg.Process.Threads, 1), len(cfg.Sockets.List), s.MetricsNoCores) {
		known = append(known, r.Name)
	}
	for _, m := range s.Custom {
		for _, name := range append(slices.Clone(m.Children), m.Alias) {
			if name != "" && !slices.Contains(known, name) {
				return fmt.Errorf("cannot keep metric %s: there is no metric %s before it", m.Name, name)
			}
		}
		known = append(known, m.Name)
	}
	for _, t := range s.Thresholds {
		if !slices.Contains(known, t.Key) {
			return fmt.Errorf("cannot watch metric %s: there is no such metric", t.Key)
		}
	}
	return nil
}

// collect is a goroutine's whole life: it ends with the parent.
func (p *parent) collect() {
	files := metricFiles{last: map[string]int64{}}
	var limits thresholds
	failing := false
	for now := range time.Tick(metricsEvery) {
		k := p.metrics.now.Load()
		snap, info := p.figures()
		builtin := metrics.BuiltinMetrics(&snap, &info, k.noCores)
		p.metrics.keeper.Tick(now, builtin)
		if k.filesDir == "" && len(k.thresholds) == 0 {
			continue
		}
		all := append(builtin, p.metrics.keeper.List()...)
		for _, hit := range limits.look(k.thresholds, all, now) {
			select {
			case p.logHits <- hit:
			default: // as with lines of the log, what is too much is not raised
			}
		}
		if k.filesDir == "" {
			continue
		}
		err := files.write(k, all)
		if err != nil && !failing {
			p.log.Warn().Msgf("cannot write metrics-dir: %v", err)
		}
		failing = err != nil
	}
}

// metricFiles writes each metric to a file of its name.
type metricFiles struct{ last map[string]int64 }

func (f *metricFiles) write(k *kept, list metrics.MetricList) error {
	var first error
	for _, m := range list {
		if was, ok := f.last[m.Name]; ok && was == m.Value {
			continue
		}
		if err := k.writeFile(path.Join(k.filesDir, m.Name), strconv.FormatInt(m.Value, 10)+"\n"); err != nil {
			first = errors.Join(first, err)
			break // what is wrong with one is wrong with all
		}
		f.last[m.Name] = m.Value
	}
	return first
}

func (k *kept) abs(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(k.dir, name)
}

func (k *kept) writeFile(name, text string) error {
	f, err := openForApp(k.root, k.abs(name), unix.O_WRONLY, k.own)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt([]byte(text), 0); err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Close())
}

// readFile reads the number at the start of a file. A file of the jail is no more than data: a fifo or a device is not opened for long, and
// what is read is a number or an error.
func (k *kept) readFile(name string) (int64, error) {
	f, err := openToRead(k.root, k.abs(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return 0, fmt.Errorf("cannot read %s: not a plain file", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(strings.TrimRight(string(text), "\x00"))
	if i := strings.IndexAny(word, " \t\n"); i >= 0 {
		word = word[:i]
	}
	return strconv.ParseInt(word, 10, 64)
}

func openToRead(root, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK
	if root != "" {
		return jail.OpenInRoot(root, name, flags)
	}
	return os.OpenFile(name, flags, 0)
}

// restoreMetrics gives the app's metrics the values that an earlier instance left in metrics-dir.
func (p *parent) restoreMetrics(k *kept, s *config.Stats) {
	for _, m := range s.Custom {
		v, err := k.readFile(path.Join(s.MetricsDir, m.Name))
		switch {
		case err == nil:
			p.metrics.keeper.Restore(m.Name, v)
		case !errors.Is(err, os.ErrNotExist):
			p.log.Warn().Msgf("cannot restore metric %s: %v", m.Name, err)
		}
	}
}

// resetting is a target after whose pushes some metrics start anew.
type resetting struct {
	metrics.Target
	keeper *metrics.Keeper
}

// Push implements metrics.Target.
func (r resetting) Push(m *metrics.Moment) error {
	err := r.Target.Push(m)
	if err == nil {
		r.keeper.Pushed()
	}
	return err
}
