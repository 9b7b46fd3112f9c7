package config

import (
	"fmt"
	"strconv"
	"strings"
)

// option binds one setting to a typed field. Names are canonical: aliases come from the table.
type option struct {
	name string
	help string // gowsgi's own words for --help
	set  setter
}

// value is what a setter is given: the entry after expansion, and a way to say what was read instead of what was written.
type value struct {
	Entry
	cpus int // for auto and for magic
	dir  func(name string) ([]string, error)
	warn func(message, hint string)
}

// setter stores a value or says, as a *problem, why it cannot.
type setter func(v *value) error

// text binds a string as it is written.
func text(p *string) setter {
	return func(v *value) error {
		v.warnUnresolved()
		*p = v.Value
		return nil
	}
}

// word binds a string that is a name, a path or an address: an inline comment or quotes around it are never meant.
func word(p *string) setter {
	return func(v *value) error {
		w := v.tidy()
		if w == "" {
			return bad("no value", "")
		}
		if err := unresolved(w); err != nil {
			return err
		}
		*p = w
		return nil
	}
}

// words appends such a string to a list.
func words(p *[]string) setter {
	return func(v *value) error {
		var w string
		if err := word(&w)(v); err != nil {
			return err
		}
		*p = append(*p, w)
		return nil
	}
}

// boolean binds a flag with uWSGI's words for false.
func boolean(p *bool) setter {
	return func(v *value) error {
		b, err := v.truth()
		if err == nil {
			*p = b
		}
		return err
	}
}

// number binds a whole number from low to high.
func number(p *int, low, high int) setter {
	return func(v *value) error {
		n, err := v.integer(int64(low), int64(high))
		if err == nil {
			*p = int(n)
		}
		return err
	}
}

// number64 binds a whole number from low to high that may be a size in bytes.
func number64(p *int64, low, high int64) setter {
	return func(v *value) error {
		n, err := v.integer(low, high)
		if err == nil {
			*p = n
		}
		return err
	}
}

// truth reads a flag: false, off, no (any case) and 0 are false, everything else is true, no value too.
func (v *value) truth() (bool, error) {
	s := strings.TrimSpace(v.Value)
	if w := v.tidy(); w != s {
		s = w
	}
	switch strings.ToLower(s) {
	case "false", "off", "no", "0":
		return false, nil
	case "", "true", "on", "yes", "1":
		return true, nil
	}
	if err := unresolved(s); err != nil {
		return false, err
	}
	v.warn("neither true nor false: read as true, as uWSGI does", "write true or false")
	return true, nil
}

// integer reads a whole number. Where uWSGI would stop at the first strange byte and go on with what it has (0 for a word), what was
// meant is taken if there is only one meaning, and the start is refused otherwise.
func (v *value) integer(low, high int64) (int64, error) {
	s := v.tidy()
	if !v.HasValue {
		s = "1" // uWSGI: a number without a value is 1
	}
	switch strings.ToLower(s) {
	case "true", "on", "yes":
		v.warn("a number is expected: read as 1", "write a number")
		s = "1"
	case "false", "off", "no":
		s = "0"
	case "":
		return 0, bad("a number is expected", "")
	}
	if err := unresolved(s); err != nil {
		return 0, err
	}
	if s == "%k" { // in a file it is replaced long before
		v.warn(fmt.Sprintf("read as the number of processors, %d", v.cpus), "magic letters belong in files")
		return int64(v.cpus), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		if n, err = v.loosely(s); err != nil {
			return 0, err
		}
	}
	if n < low || n > high {
		return 0, bad(fmt.Sprintf("out of range: %d to %d", low, high), "")
	}
	return n, nil
}

// loosely reads a number with something after it: a unit, or what uWSGI would leave unread. Where uWSGI would get 0 out of it, nobody can have
// meant that.
func (v *value) loosely(s string) (int64, error) {
	got := leadingInt(s)
	if scaled, ok := withSuffix(s); ok {
		v.warn(fmt.Sprintf("read as %d", scaled), fmt.Sprintf("uWSGI ignores the unit and reads %d", got))
		return scaled, nil
	}
	if got <= 0 {
		return 0, bad("not a whole number", "uWSGI would read "+strconv.FormatInt(got, 10))
	}
	v.warn(fmt.Sprintf("read as %d", got), "write the number alone")
	return got, nil
}

// withSuffix reads 32k, 2M, 1G in powers of 1024.
func withSuffix(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	shift := strings.IndexByte("kmg", strings.ToLower(s)[len(s)-1])
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if shift < 0 || err != nil || n < 0 || n > 1<<32 {
		return 0, false
	}
	return n << (10 * (shift + 1)), true
}

// leadingInt is atoi(3): what uWSGI makes of the text.
func leadingInt(s string) int64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[end] == '-' || s[end] == '+')) {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64)
	return n
}

// tidy takes off what real files carry by mistake: an inline comment, a trailing semicolon, quotes around the whole value.
func (v *value) tidy() string {
	s := strings.TrimSpace(v.Value)
	w := s
	for i := 1; i < len(w); i++ {
		if (w[i] == ';' || w[i] == '#') && (w[i-1] == ' ' || w[i-1] == '\t') {
			w = strings.TrimSpace(w[:i])
			break
		}
	}
	w = strings.TrimSpace(strings.TrimRight(w, ";"))
	if n := len(w); n >= 2 && (w[0] == '"' || w[0] == '\'') && w[n-1] == w[0] {
		w = w[1 : n-1]
	}
	if w != s {
		v.warn("read as "+strconv.Quote(shorten(w)), "uWSGI's files have no inline comments and no quotes")
		v.Value = w // so that a second look warns no more
	}
	return w
}

// unresolved is an error when a variable or a placeholder of a name or a number is still there after expansion.
func unresolved(s string) error {
	if name, ok := between(s, "$("); ok {
		return bad("the environment variable "+name+" is not set", "guard the line with if-env = "+name)
	}
	if name, ok := between(s, "%("); ok {
		return bad("the placeholder %("+name+") is not defined", "")
	}
	return nil
}

// warnUnresolved says of a free text that a variable in it is not set: it may be meant for somebody else.
func (v *value) warnUnresolved() {
	if name, ok := between(v.Value, "$("); ok {
		v.warn("the environment variable "+name+" is not set: kept as it is written", "")
	}
}

// between gives what stands between open and the next parenthesis.
func between(s, open string) (string, bool) {
	_, rest, found := strings.Cut(s, open)
	name, _, closed := strings.Cut(rest, ")")
	return name, found && closed
}
