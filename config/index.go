package config

import (
	"hash/maphash"
	"strings"
	"sync"
)

// nameIndex finds an option by its name without reading the tables into rows: a start asks for some dozens of the 1,300 names, and rows for all
// of them would cost more than everything else that it does.
type nameIndex struct {
	seed  maphash.Seed
	lines []indexedLine        // in the order of the tables
	slots [slotsOfIndex]uint16 // number of a line + 1, 0 = free; on a clash the next one
}

type indexedLine struct {
	name, rest string // rest is what stands after the name and its tab
}

// slotsOfIndex is a power of two, well above the number of names.
const slotsOfIndex = 1 << 12

var index = sync.OnceValue(func() *nameIndex {
	x := &nameIndex{seed: maphash.MakeSeed()}
	x.lines = make([]indexedLine, 0, strings.Count(ownTable, "\n")+strings.Count(uwsgiTable, "\n"))
	for _, text := range [...]string{ownTable, uwsgiTable} {
		for line := range tableLines(text) {
			name, rest, _ := strings.Cut(line, "\t")
			x.lines = append(x.lines, indexedLine{name, rest})
			// Some names stand twice in uWSGI's table, once for a plugin: the first is the one getopt finds. A name of ours goes before uWSGI's.
			if n, at := x.slot(name); n == 0 {
				x.slots[at] = uint16(len(x.lines))
			}
		}
	}
	return x
})

// slot gives the number in the slot of name, 0 if there is none yet, and where the slot is.
func (x *nameIndex) slot(name string) (n, at int) {
	at = int(maphash.String(x.seed, name) % slotsOfIndex)
	for x.slots[at] != 0 && x.lines[x.slots[at]-1].name != name {
		at = (at + 1) % slotsOfIndex
	}
	return int(x.slots[at]), at
}

// find gives the line of a name.
func (x *nameIndex) find(name string) (indexedLine, bool) {
	if n, _ := x.slot(name); n != 0 {
		return x.lines[n-1], true
	}
	return indexedLine{}, false
}

// isOption reports whether a name is an option's.
func isOption(name string) bool {
	n, _ := index().slot(name)
	return n != 0
}

// canonical gives the setting that a name is an alias of, or the name itself.
func canonical(name string) string {
	line, ok := index().find(name)
	if !ok {
		return name
	}
	rest := line.rest
	for range 3 { // short, arity, kind
		_, rest, _ = strings.Cut(rest, "\t")
	}
	canonical, _, _ := strings.Cut(rest, "\t")
	return canonical
}

// rowOf is the row of a name, with what becomes of it.
func rowOf(name string) (*Row, bool) {
	line, ok := index().find(name)
	if !ok {
		return nil, false
	}
	r := line.row()
	decide(&r)
	return &r, true
}

// row reads a line, all but what becomes of the option.
func (line indexedLine) row() Row {
	var f [tsvWidth - 1]string
	fields(line.rest, f[:])
	r := Row{Name: line.name, Short: f[0], Arity: Arity(f[1]), Kind: f[2], Canonical: f[3], Source: f[4], Area: f[5], Tier: f[6]}
	if f[7] != "" {
		r.Flags = strings.Split(f[7], ",")
	}
	return r
}

// rawRow is the row of a name without what becomes of it, which the command line does not ask.
func rawRow(name string) (*Row, bool) {
	line, ok := index().find(name)
	if !ok {
		return nil, false
	}
	r := line.row()
	return &r, true
}
