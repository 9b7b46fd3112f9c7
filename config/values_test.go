package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestValues sets one option to one text and looks at the field, or at the error. warns says whether a warning must come with it.
// budget: table of values.
func TestValues(t *testing.T) {
	procs := func(c *Config) any { return c.Process.Processes }
	threads := func(c *Config) any { return c.Process.Threads }
	buffer := func(c *Config) any { return c.Protocol.BufferSize }
	vacuum := func(c *Config) any { return c.Process.Vacuum }
	chmod := func(c *Config) any { return c.Sockets.Chmod }
	post := func(c *Config) any { return c.Protocol.PostBuffering }
	module := func(c *Config) any { return c.Python.Module }
	mask := func(c *Config) any {
		if c.Security.Umask == nil {
			return nil
		}
		return *c.Security.Umask
	}
	addr := func(c *Config) any { return c.Sockets.List[0].Addr + " " + c.Sockets.List[0].Proto }
	env := func(c *Config) any { return strings.Join(c.Process.Env, "|") }
	rows := []struct {
		line  string
		get   func(*Config) any
		want  any // a field's value, or an error: a part of its text
		warns bool
	}{
		{"processes = 4", procs, 4, false},
		{"processes = auto", procs, 2, true},
		{"processes = %k", procs, 2, false},
		{"processes = %(%k * 4)", procs, 8, false},
		{"processes = 0", procs, fmt.Errorf("0 processes would serve nothing"), false},
		{"processes = -1", procs, fmt.Errorf("out of range"), false},
		{"processes = abc", procs, fmt.Errorf("not a whole number"), false},
		{"processes = 10s", procs, 10, true},
		{"processes = 0x10", procs, fmt.Errorf("not a whole number"), false},
		{"processes =", procs, fmt.Errorf("a number is expected"), false},
		{"processes = 99999999999999999999", procs, fmt.Errorf("out of range"), false},
		{"processes = 4 ; four", procs, 4, true},
		{"processes = 4 # four", procs, 4, true},
		{"processes = 4;", procs, 4, true},
		{"processes = true", procs, 1, true},
		{"processes = $(GOWSGI_UNSET)", procs, fmt.Errorf("GOWSGI_UNSET is not set"), false},
		{"processes = %(undefined)", procs, fmt.Errorf("%%(undefined) is not defined"), false},
		{"workers = 3", procs, 3, false},
		{"threads = 0", threads, 1, false},
		{"threads = 8", threads, 8, false},
		{"threads = false", threads, 1, false},
		{"buffer-size = 32768", buffer, 32768, false},
		{"buffer-size = 32k", buffer, 32768, true},
		{"buffer-size = 65536  # Increase", buffer, 65535, true},
		{"buffer-size = 0", buffer, fmt.Errorf("out of range"), false},
		{"post-buffering = true", post, int64(1), true},
		{"post-buffering = 1G", post, int64(1) << 30, true},
		{"post-buffering = 8192", post, int64(8192), false},
		{"vacuum = true", vacuum, true, false},
		{"vacuum = True", vacuum, true, false},
		{"vacuum", vacuum, true, false},
		{"vacuum = 1", vacuum, true, false},
		{"vacuum = false", vacuum, false, false},
		{"vacuum = No", vacuum, false, false},
		{"vacuum = 0", vacuum, false, false},
		{"vacuum = false ; not now", vacuum, false, true},
		{"vacuum = true   ; Delete sockets", vacuum, true, true},
		{"vacuum = banana", vacuum, true, true},
		{"vacuum = $(GOWSGI_UNSET)", vacuum, fmt.Errorf("GOWSGI_UNSET is not set"), false},
		{"chmod-socket = 660", chmod, "660", false},
		{"chmod-socket = 0660", chmod, "0660", false},
		{"chmod-socket = 1", chmod, "666", false},
		{"chmod-socket", chmod, "666", false},
		{"chmod-socket = true", chmod, "666", true},
		{"chmod-socket = 999", chmod, fmt.Errorf("not an octal mode"), false},
		{"chmod-socket = 66", chmod, fmt.Errorf("not an octal mode"), false},
		{"umask = 022", mask, 0o22, false},
		{"umask = 0022", mask, 0o22, false},
		{"umask = 22", mask, 0o22, false},
		{"umask = 99", mask, fmt.Errorf("not an octal umask"), false},
		{"umask = 7777", mask, fmt.Errorf("not an octal umask"), false},
		{"socket = localhost:8080;", addr, "localhost:8080 uwsgi", true},
		{"socket = :8080", addr, ":8080 uwsgi", false},
		{"socket = [::1]:80", addr, "[::1]:80 uwsgi", false},
		{"http-socket = : 5000", addr, ":5000 http", true},
		{"socket = @name", addr, "@name uwsgi", false},
		{"socket = fd://3", addr, "fd://3 uwsgi", false},
		{"socket = fd://x", addr, fmt.Errorf("not a descriptor number"), false},
		{"socket = relative.sock", addr, "relative.sock uwsgi", false},
		{"socket = 8080", addr, "8080 uwsgi", true},
		{"socket = host:port", addr, fmt.Errorf("no port number"), false},
		{"socket = :99999", addr, fmt.Errorf("no port has the number 99999"), false},
		{"socket = =0", addr, fmt.Errorf("no shared-socket with this number"), false},
		{"socket = =x", addr, fmt.Errorf("not the number of a shared-socket"), false},
		{"http-socket = =0\nshared-socket = :80", addr, ":80 http", false},
		{"shared-socket = :80\nsocket = :81", addr, ":81 uwsgi", true},
		{"stats = =0\nshared-socket = :80", addr, fmt.Errorf("cannot be used here"), false},
		{"socket = 192.*:80", addr, "192.*:80 uwsgi", false},
		{"http = :80", addr, ":80 http", false},
		{"http-keepalive = 1\nhttp = :80", addr, ":80 http11", false},
		{"http-keepalive = false\nhttp = :80", addr, ":80 http", false},
		{"http = :80\nhttp-to = 10.0.0.1:3031", addr, fmt.Errorf("there is no router to other instances"), false},
		{"abstract-socket = true\nsocket = /run/a.sock", addr, "@/run/a.sock uwsgi", false},
		{"abstract-socket = true\nsocket = :81", addr, ":81 uwsgi", false},
		{"socket = :81\nmap-socket = 1:1", addr, fmt.Errorf("no socket with this number"), false},
		{"socket = :81\nmap-socket = 0:2", addr, fmt.Errorf("there is no worker 2"), false},
		{"socket = :81\nmap-socket = 0", addr, fmt.Errorf("not socket:worker"), false},
		{"socket = :81\nmap-socket = 0:a", addr, fmt.Errorf("not the number of a worker"), false},
		{"static-map = /static", addr, fmt.Errorf("not /prefix=directory"), false},
		{"static-map = static=/srv", env, "", true},
		{"static-expires = /static/.*", addr, fmt.Errorf("not what and seconds"), false},
		{"static-expires = ( 5", addr, fmt.Errorf("not a regular expression"), false},
		{"static-expires-type = text/css 5", addr, fmt.Errorf("write static-expires-type = text/css=3600"), false},
		{"file-serve-mode = lighttpd", addr, fmt.Errorf("unknown mode"), false},
		{"mount = /a", addr, fmt.Errorf("not /prefix=app"), false},
		{"mount = 1:/a=b:c", addr, fmt.Errorf("an app in some workers only"), false},
		{"mount = a=b:c", env, "", true},
		{"add-header = Nothing", addr, fmt.Errorf("not Name: value"), false},
		{"add-header = Bad Name: x", addr, fmt.Errorf("not Name: value"), false},
		{"rem-header = A B", addr, fmt.Errorf("not a header's name"), false},
		{"limit-post = -1", addr, fmt.Errorf("out of range"), false},
		{"optimize = 3", addr, fmt.Errorf("out of range"), false},
		{"pymodule-alias = x", addr, fmt.Errorf("not name=module"), false},
		{"http-var = A", addr, fmt.Errorf("not NAME=value"), false},
		{"socket =", addr, fmt.Errorf("no address"), false},
		{"http-socket = :1", addr, ":1 http", false},
		{"http11-socket = :1", addr, ":1 http11", false},
		{"uwsgi-socket = :1\nprotocol = http", addr, ":1 uwsgi", false},
		{"socket = :1\nprotocol = http", addr, ":1 http", false},
		{"protocol = http\nsocket = :1", addr, ":1 http", false},
		{"protocol = gopher", addr, fmt.Errorf("unknown protocol"), false},
		{"protocol = fastcgi", addr, fmt.Errorf("not supported yet"), false},
		{"module = \"app:app\"", module, "app:app", true},
		{"module = a\nwsgi = b", module, "b", false},
		{"module = $(GOWSGI_UNSET)", module, fmt.Errorf("GOWSGI_UNSET is not set"), false},
		{"env = A=b=c d ; e", env, "A=b=c d ; e", false},
		{"env = A=1\nenv = B=2\nenv = A=3", env, "B=2|A=3", false},
		{"env = A=1\nunenv = A", env, "A", false},
		{"env = A", env, "A", false},
		{"env = A = 1", env, "A=1", true},
		{"env = export A=1", env, "A=1", true},
		{"env =", env, "", true},
		{"env = # a comment of a .env file", env, "", true},
		{"env = =1", env, fmt.Errorf("no variable name"), false},
		{"master = false", procs, 1, true},
		{"python = run.py", procs, fmt.Errorf("not an interpreter"), false},
	}
	for _, r := range rows {
		c, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + r.line + "\n"}, "--ini", "a.ini")
		if want, isErr := r.want.(error); isErr {
			if err == nil || !strings.Contains(err.Error(), want.Error()) || !strings.HasPrefix(err.Error(), "a.ini:") {
				t.Errorf("%s: error %v, want one at a.ini with %q", r.line, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", r.line, err)
			continue
		}
		if got := r.get(c); got != r.want {
			t.Errorf("%s: got %v, want %v", r.line, got, r.want)
		}
		if (len(c.Warnings) > 0) != r.warns {
			t.Errorf("%s: warnings %v", r.line, c.Warnings)
		}
	}
}

