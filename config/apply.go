package config

import (
	"strings"
)

// apply hands every setting to the field that it is bound to.
func (l *loader) apply() *Config {
	c := defaults()
	protocol := ""
	options := c.bind(&protocol)
	setters := make(map[string]setter, len(options))
	for _, o := range options {
		setters[o.name] = o.set
	}
	c.Process.change(l.early)
	var written Entry
	v := l.valueOf(&written) // one for all
	for i := range l.entries {
		if e := &l.entries[i]; !e.logic {
			written, v.Entry = *e, *e
			l.applyOne(e, setters, v)
		}
	}
	l.finishSockets(c, protocol)
	c.Jail.setTargets()
	c.Process.DieOnTerm = c.Process.DieOnTerm || c.Isolation.TermStops
	c.Entries, c.Files, c.Prints, c.Action = l.entries, l.files, append(l.prints, c.Sockets.notice()...), l.action
	if c.Action.Kind == ActionRun && c.Log.ShowConfig {
		c.Action.Kind = ActionShowConfig
	}
	return c
}

func (l *loader) applyOne(at *Entry, setters map[string]setter, v *value) {
	e := *at
	if !isOption(e.Key) {
		at.ignored = !l.used[e.Key] && !l.free[e.Key] && !l.isOwnVariable(e)
		l.unknown(e)
		return
	}
	name := canonical(e.Key)
	switch name {
	case "plugin", "need-plugin":
		l.checkPlugins(e, name == "need-plugin")
		return
	}
	if set, ok := setters[name]; ok {
		if err := set(v); err != nil {
			l.fail(e, err)
		}
		return
	}
	row, _ := rowOf(e.Key)
	l.notBound(e, row)
}

// notBound reports an option that no field holds.
func (l *loader) notBound(e Entry, row *Row) {
	if row.Status == StatusNoEffect {
		l.report.add(SeverityNote, e, "without effect: "+row.Reason, row.Instead)
		return
	}
	if row.Kind == "bool" && isFalse(e.Value) {
		l.report.add(SeverityNote, e, "without effect: it is off anyway", "")
		return
	}
	if row.Status == StatusRefused {
		instead := row.Instead
		if instead != "" {
			instead = "instead: " + instead
		}
		l.refuse(e, "refused: "+row.Reason, instead)
		return
	}
	hint := "--ignore-unsupported starts without it"
	if row.Instead != "" {
		hint = row.Instead + "; " + hint
	}
	l.refuse(e, "not supported yet: "+row.Name+" ("+e.Pos.String()+")", hint)
}

// refuse is an error, or a warning when the user said to go on without what cannot be had.
func (l *loader) refuse(e Entry, message, hint string) {
	s := SeverityError
	if l.lenient {
		s = SeverityWarning
		hint = "ignored, as ignore-unsupported says"
	}
	l.report.add(s, e, message, hint)
}

func isFalse(s string) bool {
	v := value{Entry: Entry{Value: s}, warn: func(string, string) {}}
	on, err := v.truth()
	return err == nil && !on
}

// unknown reports a key that no option has. A key that some value uses as a placeholder is what its author meant; a key that nothing uses
// is probably a slip.
func (l *loader) unknown(e Entry) {
	if l.free[e.Key] || l.isOwnVariable(e) {
		return
	}
	used := l.used[e.Key]
	if used && !l.strict {
		return
	}
	message, hint := "unknown option", ""
	if l.use.hints++; l.use.hints <= maxHints {
		hint = hintFor(e.Key)
	}
	if first, _, ok := strings.Cut(e.Key, " "); ok {
		if isOption(strings.TrimRight(first, ":")) {
			hint = "write " + strings.TrimRight(first, ":") + " = ..."
		}
	}
	if strings.HasPrefix(e.Key, "<<<<<<<") || strings.HasPrefix(e.Key, ">>>>>>>") || e.Key == "" && strings.HasPrefix(e.Value, "======") {
		message, hint = "a merge conflict was left in the file", "both sides are read"
	}
	e.Value = "" // whatever it is, it was not written for a log
	if word, _, ok := strings.Cut(e.Key, " "); ok && message == "unknown option" {
		e.Key = word + " ..."
	}
	if !l.strict {
		l.report.add(SeverityWarning, e, message+": ignored", hint)
		return
	}
	if used {
		hint = "with strict, write set-placeholder = " + e.Key + "=..."
	}
	l.report.add(SeverityError, e, message+", and strict is set", hint)
}

// isOwnVariable reports an UWSGI_ variable that the files use by its name: it was never meant as an option.
func (l *loader) isOwnVariable(e Entry) bool {
	if e.Pos.File != fromEnv {
		return false
	}
	name, _, _ := strings.Cut(l.o.Env[e.Pos.Line-1], "=")
	return l.usedEnv[name]
}
