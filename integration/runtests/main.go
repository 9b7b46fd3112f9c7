// Command runtests runs every Go test of the module and sums them up.
//
// It runs three groups one after the other: the packages that can bear the race detector with it (when a C compiler is there, because the
// race detector needs cgo), the packages of -norace without cgo, and the integration tests, which see the built binary only. Output of
// tests that pass is swallowed. For root a skipped test is a failure: root is how CI runs, and a test that skips there shows nothing. One kind
// of skip is none: a test that is the other half of a test which re-executes the test binary says "run ... by TestName", and when TestName
// passed it was run.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

type testID struct{ pkg, name string }

// summary is what all groups together did. A test with subtests is counted through its subtests.
type summary struct {
	passed, failed, skipped []testID
	broken                  []string // packages that failed outside any test: build errors, timeouts, crashes
	output                  map[testID][]string
	parents                 map[testID]bool
}

func main() {
	norace := flag.String("norace", "", "package patterns that must run without cgo, separated by spaces")
	only := flag.String("run", "", "as go test -run")
	flag.Parse()
	ok, err := run(strings.Fields(*norace), *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runtests:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(norace []string, only string) (bool, error) {
	groups, err := split(norace)
	if err != nil {
		return false, err
	}
	s := &summary{output: map[testID][]string{}, parents: map[testID]bool{}}
	began := time.Now()
	for _, g := range groups {
		if len(g.packages) == 0 {
			continue
		}
		if err := s.runGroup(g, only); err != nil {
			return false, err
		}
	}
	return s.report(os.Stdout, time.Since(began)), nil
}

type group struct {
	name     string
	packages []string
	flags    []string
	cgo      string
}

// split sorts the packages of the module into the three groups.
func split(norace []string) ([]group, error) {
	all, err := list("./...")
	if err != nil {
		return nil, err
	}
	var without []string
	for _, pattern := range norace {
		found, err := list(pattern)
		if err != nil {
			return nil, err
		}
		without = append(without, found...)
	}
	race := group{name: "with the race detector", flags: []string{"-race"}, cgo: "1"}
	if _, err := exec.LookPath("gcc"); err != nil {
		race = group{name: "without the race detector (no gcc)", cgo: "0"}
	}
	plain := group{name: "without cgo", cgo: "0"}
	black := group{name: "integration", cgo: "0", flags: []string{"-p=1", "-timeout=17m"}}
	for _, pkg := range all {
		switch {
		case strings.Contains(pkg+"/", "/integration/"):
			black.packages = append(black.packages, pkg)
		case slices.Contains(without, pkg):
			plain.packages = append(plain.packages, pkg)
		default:
			race.packages = append(race.packages, pkg)
		}
	}
	return []group{race, plain, black}, nil
}

func list(pattern string) ([]string, error) {
	cmd := exec.Command("go", "list", "-e", pattern)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %v", pattern, err)
	}
	return strings.Fields(string(out)), nil
}

func (s *summary) runGroup(g group, only string) error {
	fmt.Printf("== %s: %d packages\n", g.name, len(g.packages))
	args := append([]string{"test", "-json", "-count=1"}, g.flags...) // a cached pass is of another machine state
	if only != "" {
		args = append(args, "-run", only)
	}
	cmd := exec.Command("go", append(args, g.packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+g.cgo)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run go test: %v", err)
	}
	s.read(out)
	if err := cmd.Wait(); err != nil && len(s.failed) == 0 && len(s.broken) == 0 {
		s.broken = append(s.broken, fmt.Sprintf("go test (%s): %v", g.name, err))
	}
	return nil
}

func (s *summary) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil {
				s.add(e)
			} else {
				fmt.Print(line)
			}
		}
		if err != nil {
			return
		}
	}
}

func (s *summary) add(e event) {
	id := testID{e.Package, e.Test}
	if e.Test == "" {
		s.addPackage(e, id)
		return
	}
	if cut := strings.LastIndex(e.Test, "/"); cut > 0 {
		s.parents[testID{e.Package, e.Test[:cut]}] = true
	}
	switch e.Action {
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "pass":
		if !s.parents[id] {
			s.passed = append(s.passed, id)
		}
		delete(s.output, id)
	case "skip":
		s.skipped = append(s.skipped, id)
	case "fail":
		s.failed = append(s.failed, id)
		fmt.Printf("--- FAIL: %s %s (%.1fs)\n%s", e.Package, e.Test, e.Elapsed, strings.Join(s.output[id], ""))
	}
}

func (s *summary) addPackage(e event, id testID) {
	switch e.Action {
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "build-output":
		fmt.Print(e.Output)
	case "pass", "skip":
		if e.Action == "pass" {
			fmt.Printf("ok   %-32s %6.1fs\n", e.Package, e.Elapsed)
		}
	case "fail":
		fmt.Printf("FAIL %-32s %6.1fs\n", e.Package, e.Elapsed)
		if !slices.ContainsFunc(s.failed, func(f testID) bool { return f.pkg == e.Package }) {
			s.broken = append(s.broken, e.Package)
			fmt.Print(strings.Join(s.output[id], ""))
		}
	}
}

// report prints the lists and the closing line, and tells whether all is well.
func (s *summary) report(w io.Writer, took time.Duration) bool {
	root := os.Geteuid() == 0
	s.dropHalves()
	for _, id := range s.failed {
		fmt.Fprintf(w, "failed:  %s %s\n", id.pkg, id.name)
	}
	for _, what := range s.broken {
		fmt.Fprintf(w, "broken:  %s\n", what)
	}
	for _, id := range s.skipped {
		reason := strings.Join(s.output[id], "")
		fmt.Fprintf(w, "skipped: %s %s: %s\n", id.pkg, id.name, skipReason(reason))
	}
	if root && len(s.skipped) > 0 {
		fmt.Fprintln(w, "A test that is skipped as root is a failure: nothing was shown.")
	}
	if len(s.passed) == 0 {
		fmt.Fprintln(w, "No test passed.")
	}
	fmt.Fprintf(w, "took %s\n", took.Round(time.Second))
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", len(s.passed), len(s.failed)+len(s.broken), len(s.skipped))
	return len(s.failed)+len(s.broken) == 0 && len(s.passed) > 0 && (!root || len(s.skipped) == 0)
}

var runBy = regexp.MustCompile(`\bby (Test\w+)`)

// dropHalves takes the skips off the list whose test was run by another one that passed.
func (s *summary) dropHalves() {
	s.skipped = slices.DeleteFunc(s.skipped, func(id testID) bool {
		m := runBy.FindStringSubmatch(skipReason(strings.Join(s.output[id], "")))
		if m == nil {
			return false
		}
		runner := testID{id.pkg, m[1]}
		failed := slices.ContainsFunc(s.failed, func(f testID) bool { return f == runner })
		return !failed && (slices.Contains(s.passed, runner) || s.parents[runner])
	})
}

// skipReason finds the line t.Skip wrote in a test's output.
func skipReason(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return line
		}
	}
	return "no reason given"
}
