// Package pairs compares a machine with a table that has a row for each pair of a state and an event. States and events are taken from the
// source, so that a new one without its rows fails the test.
package pairs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// Receivers lists the types of the package in dir that have the method.
func Receivers(t *testing.T, dir, method string) []string {
	t.Helper()
	var names []string
	each(t, dir, func(d ast.Decl) {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != method || f.Recv == nil {
			return
		}
		if id, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
			names = append(names, id.Name)
		}
	})
	return some(t, names, "types with the method "+method)
}

// Constants lists the constants of a type of the package in dir, those of an iota list too.
func Constants(t *testing.T, dir, typ string) []string {
	t.Helper()
	var names []string
	each(t, dir, func(d ast.Decl) {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			return
		}
		last := ""
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); ok {
				last = id.Name
			} else if len(v.Values) > 0 {
				last = ""
			}
			if last == typ {
				for _, name := range v.Names {
					names = append(names, name.Name)
				}
			}
		}
	})
	return some(t, names, "constants of the type "+typ)
}

func some(t *testing.T, names []string, what string) []string {
	t.Helper()
	if len(names) == 0 {
		t.Fatalf("the source has no %s", what)
	}
	return names
}

func each(t *testing.T, dir string, do func(ast.Decl)) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			do(d)
		}
	}
}

// Named fails for each name that no state or event has; one is named by its first word.
func Named(t *testing.T, what string, names, have []string) {
	t.Helper()
	for _, name := range names {
		if !slices.ContainsFunc(have, func(h string) bool { return name == strings.Fields(h)[0] }) {
			t.Errorf("%s %s is in no pair", what, name)
		}
	}
}

// Check compares what comes of each pair with the rows of the file, which are
//
//	event | outcome | states...
//
// Each pair has one row, and each row its pairs. "@name = states..." names a set, which rows add (@name) or, after others, take away
// (!state, !@name).
func Check(t *testing.T, file string, states, events []string, outcome func(state, event string) string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, sets := map[[2]string]string{}, map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, members, ok := strings.Cut(line, "="); ok && strings.HasPrefix(line, "@") {
			sets[strings.TrimSpace(name)] = members
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) != 3 {
			t.Fatalf("%s:%d: %q is not event | outcome | states", file, i+1, line)
		}
		event := strings.TrimSpace(cells[0])
		for _, state := range members(cells[2], sets) {
			if _, twice := rows[[2]string{state, event}]; twice {
				t.Errorf("%s:%d: %s in %s has a row already", file, i+1, event, state)
			}
			if !slices.Contains(states, state) || !slices.Contains(events, event) {
				t.Errorf("%s:%d: no such pair: %s in %s", file, i+1, event, state)
			}
			rows[[2]string{state, event}] = strings.TrimSpace(cells[1])
		}
	}
	wrong := &strings.Builder{}
	for _, event := range events {
		compare(wrong, rows, states, event, outcome)
	}
	if wrong.Len() > 0 {
		t.Errorf("%s: these pairs come out otherwise than their rows say, or have none:\n%s", file, wrong)
	}
}

// members are the states that a row names.
func members(text string, sets map[string]string) []string {
	var all []string
	for _, word := range strings.Fields(text) {
		name, less := strings.CutPrefix(word, "!")
		named := []string{name}
		if strings.HasPrefix(name, "@") {
			named = members(sets[name], sets)
		}
		if !less {
			all = append(all, named...)
			continue
		}
		all = slices.DeleteFunc(all, func(s string) bool { return slices.Contains(named, s) })
	}
	return all
}

// compare writes down the pairs of an event that are not as their rows say, those with the same outcome together.
func compare(wrong *strings.Builder, rows map[[2]string]string, states []string, event string, outcome func(state, event string) string) {
	var order []string
	same := map[string][]string{}
	for _, state := range states {
		want, there := rows[[2]string{state, event}]
		got := outcome(state, event)
		if there && got == want {
			continue
		}
		if same[got] == nil {
			order = append(order, got)
		}
		same[got] = append(same[got], state)
	}
	for _, got := range order {
		fmt.Fprintf(wrong, "%s | %s | %s\n", event, got, strings.Join(same[got], " "))
	}
}
