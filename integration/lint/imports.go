package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// rule is one line of the import table: what the named packages may import of ours.
type rule struct {
	packages []string
	allowed  []string
	all      bool
}

var inBackquotes = regexp.MustCompile("`([a-z]+(?:/[a-z]+)*)`")

// readTable finds the table under "Packages and who may import whom". A row reads | `a` (what), `b` | `c`, `d` |; "all" and "none" are words.
func readTable(path string) ([]rule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the import table: %v", err)
	}
	_, after, found := strings.Cut(string(text), "| package | may import of ours |")
	if !found {
		return nil, fmt.Errorf("cannot find the import table in %s", path)
	}
	var rules []rule
	for line := range strings.Lines(strings.TrimSpace(after)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 {
			break
		}
		left, right := names(cells[1]), names(cells[2])
		if len(left) == 0 {
			continue // the line below the heading
		}
		rules = append(rules, rule{packages: left, allowed: right, all: strings.TrimSpace(cells[2]) == "all"})
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("the import table in %s has no row", path)
	}
	return rules, nil
}

// names returns the names in backquotes before any bracket closes them off: prose in brackets may name packages too.
func names(cell string) []string {
	cell = regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(cell, "")
	var out []string
	for _, m := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// checkImports compares the table with what `go list` says, tests excepted. A package below integration belongs to integration.
func checkImports(path string) ([]string, error) {
	rules, err := readTable(path)
	if err != nil {
		return nil, err
	}
	packages, module, err := listPackages()
	if err != nil {
		return nil, err
	}
	var complaints []string
	for _, p := range packages {
		name := area(strings.TrimPrefix(p.ImportPath, module+"/"))
		i := slices.IndexFunc(rules, func(r rule) bool { return slices.Contains(r.packages, name) })
		if i < 0 {
			complaints = append(complaints, fmt.Sprintf("%s: package %s has no row in the import table", path, name))
			continue
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, module+"/")
			other = area(other)
			if !ours || other == name || rules[i].all || slices.Contains(rules[i].packages, other) || slices.Contains(rules[i].allowed, other) {
				continue
			}
			complaints = append(complaints, fmt.Sprintf("%s: package %s imports %s, which the table does not allow", path, name, other))
		}
	}
	return complaints, nil
}

func area(name string) string {
	if strings.HasPrefix(name, "integration/") {
		return "integration"
	}
	return name
}

type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Path string }
}

func listPackages() ([]listed, string, error) {
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Module", "./...").Output()
	if err != nil {
		return nil, "", fmt.Errorf("cannot list the packages: %v", err)
	}
	var packages []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("cannot read go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		return nil, "", fmt.Errorf("go list names no package")
	}
	return packages, packages[0].Module.Path, nil
}
