package config

import (
	"bytes"
	"errors"
	"fmt"
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

// mark stands between the number of a piece and the name of its section: no name can have it. What stands before the first header has the
// name "".
const mark = "\x00"

const maxSections = 1024 // headers in all

// cutSections lets go-ini cut a text into sections. What it gets of a body is one line, which lines of the text it is: as keys it would file
// repeated ones under the first, while their order means something here, and of raw bodies (UnparseableSections) it would forget the line
// numbers, and copy all that it has for each line.
func cutSections(data []byte) ([]section, error) {
	lines, text, names, err := outline(data)
	if err != nil {
		return nil, err
	}
	f, err := ini.LoadSources(ini.LoadOptions{UnparseableSections: names}, text)
	if err != nil {
		return nil, err
	}
	f.BlockMode = false
	var list []section
	index := map[string]int{}
	for _, block := range names {
		s, err := f.GetSection(block)
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(block, mark)
		i, seen := index[name]
		if !seen {
			i = len(list)
			index[name] = i
			list = append(list, section{name: name})
		}
		first, last, _ := strings.Cut(s.Body(), " ")
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if list[i].lines == nil {
			list[i].lines = lines[from:to:to]
		} else {
			list[i].lines = append(list[i].lines, lines[from:to]...)
		}
	}
	return list, nil
}

// outline collects the lines that say something, without blanks around them, and writes for go-ini which of them each block has: headers as
// "block<NUL>name", each of another name, and "from to" below.
func outline(data []byte) (lines []iniLine, text []byte, names []string, err error) {
	rest := string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	lines = make([]iniLine, 0, strings.Count(rest, "\n")+1)
	current, from := "", 0
	block := func() {
		name := strconv.Itoa(len(names)) + mark + current
		names = append(names, name)
		text = fmt.Appendf(text, "[%s]\n%d %d\n", name, from, len(lines))
		from = len(lines)
	}
	for number := 1; rest != ""; number++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.Trim(line, " \t\r")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			block()
			if current, err = headerName(line); err != nil {
				return nil, nil, nil, &problem{message: "line " + strconv.Itoa(number) + ": " + err.Error()}
			}
		default:
			lines = append(lines, iniLine{number, line})
		}
		if len(names) > maxSections || len(lines) > maxEntries {
			return nil, nil, nil, &problem{message: "line " + strconv.Itoa(number) + ": too many sections or lines"}
		}
	}
	block()
	return lines, text, names, nil
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
		want = ""
	}
	for _, s := range sections {
		if s.name != want {
			continue
		}
		found = want != ""
		list = make([]Entry, 0, len(s.lines))
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
		if s.name != "" {
			return false
		}
	}
	return true
}
