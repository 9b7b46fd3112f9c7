package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// envdir reads a directory of files, one variable each, as daemontools' envdir(8) lays them out: the name is the file's, the value its text without
// the newlines at the end, and an empty file unsets the variable. The result has the form of Process.Env.
func (l *loader) envdir(dir string) ([]string, error) {
	names, err := l.o.Glob(filepath.Join(l.o.abs(dir), "*"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("cannot read %s: no files in it", dir)
	}
	var list []string
	for _, name := range names {
		if l.isDir(name) {
			continue
		}
		data, err := l.fetch(name)
		if err != nil {
			return nil, err
		}
		entry := filepath.Base(name)
		if v := strings.TrimRight(string(data), "\r\n"); v != "" {
			entry += "=" + strings.ReplaceAll(v, "\x00", "\n")
		}
		list = append(list, entry)
	}
	return list, nil
}

// earlyEnvdir sets the variables for $() and if-env in what is read from here on, and for the app.
func (l *loader) earlyEnvdir(e Entry) {
	list, err := l.envdir(e.Value)
	if err != nil {
		l.fail(e, err)
		return
	}
	l.early = append(l.early, list...)
	for _, kv := range list {
		name, v, set := strings.Cut(kv, "=")
		if set {
			l.env[name] = v
		} else {
			delete(l.env, name)
		}
	}
}

// earlyEnv sets one variable for $() and if-env in what is read from here on, and for the app.
func (l *loader) earlyEnv(e Entry) {
	name, v, set := strings.Cut(e.Value, "=")
	switch {
	case strings.TrimSpace(name) != name || name == "":
		l.fail(e, bad("no variable name", "write NAME=value"))
		return
	case set:
		l.env[name] = v
	default:
		delete(l.env, name)
	}
	l.early = append(l.early, e.Value)
}

// setEnvdir sets the app's variables from a directory.
func (p *Process) setEnvdir(v *value) error {
	var dir string
	if err := word(&dir)(v); err != nil {
		return err
	}
	list, err := v.dir(dir)
	if err != nil {
		return err
	}
	p.change(list)
	return nil
}

// change adds changes of the environment to those said before.
func (p *Process) change(list []string) {
	for _, kv := range list {
		name, _, _ := strings.Cut(kv, "=")
		p.forget(name)
		p.Env = append(p.Env, kv)
	}
}
