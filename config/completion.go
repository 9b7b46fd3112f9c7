package config

import (
	"fmt"
	"io"
	"strings"
)

// Completion gives a completion script made from the option rows for bash, zsh or fish.
func Completion(shell string) (string, error) {
	b := &strings.Builder{}
	switch shell {
	case "bash":
		bashCompletion(b)
	case "zsh":
		zshCompletion(b)
	case "fish":
		fishCompletion(b)
	default:
		return "", bad("unknown shell "+shell, "write bash, zsh or fish")
	}
	return b.String(), nil
}

// completed lists the rows worth offering.
func completed() []*Row {
	var rows []*Row
	for _, r := range table().byNameOrdered {
		if r.Status == StatusDone || r.Status == StatusNoEffect {
			rows = append(rows, r)
		}
	}
	return rows
}

func bashCompletion(w io.Writer) {
	var names []string
	for _, r := range completed() {
		names = append(names, "--"+r.Name)
	}
	fmt.Fprintf(w, "# bash completion for gowsgi\n_gowsgi() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n"+
		"\tif [[ $cur == -* ]]; then\n\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n\telse\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\tfi\n}\n"+
		"complete -o filenames -F _gowsgi gowsgi\n", strings.Join(names, " "))
}

func zshCompletion(w io.Writer) {
	quote := strings.NewReplacer("'", "'\\''", "[", "\\[", "]", "\\]", ":", "\\:")
	fmt.Fprint(w, "#compdef gowsgi\n_gowsgi() {\n_arguments \\\n")
	for _, r := range completed() {
		end := ""
		switch r.Arity {
		case ArityRequired:
			end = "=:value:_files"
		case ArityOptional:
			end = "=-::value:"
		}
		sign, arg, _ := strings.Cut(end, ":")
		if arg != "" {
			arg = ":" + arg
		}
		fmt.Fprintf(w, "\t'*--%s%s[%s]%s' \\\n", r.Name, sign, quote.Replace(r.about()), arg)
	}
	// As a file of fpath the script is the function itself; sourced, it registers it.
	fmt.Fprint(w, "\t'*:configuration:_files'\n}\n"+
		"if [ \"${funcstack[1]}\" = _gowsgi ]; then\n\t_gowsgi \"$@\"\nelse\n\tcompdef _gowsgi gowsgi\nfi\n")
}

func fishCompletion(w io.Writer) {
	quote := strings.NewReplacer("\\", "\\\\", "'", "\\'")
	for _, r := range completed() {
		fmt.Fprintf(w, "complete -c gowsgi -l %s", r.Name)
		if r.Short != "" && table().byShort[r.Short].Name == r.Name {
			fmt.Fprintf(w, " -s %s", r.Short)
		}
		if r.Arity == ArityRequired {
			fmt.Fprint(w, " -r")
		}
		fmt.Fprintf(w, " -d '%s'\n", quote.Replace(r.about()))
	}
}

// about is one line on the option.
func (r *Row) about() string {
	if r.Help != "" {
		return r.Help
	}
	return "no effect: " + r.Reason
}