func TestJailOptions(t *testing.T) {
	rows := []struct {
		text string
		want Jail
		err  string
	}{
		{"namespace = /ns/001:host", Jail{Namespace: "/ns/001:host", Rootfs: "/ns/001", Hostname: "host"}, ""},
		{"ns = /ns/001/", Jail{Namespace: "/ns/001/", Rootfs: "/ns/001"}, ""},
		{"namespace = @host:demo", Jail{Namespace: "@host:demo", Hostname: "demo", Host: true}, ""},
		{"namespace = @host", Jail{Namespace: "@host", Host: true}, ""},
		{"namespace = /\nns-net = true", Jail{Namespace: "/", Rootfs: "/", Net: true}, ""},
		{"namespace-net = any\nnamespace = /a:b", Jail{Namespace: "/a:b", Rootfs: "/a", Hostname: "b", Net: true}, "neither"},
		{"namespace = relative", Jail{}, "not an absolute path"},
		{"namespace = @other:x", Jail{}, "unknown root"},
		{"namespace = /a:", Jail{}, "not a host name"},
		{"namespace = /a:" + strings.Repeat("x", 65), Jail{}, "not a host name"},
		{"namespace =", Jail{}, "no rootfs"},
		{"namespace-keep-mount = /a", Jail{}, "no jail to keep a mount in"},
		{"namespace = /r\nnamespace-keep-mount = a:/b", Jail{}, "absolute paths"},
		{"namespace = /r\nnamespace-keep-mount = /a:b", Jail{}, "absolute paths"},
		{"namespace-net = true", Jail{}, "no jail to give a network"},
	}
	for _, r := range rows {
		c, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + r.text + "\n"}, "--ini", "a.ini")
		if err != nil || r.want.Namespace == "" {
			if err == nil || r.err == "" || !strings.Contains(err.Error(), r.err) {
				t.Errorf("%q: error %v, want %q", r.text, err, r.err)
			}
			continue
		}
		if fmt.Sprint(c.Jail) != fmt.Sprint(r.want) {
			t.Errorf("%q: got %+v, want %+v", r.text, c.Jail, r.want)
		}
	}
}

// TestKeepMounts holds the two forms of the reference page and uWSGI's rule for the target.
func TestKeepMounts(t *testing.T) {
	text := "[uwsgi]\nnamespace-keep-mount = /apps/app1/nfs\nnamespace = /apps/app1\nnamespace-keep-mount = /mnt/nfs1:/nfs\n" +
		"namespace-keep-mount = /etc\nnamespace-keep-mount = /apps/app10/x\nnamespace-keep-mount = /apps/app1/a/../b/\n"
	c := mustLoad(t, map[string]string{"/site/a.ini": text}, "--ini", "a.ini")
	var got []string
	for _, k := range c.Jail.KeepMounts {
		got = append(got, k.Source+" "+k.Target)
	}
	want := "/apps/app1/nfs /nfs,/mnt/nfs1 /nfs,/etc /etc,/apps/app10/x /apps/app10/x,/apps/app1/b /b"
	if strings.Join(got, ",") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if line := c.Jail.KeepMounts[1].Pos.String(); line != "a.ini:4" {
		t.Errorf("position %s, want a.ini:4", line)
	}
}
