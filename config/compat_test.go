package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/compatibility.md and the golden files anew")

const compatibilityPage = "../docs/compatibility.md"

// TestCompatibilityPage keeps docs/compatibility.md equal to the rows: go test ./config -run Compatibility -update writes it.
func TestCompatibilityPage(t *testing.T) {
	want := compatibility()
	if *update {
		if err := os.WriteFile(compatibilityPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the rows say: run go test ./config -run Compatibility -update", compatibilityPage)
	}
}

// compatibility renders the page from the rows.
func compatibility() string {
	var b strings.Builder
	count := map[Status]int{}
	for _, r := range table().byNameOrdered {
		count[r.Status]++
	}
	fmt.Fprintf(&b, "# What becomes of each uWSGI option\n\nGenerated from the option rows (`go test ./config -run Compatibility -update`); `gowsgi --explain NAME` says the same.\n\n"+
		"Of %d names, %d are done, %d are accepted without effect, %d are refused and %d are not supported yet. An option that is refused or not\n"+
		"supported yet ends the start with one line that names file, line and what to write instead; `ignore-unsupported = true` starts without it.\n",
		len(table().byNameOrdered), count[StatusDone], count[StatusNoEffect], count[StatusRefused], count[StatusUnsupported])
	titles := []struct {
		status Status
		title  string
	}{{StatusDone, "Done"}, {StatusNoEffect, "Accepted without effect"}, {StatusUnsupported, "Not supported yet"}, {StatusRefused, "Refused"}}
	for _, s := range titles {
		fmt.Fprintf(&b, "\n## %s\n", s.title)
		names, rows := areas(func(r *Row) bool { return r.Status == s.status && r.Name == r.firstName() })
		for _, area := range names {
			fmt.Fprintf(&b, "\n### %s\n\n", area)
			if s.status == StatusUnsupported {
				plainRows(&b, rows[area])
				continue
			}
			for _, r := range rows[area] {
				fmt.Fprintf(&b, "- %s: %s\n", optionNames(r), sentence(r))
			}
		}
	}
	return b.String()
}

// plainRows lists options of which there is nothing to say but perhaps what to use meanwhile.
func plainRows(b *strings.Builder, rows []*Row) {
	var names []string
	for _, r := range rows {
		if r.Instead != "" {
			fmt.Fprintf(b, "- %s: until then %s\n", optionNames(r), r.Instead)
			continue
		}
		names = append(names, optionNames(r))
	}
	if len(names) > 0 {
		fmt.Fprintf(b, "- %s\n", strings.Join(names, ", "))
	}
}

func optionNames(r *Row) string {
	text := "`" + r.Name + "`"
	if also := aliases(r); len(also) > 0 {
		text += " (`" + strings.Join(also, "`, `") + "`)"
	}
	return text
}

func sentence(r *Row) string {
	if r.Status == StatusDone {
		return r.Help
	}
	if r.Instead != "" {
		return r.Reason + "; instead: " + r.Instead
	}
	return r.Reason
}
