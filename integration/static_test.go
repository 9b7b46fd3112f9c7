package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// twins starts the same ini file on gowsgi and, when it is installed, on uWSGI; real is "" when it is not.
func twins(e *harness.Env, lines ...string) (ours, real string) {
	e.T.Helper()
	text := "[uwsgi]\nmaster = true\ndie-on-term = true\nmanage = 1\n" + strings.Join(lines, "\n") + "\n"
	ours = harness.FreePort(e.T)
	e.Start("--http-socket", ours, "--ini", e.Write("ours.ini", text)).WaitServing("http", ours)
	if path, err := exec.LookPath("uwsgi"); err == nil && !harness.IsUWSGI() {
		real = harness.FreePort(e.T)
		s := e.StartWith(harness.Options{Program: []string{path, "--plugin", "python3"}, Args: []string{"--http-socket", real, "--ini", e.Write("real.ini", text)}})
		s.WaitServing("http", real)
	}
	return ours, real
}

// staticTree makes files, links and what else may stand in a directory that is served.
func staticTree(e *harness.Env) {
	e.Write("env.py", environApp)
	for name, text := range map[string]string{"static/a.txt": "hello\n", "static/sub/index.html": "<p>\n", "static/x.weird": "x", "static/a.css": "css",
		"static/a.css.gz": "gz", "secret.txt": "secret", "static2/a.txt": "other", "safe/s.txt": "safe", "media/m.py": "m", "docs/p/c.html": "c"} {
		e.Write(name, text)
	}
	for link, to := range map[string]string{"static/out.txt": "../secret.txt", "static/in.txt": "a.txt", "static/safe": "../safe", "static/near": "../static2"} {
		if err := os.Symlink(to, filepath.Join(e.Dir, link)); err != nil {
			e.T.Fatal(err)
		}
	}
	e.Run("mkfifo", e.Dir+"/static/fifo")
	e.Run("chmod", "000", e.Dir+"/static/sub/../x.weird")
}

func staticLines(e *harness.Env) []string {
	var lines []string
	for _, line := range []string{"static-map = /static=D/static", "static-map = /media=D/media", "static-map = /one=D/static/a.txt", "static-map2 = /docs=D",
		"check-static = D/docs", "static-index = index.html", "static-skip-ext = .py", "static-safe = D/safe", "static-expires-mtime = .*\\.txt 3600",
		"static-expires-type-mtime = text/html=60", "static-gzip = .*\\.css", "honour-range = true", "add-header = X-Add: yes", "wsgi-file = D/env.py"} {
		lines = append(lines, strings.ReplaceAll(line, "=D/", "="+e.Dir+"/"))
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(strings.ReplaceAll(lines[i], "= D/", "= "+e.Dir+"/"), "=D", "="+e.Dir)
	}
	return lines
}

