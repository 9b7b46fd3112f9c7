package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// facts are what was found out about uWSGI's options by running it, each with the tests and golden cases that hold our answer to it.
// budget: table.
var facts = []struct {
	number int
	fact   string
	shown  string // names of tests and, with a slash, of golden cases
}{
	{1, "variables, then options from left to right, then positional words", "/several-files /command-line /positional TestEnvironmentVariables"},
	{2, "some options act while they are read, all others in the order of the list", "/include-order /diff-immediate"},
	{3, "then $(), @() and %() in this order", "/environment /content /placeholders"},
	{4, "the last word on a scalar counts, lists append, %(k) and --get give the first", "TestValues TestGet /diff-later"},
	{5, "a positional file is last wherever it stands", "TestCommandLine /positional"},
	{6, "positional file over option over variable", "TestCommandLine TestEnvironmentVariables"},
	{7, "include is read in place, inherit after everything", "/include-order /diff-inherit"},
	{8, "no expansion in inherited files", "/diff-inherit"},
	{9, "a required value is the next word whatever it is", "TestCommandLine"},
	{10, "short letters in clusters, never a long name after one dash", "TestCommandLine /command-line"},
	{11, "a flag takes no value on the command line", "/diff-cli-bool TestCommandLine"},
	{12, "an optional value is glued on", "/diff-chmod TestCommandLine"},
	{13, "arity matters on the command line only", "TestArityAgainstUWSGI TestValues"},
	{14, "some booleans need a word there", "TestArityAgainstUWSGI"},
	{15, "unique beginnings of names are accepted", "TestCommandLine /command-line"},
	{16, "case, dashes and underscores matter", "TestCommandLine"},
	{17, "an unknown option or a missing value ends the start", "TestCommandLine TestActions"},
	{18, "options stand anywhere, -- ends them", "TestCommandLine /positional"},
	{19, "options of plugins exist only after the plugin", "TestCommandLine TestUnsupported"},
	{20, "plugins come from a variable too", "TestEnvironmentVariables"},
	{21, "a positional word needs a known suffix", "TestCommandLine"},
	{22, "words that begin with a bracket are skipped, a missing file ends the start", "TestCommandLine"},
	{23, "--config reads by suffix", "TestCommandLine"},
	{24, "file:section and :section", "/asked-section /json-section TestCommandLine"},
	{25, "schemes", "TestSchemes TestStandardInput TestFetchURL"},
	{26, "help, version and exit act at once", "TestActions"},
	{27, "a short letter belongs to the first row that has it", "TestTableAgainstHelp TestReferenceCommandLine"},
	{28, "a line is cut at the first = and trimmed, and nothing else", "/lines"},
	{29, "comments are whole lines", "/lines /stray-words"},
	{30, "section headers", "/diff-header /diff-bom /crlf /sections"},
	{31, "a missing section is a warning", "/missing-section /diff-no-header"},
	{32, "percent letters are replaced in the raw text", "/magic /diff-percent"},
	{33, "which letters there are", "/magic TestMagicOfTheMachine"},
	{34, "capital letters name the first file", "/diff-first-file"},
	{35, "letters are for files, placeholders for the command line too", "TestValues /command-line"},
	{36, "what is not defined stays, sums go from left to right", "/sums /environment /diff-div-zero /placeholders"},
	{37, "options that act at once are not expanded", "/diff-immediate"},
	{38, "which act at once", "TestEveryOptionIsAccountedFor TestTableAgainstHelp"},
	{39, "YAML, JSON and XML values", "/yaml /json /xml /diff-yaml-null /diff-xml-blanks TestFormats"},
	{40, "what is false", "TestValues"},
	{41, "master = false stands against what implies it", "TestValues"},
	{42, "options that imply others", "TestPrintedForms TestValues"},
	{43, "a plugin that is loaded late loses what its options imply", "TestUnsupported"},
	{44, "numbers", "TestValues"},
	{45, "numbers of processes", "TestValues"},
	{46, "large numbers", "TestValues"},
	{47, "megabytes", "TestMegabytes"},
	{48, "umask", "TestValues"},
	{49, "chmod-socket", "TestValues /diff-chmod"},
	{50, "date formats keep their percent letters", "/diff-percent"},
	{51, "kinds of namespaces and names of capabilities", "TestIsolationWords"},
	{52, "key=value kinds", "TestValues /set"},
	{53, "there is no enable-anything", "TestUnknownKeys"},
	{54, "unknown keys are placeholders, with strict errors", "TestUnknownKeys TestOwnVariables"},
	{55, "variables as options", "TestEnvironmentVariables /environment"},
	{56, "set and set-placeholder", "/set TestCommandLine"},
	{57, "plugin and need-plugin", "TestUnsupported"},
	{58, "blocks reach until something closes them", "/diff-unclosed /diff-nested /diff-nested-if /loops /diff-loop"},
	{59, "else, repeated lines, conditions", "/diff-else /diff-for-list /conditions /diff-if-once /condition-includes"},
	{60, "lists of allowed keys, declared options", "/listfilter /diff-declare"},
	{61, "names of later versions", "TestEveryOptionIsAccountedFor"},
	{62, "what changed in the development branch", "TestEveryOptionIsAccountedFor"},
}

