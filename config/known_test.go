package config

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uwsgiHelp asks the real uWSGI for its options; the test is skipped when it is not installed.
func uwsgiHelp(t *testing.T, args ...string) map[string]string {
	t.Helper()
	path, err := exec.LookPath("uwsgi")
	if err != nil {
		t.Skip("uwsgi is not installed")
	}
	out, err := exec.Command(path, append(args, "--help")...).Output()
	if err != nil {
		t.Fatalf("run uwsgi --help: %v", err)
	}
	names := map[string]string{}
	row := regexp.MustCompile(`^    (?:-(.)\|)?--([^ ]+)`)
	for _, line := range strings.Split(string(out), "\n") {
		if m := row.FindStringSubmatch(line); m != nil {
			if _, twice := names[m[2]]; !twice {
				names[m[2]] = m[1]
			}
		}
	}
	return names
}

// TestTableAgainstHelp compares the table with its second source: names both ways, and short names.
func TestTableAgainstHelp(t *testing.T) {
	real := uwsgiHelp(t, "--plugin", "python3")
	if len(real) < 800 {
		t.Fatalf("only %d options in uwsgi --help", len(real))
	}
	for name, short := range real {
		r, ok := Lookup(name)
		if !ok {
			t.Errorf("--%s is not in the table", name)
		} else if r.Short != short {
			t.Errorf("--%s: short name %q, uwsgi has %q", name, r.Short, short)
		}
	}
	missing := 0
	for _, r := range Rows() {
		if _, ok := real[r.Name]; !ok && (r.Source == "core" || r.Source == "python") {
			missing++
			// What this build leaves out: other systems, and libraries it was built without.
			if !slices.Contains(notInThisBuild, r.Canonical) {
				t.Errorf("%s is in the table as uWSGI %s, but not in uwsgi --help", r.Name, r.Source)
			}
		}
	}
	if missing > 20 {
		t.Errorf("%d names of the table are unknown to uwsgi", missing)
	}
}

var notInThisBuild = []string{"jail", "jail-ip4", "jail-ip6", "jidfile", "jail2", "jail-attach", "ssl-sessions-use-cache", "ssl-sessions-timeout"}

// TestArityAgainstUWSGI asks getopt itself about a sample: which of the words after --name it complains of tells whether --name took one.
func TestArityAgainstUWSGI(t *testing.T) {
	real := uwsgiHelp(t)
	if testing.Short() {
		t.Skip("starts uwsgi for each option")
	}
	path, _ := exec.LookPath("uwsgi")
	dir := t.TempDir()
	checked := 0
	for i, r := range Rows() {
		_, here := real[r.Name]
		// IMMEDIATE options act while the command line is read: they build plugins, lock files, change the user.
		if !here || slices.Contains(r.Flags, "IMMEDIATE") || (i%10 != 0 && r.Status != StatusDone) {
			continue
		}
		checked++
		got := ArityOptional
		switch {
		case !strings.Contains(complaint(dir, path, "--"+r.Name, "--no-such-one", "--no-such-two"), "'--no-such-one'"):
			got = ArityRequired
		case strings.Contains(complaint(dir, path, "--"+r.Name+"=v", "--no-such-one"), "doesn't allow an argument"):
			got = ArityNone
		}
		if got != r.Arity {
			t.Errorf("--%s: arity %s, uwsgi has %s", r.Name, r.Arity, got)
		}
	}
	if checked < 100 {
		t.Errorf("only %d options checked", checked)
	}
}

// complaint is what uwsgi says to arguments that it must refuse.
func complaint(dir, path string, args ...string) string {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func TestEveryOptionIsAccountedFor(t *testing.T) {
	bound := map[string]bool{}
	for _, o := range new(Config).options() {
		if bound[o.name] {
			t.Errorf("%s is bound twice", o.name)
		}
		bound[o.name] = true
	}
	for _, l := range languageHelp {
		if bound[l[0]] {
			t.Errorf("%s is bound and a word of the language", l[0])
		}
		bound[l[0]] = true
	}
	canonicals := map[string]bool{}
	for _, r := range Rows() {
		canonicals[r.Canonical] = true
		switch r.Status {
		case StatusDone:
			if r.Help == "" {
				t.Errorf("%s is done but has no help", r.Name)
			}
		case StatusNoEffect, StatusRefused:
			if r.Reason == "" {
				t.Errorf("%s is %q without a reason", r.Name, r.Status)
			}
		case StatusUnsupported:
		default:
			t.Errorf("%s has the unknown status %q", r.Name, r.Status)
		}
		if !slices.Contains([]Arity{ArityNone, ArityRequired, ArityOptional}, r.Arity) {
			t.Errorf("%s has the unknown arity %q", r.Name, r.Arity)
		}
	}
	for name := range bound {
		if !canonicals[name] {
			t.Errorf("%s is bound, but no option of the table stands for it", name)
		}
	}
	for name := range decisions() {
		if !strings.Contains(name, ":") && !canonicals[name] {
			t.Errorf("decision on %s, which is no canonical name", name)
		}
		if bound[name] {
			t.Errorf("decision on %s, which is done", name)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{"vaccum": "vacuum", "procesess": "processes", "lazy_apps": "lazy-apps", "chmod-sock": "chmod-socket",
		"socekt": "socket", "Master": "master", "harakri": "harakiri", "user": "uid", "process": "processes"} {
		if hint := hintFor(name); !strings.Contains(hint, want) {
			t.Errorf("%s: hint %q does not name %s", name, hint, want)
		}
	}
	if near := Nearest("zzzzzzzzzz"); len(near) > 0 {
		t.Errorf("nonsense is near %v", near)
	}
}

func TestPrintedForms(t *testing.T) {
	if help := Help(); !strings.Contains(help, "-p, --processes VALUE (also --workers)") || !strings.Contains(help, "--reload-overlap") {
		t.Errorf("help lacks options:\n%s", help)
	}
	for name, want := range map[string]string{"--chdir": "done", "thunder-lock": "no effect", "rack": "refused", "emperor": "not supported yet"} {
		text, err := Explain(name)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("explain %s: %v\n%s", name, err, text)
		}
	}
	if _, err := Explain("vaccum"); err == nil || !strings.Contains(err.Error(), "vacuum") {
		t.Errorf("explain of an unknown name: %v", err)
	}
}

// TestCompletion lets each shell read its script, where the shell is installed.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := Completion(shell)
		if err != nil || !strings.Contains(script, "reload-overlap") {
			t.Errorf("%s: %v", shell, err)
		}
		path, err := exec.LookPath(shell)
		if err != nil && shell == "zsh" {
			path, err = exec.LookPath("bash") // reads the same syntax, as far as the script goes
		}
		if err != nil {
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s cannot read its script: %v\n%s", shell, err, out)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	script, _ := Completion("bash")
	out, err := exec.Command(bash, "-c", script+`COMP_WORDS=(gowsgi --procname-pre); COMP_CWORD=1; _gowsgi; echo "${COMPREPLY[@]}"`).CombinedOutput()
	if err != nil || string(out) != "--procname-prefix --procname-prefix-spaced\n" {
		t.Errorf("bash completes %q, %v", out, err)
	}
	if _, err := Completion("tcsh"); err == nil {
		t.Error("completion for an unknown shell")
	}
}
