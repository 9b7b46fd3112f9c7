package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/config"
	"gowsgi/reload/verdict"
)

// TestLetters compares the alphabet with uWSGI's own, from its documentation of the master fifo: every letter is done or
// has the reason why it does nothing, and none is both.
func TestLetters(t *testing.T) {
	const uwsgi = "+-BCcEfLlPpqQrRsSwW"
	for _, b := range []byte(uwsgi) {
		_, done := letters[b]
		if done == (neverLetters[b] != "") {
			t.Errorf("letter %q: done %v, never %q", b, done, neverLetters[b])
		}
	}
	const own = "u"
	if n := len(letters) + len(neverLetters); n != len(uwsgi)+len(own) || letters['u'].own != upgradeBinary {
		t.Errorf("%d letters are known, uWSGI has %d and we %q", n, len(uwsgi), own)
	}
	for b, want := range map[byte]verdict.Action{'r': verdict.ReloadAll, 'R': verdict.BrutalReload, 'q': verdict.Stop, 'Q': verdict.BrutalStop} {
		if letters[b].action != want {
			t.Errorf("letter %q means %q, want %q", b, letters[b].action, want)
		}
	}
}

func TestFifo(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "fifo")
	out := make(chan fifoByte, 16)
	f, err := openFifo(name, testEnv(dir), 7, out)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a writer that closes does not end the fifo
		if err := os.WriteFile(name, []byte("rq"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []byte("rqrq") {
		select {
		case got := <-out:
			if got.b != want || got.err != nil || got.id != 7 {
				t.Fatalf("got %+v, want %q", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a letter did not arrive")
		}
	}
	if st, err := os.Lstat(name); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if got := <-out; got.err == nil {
		t.Errorf("a closed fifo says %+v", got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("temporary names are left: %v", left)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFifo(file, testEnv(dir), 1, out); err == nil || !strings.Contains(err.Error(), "is not a fifo") {
		t.Errorf("a file in the way: %v", err)
	}
}

// TestTouch: a change within the same second, an appearing and a vanishing file count; a configuration that is read
// again does not forget what it saw.
func TestTouch(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "touch")
	snap := &snapshot{cfg: &config.Config{Reload: config.Reload{Touch: []string{"touch"}}}, dir: dir}
	p := &parent{newest: snap}
	p.looking.done = make(chan looked, 1)
	p.watchFiles(snap)
	changed := func() bool {
		p.watchFiles(snap)
		one := p.touched[0]
		now := stampOf("", one.name)
		was := one.last
		one.last = now
		return now != was
	}
	steps := []struct {
		name string
		do   func() error
		want bool
	}{
		{"nothing", func() error { return nil }, false},
		{"appears", func() error { return os.WriteFile(file, nil, 0o600) }, true},
		{"nothing again", func() error { return nil }, false},
		{"written", func() error { return os.WriteFile(file, []byte("x"), 0o600) }, true},
		{"replaced by an older one", func() error {
			old := filepath.Join(dir, "old")
			if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
				return err
			}
			past := time.Now().Add(-time.Hour)
			if err := os.Chtimes(old, past, past); err != nil {
				return err
			}
			return os.Rename(old, file)
		}, true},
		{"gone", func() error { return os.Remove(file) }, true},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatal(err)
		}
		if got := changed(); got != s.want {
			t.Errorf("%s: changed %v, want %v", s.name, got, s.want)
		}
	}
}
