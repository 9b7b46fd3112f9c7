package python_test

import (
	"testing"
	"time"
)

// BenchmarkBoot is the time from the exec of the interpreter to the first worker that accepts.
func BenchmarkBoot(b *testing.B) {
	var best time.Duration
	for b.Loop() {
		begin := time.Now()
		m := startMaster(b, newConf("app", "uwsgi"), hello)
		m.loaded()
		m.fork(1)
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
		m.kill()
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "ms-best")
}
