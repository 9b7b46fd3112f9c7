package python_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const metricApp = `
import threading
import uwsgi

def answer(call):
    try:
        return repr(eval("uwsgi.metric_" + call))
    except Exception as err:
        return type(err).__name__

def application(environ, start_response):
    start_response("200 OK", [])
    call = environ["QUERY_STRING"]
    if call.startswith("many"):
        threads = [threading.Thread(target=lambda: [uwsgi.metric_inc("u1") for _ in range(200)]) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return [b"done"]
    return [answer(call).encode()]
`

// addRows puts metrics behind the slots, as the parent does: u1 and u2 are the app's, fixed is not.
func (m *testMaster) addRows() {
	for i, name := range []string{"u1", "fixed", "u2"} {
		at := len(m.mem) - (3-i)*metricRow
		m.mem[at+12] = byte(1 - i%2)
		copy(m.mem[at+16:], name)
	}
	m.mem[len(m.mem)-2*metricRow] = 42
	m.mem[28] = 3
}

// TestMetricFunctions calls them as the real uWSGI 2.0.21 was called; these are its answers.
func TestMetricFunctions(t *testing.T) {
	conf := newConf("app", "uwsgi")
	conf.Processes = 2
	m := startMaster(t, conf, metricApp)
	if !m.loaded() {
		t.Fatal(m.log)
	}
	m.fork(1)
	m.fork(2)
	call := func(what string) string {
		_, body, _ := strings.Cut(talk(t, m.addrs[0], get("/", "QUERY_STRING", what)), "\r\n\r\n")
		return body
	}
	for _, c := range [][2]string{
		{"get('u1')", "0"}, {"set('u1', 5)", "True"}, {"inc('u1')", "True"}, {"inc('u1', 10)", "True"}, {"get('u1')", "16"},
		{"dec('u1', 3)", "True"}, {"get('u1')", "13"}, {"mul('u1', 3)", "True"}, {"get('u1')", "39"}, {"div('u1', 2)", "True"},
		{"get('u1')", "19"}, {"div('u1', 0)", "None"}, {"get('u1')", "19"}, {"set_max('u1', 100)", "True"}, {"get('u1')", "100"},
		{"set_max('u1', 7)", "True"}, {"get('u1')", "100"}, {"set_min('u1', 3)", "True"}, {"get('u1')", "3"}, {"set_min('u1', 9)", "True"},
		{"get('u1')", "3"}, {"inc('nope')", "None"}, {"get('nope')", "0"}, {"get('fixed')", "42"}, {"set('fixed', 3)", "None"},
		{"inc('u1', 'x')", "TypeError"}, {"inc()", "TypeError"}, {"get(b'u1')", "TypeError"}, {"set('u1', -7)", "True"},
		{"get('u1')", "-7"}, {"div('u1', 2)", "True"}, {"get('u1')", "-3"}, {"set('u1', 1 << 62)", "True"}, {"mul('u1', 4)", "True"},
		{"get('u1')", "0"}, {"get('u2')", "0"}, {"set('u1', 0)", "True"},
	} {
		if got := call(c[0]); got != c[1] {
			t.Errorf("metric_%s gives %s, want %s", c[0], got, c[1])
		}
	}
	var all sync.WaitGroup
	for range 4 { // two workers, three threads in each request
		all.Go(func() { call("many") })
	}
	all.Wait()
	if got, want := call("get('u1')"), fmt.Sprint(4*3*200); got != want {
		t.Errorf("%s increments are counted, %s were made; log:\n%s", got, want, m.log)
	}
}
