package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bigSite writes an ini file of 1,000 lines that includes 50 others, and gives its directory.
func bigSite(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	var main strings.Builder
	main.WriteString("[uwsgi]\nbase = /srv\n")
	for i := range 50 {
		name := fmt.Sprintf("part%02d.ini", i)
		fmt.Fprintf(&main, "include = %s/%s\n", dir, name)
		part := fmt.Sprintf("[uwsgi]\nroot%d = %%(base)/part%d\nenv = PART%d=%%(root%d)/x\n", i, i, i, i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(part), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range 948 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&main, "env = KEY%d=%%(base)/value%d\n", i, i)
		case 1:
			fmt.Fprintf(&main, "pythonpath = /srv/lib%d\n", i)
		case 2:
			fmt.Fprintf(&main, "; a comment, line %d\n", i)
		case 3:
			fmt.Fprintf(&main, "placeholder%d = $(HOME)/%d\n", i, i)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "main.ini"), []byte(main.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkLoad reads a file of 1,000 lines with 50 includes again and again; integration/bench compares a first read with uWSGI's.
func BenchmarkLoad(b *testing.B) {
	dir := bigSite(b)
	for b.Loop() {
		if _, err := Load(Options{Args: []string{"--ini", "main.ini"}, Dir: dir, Env: []string{"HOME=/root"}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTable is what --help and the like pay for all rows.
func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		if len(readTable().rows) < 1000 {
			b.Fatal("no table")
		}
	}
}
