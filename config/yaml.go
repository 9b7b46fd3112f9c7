package config

import (
	"bytes"
	"fmt"
	"strings"
)

// parseYAML reads the part of YAML that configurations are written in: a mapping of names to scalars (plain, quoted, literal, folded) and
// to sequences of scalars, in block or flow style, with comments. Mappings inside the section are flattened, as in uWSGI. Anchors, aliases,
// tags and sequences in sequences are errors.
func parseYAML(data []byte, want string) ([]Entry, bool, error) {
	p := &yamlParser{}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for i, raw := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		raw = strings.TrimRight(raw, "\r")
		if strings.HasPrefix(raw, "---") && strings.Trim(raw[3:], " ") == "" {
			if p.hasContent() {
				break // a second document
			}
			continue
		}
		if strings.HasPrefix(raw, "...") {
			break
		}
		if i == 0 && strings.HasPrefix(raw, "%YAML") {
			continue
		}
		text := strings.TrimLeft(raw, " ")
		p.lines = append(p.lines, yamlLine{number: i + 1, indent: len(raw) - len(text), text: text, raw: raw})
	}
	found := false
	for {
		l := p.peek()
		if l == nil {
			return p.list, found, nil
		}
		key, rest, err := yamlKey(l.text)
		switch {
		case err != nil:
			return nil, false, l.errorf("%v", err)
		case l.indent > 0:
			return nil, false, l.errorf("the first names of the file must not be indented")
		}
		p.next++
		if key != want {
			p.skipBody()
			continue
		}
		found = true
		if stripComment(rest) != "" {
			return nil, false, l.errorf("a mapping is expected below %s:", key)
		}
		if err := p.mapping(0, 0); err != nil {
			return nil, false, err
		}
	}
}

type yamlLine struct {
	number, indent int
	text, raw      string // text is without the indentation
}

func (l *yamlLine) blank() bool { return l.text == "" || l.text[0] == '#' }

func (l *yamlLine) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", l.number, fmt.Sprintf(format, args...))
}

func (l *yamlLine) isItem() bool { return l.text == "-" || strings.HasPrefix(l.text, "- ") }

type yamlParser struct {
	lines []yamlLine
	next  int
	list  []Entry
}

func (p *yamlParser) hasContent() bool {
	for i := range p.lines {
		if !p.lines[i].blank() {
			return true
		}
	}
	return false
}

// peek gives the next line with something on it, nil at the end.
func (p *yamlParser) peek() *yamlLine {
	for p.next < len(p.lines) {
		if l := &p.lines[p.next]; !l.blank() {
			return l
		}
		p.next++
	}
	return nil
}

func (p *yamlParser) skipBody() {
	for l := p.peek(); l != nil && (l.indent > 0 || l.isItem()); l = p.peek() {
		p.next++
	}
}

func (p *yamlParser) emit(key, v string, line int) {
	p.list = append(p.list, Entry{Key: key, Value: v, HasValue: true, Pos: Pos{Line: line}})
}

// mapping reads the names that are indented more than outer.
func (p *yamlParser) mapping(outer, depth int) error {
	first := p.peek()
	if first == nil || first.indent <= outer {
		return nil
	}
	if depth > maxNesting {
		return first.errorf("mappings stand more than %d deep in each other", maxNesting)
	}
	for l := p.peek(); l != nil && l.indent > outer; l = p.peek() {
		if l.indent != first.indent {
			return l.errorf("the indentation differs from line %d", first.number)
		}
		if strings.HasPrefix(l.text, "\t") {
			return l.errorf("a tab in the indentation")
		}
		key, rest, err := yamlKey(l.text)
		if err != nil {
			return l.errorf("%v", err)
		}
		p.next++
		if err := p.value(key, rest, l, depth); err != nil {
			return err
		}
	}
	return nil
}

// value reads what follows "key:".
func (p *yamlParser) value(key, rest string, l *yamlLine, depth int) error {
	rest = strings.TrimLeft(rest, " \t")
	if rest != "" && rest[0] != '#' {
		v, err := p.scalar(rest, l)
		if err != nil {
			return err
		}
		for _, s := range v {
			if s.key == "" {
				s.key = key
			}
			p.emit(s.key, s.text, l.number)
		}
		return nil
	}
	below := p.peek()
	switch {
	case below == nil || below.indent < l.indent || below.indent == l.indent && !below.isItem():
		p.emit(key, "", l.number) // uWSGI drops it, and with it every "endif:"
		return nil
	case below.isItem():
		return p.sequence(key, below.indent)
	}
	if _, _, err := yamlKey(below.text); err == nil {
		return p.mapping(l.indent, depth+1)
	}
	p.next++
	v, err := p.scalar(below.text, l)
	for _, s := range v {
		p.emit(key, s.text, below.number)
	}
	return err
}

// sequence reads "- item" lines at one indentation.
func (p *yamlParser) sequence(key string, indent int) error {
	for l := p.peek(); l != nil && l.indent == indent && l.isItem(); l = p.peek() {
		p.next++
		item := strings.TrimLeft(l.text[1:], " ")
		if item == "" || item[0] == '#' {
			continue
		}
		if _, _, err := yamlKey(item); err == nil || item[0] == '-' && strings.HasPrefix(item, "- ") || item[0] == '[' || item[0] == '{' {
			return l.errorf("only scalars can stand in a sequence")
		}
		v, err := p.scalar(item, l)
		if err != nil {
			return err
		}
		for _, s := range v {
			p.emit(key, s.text, l.number)
		}
	}
	return nil
}
