package jail

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLookup(t *testing.T) {
	root := newRootfs(t)
	for _, c := range []struct {
		creds  Creds
		uid    int
		gid    int
		groups []int
		fails  string
	}{
		{Creds{}, -1, -1, nil, ""},
		{Creds{UID: "uwsgi"}, 1234, 2345, []int{2345, 3456}, ""},
		{Creds{UID: "1234"}, 1234, 2345, []int{2345, 3456}, ""},
		{Creds{UID: "uwsgi", GID: "log"}, 1234, 4567, []int{3456, 4567}, ""},
		{Creds{UID: "uwsgi", GID: "web", NoInitgroups: true}, 1234, 3456, nil, ""},
		{Creds{UID: "uwsgi", NoInitgroups: true, AddGIDs: []string{"log", "99"}}, 1234, 2345, []int{99, 4567}, ""},
		{Creds{UID: "777"}, 777, -1, nil, ""},
		{Creds{UID: "777", GID: "888", AddGIDs: []string{"web"}}, 777, 888, []int{3456}, ""},
		{Creds{GID: "log"}, -1, 4567, nil, ""},
		{Creds{UID: "missing"}, -1, -1, nil, `cannot find user "missing"`},
		{Creds{UID: "uwsgi", GID: "missing"}, -1, -1, nil, `cannot find group "missing"`},
		{Creds{AddGIDs: []string{"missing"}}, -1, -1, nil, `cannot find group "missing"`},
		{Creds{UID: "-1"}, -1, -1, nil, "cannot find user"},
		{Creds{UID: "4294967295"}, -1, -1, nil, "cannot find user"},
	} {
		got, err := lookup(root, c.creds)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%+v: got %v, want %q", c.creds, err, c.fails)
			}
			continue
		}
		if err != nil || got.uid != c.uid || got.gid != c.gid || !reflect.DeepEqual(got.groups, c.groups) {
			t.Errorf("%+v: got %+v, %v, want %d:%d %v", c.creds, got, err, c.uid, c.gid, c.groups)
		}
	}
	if uid, gid, err := LookupIDs("", Creds{UID: "root", GID: "0"}); uid != 0 || gid != 0 || err != nil {
		t.Errorf("root of the host is %d:%d, %v", uid, gid, err)
	}
}

func TestLookupStaysInTheRoot(t *testing.T) {
	root, outside := newRootfs(t), t.TempDir()
	write(t, filepath.Join(outside, "passwd"), "evil:x:0:0::/:/bin/sh\n")
	passwd := filepath.Join(root, "etc/passwd")
	for _, link := range []string{filepath.Join(outside, "passwd"), "../../../../../../../.." + outside + "/passwd"} {
		if err := os.Remove(passwd); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link, passwd); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LookupIDs(root, Creds{UID: "evil"}); err == nil {
			t.Errorf("a link to %s leads out of the root", link)
		}
	}
}

func TestOpenInRootRefusesMagicLinks(t *testing.T) {
	dir, err := os.Open("/etc")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if f, err := OpenInRoot("/", "/proc/self/cwd", unix.O_RDONLY); err == nil {
		f.Close()
		t.Error("/proc/self/cwd was followed")
	}
}

func FuzzParseEntries(f *testing.F) {
	f.Add("root:x:0:0::/:/bin/sh\n")
	f.Add("web:x:3456:uwsgi,other\n#comment\n\n:::\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = parseEntries(strings.NewReader(text), "fuzz", func(fields []string) bool {
			if line := strings.Join(fields, ":"); strings.Contains(line, "\n") || !strings.Contains(text, line) {
				t.Errorf("%q is no line of %q", line, text)
			}
			return true
		})
	})
}
