package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits against files that would never end, or eat the machine.
const (
	maxDepth    = 32       // files including files
	maxInherits = 256      // files read by inherit
	maxEntries  = 1 << 16  // settings in all
	maxFile     = 4 << 20  // bytes of one file
	maxRead     = 8 << 20  // bytes of all files, each time one is read
	maxValue    = 1 << 20  // bytes of one value after expansion
	maxTotal    = 64 << 20 // bytes of all expansions
	maxHints    = 32       // unknown names for which near ones are looked for
)

// loader holds the state of one Load: the list of settings so far and what the immediate options have changed.
type loader struct {
	report
	o         Options
	env       map[string]string
	usedEnv   map[string]bool
	entries   []Entry
	first     map[string]int // index of the first entry of a key: what %(key) gives
	used      map[string]bool
	declared  map[string]declaration
	free      map[string]bool // placeholders that strict accepts
	limited   *keyFilter
	files     []string
	firstFile string
	lastFile  map[string]string // by format: what :section refers to
	via       []Pos
	inherits  []Entry
	prints    []string
	strict    bool
	lenient   bool // ignore-unsupported
	use       usage
	inject    injection
	argErrors int
	action    Action
	fallback  string
	early     []string // variables of early-envdir
}

// usage is what the limits are measured by.
type usage struct {
	full  bool // maxEntries was reached
	deep  bool // maxDepth was reached
	spent int  // bytes of expansions so far
	taken int  // bytes read so far
	hints int  // unknown names for which near ones were looked for
}

func newLoader(o Options) *loader {
	l := &loader{o: o, env: map[string]string{}, usedEnv: map[string]bool{}, lastFile: map[string]string{}, first: map[string]int{},
		used: map[string]bool{}, declared: map[string]declaration{}, free: map[string]bool{}}
	for _, kv := range o.Env {
		if name, v, ok := strings.Cut(kv, "="); ok {
			l.env[name] = v
		}
	}
	return l
}

// read fills the list: variables, then options, then positional words, then what was inherited.
func (l *loader) read() {
	l.run(fromEnvironment(l.o.Env))
	opts, words := l.parseArgs(l.o.Args)
	l.argErrors = len(l.errors)
	l.run(opts)
	for _, w := range words {
		l.positional(w)
	}
	for n := 0; n < len(l.inherits); n++ {
		e := l.inherits[n]
		if n == maxInherits {
			l.fail(e, bad(fmt.Sprintf("more than %d inherited files", maxInherits), "a file may inherit itself"))
			return
		}
		name, err := l.expand(e.Value, e)
		if err != nil {
			l.fail(e, err)
			continue
		}
		e.Value = name
		l.load(e, "")
	}
}

// fromEnvironment turns UWSGI_FOO_BAR=v into foo-bar = v.
func fromEnvironment(env []string) []Entry {
	var list []Entry
	for i, kv := range env {
		name, v, _ := strings.Cut(kv, "=")
		rest, ok := strings.CutPrefix(name, "UWSGI_")
		if !ok || rest == "" || slices.Contains(internalVariables, rest) {
			continue
		}
		key := strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		if key == "plugins" {
			key = "plugin"
		}
		list = append(list, Entry{Key: key, Value: v, HasValue: true, Pos: Pos{File: fromEnv, Line: i + 1}, resolve: true})
	}
	return list
}

// internalVariables are the UWSGI_ variables with which uWSGI's processes talk to each other.
var internalVariables = []string{"RELOADS", "VASSALS_DIR", "EMPEROR_FD", "EMPEROR_FD_CONFIG", "EMPEROR_PROXY", "BROODLORD_NUM", "JAIL_PID",
	"ORIGINAL_PROC_NAME"}

