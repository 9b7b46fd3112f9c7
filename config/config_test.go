package config

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

// loadWith loads a command line over a set of files that exist in memory only.
func loadWith(files map[string]string, args ...string) (*Config, error) {
	return Load(Options{Args: args, Dir: "/site", Hostname: "box", Binary: "/bin/gowsgi", CPUs: 2, Start: 1e12,
		Env:  []string{"HOME=/root", "UWSGI_RELOADS=3"},
		Glob: func(string) ([]string, error) { return nil, nil },
		Stat: func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}})
}

func mustLoad(t *testing.T, files map[string]string, args ...string) *Config {
	t.Helper()
	c, err := loadWith(files, args...)
	if err != nil {
		t.Fatalf("load %q: %v", args, err)
	}
	return c
}

// TestReferenceCommandLine is the command of uWSGI's page on namespaces, and the same keys in a file.
func TestReferenceCommandLine(t *testing.T) {
	args := strings.Fields("--socket 127.0.0.1:3031 --chdir /home/uwsgi/uwsgi --uid uwsgi --gid uwsgi --module uwsgicc --master --processes 4 --namespace /ns/001:mybeautifulhostname")
	fromLine := mustLoad(t, nil, args...)
	ini := "[uwsgi]\nsocket = 127.0.0.1:3031\nchdir = /home/uwsgi/uwsgi\nuid = uwsgi\ngid = uwsgi\nmodule = uwsgicc\nmaster\nprocesses = 4\nnamespace = /ns/001:mybeautifulhostname\n"
	fromFile := mustLoad(t, map[string]string{"/site/a.ini": ini}, "--ini", "a.ini")
	for _, c := range []*Config{fromLine, fromFile} {
		if len(c.Warnings)+len(c.Notes) > 0 {
			t.Errorf("warnings %v, notes %v", c.Warnings, c.Notes)
		}
		c.Sockets.List[0].Pos, c.Entries, c.Files = Pos{}, nil, nil
	}
	want := defaults()
	want.Sockets.List = []Socket{{Addr: "127.0.0.1:3031", Proto: "uwsgi"}}
	want.Sockets.Default = "uwsgi"
	want.Process.Chdir, want.Process.Processes = "/home/uwsgi/uwsgi", 4
	want.Security.UID, want.Security.GID = "uwsgi", "uwsgi"
	want.Python.Module = "uwsgicc"
	want.Jail = Jail{Namespace: "/ns/001:mybeautifulhostname", Rootfs: "/ns/001", Hostname: "mybeautifulhostname"}
	if !reflect.DeepEqual(fromLine, want) {
		t.Errorf("command line: got %+v\nwant %+v", fromLine, want)
	}
	if !reflect.DeepEqual(fromFile, want) {
		t.Errorf("file: got %+v\nwant %+v", fromFile, want)
	}
	data, err := json.Marshal(want)
	var back Config
	if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(&back, want) {
		t.Errorf("JSON round trip: %v %s", err, data)
	}
}
