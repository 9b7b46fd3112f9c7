package reload

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gowsgi/config"
	"gowsgi/jail"
)

// budget: table, a row for each kind of configuration.
func TestSpecOf(t *testing.T) {
	root := who{euid: 0, egid: 0, dir: "/srv/site"}
	user := who{euid: 4711, egid: 4712, dir: "/srv/site"}
	tests := map[string]struct {
		cfg  config.Config
		who  who
		bad  string
		want func(jail.Spec) bool
	}{
		"no namespace": {who: root, want: func(s jail.Spec) bool { return len(s.Namespaces) == 0 && s.Root.Kind == jail.RootNone }},
		"rootfs": {
			cfg: config.Config{
				Jail:     config.Jail{Namespace: "/ns/001:box", Rootfs: "/ns/001", Hostname: "box", KeepMounts: []config.KeepMount{{Source: "/mnt/a", Target: "/a"}}},
				Security: config.Security{UID: "uwsgi", GID: "uwsgi"}, Process: config.Process{Chdir: "/home"},
			}, who: root,
			want: func(s jail.Spec) bool {
				return slices.Equal(s.Namespaces, []jail.Namespace{jail.NSMount, jail.NSPID, jail.NSUTS, jail.NSIPC}) && s.Root.Kind == jail.RootDir &&
					s.Root.Path == "/ns/001" && s.Hostname == "box" && s.Root.KeepMounts[0].Target == "/a" && s.Creds.UID == "uwsgi" && s.Chdir == "/home"
			}},
		"rootfs with a network of its own": {
			cfg: config.Config{Jail: config.Jail{Namespace: "/ns/001", Rootfs: "/ns/001", Net: true}}, who: root,
			want: func(s jail.Spec) bool { return slices.Contains(s.Namespaces, jail.NSNet) }},
		"host root shows the app's directory": {
			cfg: config.Config{Jail: config.Jail{Namespace: "@host:box", Host: true, Hostname: "box"}}, who: root,
			want: func(s jail.Spec) bool {
				return s.Root.Kind == jail.RootHost && slices.Equal(s.Root.AppDirs, []string{"/srv/site"}) && s.Chdir == "/srv/site"
			}},
		"host root, relative chdir and other paths": {
			cfg: config.Config{
				Jail:    config.Jail{Namespace: "@host", Host: true},
				Process: config.Process{Chdir: "app"},
				Python:  config.Python{WSGIFile: "/opt/x/wsgi.py", Path: []string{"lib", "/usr/share/x", "/opt/x/more"}},
			}, who: root,
			want: func(s jail.Spec) bool {
				return s.Chdir == "/srv/site/app" && slices.Equal(s.Root.AppDirs, []string{"/srv/site/app", "/opt/x"})
			}},
		"an ordinary user has a rootfs in a user namespace": {
			cfg: config.Config{Jail: config.Jail{Namespace: "/ns/001", Rootfs: "/ns/001"}}, who: user,
			want: func(s jail.Spec) bool { return slices.Contains(s.Namespaces, jail.NSUser) && s.Creds.UID == "" }},
		"an ordinary user's map says who is there": {
			cfg: config.Config{Jail: config.Jail{Namespace: "/ns/001", Rootfs: "/ns/001"}, Security: config.Security{UID: "www"},
				Confine: config.Confine{UIDMap: []config.IDMap{{Inside: 0, Outside: 1, Size: 9}}, GIDMap: []config.IDMap{{Inside: 0, Outside: 1, Size: 9}}}}, who: user,
			want: func(s jail.Spec) bool { return s.Creds.UID == "www" }},
		"an ordinary user cannot have the master stay root": {
			cfg: config.Config{Security: config.Security{UID: "4711", MasterRoot: true}}, who: user, bad: "not started as root"},
		"an ordinary user cannot become another": {
			cfg: config.Config{Security: config.Security{UID: "0"}}, who: user, bad: "only root can become another user"},
		"an ordinary user cannot become another group": {
			cfg: config.Config{Security: config.Security{GID: "0"}}, who: user, bad: "only root can become another user"},
		"an ordinary user may name itself": {
			cfg: config.Config{Security: config.Security{UID: "4711", GID: "4712"}}, who: user,
			want: func(s jail.Spec) bool { return s.Creds.UID == "" && s.Creds.GID == "" }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spec, err := specOf(&tt.cfg, tt.who)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Fatalf("specOf = %v, want an error about %q", err, tt.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(spec) {
				t.Fatalf("specOf = %+v", spec)
			}
		})
	}
}

// TestBasePython: a virtualenv borrows the interpreter of another installation, which the jail has to see too.
func TestBasePython(t *testing.T) {
	venv := t.TempDir()
	if got := basePython(venv, "/"); got != "" {
		t.Errorf("a directory without pyvenv.cfg has the base %q", got)
	}
	cfg := "home = /opt/python3.14/bin\ninclude-system-site-packages = false\n"
	if err := os.WriteFile(filepath.Join(venv, "pyvenv.cfg"), []byte(cfg), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := basePython(venv, "/"); got != "/opt/python3.14" {
		t.Errorf("base of the virtualenv is %q", got)
	}
	if got := appDirs(&config.Python{Home: venv}, "/srv/site"); !slices.Equal(got, []string{"/srv/site", venv, "/opt/python3.14"}) {
		t.Errorf("the jail sees %q", got)
	}
}
