package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// yamlValue is one scalar, with a key of its own if it stands in a flow mapping.
type yamlValue struct{ key, text string }

// yamlKey splits "key: value" or "key:". The key may be quoted.
func yamlKey(text string) (key, rest string, err error) {
	if text[0] == '"' || text[0] == '\'' {
		key, rest, err = quoted(text)
		rest = strings.TrimLeft(rest, " ")
		if err != nil || !strings.HasPrefix(rest, ":") {
			return "", "", errors.New("a name and a colon are expected")
		}
		return key, rest[1:], nil
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '#' && i > 0 && text[i-1] == ' ':
			i = len(text)
		case text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t'):
			key = strings.TrimRight(text[:i], " ")
			if key == "" || strings.ContainsRune("-?[]{}&*!|>%@`,", rune(key[0])) && (len(key) == 1 || key[0] != '-' && key[0] != '?') {
				return "", "", errors.New("a name is expected before the colon")
			}
			return key, text[i+1:], nil
		}
	}
	return "", "", errors.New("a name and a colon are expected")
}

// scalar reads a value that begins on line l; rest is not empty. Further lines are taken as far as the value goes.
func (p *yamlParser) scalar(rest string, l *yamlLine) ([]yamlValue, error) {
	switch rest[0] {
	case '|', '>':
		s, err := p.blockScalar(rest, l)
		return []yamlValue{{text: s}}, err
	case '"', '\'':
		s, after, err := quoted(rest)
		for err == errUnclosed && p.next < len(p.lines) {
			more := strings.Trim(p.lines[p.next].raw, " \t")
			p.next++
			rest += " " + more
			s, after, err = quoted(rest)
			if len(rest) > maxValue {
				break
			}
		}
		if err != nil {
			return nil, l.errorf("%v", err)
		}
		if stripComment(after) != "" {
			return nil, l.errorf("text after a quoted value")
		}
		return []yamlValue{{text: s}}, nil
	case '[', '{':
		v, err := p.flow(rest, l)
		return v, err
	}
	s, err := plain(rest)
	if err != nil {
		return nil, l.errorf("%v", err)
	}
	for n := p.peek(); n != nil && n.indent > l.indent; n = p.peek() {
		more, err := plain(n.text)
		if err != nil {
			return nil, n.errorf("%v", err)
		}
		s += " " + more
		p.next++
	}
	return []yamlValue{{text: s}}, nil
}

// plain reads a value without quotes.
func plain(text string) (string, error) {
	text = stripComment(text)
	switch {
	case text == "-" || strings.HasPrefix(text, "- "):
		return "", errors.New("a sequence cannot begin here")
	case text != "" && strings.IndexByte("&*!@`", text[0]) >= 0:
		return "", fmt.Errorf("a value cannot begin with %q (anchors, aliases and tags are not supported): quote it", text[0])
	}
	if strings.Contains(text, ": ") || strings.HasSuffix(text, ":") {
		return "", errors.New("a colon and a blank in a value: quote it")
	}
	return text, nil
}

// stripComment cuts " # ..." off.
func stripComment(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			s = s[:i]
			break
		}
	}
	return strings.Trim(s, " \t")
}

// blockScalar reads the lines below "|" (kept) or ">" (joined), both with - (no newline at the end) or + as they are.
func (p *yamlParser) blockScalar(head string, l *yamlLine) (string, error) {
	head = stripComment(head)
	if strings.Trim(head[1:], "+-") != "" || len(head) > 2 {
		return "", l.errorf("%q is not supported after a colon", head)
	}
	var lines []string
	indent := -1
	for ; p.next < len(p.lines); p.next++ {
		n := &p.lines[p.next]
		if n.text == "" {
			lines = append(lines, "")
			continue
		}
		if n.indent <= l.indent {
			break
		}
		if indent < 0 {
			indent = n.indent
		}
		if n.indent < indent {
			return "", n.errorf("indented less than the text above")
		}
		lines = append(lines, n.raw[indent:])
	}
	kept := len(lines)
	for kept > 0 && lines[kept-1] == "" {
		kept--
	}
	body := strings.Join(lines[:kept], "\n")
	if head[0] == '>' {
		body = fold(lines[:kept])
	}
	switch {
	case strings.HasSuffix(head, "-"), kept == 0:
		return body, nil
	case strings.HasSuffix(head, "+"):
		return body + strings.Repeat("\n", len(lines)-kept+1), nil
	}
	return body + "\n", nil
}

