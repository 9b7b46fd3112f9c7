package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sitesDir = "testdata/sites"

// siteFiles lists the sites; they are modelled on what public deployments use.
func siteFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(sitesDir + "/*.ini")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d sites: %v", len(files), err)
	}
	return files
}

func loadSite(file string, more ...string) (*Config, error) {
	dir, _ := filepath.Abs(sitesDir)
	return Load(Options{Args: append([]string{"--ini", filepath.Base(file)}, more...), Dir: dir, CPUs: 2, Hostname: "box"})
}

// TestSites loads each site twice: as it is, where only options that are refused or not supported yet may stop it, and with
// ignore-unsupported, where nothing may but plugins of other languages. What comes of each is kept in sites.want.
func TestSites(t *testing.T) {
	var b strings.Builder
	clean := 0
	for _, file := range siteFiles(t) {
		_, err := loadSite(file)
		if all, ok := err.(Diagnostics); ok {
			for _, d := range all {
				if !strings.HasPrefix(d.Message, "not supported yet") && !strings.HasPrefix(d.Message, "refused") {
					t.Errorf("%s: %v", file, d)
				}
			}
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		} else {
			clean++
		}
		fmt.Fprintf(&b, "%s: ", filepath.Base(file))
		c, err := loadSite(file, "--ignore-unsupported")
		if err != nil {
			b.WriteString("refused\n")
			continue
		}
		warned := 0
		for _, w := range c.Warnings {
			if !strings.Contains(w.Hint, "ignore-unsupported") {
				warned++
			}
		}
		fmt.Fprintf(&b, "%d sockets, %d processes, %d threads, %d warnings, %d notes\n", len(c.Sockets.List), c.Process.Processes, c.Process.Threads,
			warned, len(c.Notes))
		if text := c.Check(); strings.Count(text, "\n") < len(c.Entries) {
			t.Errorf("%s: the check lists too little:\n%s", file, text)
		}
	}
	if clean < 20 {
		t.Errorf("only %d sites start unchanged", clean)
	}
	const wantFile = "testdata/sites.want"
	if *update {
		if err := os.WriteFile(wantFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(wantFile)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i < len(got) && got[i] != line {
			t.Errorf("got  %s\nwant %s", got[i], line)
		}
	}
	if n := strings.Count(string(want), "\n"); n != len(got)-1 {
		t.Errorf("%d sites, %s has %d", len(got)-1, wantFile, n)
	}
}
