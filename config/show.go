package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Show gives the resolved settings as uWSGI's --show-config does: an ini file of all of them, in order.
func (c *Config) Show() string {
	b := &strings.Builder{}
	fmt.Fprintln(b, ";uWSGI instance configuration\n[uwsgi]")
	for _, e := range c.Entries {
		fmt.Fprintln(b, e.Key+" = "+e.shown())
	}
	fmt.Fprintln(b, ";end of configuration")
	return b.String()
}

// shown is the value, or true for a flag of the command line.
func (e Entry) shown() string {
	if !e.HasValue {
		return "true"
	}
	return e.Value
}

// Check gives what becomes of each setting, for --check-config: status, place, value after expansion, and the reason if there is one.
// Warnings come first.
func (c *Config) Check() string {
	b := &strings.Builder{}
	for _, d := range c.Warnings {
		fmt.Fprintf(b, "warning: %s\n", d)
	}
	for _, e := range c.Entries {
		status, reason := StatusDone, ""
		row, known := table().byName[e.Key]
		switch {
		case e.logic:
		case e.ignored:
			status, reason = "ignored", "no such option, and no placeholder that is used"
		case !known:
			status = "placeholder"
		default:
			status, reason = row.Status, row.Reason
		}
		line := fmt.Sprintf("%-17s  %s: %s = %s", status, e.Pos, e.Key, shorten(e.shown()))
		if reason != "" {
			line += " (" + reason + ")"
		}
		fmt.Fprintln(b, oneLine(line))
	}
	return b.String()
}

// areaOrder is how help sorts the areas; others follow by name.
var areaOrder = []string{"sockets", "python", "process", "jail", "security", "reload", "protocol", "logging", "stats-metrics", "config-logic"}

// areas lists the areas that have rows for which keep is true, with these rows.
func areas(keep func(*Row) bool) (names []string, rows map[string][]*Row) {
	rows = map[string][]*Row{}
	for _, r := range table().byNameOrdered {
		if !keep(r) {
			continue
		}
		if rows[r.Area] == nil {
			names = append(names, r.Area)
		}
		rows[r.Area] = append(rows[r.Area], r)
	}
	rank := func(area string) int {
		if i := slices.Index(areaOrder, area); i >= 0 {
			return i
		}
		return len(areaOrder)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	return names, rows
}

// aliases gives the other names of the setting that r stands for.
func aliases(r *Row) []string {
	var names []string
	for _, o := range table().byNameOrdered {
		if o.Canonical == r.Canonical && o != r {
			names = append(names, o.Name)
		}
	}
	return names
}

// Help gives the options that are done, by area, each with its aliases.
func Help() string {
	b := &strings.Builder{}
	fmt.Fprintln(b, "Usage: gowsgi [options] [site.ini]")
	names, rows := areas(func(r *Row) bool { return r.Status == StatusDone && r.Name == r.firstName() })
	for _, area := range names {
		fmt.Fprintf(b, "\n%s\n", area)
		for _, r := range rows[area] {
			fmt.Fprintf(b, "  %s\n        %s\n", r.synopsis(), r.Help)
		}
	}
	fmt.Fprintf(b, "\nAll %d option names of uWSGI are known: --explain NAME tells what becomes of one.\n", len(table().byNameOrdered))
	return b.String()
}

// firstName is the name under which a setting is listed: the canonical one where it exists as an option.
func (r *Row) firstName() string {
	if _, ok := table().byName[r.Canonical]; ok {
		return r.Canonical
	}
	return r.Name
}

// synopsis is "-s, --socket VALUE (also --uwsgi-socket)".
func (r *Row) synopsis() string {
	var b strings.Builder
	if r.Short != "" && table().byShort[r.Short].Canonical == r.Canonical {
		b.WriteString("-" + r.Short + ", ")
	}
	b.WriteString("--" + r.Name)
	switch r.Arity {
	case ArityRequired:
		b.WriteString(" VALUE")
	case ArityOptional:
		b.WriteString("[=VALUE]")
	}
	if also := aliases(r); len(also) > 0 {
		b.WriteString(" (also --" + strings.Join(also, ", --") + ")")
	}
	return b.String()
}

// Explain gives all that is known of one option. The error says that there is no such option and names the nearest ones.
func Explain(name string) (string, error) {
	r, ok := table().byName[strings.TrimLeft(name, "-")]
	if !ok {
		return "", Diagnostic{Severity: SeverityError, Key: name, Message: "unknown option", Hint: hintFor(name)}
	}
	b := &strings.Builder{}
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(b, "%-10s %s\n", label, text)
		}
	}
	fmt.Fprintln(b, r.synopsis())
	line("does", r.Help)
	line("status", string(r.Status))
	line("reason", r.Reason)
	line("instead", r.Instead)
	line("value", r.Kind)
	line("area", r.Area)
	line("source", r.origin())
	line("implies", strings.Join(r.implied(), ", "))
	return b.String(), nil
}

func (r *Row) origin() string {
	name, branch, dev := strings.Cut(r.Source, "@")
	text := "uWSGI's core"
	switch name {
	case "gowsgi":
		return "gowsgi"
	case "core":
	default:
		text = "uWSGI's plugin " + name
	}
	if dev {
		text += ", only in " + branch
	}
	return text
}

// implied lists what the mere presence of the option turns on in uWSGI.
func (r *Row) implied() []string {
	var list []string
	for _, f := range r.Flags {
		if f != "IMMEDIATE" {
			list = append(list, strings.ToLower(f))
		}
	}
	return list
}
