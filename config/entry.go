package config

import (
	"slices"
	"strconv"
	"strings"
)

// Names that stand for a file in a Pos whose text came from elsewhere.
const (
	fromArgs = "command line"
	fromEnv  = "environment"
	fromStd  = "standard input"
)

// Pos is where a setting was written.
type Pos struct {
	File string `json:"file"`           // a path as given, "command line", "environment" or "standard input"
	Line int    `json:"line,omitempty"` // 1-based; for the command line the number of the argument; 0 = no line
	Via  []Pos  `json:"via,omitempty"`  // the lines that included the file, innermost first
}

// String gives "site.ini:12", without the chain of includes.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// maxChain is how many files of a chain of includes are named.
const maxChain = 5

// chain tells how a file came to be read: " (included from a.ini:3, from b.ini:1)", or nothing for the first file.
func (p Pos) chain() string {
	if len(p.Via) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" (included")
	for i, v := range p.Via {
		if i > 0 {
			b.WriteByte(',')
		}
		if i == maxChain {
			b.WriteString(" and so on")
			break
		}
		b.WriteString(" from " + v.String())
	}
	b.WriteByte(')')
	return b.String()
}

// Entry is one setting: what a line, an argument or a variable said. HasValue is false for a flag written without a value on the
// command line; "key" and "key =" in a file both give the value "".
type Entry struct {
	Key      string `json:"key"`
	Value    string `json:"value,omitempty"`
	HasValue bool   `json:"has_value,omitempty"`
	Pos      Pos    `json:"pos"`

	logic   bool // a line of the language itself (if, for, set, ini...): shown, never applied
	resolve bool // placeholders of the value are still to be expanded
	ignored bool // no option, and no placeholder that is used
}

// Severity ranks a Diagnostic.
type Severity uint8

// The severities, mildest first.
const (
	SeverityNote Severity = iota // accepted, and nothing more to do
	SeverityWarning
	SeverityError
)

// String gives the word printed before a diagnostic.
func (s Severity) String() string {
	switch s {
	case SeverityNote:
		return "note"
	case SeverityWarning:
		return "warning"
	default:
		return "error"
	}
}

// Diagnostic is one finding about the configuration: one line for a person.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Pos      Pos      `json:"pos"`
	Key      string   `json:"key,omitempty"`
	Value    string   `json:"value,omitempty"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // what to write instead
}

// maxShown is how many bytes of a value a diagnostic repeats.
const maxShown = 80

// Error gives the whole finding on one line: position, key and value, message, hint.
func (d Diagnostic) Error() string {
	var b strings.Builder
	if d.Pos.File != "" {
		b.WriteString(d.Pos.String() + d.Pos.chain() + ": ")
	}
	if d.Key != "" {
		b.WriteString(d.Key)
		if d.Value != "" {
			b.WriteString(" = " + shorten(d.Value))
		}
		b.WriteString(": ")
	}
	b.WriteString(d.Message)
	if d.Hint != "" {
		b.WriteString(" (" + d.Hint + ")")
	}
	return oneLine(b.String())
}

// String is Error under the name that printers look for.
func (d Diagnostic) String() string { return d.Error() }

// Diagnostics is the error of Load: every problem that was found, in the order of the settings.
type Diagnostics []Diagnostic

// Error joins the findings, one line each.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach each Diagnostic.
func (ds Diagnostics) Unwrap() []error {
	errs := make([]error, len(ds))
	for i, d := range ds {
		errs[i] = d
	}
	return errs
}

func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "..."
}

// oneLine keeps outside bytes from forging further lines in a log or a terminal.
func oneLine(s string) string {
	clean := func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}
	return strings.Map(clean, s)
}

// problem is an error of a reader or a binder, before it is known where it stands.
type problem struct{ message, hint string }

func (p *problem) Error() string { return p.message }

func bad(message, hint string) error { return &problem{message, hint} }

// maxFindings is how many findings of each severity are kept: a loop that runs wild has the same trouble tens of thousands of times.
const maxFindings = 500

// report collects findings while a configuration is loaded.
type report struct {
	errors, warnings, notes []Diagnostic
}

func (r *report) add(s Severity, e Entry, message, hint string) {
	d := Diagnostic{Severity: s, Pos: e.Pos, Key: e.Key, Value: e.shareable(), Message: message, Hint: hint}
	list := &r.errors
	switch s {
	case SeverityNote:
		list = &r.notes
	case SeverityWarning:
		list = &r.warnings
	}
	switch n := len(*list); {
	case n < maxFindings:
		*list = append(*list, d)
	case n == maxFindings:
		*list = append(*list, Diagnostic{Severity: s, Pos: e.Pos, Message: "and more, which are not shown"})
	}
}

// shareable is what a finding may repeat of the value. Findings go to logs that others read, and a variable may be a password.
func (e Entry) shareable() string {
	switch canonical(e.Key) {
	case "env":
		if name, _, assigns := strings.Cut(e.Value, "="); assigns {
			return name + "=..."
		}
	}
	return e.Value
}

// fail records err, which may be a *problem with a hint, at e.
func (r *report) fail(e Entry, err error) {
	hint := ""
	if p, ok := err.(*problem); ok {
		hint = p.hint
	}
	r.add(SeverityError, e, err.Error(), hint)
}

func (r *report) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	return Diagnostics(slices.Clone(r.errors))
}
