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

// mark stands between the number of a piece and the name of its section: no name can have it. What stands before the first header has the
// name "".
const mark = "\x00"

// go-ini looks through all keys of a section, and all sections, for each new one. Bodies are handed to it in pieces of this many lines.
const (
	pieceLines  = 256
	maxSections = 1024 // pieces in all
)

// cutSections lets go-ini cut a text into sections. Each line is handed to it as a key of its own, "number<TAB>|line|", because go-ini files
// repeated keys under the first one (their order means something here) and forgets line numbers; its raw bodies
// (UnparseableSections) lose them too. The bars keep it from trimming or unquoting the line.
func cutSections(data []byte) ([]section, error) {
	text, err := numbered(data)
	if err != nil {
		return nil, err
	}
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true,
		KeyValueDelimiters: "\t"}, text)
	if err != nil {
		return nil, err
	}
	f.BlockMode = false
	var list []section
	index := map[string]int{}
	for _, s := range f.Sections() {
		_, name, ok := strings.Cut(s.Name(), mark)
		if !ok {
			continue // go-ini's own empty section
		}
		i, seen := index[name]
		if !seen {
			i = len(list)
			index[name] = i
			list = append(list, section{name: name})
		}
		for _, k := range s.Keys() {
			n, _ := strconv.Atoi(k.Name())
			list[i].lines = append(list[i].lines, iniLine{n, strings.TrimSuffix(strings.TrimPrefix(k.Value(), "|"), "|")})
		}
	}
	return list, nil
}

// numbered writes the text anew for go-ini: lines numbered, comments gone, headers as "piece<NUL>name".
func numbered(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var b bytes.Buffer
	current, lines, headers := "", 0, 1
	header := func() {
		b.WriteString("[" + strconv.Itoa(lines/pieceLines) + mark + current + "]\n")
	}
	header()
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.Trim(line, " \t\r")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			name, err := headerName(line)
			if err != nil {
				return nil, &problem{message: "line " + strconv.Itoa(i+1) + ": " + err.Error()}
			}
			current = name
			headers++
			header()
		default:
			if lines++; lines%pieceLines == 0 {
				headers++
				header()
			}
			b.WriteString(strconv.Itoa(i+1) + "\t|" + line + "|\n")
		}
		if headers > maxSections || lines > maxEntries {
			return nil, &problem{message: "line " + strconv.Itoa(i+1) + ": too many sections or lines"}
		}
	}
	return b.Bytes(), nil
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
