package python_test

import (
	"fmt"
	"strings"
	"testing"

	"gowsgi/worker"
)

// TestKnownHeads: a head that comes again is not read again below its first line. The environ must be the one that it made at first,
// whatever that line says, whatever the application did to its own, and it must not hold what another client sent.
func TestKnownHeads(t *testing.T) {
	heads := []string{
		"Host: a.example\r\nAccept: */*\r\nUser-Agent: known",
		"Host: b.example\r\nAccept: */*\r\nUser-Agent: known\r\nX-Forwarded-Proto: https",
		"Host: a.example\r\nAccept: */*\r\nAccept: text/plain",
		"Host: a.example\r\nAccept: */*\r\nCookie: secret=1",
		"Host: a.example\r\nAccept: */*",
	}
	lines := []string{"GET /spoil?x=1 HTTP/1.1", "GET /spoil HTTP/1.0", "PUT /spoil?y HTTP/1.1", "GET http://c.example/spoil HTTP/1.1", "DELETE /%73poil HTTP/1.1"}
	ask := func(m *testMaster, line, head string) string {
		var kept []string
		for _, text := range strings.Split(body(talk(t, m.addrs[0], []byte(line+"\r\n"+head+"\r\n\r\n"))), "\n") {
			if !strings.Contains(text, " at 0x") { // an object's address
				kept = append(kept, text)
			}
		}
		return strings.Join(kept, "\n")
	}
	m, _ := startApp(t, func(conf *worker.Conf) { conf.Processes = 1 }, "http")
	first := map[string]string{}
	for round := range 4 {
		for _, line := range lines {
			for _, head := range heads {
				key := line + "\n" + head
				got := ask(m, line, head)
				if round == 0 {
					first[key] = got
					host := "'a.example'"
					if strings.Contains(head, "b.example") {
						host = "'b.example'"
					}
					if strings.Contains(line, "c.example") {
						host = "'c.example'"
					}
					method, _, _ := strings.Cut(line, " ")
					for _, want := range []string{"HTTP_HOST=" + host, fmt.Sprintf("REQUEST_METHOD='%s'", method), "PATH_INFO='/spoil'", "HTTP_ACCEPT='*/*"} {
						if !strings.Contains(got, want) {
							t.Errorf("%q lacks %s:\n%s", key, want, got)
						}
					}
				} else if got != first[key] {
					t.Errorf("round %d, %q: got\n%s\nfirst\n%s", round, key, got, first[key])
				}
				if strings.Contains(got, "spoiled") || strings.Contains(got, "secret") != strings.Contains(head, "secret") {
					t.Errorf("%q holds what it must not:\n%s", key, got)
				}
			}
		}
	}
	// A head that is refused is refused as well once the rest of it is known.
	for _, line := range []string{"GET /spoil\x00 HTTP/1.1", "GET / HTTP/1.1\n", "GET /", "GET / HTTP/3.0", "G@T / HTTP/1.1", "GET nowhere HTTP/1.1"} {
		known := talk(t, m.addrs[0], []byte(line+"\r\n"+heads[0]+"\r\n\r\n"))
		unknown := talk(t, m.addrs[0], []byte(line+"\r\n"+heads[0]+line[:1]+"\r\n\r\n"))
		if known != unknown || strings.HasPrefix(known, "HTTP/1.1 200") {
			t.Errorf("%q: %q, with an unknown rest %q", line, known, unknown)
		}
	}
}