// fold joins lines with blanks. An empty line is a newline, and lines that are indented more than the first keep theirs.
func fold(lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		if i == 0 {
			b.WriteString(line)
			continue
		}
		prev := lines[i-1]
		switch {
		case line == "":
			b.WriteByte('\n')
			continue
		case isIndented(line) || isIndented(prev):
			b.WriteByte('\n')
		case prev != "":
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}

func isIndented(line string) bool { return line != "" && (line[0] == ' ' || line[0] == '\t') }

var errUnclosed = errors.New("a quote is not closed")

// quoted reads a value in single or double quotes at the beginning of text and gives what stands after it.
func quoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\'' && text[0] == '\'':
			if i+1 < len(text) && text[i+1] == '\'' {
				b.WriteByte('\'')
				i++
				continue
			}
			return b.String(), text[i+1:], nil
		case text[i] == '"' && text[0] == '"':
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && text[0] == '"' && i+1 < len(text):
			s, n, err := escape(text[i+1:])
			if err != nil {
				return "", "", err
			}
			b.WriteString(s)
			i += n
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", errUnclosed
}

// escape reads what follows a backslash in double quotes and says how many bytes it took.
func escape(s string) (string, int, error) {
	if i := strings.IndexByte("0abtnvfre \"/\\", s[0]); i >= 0 {
		return "\x00\a\b\t\n\v\f\r\x1b \"/\\"[i : i+1], 1, nil
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if width == 0 || len(s) <= width {
		return "", 0, errors.New("unknown escape in double quotes")
	}
	n, err := strconv.ParseUint(s[1:1+width], 16, 32)
	if err != nil {
		return "", 0, errors.New("unknown escape in double quotes")
	}
	return string(rune(n)), 1 + width, nil
}

// flow reads [a, b] or {a: 1, b: 2}, on one line or several.
func (p *yamlParser) flow(text string, l *yamlLine) ([]yamlValue, error) {
	body, after, closed := bracketed(text)
	for !closed {
		if p.next >= len(p.lines) || len(text) > maxValue {
			return nil, l.errorf("%q is not closed", text[0])
		}
		text = body + " " + p.lines[p.next].text
		p.next++
		body, after, closed = bracketed(text)
	}
	if stripComment(after) != "" {
		return nil, l.errorf("text after a closing bracket")
	}
	mapping := text[0] == '{'
	var list []yamlValue
	body = strings.Trim(body[1:], " \t")
	for body != "" {
		var v yamlValue
		var err error
		if mapping {
			if v.key, body, err = yamlKey(body); err != nil {
				return nil, l.errorf("%v", err)
			}
			body = strings.TrimLeft(body, " \t")
		}
		if v.text, body, err = flowScalar(body); err != nil {
			return nil, l.errorf("%v", err)
		}
		list = append(list, v)
	}
	return list, nil
}

// bracketed finds the bracket that closes the first byte of text: body runs up to it, after follows it. Without one, body is the text without
// the comment at its end.
func bracketed(text string) (body, after string, closed bool) {
	closer := byte(']')
	if text[0] == '{' {
		closer = '}'
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == closer:
			return text[:i], text[i+1:], true
		case c == '#' && (text[i-1] == ' ' || text[i-1] == '\t'):
			return text[:i-1], "", false
		case (c == '"' || c == '\'') && strings.IndexByte("[{, \t:", text[i-1]) >= 0:
			_, rest, err := quoted(text[i:])
			if err != nil {
				return text, "", false
			}
			i = len(text) - len(rest) - 1
		}
	}
	return text, "", false
}

// flowScalar reads one item up to a comma or the end.
func flowScalar(body string) (v, rest string, err error) {
	if body != "" && (body[0] == '"' || body[0] == '\'') {
		if v, body, err = quoted(body); err != nil {
			return "", "", err
		}
		body = strings.TrimLeft(body, " \t")
		if body != "" && body[0] != ',' {
			return "", "", errors.New("a comma is expected")
		}
		return v, strings.Trim(strings.TrimPrefix(body, ","), " \t"), nil
	}
	v, rest, _ = strings.Cut(body, ",")
	if v, err = plain(v); err != nil {
		return "", "", err
	}
	if strings.ContainsAny(v, "[]{}") {
		return "", "", errors.New("only scalars can stand in brackets")
	}
	return v, strings.Trim(rest, " \t"), nil
}
