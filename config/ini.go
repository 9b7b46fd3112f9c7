package config

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-ini/ini"
)

// section is the body of one [name]: its lines, repeated blocks joined in order.
type section struct {
	name  string
	lines []iniLine
}

type iniLine struct {
	number int
	text   string
}

// goINIDefault is the section that go-ini makes for itself, ini.DefaultSection.
const goINIDefault = "DEFAULT"

// preamble is the name of what stands before the first header. No header can have it.
const preamble = "\x00"

// cutSections lets go-ini cut a text into sections. Each line is handed to it as a key of its own, "number<TAB>|line", because go-ini files
// repeated keys under the first one (their order means something here) and forgets line numbers; its raw bodies
// (UnparseableSections) lose them too and grow quadratically.
func cutSections(data []byte) ([]section, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var b strings.Builder
	b.WriteString("[" + preamble + "]\n")
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.Trim(line, " \t\r")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			name, err := headerName(line)
			if err != nil {
				return nil, &problem{message: "line " + strconv.Itoa(i+1) + ": " + err.Error()}
			}
			b.WriteString("[" + name + "]\n")
		default:
			b.WriteString(strconv.Itoa(i+1) + "\t|" + line + "\n")
		}
	}
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true,
		KeyValueDelimiters: "\t"}, []byte(b.String()))
	if err != nil {
		return nil, err
	}
	f.BlockMode = false
	var list []section
	for _, s := range f.Sections() {
		out := section{name: s.Name()}
		for _, k := range s.Keys() {
			n, _ := strconv.Atoi(k.Name())
			out.lines = append(out.lines, iniLine{n, strings.TrimPrefix(k.Value(), "|")})
		}
		list = append(list, out)
	}
	return list, nil
}

// headerName reads "[name]". uWSGI cuts the last byte only, so that blanks or a comment after the bracket hide the section; they are
// never meant.
func headerName(line string) (string, error) {
	end := strings.IndexByte(line, ']')
	if end < 0 {
		return "", bad("a section header without ]", "")
	}
	name := strings.TrimSpace(line[1:end])
	if name == "" || strings.ContainsAny(name, "\x00") {
		return "", bad("a section without a name", "")
	}
	if strings.EqualFold(name, defaultSection) {
		name = defaultSection
	}
	return name, nil
}

// defaultSection is the section that is read when none is asked for.
const defaultSection = "uwsgi"

// parseINI gives the settings of one section. found is false when the file has no such section; a file without any header gives its lines
// all the same.
func parseINI(data []byte, want string) (list []Entry, found bool, err error) {
	sections, err := cutSections(data)
	if err != nil {
		return nil, false, err
	}
	if only := soleBody(sections); only && want == defaultSection {
		want = preamble
	}
	for _, s := range sections {
		if s.name != want {
			continue
		}
		found = want != preamble
		for _, line := range s.lines {
			key, v, _ := strings.Cut(line.text, "=")
			list = append(list, Entry{Key: strings.Trim(key, " \t"), Value: strings.Trim(v, " \t"), HasValue: true, Pos: Pos{Line: line.number}})
		}
	}
	return list, found, nil
}

// soleBody reports whether all lines stand before the first header, if there is one.
func soleBody(sections []section) bool {
	for _, s := range sections {
		if s.name != preamble && s.name != goINIDefault {
			return false
		}
	}
	return true
}
