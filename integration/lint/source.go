package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

const (
	maxFileLines   = 400
	maxFuncLines   = 60
	maxFields      = 25
	tableMarker    = "budget: table"
	uwsgiWords     = "// uWSGI's words" // a line of a log that tools look for
	markerHeadSize = 4096               // the marker of a file is looked for in this many bytes
)

type source struct {
	path, text string
	fset       *token.FileSet
	complaints []string
}

func (s *source) isTest() bool {
	return strings.HasSuffix(s.path, "_test.go") || strings.HasPrefix(s.path, "integration/")
}

func (s *source) within(dirs ...string) bool {
	for _, dir := range dirs {
		if strings.HasPrefix(s.path, dir+"/") {
			return true
		}
	}
	return false
}

func (s *source) complain(line int, format string, args ...any) {
	s.complaints = append(s.complaints, fmt.Sprintf("%s:%d: ", s.path, line)+fmt.Sprintf(format, args...))
}

func (s *source) check() []string {
	head := s.text[:min(len(s.text), markerHeadSize)]
	if n := strings.Count(s.text, "\n"); n > maxFileLines && !strings.Contains(head, tableMarker) {
		s.complain(1, "file has %d lines, more than %d", n, maxFileLines)
	}
	s.checkWords()
	if strings.HasSuffix(s.path, ".go") {
		s.checkGo()
	}
	return s.complaints
}

// checkWords keeps to one way of saying that something went wrong: "cannot <verb> <thing>: cause".
func (s *source) checkWords() {
	if s.within("integration/lint") {
		return // names the words
	}
	number := 0
	for line := range strings.Lines(s.text) {
		number++
		for _, words := range []string{"failed to", "unable to"} {
			if strings.Contains(strings.ToLower(line), words) && !strings.Contains(line, uwsgiWords) {
				s.complain(number, "says %q: write \"cannot <verb> <thing>: cause\"", words)
			}
		}
	}
}

func (s *source) checkGo() {
	s.fset = token.NewFileSet()
	file, err := parser.ParseFile(s.fset, s.path, s.text, parser.ParseComments)
	if err != nil {
		s.complain(1, "cannot parse: %v", err)
		return
	}
	if !s.isTest() {
		for _, spec := range file.Imports {
			if spec.Path.Value == `"os/exec"` {
				s.complain(s.line(spec.Pos()), "imports os/exec outside tests: its Wait competes with the one wait4 loop")
			}
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			s.checkFunc(d)
		case *ast.GenDecl:
			s.checkTypes(d)
		}
	}
	if s.within("master", "reload") && !s.isTest() {
		s.checkPanic(file)
	}
}

func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

func (s *source) checkFunc(d *ast.FuncDecl) {
	if d.Name.Name == "init" && d.Recv == nil && !s.within("cmd/gowsgi/inner") {
		s.complain(s.line(d.Pos()), "has an init function: nothing happens on import")
	}
	lines := s.line(d.End()) - s.line(d.Pos()) + 1
	if s.isTest() {
		lines -= s.tableLines(d)
	}
	if lines > maxFuncLines && !isTable(d.Doc) {
		s.complain(s.line(d.Pos()), "function %s has %d lines, more than %d", d.Name.Name, lines, maxFuncLines)
	}
}

// tableLines counts the lines of composite literals: in a test they are the table of its cases.
func (s *source) tableLines(d *ast.FuncDecl) int {
	lines := 0
	ast.Inspect(d, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if ok {
			lines += s.line(literal.End()) - s.line(literal.Pos())
		}
		return !ok
	})
	return lines
}

func (s *source) checkTypes(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		st, ok := t.Type.(*ast.StructType)
		if ok && st.Fields.NumFields() > maxFields && !isTable(d.Doc) && !isTable(t.Doc) {
			s.complain(s.line(t.Pos()), "struct %s has %d fields, more than %d", t.Name.Name, st.Fields.NumFields(), maxFields)
		}
	}
}

// checkPanic: a long-lived process logs its trouble or turns it into a verdict, it does not fall over.
func (s *source) checkPanic(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			if fun.Name == "panic" {
				s.complain(s.line(call.Pos()), "calls panic in long-lived code")
			}
		case *ast.SelectorExpr:
			if pkg, ok := fun.X.(*ast.Ident); ok && (pkg.Name+"."+fun.Sel.Name == "os.Exit") {
				s.complain(s.line(call.Pos()), "calls %s.%s: only cmd ends the process", pkg.Name, fun.Sel.Name)
			}
		}
		return true
	})
}

func isTable(doc *ast.CommentGroup) bool {
	return doc != nil && strings.Contains(doc.Text(), tableMarker)
}
