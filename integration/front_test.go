package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// environApp answers with its environ, one NAME=value a line.
const environApp = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("".join("%s=%s\n" % i for i in sorted(environ.items()) if i[0].isupper())).encode()]
`

// serveIni starts an ini file with these lines beside the app of environApp.
func serveIni(e *harness.Env, lines ...string) *harness.Server {
	e.Write("env.py", environApp)
	ini := e.Write("site.ini", "[uwsgi]\nmodule = env\nmaster = true\n"+strings.Join(lines, "\n")+"\n")
	return e.Start("--ini", ini)
}

// TestHTTPFromWorkers: http, as most files have it, is served by the workers, beside other sockets; the app is told what the router told it.
func TestHTTPFromWorkers(t *testing.T) {
	e := harness.New(t)
	http, socket := harness.FreePort(t), harness.FreePort(t)
	s := serveIni(e, "http = "+http, "socket = "+socket, "http-var = COLOUR=blue", "processes = 2", "http-timeout = 7")
	s.WaitServing("http", http)
	s.WaitLog(time.Second, `uWSGI http bound on `+http+` fd \d+$`)
	s.WaitLog(time.Second, `the workers serve it themselves, there is no router process`)
	body := getBody(t, "http", http, "/a%20b")
	for _, want := range []string{"UWSGI_ROUTER=http\n", "COLOUR=blue\n", "PATH_INFO=/a b\n", "REMOTE_PORT="} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if body := getBody(t, "uwsgi", socket, "/x"); strings.Contains(body, "UWSGI_ROUTER") || !strings.Contains(body, "PATH_INFO=/x\n") {
		t.Errorf("through the socket: %s", body)
	}
}

// TestHTTPKeepalive: with http-keepalive a connection serves one request after the other and is closed when it idles too long.
func TestHTTPKeepalive(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := serveIni(e, "http = "+addr, "http-keepalive = 2", "http-auto-chunked = true")
	s.WaitServing("http", addr)
	c, err := harness.Dial(addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range 3 {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		answer, err := harness.ReadResponse(r, "GET")
		if err != nil || !strings.Contains(answer.Body, fmt.Sprintf("PATH_INFO=/%d\n", i)) || !strings.Contains(answer.Body, "REMOTE_PORT=") {
			t.Fatalf("request %d: %v %+v", i, err, answer)
		}
	}
	began := time.Now()
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
	if idle := time.Since(began); idle < 1500*time.Millisecond || idle > 4*time.Second {
		t.Errorf("closed after %v, want about 2 s", idle)
	}
}

// TestHTTPHeadersTimeout: the head of a request must come within http-headers-timeout, also when it comes in drops.
func TestHTTPHeadersTimeout(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := serveIni(e, "http = "+addr, "http-timeout = 20", "http-headers-timeout = 1")
	s.WaitServing("http", addr)
	answer, err := harness.Exchange(addr, "GET / HTTP/1.1\r\nHost:", false, 6*time.Second)
	if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
		t.Errorf("%v %q", err, answer)
	}
}

// TestMappedAndSharedSockets: a socket that only some workers serve, one given by number, one by pattern, one in the abstract space.
func TestMappedAndSharedSockets(t *testing.T) {
	e := harness.New(t)
	e.CopyApp("probe.py", e.Dir)
	one, two := harness.FreePort(t), harness.FreePort(t)
	_, port, _ := net.SplitHostPort(two)
	s := serveIni(e, "module = probe", "shared-socket = "+one, "http-socket = =0", "http-socket = 127.*:"+port, "socket = "+e.Dir+"/a.sock",
		"map-socket = 0:2", "processes = 3", "abstract-socket = true", "so-keepalive = true", "socket-sndbuf = 65536", "tcp-fast-open = 5",
		"so-send-timeout = 9", "freebind = true")
	s.WaitServing("http", one)
	s.WaitServing("http", two)
	seen := map[string]bool{}
	for range 20 {
		seen[getBody(t, "http", one, "/pid")] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d workers serve the mapped socket, want 1: %v", len(seen), seen)
	}
	if len(workers(t, "http", two, 3)) != 3 {
		t.Error("the other socket is not served by all workers")
	}
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil || !strings.Contains(string(table), "@"+e.Dir+"/a.sock\n") {
		t.Errorf("the abstract socket is not there: %v", err)
	}
	if _, err := os.Stat(e.Dir + "/a.sock"); !os.IsNotExist(err) {
		t.Errorf("the abstract socket has a path: %v", err)
	}
}

// TestProxyLine: a balancer's line names the client, once for a kept connection; a broken line ends it, none at all is fine.
func TestProxyLine(t *testing.T) {
	e := harness.New(t)
	front, kept, other := harness.FreePort(t), harness.FreePort(t), harness.FreePort(t)
	s := serveIni(e, "http = "+front, "http-enable-proxy-protocol = true", "enable-proxy-protocol = 1", "http11-socket = "+kept, "http-socket = "+other)
	s.WaitServing("http", front)
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	last := "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, c := range []struct{ addr, send, want string }{
		{front, "PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\n" + get, "REMOTE_ADDR=192.0.2.9\nREMOTE_PORT=4711\n"},
		{front, "PROXY TCP6 2001:db8::1 ::1 4711 80\r\n" + get, "REMOTE_ADDR=2001:db8::1\n"},
		{front, "PROXY UNKNOWN\r\n" + get, "REMOTE_ADDR=127.0.0.1\n"},
		{front, get, "REMOTE_ADDR=127.0.0.1\n"},
		{other, "PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\n" + get, "REMOTE_ADDR=192.0.2.9\n"},
		{other, "PROXY TCP4 nobody 10.0.0.1 4711 80\r\n" + get, ""},
		{other, "PROXY " + strings.Repeat("x", 200) + "\r\n" + get, ""},
		{kept, "PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\n" + get + last, "REMOTE_ADDR=192.0.2.9\n"},
	} {
		answer, err := harness.Exchange(c.addr, c.send, false, 8*time.Second)
		requests := strings.Count(c.send, "GET ")
		if c.want == "" && strings.Contains(answer, "200 OK") || c.want != "" && (err != nil || strings.Count(answer, c.want) != requests) {
			t.Errorf("%q: %v %q, want %q", c.send, err, answer, c.want)
		}
	}
}

// TestSocketTuningOverReload: what can change on a bound socket does, without the socket being bound anew.
func TestSocketTuningOverReload(t *testing.T) {
	e := harness.New(t)
	addr := harness.FreePort(t)
	s := serveIni(e, "http = "+addr, "http-timeout = 1")
	s.WaitServing("http", addr)
	slow := func() time.Duration {
		began := time.Now()
		_, _ = harness.Exchange(addr, "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nab", false, 8*time.Second)
		return time.Since(began)
	}
	e.Write("env.py", "def application(environ, start_response):\n    environ['wsgi.input'].read()\n    return environ['missing']\n")
	e.Write("site.ini", "[uwsgi]\nmodule = env\nhttp = "+addr+"\nhttp-timeout = 3\n")
	s.Forget()
	s.Signal(syscall.SIGHUP)
	s.WaitLog(10*time.Second, `inherited TCP address`)
	s.WaitLog(10*time.Second, `WSGI app 0`)
	var took time.Duration
	if !harness.Eventually(10*time.Second, func() bool { took = slow(); return took > 2500*time.Millisecond }) || took > 6*time.Second {
		t.Errorf("a silent client was waited for %v, want about 3 s", took)
	}
}
