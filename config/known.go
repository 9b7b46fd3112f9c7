package config

import (
	"cmp"
	_ "embed"
	"iter"
	"math/bits"
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

// optionTable is the list of all names as rows, for what looks at all of them: help, completion, documentation. See nameIndex.
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
	r, ok := rowOf(name)
	if !ok {
		return Row{}, false
	}
	return *r, true
}

func readTable() *optionTable {
	lines := index().lines
	t := &optionTable{rows: make([]Row, 0, len(lines)), byName: make(map[string]*Row, len(lines)), byShort: map[string]*Row{}}
	for _, line := range lines {
		row := line.row()
		decide(&row)
		t.rows = append(t.rows, row)
	}
	for i := range t.rows {
		r := &t.rows[i]
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

// helps are gowsgi's words for all options that are done, by their canonical names.
var helps = sync.OnceValue(func() map[string]string {
	options := new(Config).options()
	bound := make(map[string]string, len(options)+len(languageHelp))
	for _, o := range options {
		bound[o.name] = o.help
	}
	for _, l := range languageHelp {
		bound[l[0]] = l[1]
	}
	return bound
})

// decision is a line of decisions.tsv.
type decision struct {
	status          Status
	reason, instead string
}

var decisions = sync.OnceValue(func() map[string]decision {
	m := make(map[string]decision, strings.Count(decisionTable, "\n"))
	for line := range tableLines(decisionTable) {
		var f [4]string
		fields(line, f[:])
		m[f[0]] = decision{Status(f[1]), f[2], f[3]}
	}
	return m
})

// decide fills status, reason and help: a bound option is done, the rest follow decisions.tsv, from the most exact selector (a name)
// over source: to area:.
func decide(r *Row) {
	if help, ok := helps()[r.Canonical]; ok {
		r.Status, r.Help = StatusDone, help
		return
	}
	r.Status = StatusUnsupported
	for _, key := range [...]string{r.Canonical, "source:" + r.Source, "area:" + r.Area} {
		if d, ok := decisions()[key]; ok {
			r.Status, r.Reason, r.Instead = d.status, d.reason, d.instead
			return
		}
	}
}

// tsvWidth is the number of fields in a table of options.
const tsvWidth = 9

// tableLines walks the lines of an embedded table, skipping the header, comments and blank lines.
func tableLines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		_, text, _ := strings.Cut(text, "\n")
		for text != "" {
			var line string
			line, text, _ = strings.Cut(text, "\n")
			if line == "" || line[0] == '#' {
				continue
			}
			if !yield(line) {
				return
			}
		}
	}
}

// fields cuts a line at its tabs; fields that it does not have are empty.
func fields(line string, into []string) {
	for i := range into {
		into[i], line, _ = strings.Cut(line, "\t")
	}
}

// maxNearest is how many names a hint offers, the others how long a
// name may be to be a misspelling of anything.
const maxNearest, minNearest, maxNearLength = 3, 3, 63

// Nearest lists up to three known names that name may be a misspelling of, nearest first.
func Nearest(name string) []string {
	if len(name) < minNearest || len(name) > maxNearLength {
		return nil
	}
	type hit struct {
		name string
		cost int
	}
	limit := 1 + len(name)/5
	folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	mask := letters(folded)
	var hits []hit
	for i, m := range masks() {
		// An edit changes the set of letters by two at most: this leaves few names to be measured.
		if bits.OnesCount64(mask^m) > 2*limit {
			continue
		}
		line := index().lines[i]
		c := distance(folded, line.name, limit)
		if c > limit || slices.ContainsFunc(hits, func(h hit) bool { return h.name == line.name }) {
			continue
		}
		rank := c * 4
		if r := line.row(); r.Tier != "" {
			rank += int(r.Tier[0] - 'A') // common options first among equals
		}
		hits = append(hits, hit{line.name, rank})
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.cost, b.cost) })
	var names []string
	for _, h := range hits[:min(len(hits), maxNearest)] {
		names = append(names, h.name)
	}
	return names
}

// masks are the letters of the names of all lines.
var masks = sync.OnceValue(func() []uint64 {
	list := make([]uint64, len(index().lines))
	for i, line := range index().lines {
		list[i] = letters(line.name)
	}
	return list
})

// letters is the set of bytes in a name, folded into 64 bits.
func letters(s string) uint64 {
	var m uint64
	for i := range len(s) {
		m |= 1 << (s[i] & 63)
	}
	return m
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) of two names, in single-byte edits; anything above limit stands for
// more than limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit || len(b) > maxNearLength {
		return limit + 1
	}
	var rows [3][maxNearLength + 1]int
	prev2, prev, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit+1 { // a swap may still gain one
			return limit + 1
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
