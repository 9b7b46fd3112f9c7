package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gowsgi/cmd/gowsgi/inner"
	"gowsgi/config"
)

func TestEnvironment(t *testing.T) {
	env := []string{"A=1", "B=2", "AB=3", "PATH=/bin"}
	got := environment(env, []string{"A=x=y", "B", "C=", "C=4"})
	want := []string{"AB=3", "PATH=/bin", "A=x=y", "C=4"}
	if !slices.Equal(got, want) {
		t.Errorf("environment = %q, want %q", got, want)
	}
	if env[0] != "A=1" {
		t.Error("the caller's environment was changed")
	}
}

func TestSignalPidfile(t *testing.T) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	file := filepath.Join(t.TempDir(), "pid")
	tests := []struct{ text, signal, bad string }{
		{fmt.Sprint(os.Getpid(), "\n"), "HUP", ""},
		{"", "HUP", "is not a pid"},
		{"0", "HUP", "is not a pid"}, // would be our own process group
		{"-1", "HUP", "is not a pid"},
		{"12 34", "HUP", "is not a pid"},
		{fmt.Sprint(1<<22 - 1), "HUP", "no such process"},
		{fmt.Sprint(os.Getpid()), "NONSENSE", "no such signal"},
	}
	for _, tt := range tests {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := signalPidfile(file, tt.signal, io.Discard)
		if (err == nil) != (tt.bad == "") || (err != nil && !strings.Contains(err.Error(), tt.bad)) {
			t.Errorf("pidfile %q, signal %s: %v, want %q", tt.text, tt.signal, err, tt.bad)
		}
	}
	select {
	case <-hup:
	case <-time.After(5 * time.Second):
		t.Error("the signal did not arrive")
	}
	if err := signalPidfile(file+".missing", "HUP", io.Discard); err == nil {
		t.Error("a missing pidfile is no error")
	}
}

func TestShellOutput(t *testing.T) {
	out, err := shellOutput("echo one; echo two >&2; printf three")
	if err != nil || string(out) != "one\nthree" {
		t.Errorf("output %q, %v", out, err)
	}
	for cmd, want := range map[string]string{"exit 3": "exit code 3", "kill -9 $$": "signal 9", "yes": "more than"} {
		if _, err := shellOutput(cmd); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", cmd, err, want)
		}
	}
}

func TestLogger(t *testing.T) {
	var plain, object bytes.Buffer
	line := "spawned uWSGI worker 1 (pid: 2, cores: 1)"
	log := inner.NewLogger(&plain, false, false)
	log.Info().Msg(line)
	if plain.String() != line+"\n" {
		t.Errorf("a plain line is %q", plain.String())
	}
	log = inner.NewLogger(&object, true, false)
	log.Warn().Msg("a \"quoted\"\nline")
	var got map[string]any
	if err := json.Unmarshal(object.Bytes(), &got); err != nil || got["message"] != "a \"quoted\"\nline" || got["level"] != "warn" {
		t.Errorf("a JSON line is %q (%v)", object.String(), err)
	}
}

// TestJSONLine: in a JSON log every line of the app is an object, whatever is in it.
func TestJSONLine(t *testing.T) {
	for line, want := range map[string]string{`a "quoted" line` + "\r": `a "quoted" line`, "": "", "nul \x00 and \xff": "nul \x00 and \ufffd"} {
		var got map[string]any
		text := inner.JSONLine([]byte(line))
		if err := json.Unmarshal(text, &got); err != nil || !bytes.HasSuffix(text, []byte("}\n")) {
			t.Errorf("%q becomes %q: %v", line, text, err)
		}
		if got["message"] != want || got["stream"] != "app" {
			t.Errorf("%q becomes %v", line, got)
		}
	}
}

// TestDirect: only what takes lines whole and at once is written to from inside the jail.
func TestDirect(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if !direct(null, &config.Log{}) || !direct(file, &config.Log{}) {
		t.Error("a file is not written to directly")
	}
	if direct(w, &config.Log{}) || direct(file, &config.Log{JSON: true}) {
		t.Error("a pipe or a JSON log is written to directly")
	}
}

// TestMasterStartsEarly: what only the parent needs has not been initialized when the master runs (package inner), by Go's own account.
func TestMasterStartsEarly(t *testing.T) {
	cmd := exec.Command(os.Args[0], inner.Role)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "gowsgi @master: cannot receive the boot") {
		t.Fatalf("the role without a parent: %v, %s", err, out)
	}
	if !strings.Contains(string(out), "init os ") {
		t.Fatalf("no account of what was initialized: %s", out)
	}
	for _, name := range []string{"expvar", "github.com/prometheus/client_golang/prometheus"} {
		if strings.Contains(string(out), "init "+name+" ") {
			t.Errorf("%s was initialized for the master", name)
		}
	}
}