// TestStaticFiles asks for files in many ways; uWSGI, when it is installed, must answer alike.
func TestStaticFiles(t *testing.T) {
	e := harness.New(t)
	staticTree(e)
	ours, real := twins(e, staticLines(e)...)
	later := time.Now().Add(time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	for _, c := range []struct {
		request string // method and path, then headers
		want    string // status and what the body begins with
		differs string // why uWSGI's answer is not compared
	}{
		{"GET /static/a.txt", "200 hello", ""},
		{"HEAD /static/a.txt", "200 ", ""},
		{"GET /static/a.txt?v=1", "200 hello", ""},
		{"POST /static/a.txt", "200 HTTP_", ""},
		{"GET /static/sub", "200 <p>", ""},
		{"GET /static/sub/", "200 <p>", ""},
		{"GET /static", "200 HTTP_", ""},
		{"GET /static/none", "200 HTTP_", ""},
		{"GET /static/fifo", "200 HTTP_", ""},
		{"GET /static/a.txt/", "200 HTTP_", ""},
		{"GET /static/out.txt", "200 HTTP_", ""},
		{"GET /static/in.txt", "200 hello", ""},
		{"GET /static/safe/s.txt", "200 safe", ""},
		{"GET /static/near/a.txt", "200 HTTP_", "uWSGI takes /static2 for a path in /static"},
		{"GET /static/%2e%2e/secret.txt", "200 HTTP_", ""},
		{"GET /static/../static/a.txt", "200 hello", ""},
		{"GET /static/sub/..%2fa.txt", "200 hello", ""},
		{"GET /static/a.txt%00.css", "200 HTTP_", "uWSGI ends the path at the zero byte"},
		{"GET /static2/a.txt", "200 HTTP_", "uWSGI takes /static2 for a path in /static"},
		{"GET /one", "200 hello", ""},
		{"GET /docs/p/c.html", "200 c", ""},
		{"GET /p/c.html", "200 c", ""},
		{"GET /p", "200 HTTP_", ""},
		{"GET /media/m.py", "200 HTTP_", ""},
		{"GET /static/a.css\r\nAccept-Encoding: gzip", "200 gz", ""},
		{"GET /static/a.css\r\nAccept-Encoding: gzip;q=0", "200 css", "uWSGI looks for the word alone"},
		{"GET /static/a.css", "200 css", ""},
		{"GET /static/a.txt\r\nRange: bytes=1-2", "206 el", ""},
		{"GET /static/a.txt\r\nRange: bytes=-3", "206 lo\n", ""},
		{"GET /static/a.txt\r\nRange: bytes=4-", "206 o\n", ""},
		{"GET /static/a.txt\r\nRange: bytes=4-99", "206 o\n", ""},
		{"GET /static/a.txt\r\nRange: bytes=90-", "416 ", ""},
		{"GET /static/a.txt\r\nRange: bytes=0-1,3-4", "200 hello", "uWSGI sends the first part of several"},
		{"GET /static/a.txt\r\nRange: bytes=1-2\r\nIf-Range: \"old\"", "200 hello", "uWSGI does not look at If-Range"},
		{"GET /static/a.txt\r\nIf-Modified-Since: " + later, "304 ", ""},
		{"GET /static/a.txt\r\nIf-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT", "200 hello", ""},
		{"GET /static/a.txt\r\nIf-Modified-Since: rubbish", "200 hello", ""},
	} {
		line, headers, _ := strings.Cut(c.request, "\r\n")
		if headers != "" {
			headers += "\r\n"
		}
		raw := line + " HTTP/1.0\r\nHost: x\r\n" + headers + "\r\n"
		got := summary(t, ours, raw)
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %.200q, want %q", c.request, got, c.want)
		}
		if real == "" || c.differs != "" {
			continue
		}
		ip, rp := strings.NewReplacer(ours, "ADDR", ours[10:], "PORT"), strings.NewReplacer(real, "ADDR", real[10:], "PORT")
		if them := summary(t, real, raw); rp.Replace(them) != ip.Replace(got) {
			t.Errorf("%s:\ngowsgi %q\nuwsgi  %q", c.request, got, them)
		}
	}
}

// summary is status, body and the headers that say what a file is.
func summary(t *testing.T, addr, raw string) string {
	t.Helper()
	r, err := harness.FetchRaw(addr, raw, 5*time.Second)
	if err != nil {
		t.Errorf("%s from %s: %v", raw, addr, err)
		return ""
	}
	text := fmt.Sprintf("%d %s", r.Status, r.Body)
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Range", "Content-Encoding", "Expires", "X-Add"} {
		text += fmt.Sprintf("\n%s: %s", name, r.Header.Get(name))
	}
	if r.Status != 304 { // uWSGI leaves it out there
		text += "\n" + r.Header.Get("Last-Modified")
	}
	return text
}

// TestStaticOnKeptConnections: a file ends where its length says, so that the next request of the connection is read; sendfile or not.
func TestStaticOnKeptConnections(t *testing.T) {
	for _, more := range []string{"", "disable-sendfile = true"} {
		t.Run(more, func(t *testing.T) {
			e := harness.New(t)
			big := strings.Repeat("0123456789abcdef", 1<<16)
			e.Write("static/big.bin", big)
			e.Write("env.py", environApp)
			addr := harness.FreePort(t)
			s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nmodule = env\nhttp11-socket = "+addr+"\nstatic-map = /static="+e.Dir+"/static\nhonour-range = 1\n"+more+"\n"))
			s.WaitServing("http", addr)
			answer, err := harness.Exchange(addr, "HEAD /static/big.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /static/big.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=16-31\r\n\r\n"+
				"GET /static/big.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false, 10*time.Second)
			if err != nil || strings.Count(answer, "HTTP/1.1 20") != 4 || !strings.Contains(answer, "PATH_INFO=/end\n") || !strings.Contains(answer, big) {
				t.Errorf("%s: %v, %d bytes: %.900q", more, err, len(answer), answer)
			}
			if via := strings.Contains(s.Log(), "via sendfile()"); via != (more == "") {
				t.Errorf("%q: via sendfile: %v", more, via)
			}
		})
	}
}

// TestStaticInJail: the paths are the jail's, and an @host jail sees the directories that are served.
func TestStaticInJail(t *testing.T) {
	e := harness.New(t)
	e.Write("pub/a.txt", "from the jail")
	e.Write("app/env.py", environApp)
	addr := harness.FreePort(t)
	s := e.Start("--ini", e.Write("a.ini", "[uwsgi]\nnamespace = @host:box\nchdir = "+e.Dir+"/app\nmodule = env\nhttp-socket = "+addr+"\nstatic-map = /static="+e.Dir+"/pub\n"))
	s.WaitServing("http", addr)
	if body := getBody(t, "http", addr, "/static/a.txt"); body != "from the jail" {
		t.Errorf("got %q", body)
	}
}
