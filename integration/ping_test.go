package integration

import (
	"net"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestPingServer: --ping asks ours and the real uWSGI, over TCP and unix; nobody there, silence and another protocol are 1 and a line.
func TestPingServer(t *testing.T) {
	e := harness.New(t)
	tcp, unix, http := harness.FreePort(t), e.Dir+"/p.sock", harness.FreePort(t)
	s := e.Start("--socket", tcp, "--socket", unix, "--http-socket", http, "--chdir", appDir(e), "--module", "probe", "--master")
	s.WaitServing("http", http)
	theirs := harness.FreePort(t)
	uwsgi := e.StartWith(harness.Options{Program: []string{"uwsgi", "--plugin", "python3,ping"},
		Args: []string{"--socket", theirs, "--chdir", appDir(e), "--module", "probe", "--master"}})
	uwsgi.WaitServing("uwsgi", theirs)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--ping", tcp}, 0, ""},
		{[]string{"--ping", unix}, 0, ""},
		{[]string{"--ping-timeout", "2", "--ping", theirs}, 0, ""},
		{[]string{"--ping", harness.FreePort(t)}, 1, `cannot ping: .*refused`},
		{[]string{"--ping", silent.Addr().String(), "--ping-timeout", "1"}, 1, `cannot ping .*: no answer: .*timeout`},
		{[]string{"--ping", http}, 1, `cannot ping .*: it answers 48 54 54 50|cannot ping .*: no answer`},
	} {
		began := time.Now()
		p := e.Start(c.args...)
		if code := p.WaitExit(8 * time.Second); code != c.code || (c.says != "" && p.CountLog(c.says) == 0) {
			t.Errorf("%v ends with %d after %v and says %q", c.args, code, time.Since(began), p.Log())
		}
	}
	asked := e.StartWith(harness.Options{Program: []string{"uwsgi", "--plugin", "ping"}, Args: []string{"--ping", tcp}})
	if code := asked.WaitExit(5 * time.Second); code != 0 {
		t.Errorf("uWSGI's own ping of ours ends with %d: %s", code, asked.Log())
	}
}
