package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// source is one text to be read: where from, which section, how.
type source struct {
	name    string // as given, without the section
	section string
	format  string // ini, yaml, json or xml
	data    []byte
	pieces  []piece // where data comes from, when something was injected
}

// formats maps a file's suffix to its reader.
var formats = map[string]string{".ini": "ini", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".js": "json", ".xml": "xml"}

// loaderFor splits name:section and finds the format by the suffix. ok is false when the suffix says nothing.
func loaderFor(word string) (name, section string, ok bool) {
	if _, ok := formats[suffix(word)]; ok {
		return word, "", true
	}
	if i := strings.LastIndexByte(word, ':'); i > 0 {
		if _, ok := formats[suffix(word[:i])]; ok {
			return word[:i], word[i+1:], true
		}
	}
	return word, "", false
}

// open reads the text that word names: path, path:section, :section (of the file of this format read last), - or a scheme.
func (l *loader) open(word, format string) (*source, error) {
	s := &source{name: word, format: format}
	switch {
	case strings.HasPrefix(word, ":"):
		last := l.lastFile[cmp.Or(format, "ini")]
		if last == "" {
			return nil, bad("no file was read before, so "+word+" names nothing", "write file.ini"+word)
		}
		s.name, s.section, s.format = last, word[1:], cmp.Or(format, "ini")
	case strings.Contains(word, "://"):
	default:
		if name, sec, ok := loaderFor(word); ok {
			s.name, s.section = name, sec
		} else if i := strings.LastIndexByte(word, ':'); i > 0 && format != "" {
			s.name, s.section = word[:i], word[i+1:]
		}
	}
	if s.format == "" {
		s.format = formats[suffix(s.name)]
	}
	if s.format == "" && word == "-" {
		s.format = "ini"
	}
	if s.format == "" {
		return nil, bad("cannot tell the format of the file", "its name must end in .ini, .yaml, .json or .xml")
	}
	if s.section == "" {
		s.section = defaultSection
	}
	data, err := l.fetch(s.name)
	if err != nil {
		return nil, err
	}
	s.data = data
	l.noteFile(s.name, s.format)
	return s, l.surround(s)
}

// refusedSchemes are those of uWSGI that mean nothing here, with the reason.
var refusedSchemes = map[string]string{
	"data":    "reads what was appended to uWSGI's own program",
	"section": "reads a section of uWSGI's own program",
	"sym":     "reads a symbol of uWSGI's own program",
	"call":    "calls a C function of uWSGI or a plugin",
	"callint": "calls a C function of uWSGI or a plugin",
	"emperor": "asks the emperor that started the program, and none did",
}

// fetch reads a text by path or scheme.
func (l *loader) fetch(name string) ([]byte, error) {
	scheme, rest, isURL := strings.Cut(name, "://")
	var data []byte
	var err error
	switch {
	case name == "-":
		data, err = l.readStdin()
	case !isURL:
		data, err = l.o.ReadFile(l.o.abs(name))
	case scheme == "file":
		data, err = l.o.ReadFile(l.o.abs(rest))
	case scheme == "fd":
		data, err = l.readFD(rest)
	case scheme == "exec":
		data, err = through(l.o.Exec, rest)
	case scheme == "http" || scheme == "https":
		data, err = through(l.o.Fetch, name)
	case refusedSchemes[scheme] != "":
		return nil, bad("cannot read "+name+": "+scheme+":// "+refusedSchemes[scheme], "write the text to a file")
	default:
		return nil, bad("cannot read "+name+": unknown scheme", "use a path, fd://, exec:// or http://")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %v", name, plainCause(err))
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("cannot read %s: more than %d bytes", name, maxFile)
	}
	if l.use.taken += len(data); l.use.taken > maxRead {
		return nil, fmt.Errorf("cannot read %s: more than %d bytes in all files", name, maxRead)
	}
	return data, nil
}

// plainCause drops "open <path>:", which the message names already.
func plainCause(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

var errNotHere = errors.New("not possible here")

func through(f func(string) ([]byte, error), arg string) ([]byte, error) {
	if f == nil {
		return nil, errNotHere
	}
	return f(arg)
}

func (l *loader) readFD(rest string) ([]byte, error) {
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, bad("not a descriptor number", "")
	}
	if l.o.ReadFD == nil {
		return nil, errNotHere
	}
	return l.o.ReadFD(n)
}

func (l *loader) readStdin() ([]byte, error) {
	if l.o.Stdin == nil {
		return nil, errNotHere
	}
	if l.o.Reload {
		return nil, errors.New("it was read at the first start")
	}
	return io.ReadAll(io.LimitReader(l.o.Stdin, maxFile+1))
}

// parse reads the settings of the asked section and replaces the magic letters, which stand for facts about the file.
func (s *source) parse(l *loader) ([]Entry, error) {
	var list []Entry
	var found bool
	var err error
	switch s.format {
	case "yaml":
		list, found, err = parseYAML(s.data, s.section)
	case "json":
		list, found, err = parseJSON(s.data, s.section)
	case "xml":
		list, found, err = parseXML(s.data, s.section)
	default:
		list, found, err = parseINI(s.data, s.section)
	}
	shown := s.name
	if shown == "-" {
		shown = fromStd
	}
	if err != nil {
		if s.pieces != nil {
			shown += " (lines are counted with what was injected)"
		}
		return nil, fmt.Errorf("cannot read %s: %w", shown, err)
	}
	switch {
	case !found && len(list) > 0:
		l.warnAt(Pos{File: shown}, "no section header: read as ["+s.section+"]", "write ["+s.section+"] on the first line; uWSGI reads nothing here")
	case !found:
		l.warnAt(Pos{File: shown}, "no section ["+s.section+"] in this file", s.otherSections())
	}
	m := newMagic(l, s)
	for i := range list {
		e := &list[i]
		e.Pos = s.place(e.Pos, shown)
		var odd string
		e.Key, _ = m.replace(e.Key, "")
		e.Value, odd = m.replace(e.Value, canonical(e.Key))
		if odd != "" {
			l.report.add(SeverityWarning, *e, "the letters "+odd+" mean nothing after % and are kept", "write %% for a percent sign; uWSGI deletes them")
		}
	}
	return list, nil
}

func (l *loader) warnAt(pos Pos, message, hint string) {
	l.report.add(SeverityWarning, Entry{Pos: pos}, message, hint)
}

// otherSections names the sections that an ini file does have.
func (s *source) otherSections() string {
	if s.format != "ini" {
		return ""
	}
	sections, err := cutSections(s.data)
	if err != nil {
		return ""
	}
	var names []string
	for _, sec := range sections {
		if sec.name != "" {
			names = append(names, "["+sec.name+"]")
		}
	}
	if len(names) == 0 {
		return "it has no section at all"
	}
	return "it has " + strings.Join(names, ", ")
}
