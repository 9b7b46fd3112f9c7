package config

import (
	"bytes"
	"slices"
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

// go-ini looks through all sections for each new one, and copies what it has of a body for each line. Bodies are handed to it in pieces of this
// many lines.
const (
	pieceLines  = 16
	maxSections = 1024 // headers in all
)

// cutSections lets go-ini cut a text into sections. Their bodies are taken as they are (UnparseableSections): as keys go-ini would file repeated
// ones under the first, and their order means something here. Each line has its number in front, which go-ini forgets, and a bar behind,
// which keeps it from trimming the last one: "number<TAB>line|".
func cutSections(data []byte) ([]section, error) {
	text, names, err := numbered(data)
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
	for _, piece := range names {
		s, err := f.GetSection(piece)
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(piece, mark)
		i, seen := index[name]
		if !seen {
			i = len(list)
			index[name] = i
			list = append(list, section{name: name})
		}
		list[i].lines = appendLines(list[i].lines, s.Body())
	}
	return list, nil
}

// appendLines takes a body apart again.
func appendLines(lines []iniLine, body string) []iniLine {
	lines = slices.Grow(lines, strings.Count(body, "\n")+1)
	for body != "" {
		var line string
		line, body, _ = strings.Cut(body, "\n")
		number, text, _ := strings.Cut(line, "\t")
		n, _ := strconv.Atoi(number)
		lines = append(lines, iniLine{n, strings.TrimSuffix(text, "|")})
	}
	return lines
}

// numbered writes the text anew for go-ini: lines numbered, comments gone, headers as "piece<NUL>name", each of another name.
func numbered(data []byte) (text []byte, names []string, err error) {
	rest := string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	text = make([]byte, 0, len(rest)+len(rest)/2+64)
	current, lines, headers := "", 0, 0
	header := func() {
		names = append(names, strconv.Itoa(len(names))+mark+current)
		text = append(append(append(text, '['), names[len(names)-1]...), "]\n"...)
	}
	header()
	for number := 1; rest != ""; number++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.Trim(line, " \t\r")
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			if current, err = headerName(line); err != nil {
				return nil, nil, &problem{message: "line " + strconv.Itoa(number) + ": " + err.Error()}
			}
			headers++
			header()
		default:
			if lines++; lines%pieceLines == 0 {
				header()
			}
			text = append(append(strconv.AppendInt(text, int64(number), 10), '\t'), line...)
			text = append(text, "|\n"...)
		}
		if headers > maxSections || lines > maxEntries {
			return nil, nil, &problem{message: "line " + strconv.Itoa(number) + ": too many sections or lines"}
		}
	}
	return text, names, nil
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
