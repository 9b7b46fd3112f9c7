package config

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A golden case is a directory: main.ini (or others) with what it includes, "args" (default --ini main.ini), "env", "want" (our list of
// settings, or the errors) and, only where the real uWSGI says something else, "uwsgi": a first line "; reason", which stands as a
// heading in docs/differences-config.md, and then what it says.
const goldenDir = "testdata/golden"

const differencesPage = "../docs/differences-config.md"

// goldenCases lists the cases; an empty corpus is an error.
func goldenCases(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d golden cases", len(names))
	}
	return names
}

// goldenInput copies a case to a fresh directory and gives its arguments and variables.
func goldenInput(t *testing.T, name string) (dir string, args, env []string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(goldenDir, name))); err != nil {
		t.Fatal(err)
	}
	args = []string{"--ini", "main.ini"}
	if data, err := os.ReadFile(filepath.Join(dir, "args")); err == nil {
		args = strings.Fields(string(data))
	}
	if data, err := os.ReadFile(filepath.Join(dir, "env")); err == nil {
		env = strings.Split(strings.TrimSpace(string(data)), "\n")
	}
	return dir, args, env
}

// normal takes the machine out of a list of settings: the directory, the host, the number of processors, the user.
func normal(text, dir string) string {
	host, _ := os.Hostname()
	text = strings.ReplaceAll(text, dir, "{dir}")
	text = strings.ReplaceAll(text, filepath.Base(dir), "{base}")
	text = strings.ReplaceAll(text, "2.0.21-debian", "2.0.21")
	var lines []string
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case line == "no-server = true", line == "show-config = true":
			continue
		case line == "h = "+host:
			line = "h = {host}"
		case strings.HasPrefix(line, "k = "):
			line = "k = {cpus}"
		case strings.HasPrefix(line, "hash = "):
			line = "hash = {hash}"
		case strings.HasPrefix(line, "uid = "), strings.HasPrefix(line, "user = "), strings.HasPrefix(line, "parts = "):
			line = strings.SplitN(line, "=", 2)[0] + "= {user}"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// settings cuts the list out of what --show-config printed; ok is false when there is none, because the program refused.
func settings(out string) (string, bool) {
	_, out, ok := strings.Cut(out, "\n[uwsgi]\n")
	list, _, ended := strings.Cut(out, ";end of configuration")
	return list, ok && ended
}

func TestGolden(t *testing.T) {
	for _, name := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			dir, args, env := goldenInput(t, name)
			c, err := Load(Options{Args: args, Env: env, Dir: dir, CPUs: 2, Start: 1e12, Binary: "/bin/gowsgi"})
			var got string
			var refused Diagnostics
			switch {
			case err == nil:
				got, _ = settings("\n" + c.Show())
			case errors.As(err, &refused):
				got = "refused\n" + err.Error()
			default:
				t.Fatal(err)
			}
			got = normal(got, dir)
			file := filepath.Join(goldenDir, name, "want")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// TestGoldenAgainstUWSGI runs the same cases through the real uWSGI.
func TestGoldenAgainstUWSGI(t *testing.T) {
	path, err := exec.LookPath("uwsgi")
	if err != nil {
		t.Skip("uwsgi is not installed")
	}
	page, err := os.ReadFile(differencesPage)
	if err != nil {
		t.Fatal(err)
	}
	explained := 0
	for _, name := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			got := realSettings(t, path, name)
			wantFile, differs := "want", false
			reason := ""
			expected, err := os.ReadFile(filepath.Join(goldenDir, name, "uwsgi"))
			if err == nil {
				var first []byte
				first, expected, _ = bytes.Cut(expected, []byte("\n"))
				reason, differs, wantFile = strings.TrimPrefix(string(first), "; "), true, "uwsgi"
				explained++
			} else if expected, err = os.ReadFile(filepath.Join(goldenDir, name, wantFile)); err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(expected, []byte("refused\n")) {
				expected = []byte("refused\n") // the words of the refusal are ours
			}
			if got != string(expected) {
				t.Errorf("uwsgi says\n%s%s has\n%s", got, wantFile, expected)
			}
			if differs && !strings.Contains(string(page), "\n## "+reason+"\n") {
				t.Errorf("the difference %q is no heading in %s", reason, differencesPage)
			}
		})
	}
	if explained == 0 {
		t.Error("no case with a difference was seen")
	}
}

// realSettings is what uwsgi --show-config prints for a case, or "refused". To record a difference, run one case with its reason in
// GOWSGI_GOLDEN_REASON.
func realSettings(t *testing.T, path, name string) string {
	t.Helper()
	dir, args, env := goldenInput(t, name)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(slices.Clone(args), "--show-config", "--no-server")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, _ := cmd.CombinedOutput() // what follows the list may well end in an error: nothing is there to serve
	list, ok := settings(string(out))
	if !ok {
		list = "refused"
	}
	if reason := os.Getenv("GOWSGI_GOLDEN_REASON"); reason != "" {
		text := "; " + reason + "\n" + normal(list, dir)
		if err := os.WriteFile(filepath.Join(goldenDir, name, "uwsgi"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return normal(list, dir)
}
