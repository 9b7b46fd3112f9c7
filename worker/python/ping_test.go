package python_test

import "testing"

// TestPing answers a ping whole or in pieces, on TCP and unix, and nothing else of its modifier.
func TestPing(t *testing.T) {
	m := startMaster(t, newConf("app", "uwsgi", "uwsgi+unix"), hello)
	if !m.loaded() {
		t.Fatal(m.log)
	}
	m.fork(1)
	const pong = "\x64\x00\x00\x01"
	for _, addr := range m.addrs {
		if got := talk(t, addr, []byte{100, 0, 0, 0}); got != pong {
			t.Errorf("%s answers %q", addr, got)
		}
		if got := talk(t, addr, []byte{100, 0}, []byte{0, 0}); got != pong {
			t.Errorf("%s answers %q to two pieces", addr, got)
		}
	}
	m.waitField(1, 0, fieldReadErrors, 0)
}
