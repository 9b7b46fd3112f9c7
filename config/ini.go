package config

import (
	"bytes"
	"strconv"
	"strings"
)

// section is the body of one [name]: its lines, repeated blocks joined in order. What stands before the first header has the name "".
type section struct {
	name  string
	lines []iniLine
}

type iniLine struct {
	number int
	text   string
}

const maxSections = 1024 // headers in all

// cutSections cuts a text into sections and lines, without blanks around them, comments and empty lines.
func cutSections(data []byte) ([]section, error) {
	text := string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	list := []section{{lines: make([]iniLine, 0, strings.Count(text, "\n")+1)}}
	index := map[string]int{"": 0}
	current, lines, headers := 0, 0, 0
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = strings.Trim(line, " \t\r")
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] != '[' {
			list[current].lines = append(list[current].lines, iniLine{number, line})
			lines++
		} else {
			name, err := headerName(line)
			if err != nil {
				return nil, &problem{message: "line " + strconv.Itoa(number) + ": " + err.Error()}
			}
			headers++
			i, seen := index[name]
			if !seen {
				i = len(list)
				index[name] = i
				list = append(list, section{name: name})
			}
			if current == 0 && len(list[0].lines) == 0 && !seen {
				list[i].lines, list[0].lines = list[0].lines, nil // most files are one section
			}
			current = i
		}
		if headers > maxSections || lines > maxEntries {
			return nil, &problem{message: "line " + strconv.Itoa(number) + ": too many sections or lines"}
		}
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
