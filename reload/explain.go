package reload

import (
	"fmt"
	"os"
	"strings"

	"gowsgi/config"
	"gowsgi/jail/hook"
)

// CheckSpec says what of the jail and its hooks cannot be, without looking at who asks: a configuration may be checked by a user and
// started by root.
func CheckSpec(cfg *config.Config) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("cannot find the working directory: %w", err)
	}
	if _, err := specOf(cfg, who{dir: dir}); err != nil {
		return err
	}
	for _, phase := range []hook.Phase{hook.Asap, hook.PreJail} {
		if _, err := ParseHooks(&cfg.Isolation, phase); err != nil {
			return err
		}
	}
	return nil
}

// ExplainJail renders what a start with this configuration would do: namespaces, the parent's hooks, the steps in the jail
// with their arguments, and the mounts. Nothing of it is done.
func ExplainJail(cfg *config.Config) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("cannot find the working directory: %w", err)
	}
	spec, err := specOf(cfg, who{euid: os.Geteuid(), egid: os.Getegid(), dir: dir})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	var kinds []string
	for _, ns := range spec.Namespaces {
		kinds = append(kinds, string(ns))
	}
	if len(kinds) == 0 {
		kinds = []string{"none: the app runs in the host's"}
	}
	line("namespaces: %s", strings.Join(kinds, ", "))
	for _, phase := range []hook.Phase{hook.Asap, hook.PreJail} {
		if err := explainHooks(line, cfg, phase); err != nil {
			return "", err
		}
	}
	line("steps, in this order:")
	for _, step := range spec.Explain(os.Geteuid(), os.Getegid()) {
		line("  %-18s %s", step.Name, step.Arg)
	}
	for _, m := range spec.Root.Mounts {
		access := "read-write"
		if m.ReadOnly {
			access = "read-only"
		}
		line("mount: %s %s on %s, %s %s", m.Kind, m.Source, m.Target, access, m.Size)
	}
	for _, guard := range spec.GuardsOff {
		line("left open: %s", guard)
	}
	return b.String(), nil
}

func explainHooks(line func(string, ...any), cfg *config.Config, phase hook.Phase) error {
	hooks, err := ParseHooks(&cfg.Isolation, phase)
	for _, h := range hooks {
		line("hook, on the host, %s: %s", phase, h.Shown())
	}
	return err
}
