package config

import (
	"errors"
	"fmt"
	"strings"
)

// maxNesting is how deep placeholders and parentheses may stand in each other.
const maxNesting = 50

// expander resolves one value. busy holds the keys whose values are being resolved, to find loops.
type expander struct {
	l    *loader
	busy map[string]bool
}

// expand replaces $(VARIABLE), @(source) and %(placeholder) in s, the text of e. What is not defined stays as it is written, as in uWSGI,
// because log formats have variables of the same shape.
func (l *loader) expand(s string, e Entry) (string, error) {
	if !strings.Contains(s, "$(") && !strings.Contains(s, "@(") && !strings.Contains(s, "%(") {
		return s, nil
	}
	x := &expander{l: l, busy: map[string]bool{}}
	out, err := x.value(s, 0)
	if err != nil {
		return "", err
	}
	l.use.spent += len(out)
	if l.use.spent > maxTotal {
		return "", fmt.Errorf("the values take more than %d bytes in all after expansion", maxTotal)
	}
	return out, nil
}

var errTooLong = fmt.Errorf("the value takes more than %d bytes after expansion", maxValue)
var errTooDeep = errors.New("placeholders stand too deep in each other")

// value expands variables and sources first and the placeholders in the result, in uWSGI's order.
func (x *expander) value(s string, depth int) (string, error) {
	if depth > maxNesting {
		return "", errTooDeep
	}
	out, err := x.outside(s, depth)
	if err != nil {
		return "", err
	}
	return x.placeholders(out, depth)
}

// outside replaces $(NAME) and @(source). The text of a variable is not looked through for @(): a variable is data, and @(exec://) runs
// programs.
func (x *expander) outside(s string, depth int) (string, error) {
	if !strings.Contains(s, "$(") && !strings.Contains(s, "@(") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if (s[i] != '$' && s[i] != '@') || i+1 == len(s) || s[i+1] != '(' {
			b.WriteByte(s[i])
			continue
		}
		end := closing(s, i+1)
		if end < 0 {
			b.WriteString(s[i:])
			break
		}
		name := s[i+2 : end]
		if s[i] == '$' {
			if v, ok := x.l.env[name]; ok {
				x.l.usedEnv[name] = true
				b.WriteString(v)
			} else {
				b.WriteString(s[i : end+1])
			}
		} else {
			data, err := x.content(name, depth)
			if err != nil {
				return "", err
			}
			b.WriteString(data)
		}
		if b.Len() > maxValue {
			return "", errTooLong
		}
		i = end
	}
	return b.String(), nil
}

// content is the text that @(name) stands for, without the newlines at its end.
func (x *expander) content(name string, depth int) (string, error) {
	name, err := x.value(name, depth+1)
	if err != nil {
		return "", err
	}
	data, err := x.l.fetch(name)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// placeholders replaces %(...): the name of a setting, or a sum over names and numbers.
func (x *expander) placeholders(s string, depth int) (string, error) {
	if !strings.Contains(s, "%(") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) || s[i+1] != '(' {
			b.WriteByte(s[i])
			continue
		}
		end := closing(s, i+1)
		if end < 0 {
			b.WriteString(s[i:])
			break
		}
		v, ok, err := x.inner(s[i+2:end], depth+1)
		if err != nil {
			return "", err
		}
		if !ok {
			v = s[i : end+1]
		}
		b.WriteString(v)
		if b.Len() > maxValue {
			return "", errTooLong
		}
		i = end
	}
	return b.String(), nil
}

// inner gives the value of what stands in %(...). ok is false when it names nothing known.
func (x *expander) inner(body string, depth int) (string, bool, error) {
	if v, ok, err := x.lookup(body, depth); ok || err != nil {
		return v, ok, err
	}
	if strings.Contains(body, "%(") {
		var err error
		if body, err = x.placeholders(body, depth); err != nil {
			return "", false, err
		}
		if v, ok, err := x.lookup(body, depth); ok || err != nil {
			return v, ok, err
		}
	}
	if !strings.ContainsAny(body, " ") {
		return "", false, nil
	}
	return x.arithmetic(body, depth)
}

// lookup gives the value of the first setting with this name, itself expanded.
func (x *expander) lookup(name string, depth int) (string, bool, error) {
	i, ok := x.l.first[name]
	if !ok {
		return "", false, nil
	}
	if x.busy[name] {
		return "", false, fmt.Errorf("the placeholder %%(%s) leads back to itself", shorten(name))
	}
	x.l.used[name] = true
	e := &x.l.entries[i]
	if !e.resolve {
		return e.Value, true, nil
	}
	x.busy[name] = true
	v, err := x.value(e.Value, depth)
	delete(x.busy, name)
	if err != nil {
		return "", false, err
	}
	return v, true, nil
}

// closing finds the parenthesis that closes the one at open, -1 if none does.
func closing(s string, open int) int {
	level := 0
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '(':
			level++
		case ')':
			level--
			if level == 0 {
				return i
			}
		}
	}
	return -1
}

// resolveAll expands the values that were not needed while reading. Resolving in list order and storing each result keeps the work linear:
// a later value finds the earlier ones done.
func (l *loader) resolveAll() {
	for i := range l.entries {
		e := &l.entries[i]
		if !e.resolve {
			continue
		}
		v, err := l.expand(e.Value, *e)
		if err != nil {
			l.fail(*e, err)
		} else {
			e.Value = v
		}
		e.resolve = false
	}
}
