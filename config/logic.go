package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// node is a line, or a block of the language with the lines in it.
type node struct {
	entry     Entry // the line, or the line that opens the block
	block     bool
	body      []node
	otherwise []node
	closed    *Entry // the line that closes the block
}

// run carries out the settings of one source in order. Blocks end with their source: an if that is not closed cannot swallow the lines of
// the file that included it, or the rest of the command line.
func (l *loader) run(list []Entry) {
	l.entries = slices.Grow(l.entries, len(list))
	if !slices.ContainsFunc(list, func(e Entry) bool { return isBlockWord(canonical(e.Key)) }) {
		for _, e := range list {
			l.add(e)
		}
		return
	}
	p := &blockParser{l: l, list: list}
	l.eval(p.until(0, Entry{}), scope{})
}

// blockParser builds the tree of blocks.
type blockParser struct {
	l    *loader
	list []Entry
	pos  int
	end  *Entry // what closed the block that was read last
}

// until reads lines up to the word that closes the block opened by open, or to the end.
func (p *blockParser) until(depth int, open Entry) []node {
	var nodes []node
	p.end = nil
	for p.pos < len(p.list) {
		e := p.list[p.pos]
		p.pos++
		kind := canonical(e.Key)
		switch {
		case isEnd(kind) || kind == "else":
			e.logic = true
			if depth > 0 {
				p.end = &e
				return nodes
			}
			p.l.report.add(SeverityWarning, e, "closes nothing: no if or for is open here", "")
			nodes = append(nodes, node{entry: e})
		case isBlock(kind):
			nodes = append(nodes, p.block(e, depth+1))
		default:
			nodes = append(nodes, node{entry: e})
		}
	}
	if depth > 0 {
		p.l.report.add(SeverityWarning, open, "is not closed: it ends with the file", "write endif or endfor; in uWSGI it reaches into everything read later")
	}
	return nodes
}

func (p *blockParser) block(e Entry, depth int) node {
	e.logic = true
	n := node{entry: e, block: true}
	if depth > maxNesting {
		p.l.fail(e, fmt.Errorf("blocks stand more than %d deep in each other", maxNesting))
		p.pos = len(p.list)
		return n
	}
	n.body = p.until(depth, e)
	if p.end != nil && canonical(p.end.Key) == "else" {
		turn := node{entry: *p.end}
		n.otherwise = append([]node{turn}, p.until(depth, e)...)
	}
	n.closed = p.end
	p.end = nil
	return n
}

func isEnd(kind string) bool { return kind == "endif" || kind == "endfor" }

// isBlockWord reports the words that open, part or close a block.
func isBlockWord(kind string) bool { return isEnd(kind) || kind == "else" || isBlock(kind) }

func isBlock(kind string) bool {
	_, loop := loops[kind]
	_, cond := conditions[kind]
	return loop || cond
}

// itemMark is the placeholder of loops and conditions.
const itemMark = "%(_)"

// scope is what itemMark stands for.
type scope struct {
	item  string
	bound bool
}

func (s scope) fill(e Entry) Entry {
	if s.bound {
		e.Value = strings.ReplaceAll(e.Value, itemMark, s.item)
	}
	return e
}

func (l *loader) eval(nodes []node, s scope) {
	for i := range nodes {
		if l.use.full {
			return
		}
		n := &nodes[i]
		e := s.fill(n.entry)
		switch {
		case n.block:
			l.evalBlock(n, e, s)
		case e.logic:
			l.append(e)
		default:
			l.add(e)
		}
	}
}

// evalBlock runs a loop or a condition. A loop repeats each line for all items before the next line, as uWSGI does, not the block as a whole.
func (l *loader) evalBlock(n *node, e Entry, s scope) {
	arg, err := l.expand(e.Value, e)
	if err != nil {
		l.fail(e, err)
		return
	}
	e.Value = arg
	l.append(e)
	kind := canonical(e.Key)
	if loop, ok := loops[kind]; ok {
		items, err := loop(l, arg)
		if err != nil {
			l.fail(e, err)
		}
		for i := range n.body {
			for _, item := range items {
				l.eval(n.body[i:i+1], scope{item, true})
			}
		}
	} else {
		item, ok := conditions[kind](l, arg)
		if ok {
			l.eval(n.body, scope{item, true})
		} else {
			l.eval(n.otherwise, s)
		}
	}
	if n.closed != nil {
		l.append(*n.closed)
	}
}

// loops give the items of each kind of for.
var loops = map[string]func(l *loader, arg string) ([]string, error){
	"for": func(_ *loader, arg string) ([]string, error) { return limitItems(strings.Fields(arg)) },
	"for-glob": func(l *loader, arg string) ([]string, error) {
		items, err := l.o.Glob(l.o.abs(arg))
		if err != nil {
			return nil, fmt.Errorf("cannot match %s: %v", arg, err)
		}
		if !filepath.IsAbs(arg) {
			for i := range items {
				items[i] = strings.TrimPrefix(items[i], strings.TrimSuffix(l.o.Dir, "/")+"/")
			}
		}
		return limitItems(items)
	},
	"for-times": func(_ *loader, arg string) ([]string, error) {
		n, err := strconv.Atoi(strings.TrimSpace(arg))
		if err != nil || n < 0 || n > maxEntries {
			return nil, bad(fmt.Sprintf("not a number from 0 to %d", maxEntries), "")
		}
		items := make([]string, n)
		for i := range items {
			items[i] = strconv.Itoa(i + 1)
		}
		return items, nil
	},
	"for-readline": func(l *loader, arg string) ([]string, error) {
		data, err := l.fetch(arg)
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(data), "\r\n")
		if text == "" {
			return nil, nil
		}
		return limitItems(strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
	},
}

func limitItems(items []string) ([]string, error) {
	if len(items) > maxEntries {
		return nil, fmt.Errorf("more than %d items", maxEntries)
	}
	return items, nil
}