// TestFactsAreShown keeps the list above true: no number is missing, and what is named exists.
func TestFactsAreShown(t *testing.T) {
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "../cmd/gowsgi/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	for i, f := range facts {
		if f.number != i+1 || f.shown == "" {
			t.Errorf("fact %d stands at %d", f.number, i+1)
		}
		for _, name := range strings.Fields(f.shown) {
			if golden, ok := strings.CutPrefix(name, "/"); ok {
				if _, err := os.Stat(filepath.Join(goldenDir, golden, "want")); err != nil {
					t.Errorf("fact %d: %v", f.number, err)
				}
			} else if !regexp.MustCompile(`(?m)^func ` + name + `\(`).MatchString(code.String()) {
				t.Errorf("fact %d: there is no %s", f.number, name)
			}
		}
	}
	if len(facts) != 62 {
		t.Errorf("%d facts", len(facts))
	}
}

// TestMegabytes: limits of memory are in megabytes; uWSGI reads 2G as 2 and ends at once.
func TestMegabytes(t *testing.T) {
	for _, r := range []struct {
		value string
		want  int64
		err   string
	}{
		{"512", 512 << 20, ""},
		{"300 # MB", 300 << 20, ""},
		{"2G", 2 << 30, ""},
		{"512M", 512 << 20, ""},
		{"abc", 0, "not a whole number"},
		{"-1", 0, "out of range"},
		{"", 0, "a number is expected"},
	} {
		c, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\nreload-on-rss = " + r.value + "\n"}, "--ini", "a.ini")
		switch {
		case r.err != "":
			if err == nil || !strings.Contains(err.Error(), r.err) {
				t.Errorf("%q: %v, want %q", r.value, err, r.err)
			}
		case err != nil:
			t.Errorf("%q: %v", r.value, err)
		case c.Life.ReloadOnRSS != r.want:
			t.Errorf("%q: %d, want %d", r.value, c.Life.ReloadOnRSS, r.want)
		}
	}
}

// TestIsolationWords: an unknown namespace ends the start as in uWSGI. Names of capabilities are known to the jail alone.
func TestIsolationWords(t *testing.T) {
	for line, want := range map[string]string{
		"unshare = files,ipc,net,pid,fs,uts,user": "", "unshare = ns": "", "unshare = mnt,cgroup,time": "", "unshare = moon": "moon",
		"cap = setuid,net_bind_service": "", "cap = 21": "", "cap =": "cap",
	} {
		_, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + line + "\n"}, "--ini", "a.ini")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want an error with %q", line, err, want)
		}
	}
}