// positional reads a word that is no option: a configuration file, or what people write in its place.
func (l *loader) positional(e Entry) {
	word := e.Value
	if word == "" || word[0] == '[' {
		return // uWSGI rewrites its own argv with such words
	}
	if _, _, ok := loaderFor(word); ok || word == "-" {
		l.load(e, "")
		return
	}
	as := func(key string) {
		l.add(Entry{Key: key, Value: word, HasValue: true, Pos: e.Pos})
	}
	host, port, isAddr := strings.Cut(word, ":")
	switch {
	case strings.HasSuffix(word, ".py"), strings.HasSuffix(word, ".wsgi"):
		as("wsgi-file")
	case isAddr && isNumber(port) && !strings.Contains(host, "/"):
		as("http-socket")
	case isAddr && isModule(host) && isModule(port):
		as("module")
	case l.isDir(word):
		l.fail(e, bad("a directory is no configuration file", "for an emperor of its files write --emperor "+word))
	default:
		l.fail(e, bad("cannot tell what this word is for", "a file ends in .ini, .yaml, .json or .xml; any other is read with --ini "+word))
	}
}

func (l *loader) isDir(name string) bool {
	fi, err := l.o.Stat(l.o.abs(name))
	return err == nil && fi.IsDir()
}

func isNumber(s string) bool { _, err := strconv.ParseUint(s, 10, 16); return err == nil }

// isModule reports a dotted Python name.
func isModule(s string) bool {
	for i, r := range s {
		letter := r == '_' || r == '.' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// add puts a setting on the list and carries it out at once if it belongs to the language.
func (l *loader) add(e Entry) {
	if l.use.full {
		return
	}
	if len(l.entries) >= maxEntries {
		l.use.full = true
		l.fail(e, bad(fmt.Sprintf("more than %d settings", maxEntries), "a for loop may run wild"))
		return
	}
	if d, ok := l.declared[e.Key]; ok {
		l.expandDeclared(e, d)
		return
	}
	verb, isLanguage := verbFor(canonical(e.Key))
	if !isLanguage {
		e.resolve = true
		l.append(e)
		return
	}
	e.logic = true
	if v, err := l.expand(e.Value, e); err == nil {
		e.Value = v
	} else {
		l.fail(e, err)
		return
	}
	l.append(e)
	verb(l, e)
}

func (l *loader) append(e Entry) {
	if l.limited != nil && !l.limited.allows(e.Key) {
		l.fail(e, bad("not allowed between "+l.limited.kind+" and end-"+l.limited.kind, ""))
		return
	}
	if _, seen := l.first[e.Key]; !seen {
		l.first[e.Key] = len(l.entries)
	}
	l.entries = append(l.entries, e)
}

// load reads the file that e names and runs its settings in place. format "" means by the suffix.
func (l *loader) load(e Entry, format string) {
	if l.use.deep {
		return // or files that include each other twice would be read 2^maxDepth times
	}
	if len(l.via) >= maxDepth {
		l.use.deep = true
		l.fail(e, bad(fmt.Sprintf("files include each other more than %d deep", maxDepth), ""))
		return
	}
	if e.Value == "" {
		l.fail(e, bad("no file is named", ""))
		return
	}
	s, err := l.open(e.Value, format)
	if err != nil {
		l.fail(e, err)
		return
	}
	list, err := s.parse(l)
	if err != nil {
		l.fail(e, err)
		return
	}
	outer := l.via
	l.via = append([]Pos{{File: e.Pos.File, Line: e.Pos.Line}}, outer...)
	if e.Pos.File == fromArgs {
		l.via = outer
	}
	for i := range list {
		list[i].Pos.Via = l.via
	}
	l.run(list)
	l.via = outer
}

func (l *loader) noteFile(name, format string) {
	if name != "-" && !slices.Contains(l.files, name) {
		l.files = append(l.files, name)
	}
	if l.firstFile == "" {
		l.firstFile = name
	}
	l.lastFile[format] = name
}

func suffix(name string) string { return strings.ToLower(filepath.Ext(name)) }
