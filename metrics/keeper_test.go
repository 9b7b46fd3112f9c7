package metrics

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

func valueOf(t *testing.T, k *Keeper, name string) int64 {
	t.Helper()
	for _, m := range k.List() {
		if m.Name == name {
			return m.Value
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// app changes a metric the way the runtime does.
func (k *keptBoard) app(name string, by int64) {
	row := k.rows[name]
	k.board.SetMetric(row, k.board.MetricValue(row)+by)
}

// generationOf makes a scoreboard with the rows of a keeper.
func generationOf(t *testing.T, k *Keeper, number uint64) *keptBoard {
	t.Helper()
	rows := k.Rows(1, 1, 1, false)
	b, err := NewBoard(1, 1, number, rows...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	k.Add(b, rows)
	return k.boards[len(k.boards)-1]
}

// TestKeeperOverGenerations: values go on over a reload, over one with two generations side by side, and over one that fails.
func TestKeeperOverGenerations(t *testing.T) {
	var k Keeper
	k.Configure([]MetricDef{{Name: "hits", Initial: 5}, {Name: "temp", Kind: KindGauge}}, nil)
	one := generationOf(t, &k, 1)
	one.app("hits", 10)
	one.app("temp", 3)
	if valueOf(t, &k, "hits") != 15 || valueOf(t, &k, "temp") != 3 {
		t.Fatalf("after the app: %+v", k.List())
	}
	k.Retire(one.board)
	one.board.Close()
	two := generationOf(t, &k, 2)
	two.app("hits", 1)
	if valueOf(t, &k, "hits") != 16 {
		t.Fatalf("after a reload: %+v", k.List())
	}
	three := generationOf(t, &k, 3) // two serves on
	two.app("hits", 4)
	three.app("hits", 2)
	two.app("temp", 50)
	if valueOf(t, &k, "hits") != 22 || valueOf(t, &k, "temp") != 3 {
		t.Fatalf("side by side: %+v", k.List())
	}
	k.Retire(two.board)
	two.board.Close()
	if valueOf(t, &k, "hits") != 22 {
		t.Fatalf("after the older one left: %+v", k.List())
	}
	k.Tick(time.Now(), nil)
	if row := three.rows["hits"]; three.board.MetricValue(row) != 22 || valueOf(t, &k, "hits") != 22 {
		t.Fatalf("the app sees %d, shown is %+v", three.board.MetricValue(row), k.List())
	}
	four := generationOf(t, &k, 4) // fails
	three.app("hits", 8)
	k.Retire(four.board)
	four.board.Close()
	k.Tick(time.Now(), nil)
	if valueOf(t, &k, "hits") != 30 {
		t.Fatalf("after a failed reload: %+v", k.List())
	}
	k.Configure([]MetricDef{{Name: "hits", Initial: 5}, {Name: "new", Initial: 1}}, nil)
	if valueOf(t, &k, "hits") != 30 || valueOf(t, &k, "new") != 1 {
		t.Fatalf("after a new configuration: %+v", k.List())
	}
}

func TestKeeperCollects(t *testing.T) {
	var k Keeper
	reads := 0
	k.Configure([]MetricDef{
		{Name: "a", Initial: 6}, {Name: "b", Initial: 5},
		{Name: "sum", Collector: CollectSum, Children: []string{"a", "b"}},
		{Name: "avg", Collector: CollectAvg, Children: []string{"a", "b"}},
		{Name: "adder", Collector: CollectAdder, Children: []string{"a", "b"}, Number: 100},
		{Name: "product", Collector: CollectMultiplier, Children: []string{"a", "b"}, Number: -2},
		{Name: "more", Collector: CollectAccumulator, Children: []string{"a", "worker.0.requests"}},
		{Name: "same", Alias: "core.total_tx", Kind: KindAlias},
		{Name: "file", Collector: CollectFile, Path: "good", Every: time.Minute},
		{Name: "bad", Collector: CollectFile, Path: "bad", Initial: 7},
	}, func(path string) (int64, error) {
		reads++
		if path == "bad" {
			return 0, errors.New("no number")
		}
		return 42, nil
	})
	g := generationOf(t, &k, 1)
	now := time.Unix(1700000000, 0)
	builtin := MetricList{{Name: "worker.0.requests", Value: 3}, {Name: "core.total_tx", Value: 9}}
	k.Tick(now, builtin)
	k.Tick(now.Add(time.Second), builtin)
	for name, want := range map[string]int64{"sum": 11, "avg": 5, "adder": 111, "product": -22, "more": 18, "same": 9, "file": 42, "bad": 7} {
		if got := valueOf(t, &k, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
		if got := g.board.MetricValue(g.rows[name]); got != want {
			t.Errorf("the app sees %s as %d, want %d", name, got, want)
		}
	}
	if g.board.MetricValue(g.rows["worker.0.requests"]) != 3 {
		t.Error("the app does not see the built-in metrics")
	}
	if reads != 3 {
		t.Errorf("%d reads of files, want one of the slow and two of the bad", reads)
	}
}

func TestKeeperResetsAfterPush(t *testing.T) {
	var k Keeper
	k.Configure([]MetricDef{{Name: "a", Initial: 2, Reset: true}, {Name: "b"}}, nil)
	g := generationOf(t, &k, 1)
	g.app("a", 5)
	g.app("b", 5)
	k.Pushed()
	if valueOf(t, &k, "a") != 2 || valueOf(t, &k, "b") != 5 {
		t.Errorf("after a push: %+v", k.List())
	}
}

// TestBusyRowIsLeftAlone: a process of the jail that holds a row's lock for ever does not hold up the parent, and what is owed comes later.
func TestBusyRowIsLeftAlone(t *testing.T) {
	var k Keeper
	k.Configure([]MetricDef{{Name: "a"}}, nil)
	one := generationOf(t, &k, 1)
	two := generationOf(t, &k, 2)
	row := two.rows["a"]
	cmd := exec.Command("python3", "-c", "import fcntl, sys\nfcntl.lockf(3, fcntl.LOCK_EX, 1, (1 << 32) + int(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()", strconv.Itoa(row))
	cmd.ExtraFiles = []*os.File{two.board.File()}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Skipf("no Python here: %v", err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	one.app("a", 3)
	k.Retire(one.board)
	k.Tick(time.Now(), nil)
	if two.board.MetricValue(row) != 0 || valueOf(t, &k, "a") != 3 {
		t.Errorf("while busy: the app sees %d, shown is %+v", two.board.MetricValue(row), k.List())
	}
	in.Close()
	_ = cmd.Wait()
	k.Tick(time.Now(), nil)
	if two.board.MetricValue(row) != 3 || valueOf(t, &k, "a") != 3 {
		t.Errorf("later: the app sees %d, shown is %+v", two.board.MetricValue(row), k.List())
	}
}

// TestHostileRows: whatever the jail writes into the rows is a number, and names and kinds stay what the parent made them.
func TestHostileRows(t *testing.T) {
	var k Keeper
	k.Configure([]MetricDef{{Name: "hits"}, {Name: "temp", Kind: KindGauge}}, nil)
	one, two := generationOf(t, &k, 1), generationOf(t, &k, 2)
	for _, g := range []*keptBoard{one, two} {
		off, _ := g.board.rowOff(0)
		for i := off; i < len(g.board.mem); i++ {
			g.board.mem[i] = 0x7f
		}
	}
	k.Retire(one.board)
	k.Tick(time.Now(), nil)
	if list := k.List(); len(list) != 2 || list[0].Name != "hits" || list[0].Kind != KindCounter || list[1].Name != "temp" || list[0].Value != math.MaxInt64 {
		t.Errorf("shown is %+v", list)
	}
}

func TestRowsAreChecked(t *testing.T) {
	long := make([]byte, MaxMetricName+1)
	for i := range long {
		long[i] = 'x'
	}
	for _, name := range []string{"", string(long)} {
		if b, err := NewBoard(1, 1, 1, MetricRow{Metric: Metric{Name: name}}); err == nil {
			b.Close()
			t.Errorf("a name of %d bytes was accepted", len(name))
		}
	}
	b, err := NewBoard(1, 1, 1, MetricRow{Metric{Name: string(long[1:]), Value: -4}, true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	other, err := OpenBoard(dupFile(t, b.File()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.MetricValue(0) != -4 || other.MetricValue(1) != 0 {
		t.Errorf("rows are %d %d", other.MetricValue(0), other.MetricValue(1))
	}
}
