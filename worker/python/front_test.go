package python_test

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"gowsgi/worker"
)

// TestBehindNginx has nginx speak the uwsgi protocol to the worker, over TCP and a unix socket.
func TestBehindNginx(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("no nginx")
	}
	m, _ := startApp(t, func(c *worker.Conf) { c.Timeout = 4 }, "uwsgi", "uwsgi+unix")
	client := &http.Client{Timeout: 10 * time.Second}
	big := bytes.Repeat([]byte("0123456789abcdef"), 50000)
	for _, addr := range startNginx(t, t.TempDir(), m.addrs...) {
		for _, test := range []struct {
			method, path string
			send         []byte
			chunked      bool
			status       int
			want         string
		}{
			{"GET", "/ignore", nil, false, 200, "ignored"},
			{"HEAD", "/ignore", nil, false, 200, ""},
			{"GET", "/raises", nil, false, 500, "Internal Server Error"},
			{"GET", "/none", nil, false, 204, ""},
			{"GET", "/file", nil, false, 200, testApp(t)[3:]},
			{"GET", "/big", nil, false, 200, strings.Repeat("0123456789abcdef", 65536*4)},
			{"POST", "/echo", big, false, 200, string(big)},
			{"POST", "/ignore", big, false, 200, "ignored"},
			{"POST", "/raises", big, false, 500, "Internal Server Error"},
			{"POST", "/ignore", big, true, 200, "ignored"},
		} {
			var send io.Reader
			if test.send != nil {
				send = bytes.NewReader(test.send)
				if test.chunked {
					send = io.MultiReader(send) // hides the length
				}
			}
			req, err := http.NewRequest(test.method, "http://"+addr+test.path, send)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("%s %s: %v\n%s", test.method, test.path, err, m.log)
				continue
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != test.status || string(got) != test.want || err != nil {
				t.Errorf("%s %s through nginx: %d %.80q, %v, want %d %.80q", test.method, test.path, resp.StatusCode, got, err, test.status, test.want)
			}
		}
	}
}

// TestFrameworks serves Flask and Django, which look into more corners than a hello world.
func TestFrameworks(t *testing.T) {
	apps := map[string]string{
		"flask": `
import flask
app = flask.Flask(__name__)
@app.route("/form", methods=["GET", "POST"])
def form():
    if flask.request.method == "POST":
        return flask.request.form["name"] + flask.request.files["up"].read().decode()
    return flask.url_for("form", _external=True)
@app.route("/fail")
def fail():
    raise RuntimeError("view failed")
`,
		"django": `
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=False, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
def form(request):
    if request.method == "POST":
        return HttpResponse(request.POST["name"] + request.FILES["up"].read().decode())
    return HttpResponse(request.build_absolute_uri())
def fail(request):
    raise RuntimeError("view failed")
urlpatterns = [path("form", form), path("fail", fail)]
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
`}
	upload := "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\njoe\r\n--B\r\nContent-Disposition: form-data; name=\"up\"; filename=\"f\"\r\n\r\ndata\r\n--B--\r\n"
	for name, app := range apps {
		if err := exec.Command(interpreter(t), "-c", "import "+name).Run(); err != nil {
			t.Logf("no %s for this Python", name)
			continue
		}
		conf := newConf("app", "http", "http11", "uwsgi")
		conf.Timeout = 20 // a client that gets no processor between connecting and asking is not what this is about
		m := startMaster(t, conf, app)
		if !m.loaded() {
			t.Fatalf("%s: %s", name, m.log)
		}
		m.fork(1)
		for i, addr := range m.addrs[:2] {
			for request, want := range map[string]string{
				"GET /form HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n": "http://h:1/form",
				"GET /fail HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n":   "500 Internal Server Error",
				"GET /nope HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n":   "404 Not Found",
				"POST /form HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: " +
					strconv.Itoa(len(upload)) + "\r\n\r\n" + upload: "joedata",
			} {
				if got := talk(t, addr, []byte(request)); !strings.Contains(got, want) {
					t.Errorf("%s, socket %d, %.30q: got %q, want %q\n%s", name, i, request, got, want, m.log)
				}
			}
		}
		post := get("/form", "REQUEST_METHOD", "POST", "CONTENT_TYPE", "multipart/form-data; boundary=B", "CONTENT_LENGTH", strconv.Itoa(len(upload)))
		if got := talk(t, m.addrs[2], append(post, upload...)); !strings.HasSuffix(got, "joedata") {
			t.Errorf("%s over the uwsgi protocol: %q\n%s", name, got, m.log)
		}
	}
}
