package config

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed uwsgi-options.tsv
var uwsgiTable string

//go:embed own-options.tsv
var ownTable string

//go:embed decisions.tsv
var decisionTable string

// Arity says whether an option takes a value on the command line; files and variables never look at it.
type Arity string

// The arities of getopt_long(3).
const (
	ArityNone     Arity = "none"
	ArityRequired Arity = "required"
	ArityOptional Arity = "optional"
)

// Status is what becomes of an option.
type Status string

// What can become of an option. Every known option has exactly one of these.
const (
	StatusDone        Status = "done"
	StatusNoEffect    Status = "no effect" // accepted: what it tuned does not exist here
	StatusRefused     Status = "refused"
	StatusUnsupported Status = "not supported yet"
)

// Row is one known option name.
type Row struct {
	Name, Short     string
	Arity           Arity
	Kind            string // uWSGI's kind of value: bool, int, string, string-list, special:...
	Canonical       string // the name of the setting that this name is an alias of
	Source          string // core, a plugin's name, or gowsgi; "@2.1" = only in uWSGI's development branch
	Area, Tier      string
	Flags           []string // IMMEDIATE, and what the presence of the option turns on: MASTER, THREADS...
	Status          Status
	Reason, Instead string // why it has no effect or is refused, and what to write instead
	Help            string // gowsgi's own words, for options that are done
}

// optionTable is the list of all names, read once from the embedded files.
type optionTable struct {
	rows    []Row
	byName  map[string]*Row
	byShort map[string]*Row

	byNameOrdered []*Row // each name once
}

var table = sync.OnceValue(readTable)

// Rows lists every known option name: gowsgi's own, then uWSGI's in its order.
func Rows() []Row { return slices.Clone(table().rows) }

// Lookup finds a known option by its exact name.
func Lookup(name string) (Row, bool) {
	r, ok := table().byName[name]
	if !ok {
		return Row{}, false
	}
	return *r, true
}

func readTable() *optionTable {
	t := &optionTable{byName: map[string]*Row{}, byShort: map[string]*Row{}}
	for _, text := range []string{ownTable, uwsgiTable} {
		for _, f := range tsv(text, 9) {
			row := Row{Name: f[0], Short: f[1], Arity: Arity(f[2]), Kind: f[3], Canonical: f[4], Source: f[5], Area: f[6], Tier: f[7]}
			if f[8] != "" {
				row.Flags = strings.Split(f[8], ",")
			}
			t.rows = append(t.rows, row)
		}
	}
	decide(t.rows)
	for i := range t.rows {
		r := &t.rows[i]
		// Some names stand twice in uWSGI's table, once for a plugin: the first is the one getopt finds. A name of ours goes before uWSGI's.
		if _, twice := t.byName[r.Name]; !twice {
			t.byName[r.Name] = r
			t.byNameOrdered = append(t.byNameOrdered, r)
		}
		if _, twice := t.byShort[r.Short]; r.Short != "" && !twice {
			t.byShort[r.Short] = r
		}
	}
	return t
}

// decide fills status, reason and help: a bound option is done, the rest follow decisions.tsv, from the most exact selector (a name)
// over source: to area:.
func decide(rows []Row) {
	bound := map[string]string{}
	for _, o := range new(Config).options() {
		bound[o.name] = o.help
	}
	for _, l := range languageHelp {
		bound[l[0]] = l[1]
	}
	decisions := map[string][]string{}
	for _, f := range tsv(decisionTable, 4) {
		decisions[f[0]] = f
	}
	for i := range rows {
		r := &rows[i]
		if help, ok := bound[r.Canonical]; ok {
			r.Status, r.Help = StatusDone, help
			continue
		}
		r.Status = StatusUnsupported
		for _, selector := range []string{r.Canonical, "source:" + r.Source, "area:" + r.Area} {
			if f, ok := decisions[selector]; ok {
				r.Status, r.Reason, r.Instead = Status(f[1]), f[2], f[3]
				break
			}
		}
	}
}

// tsv cuts an embedded table into rows of width fields, skipping the header, comments and blank lines.
func tsv(text string, width int) [][]string {
	var rows [][]string
	for i, line := range strings.Split(text, "\n") {
		if i == 0 || line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		for len(f) < width {
			f = append(f, "")
		}
		rows = append(rows, f)
	}
	return rows
}

// maxNearest is how many names a hint offers, minNearest how long a name must be to be a misspelling of anything.
const maxNearest, minNearest = 3, 3

// Nearest lists up to three known names that name may be a misspelling of, nearest first.
func Nearest(name string) []string {
	if len(name) < minNearest {
		return nil
	}
	type hit struct {
		name string
		cost int
	}
	limit := 1 + len(name)/5
	folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	var hits []hit
	for _, r := range table().rows {
		if diff := len(r.Name) - len(folded); diff > limit || -diff > limit {
			continue
		}
		c := distance(folded, r.Name)
		if c > limit {
			continue
		}
		rank := c * 4
		if r.Tier != "" {
			rank += int(r.Tier[0] - 'A') // common options first among equals
		}
		hits = append(hits, hit{r.Name, rank})
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.cost, b.cost) })
	var names []string
	for _, h := range hits {
		if len(names) < maxNearest && !slices.Contains(names, h.name) {
			names = append(names, h.name)
		}
	}
	return names
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) of two names, in single-byte edits.
func distance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}

// hintFor says which known name was probably meant.
func hintFor(name string) string {
	if meant, ok := habits[name]; ok {
		return "did you mean " + meant + "?"
	}
	near := Nearest(name)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// habits are wrong names seen in real files that no edit distance finds.
var habits = map[string]string{
	"user": "uid", "group": "gid", "process": "processes", "port": "http-socket", "bind": "socket", "app": "callable",
	"no-orphan": "no-orphans", "chmod-sock": "chmod-socket", "proc-name-prefix": "procname-prefix", "strict-mode": "strict",
	"logfile": "logto", "timeout": "harakiri", "name": "procname", "project": "chdir",
}
