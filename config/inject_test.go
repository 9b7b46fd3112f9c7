package config

import (
	"errors"
	"strings"
	"testing"
)

// loadFiles loads /site/a.ini of these files.
func loadFiles(files map[string]string, more func(*Options)) (*Config, error) {
	o := Options{Args: []string{"--ini", "/site/a.ini"}, Dir: "/site", CPUs: 2, ReadFile: func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("no such file")
	}}
	if more != nil {
		more(&o)
	}
	return Load(o)
}

// TestInjectedLines: settings of injected texts belong to the files that hold them, with the numbers they have there.
func TestInjectedLines(t *testing.T) {
	files := map[string]string{
		"/site/a.ini":    "[uwsgi]\ninject-before = head\ninject-after = tail\nini = b.ini\n",
		"/site/b.ini":    "\ufeff[uwsgi]\n; text\nmodule = %n",
		"/site/head":     "[uwsgi]\n\nprocesses = many",
		"/site/tail":     "\nsocket = nowhere:\nenv = FILE=%n",
		"/site/c.ini":    "[uwsgi]\ninject-after = gone\nini = b.ini\n",
		"/site/list.ini": "[uwsgi]\nmodule = x\nplugins-list = true\nclock-list = false\n",
	}
	_, err := loadFiles(files, nil)
	for _, want := range []string{"head:3 (included from a.ini:4", "tail:2 (included"} {
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "/site/", ""), want) {
			t.Errorf("no finding at %s:\n%v", want, err)
		}
	}
	files["/site/head"], files["/site/tail"] = "[uwsgi]\nprocesses = 3", "threads = 2\nenv = FILE=%n"
	c, err := loadFiles(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Process.Processes != 3 || c.Process.Threads != 2 || c.Python.Module != "b" || strings.Join(c.Process.Env, " ") != "FILE=b" {
		t.Errorf("got %+v %+v", c.Process, c.Python)
	}
	_, err = loadFiles(files, func(o *Options) { o.Args[1] = "/site/c.ini" })
	if err == nil || !strings.Contains(err.Error(), "inject-after: cannot read gone") {
		t.Errorf("a missing text to inject: %v", err)
	}
	c, err = loadFiles(files, func(o *Options) { o.Args[1] = "/site/list.ini" })
	if err != nil || c.Action.Kind != ActionRun || !strings.Contains(strings.Join(c.Prints, " "), "loaded plugins *** corerouter http python") ||
		strings.Contains(strings.Join(c.Prints, " "), "clocks") {
		t.Errorf("lists in a file: %v %+v", err, c)
	}
}

// TestResolve: a placeholder with the address of a host, an IPv4 one when there is one.
func TestResolve(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nstrict = true\nresolve = web=box.example\nsocket = %(web):3031\n"}
	lookup := func(addrs []string, err error) func(*Options) {
		return func(o *Options) { o.Lookup = func(string) ([]string, error) { return addrs, err } }
	}
	c, err := loadFiles(files, lookup([]string{"::1", "10.1.2.3"}, nil))
	if err != nil || c.Sockets.List[0].Addr != "10.1.2.3:3031" {
		t.Errorf("%v %+v", err, c)
	}
	if _, err = loadFiles(files, lookup(nil, errors.New("no such name"))); err == nil || !strings.Contains(err.Error(), "cannot look up the host box.example: no such name") {
		t.Errorf("a name that nobody knows: %v", err)
	}
	files["/site/a.ini"] = "[uwsgi]\nresolve = web\n"
	if _, err = loadFiles(files, lookup([]string{"1.1.1.1"}, nil)); err == nil {
		t.Error("resolve without = is no error")
	}
}

// TestFindingsKeepSecrets: what stands in a line that was not understood, or in a variable, is not repeated in a log.
func TestFindingsKeepSecrets(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nDB_PASS = hunter2\npassword hunter2\ntoken: hunter2 = x\nenv = A =hunter2\nenv = KEY=hunter2$(NONE)\nsocket = :0\n"}
	c, err := loadFiles(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := Diagnostics(c.Warnings).Error()
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret in the warnings:\n%s", text)
	}
	for _, want := range []string{"DB_PASS: unknown", "password ...: unknown", "env = KEY=...", "NONE is not set"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	files["/site/a.ini"] = "[uwsgi]\nstrict = true\nk = hunter2\nenv = B=%(k)\nsocket = :0\n"
	if _, err = loadFiles(files, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("strict: %v", err)
	}
}

// TestGet: the first setting of a name, expanded, whatever else is wrong with the configuration.
func TestGet(t *testing.T) {
	files := map[string]string{"/site/a.ini": "[uwsgi]\nk = 1\nk = 2\npath = $(HOME)/%(k)\nprocesses = none\n"}
	c, err := loadFiles(files, func(o *Options) {
		o.Args, o.Env = append(o.Args, "--get", "path", "--get", "k", "--master"), []string{"HOME=/root"}
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"path": "/root/1", "k": "1", "master": "true", "none": ""} {
		if got, ok := c.Get(key); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", key, got, ok)
		}
	}
}

// TestOptionNames: every name once, uWSGI's first, as --dump-options has them.
func TestOptionNames(t *testing.T) {
	names := OptionNames()
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			t.Errorf("%s twice", n)
		}
		seen[n] = true
	}
	if names[0] != "socket" || !seen["jail-net"] || len(names) < 1300 {
		t.Errorf("%d names, first %s", len(names), names[0])
	}
}
