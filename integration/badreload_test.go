package integration

import (
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestBadReload: what cannot serve does not replace what serves. The old stack is left alone, the log says why, and a metric counts it;
// the next good reload works.
func TestBadReload(t *testing.T) {
	for _, c := range []struct {
		name    string
		overlap bool
		breakIt func(w *site)
		log     string
	}{
		{"configuration does not parse", false, func(w *site) { w.e.Write("site.ini", "[uwsgi]\nthis is no = option = at all\nprocesses = many\n") }, `site\.ini:\d+`},
		{"configuration does not parse, overlap", true, func(w *site) { w.e.Write("site.ini", "[uwsgi]\nprocesses = many\n") }, `site\.ini:2`},
		{"configuration is gone", false, func(w *site) { w.e.Run("rm", w.ini) }, `site\.ini`},
		{"option not supported", false, func(w *site) { w.extra += "zerg-server = /tmp\n"; w.write() }, `(?i)not supported yet: zerg-server`},
		{"app does not import, overlap", true, func(w *site) { w.breakCode() }, `ImportError: broken on purpose`},
		{"rootfs is gone, overlap", true, func(w *site) { w.root += "-gone"; w.write() }, `(?i)cannot .*-gone`},
		{"user is gone, overlap", true, func(w *site) { w.extra += "uid = nosuchuser\n"; w.write() }, `(?i)cannot .*nosuchuser`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			w := newSite(e, c.overlap)
			s := w.start()
			good := *w
			master := s.Master()
			load := harness.StartLoad([]harness.Target{{Proto: "http", Addr: w.http, Path: "/code"}, {Proto: "uwsgi", Addr: w.tcp, Path: "/code"}},
				func(body string) bool { return strings.HasPrefix(body, "one\n") })
			s.Forget()
			c.breakIt(w)
			w.hup()
			s.WaitLog(10*time.Second, c.log)
			if !harness.Eventually(10*time.Second, func() bool {
				return metricValue(t, w.prometheus, `gowsgi_reloads_total{result="failed"}`) == 1 && len(harness.Children(s.PID)) == 1
			}) {
				t.Error("the metric does not count the failed reload, or a second stack stays")
			}
			if s.Master() != master {
				t.Error("the old stack was replaced")
			}
			if sum := load.Stop(); sum.Failed() != 0 || sum.Wrong != 0 {
				t.Errorf("%s: %s", sum, strings.Join(sum.Samples, "; "))
			}
			good.write()
			good.fix()
			good.hup()
			good.waitServed("two")
		})
	}
}

// breakCode puts an app in place that does not import.
func (w *site) breakCode() {
	w.e.T.Helper()
	w.e.Write(w.root+harness.AppDir+"/probe.py", "raise ImportError('broken on purpose')\n")
}

// fix makes the app importable again after a breaking change of its code.
func (w *site) fix() {
	w.e.T.Helper()
	w.e.CopyApp("probe.py", w.root+harness.AppDir)
	w.code("two")
}
