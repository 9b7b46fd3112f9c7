package config

import (
	"strings"
)

// parseArgs reads the command line as getopt_long(3) does: options anywhere, short ones in clusters, unique beginnings of long names, -- ends
// the options. It returns the options in order and then the other words.
func (l *loader) parseArgs(args []string) (opts, words []Entry) {
	p := &argParser{l: l, args: args, declared: map[string]bool{}}
	for p.next < len(args) {
		word := args[p.next]
		p.here = Pos{File: fromArgs, Line: p.next + 1}
		p.next++
		switch {
		case word == "--":
			for ; p.next < len(args); p.next++ {
				words = append(words, Entry{Value: args[p.next], Pos: Pos{File: fromArgs, Line: p.next + 1}})
			}
		case strings.HasPrefix(word, "--"):
			p.long(word[2:])
		case len(word) > 1 && word[0] == '-':
			p.short(word[1:])
		default:
			words = append(words, Entry{Value: word, Pos: p.here})
		}
	}
	return p.opts, words
}

type argParser struct {
	l    *loader
	args []string
	next int
	here Pos
	opts []Entry

	declared map[string]bool // options that declare-option made earlier on the line
}

func (p *argParser) emit(key, v string, has bool) {
	if name, _, ok := strings.Cut(v, "="); ok && strings.HasPrefix(canonical(key), "declare-option") {
		p.declared[name] = true
	}
	p.opts = append(p.opts, Entry{Key: key, Value: v, HasValue: has, Pos: p.here})
}

func (p *argParser) fail(key, message, hint string) {
	p.l.report.add(SeverityError, Entry{Key: key, Pos: p.here}, message, hint)
}

func (p *argParser) long(word string) {
	name, v, glued := strings.Cut(word, "=")
	row, ok := rawRow(name)
	if !ok && p.declared[name] {
		row, ok = &Row{Name: name, Arity: ArityRequired}, true
	}
	if !ok {
		if row, ok = p.abbreviation(name); !ok {
			return
		}
	}
	switch {
	case glued:
		// getopt refuses a value for a flag; --master=false has one meaning all the same.
		p.emit(row.Name, v, true)
	case row.Arity == ArityRequired:
		p.required(row, "--"+name)
	case row.Canonical == "chmod-socket" && p.next < len(p.args) && isMode(p.args[p.next]):
		// An optional value must be glued on; a mode that stands alone is never a file to load.
		p.l.report.add(SeverityWarning, Entry{Key: name, Value: p.args[p.next], Pos: p.here}, "taken as the mode", "write --"+name+"="+p.args[p.next])
		p.required(row, "--"+name)
	default:
		p.emit(row.Name, "", false)
	}
}

// required takes the next word as the value, even one that looks like an option, as getopt does.
func (p *argParser) required(row *Row, shown string) {
	if p.next >= len(p.args) {
		p.fail(shown, "needs a value", "")
		return
	}
	v := p.args[p.next]
	p.next++
	if name, _, _ := strings.Cut(strings.TrimPrefix(v, "--"), "="); strings.HasPrefix(v, "--") {
		if isOption(name) {
			p.l.report.add(SeverityWarning, Entry{Key: shown, Value: v, Pos: p.here}, "an option's name is taken as the value", "a value may be missing")
		}
	}
	p.emit(row.Name, v, true)
}

func isMode(s string) bool {
	return (len(s) == 3 || len(s) == 4) && strings.Trim(s, "01234567") == ""
}

// abbreviation finds the one option that begins with name. Names of uWSGI itself and its Python plugin go before those of other plugins
// and ours, so that what was unique there stays unique here.
func (p *argParser) abbreviation(name string) (*Row, bool) {
	if name == "" {
		p.fail("--", "unknown option", "")
		return nil, false
	}
	var near, far []*Row
	for _, r := range table().byNameOrdered {
		if !strings.HasPrefix(r.Name, name) {
			continue
		}
		if r.Source == "core" || r.Source == "python" {
			near = append(near, r)
		} else {
			far = append(far, r)
		}
	}
	if len(near) == 0 {
		near = far
	}
	switch {
	case len(near) == 0:
		p.fail("--"+name, "unknown option", hintFor(name))
	case len(near) == 1, sameSetting(near):
		return near[0], true
	default:
		var names []string
		for i, r := range near {
			if i == maxCandidates {
				names = append(names, "...")
				break
			}
			names = append(names, "--"+r.Name)
		}
		p.fail("--"+name, "ambiguous option", "it may be "+strings.Join(names, ", "))
	}
	return nil, false
}

const maxCandidates = 8

func sameSetting(rows []*Row) bool {
	for _, r := range rows {
		if r.Canonical != rows[0].Canonical {
			return false
		}
	}
	return true
}

// short reads a cluster such as Mp2: letters without a value up to one that takes the rest.
func (p *argParser) short(cluster string) {
	name, _, _ := strings.Cut(cluster, "=")
	hint := ""
	if len(name) > 1 && isOption(name) {
		hint = "did you mean --" + name + "?"
		p.fail("-"+cluster, "one dash before a long name", hint)
		return
	}
	for i := 0; i < len(cluster); i++ {
		letter := cluster[i : i+1]
		row, ok := table().byShort[letter]
		if !ok {
			p.fail("-"+letter, "unknown option", "")
			return
		}
		rest := cluster[i+1:]
		switch {
		case row.Arity == ArityNone:
			p.emit(row.Name, "", false)
			continue
		case rest != "":
			p.emit(row.Name, rest, true)
		case row.Arity == ArityRequired:
			p.required(row, "-"+letter)
		case row.Canonical == "chmod-socket" && p.next < len(p.args) && isMode(p.args[p.next]):
			p.required(row, "-"+letter)
		default:
			p.emit(row.Name, "", false)
		}
		return
	}
}
