// Command lint holds the checks of the house rules that no stock linter has: budgets on sizes, words, and who may import whom.
//
// The budgets: a file has at most 400 lines, a function 60, a struct 25 fields. What is a table and not logic carries the comment
// "budget: table" with the reason (in the file's head for its length, in the doc comment of a function or struct) and is exempt.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	files, err := sources()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(2)
	}
	var complaints []string
	for _, f := range files {
		complaints = append(complaints, f.check()...)
	}
	table, err := checkImports("docs/architecture.md")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(2)
	}
	complaints = append(complaints, table...)
	for _, c := range complaints {
		fmt.Println(c)
	}
	if len(complaints) > 0 {
		os.Exit(1)
	}
}

// sources returns every Go and Python file git knows or would add.
func sources() ([]*source, error) {
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard", "*.go", "*.py").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the files: %v", err)
	}
	var files []*source
	for _, path := range strings.Fields(string(out)) {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		if err != nil {
			return nil, err
		}
		files = append(files, &source{path: path, text: string(text)})
	}
	return files, nil
}
