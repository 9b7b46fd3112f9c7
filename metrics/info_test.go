package metrics

import (
	"reflect"
	"testing"
	"time"
)

func TestBuildTimes(t *testing.T) {
	var b BuildTimes
	for _, d := range []time.Duration{-time.Second, 5 * time.Millisecond, 6 * time.Millisecond, time.Second, time.Hour} {
		b.Observe(d)
	}
	want := map[float64]uint64{0.005: 2, 0.01: 3, 0.025: 3, 0.05: 3, 0.1: 3, 0.25: 3, 0.5: 3, 1: 4, 2.5: 4, 5: 4, 10: 4, 30: 4}
	if got := b.Cumulative(); !reflect.DeepEqual(got, want) {
		t.Errorf("buckets are %v, want %v", got, want)
	}
	if want := time.Hour + time.Second + 11*time.Millisecond; b.Count != 5 || b.Sum != want || b.Last != time.Hour {
		t.Errorf("%d builds took %v, the last %v", b.Count, b.Sum, b.Last)
	}
	before := b
	b.Observe(0)
	if before.Cumulative()[0.005] != 2 {
		t.Error("a copy changed with the original")
	}
}

func TestReloadsCount(t *testing.T) {
	var r Reloads
	at := time.Unix(1700000000, 0)
	r.Succeeded(at)
	r.Failed(ReloadApp, at.Add(time.Second), "first")
	r.Failed(ReloadApp, at.Add(2*time.Second), "second")
	r.Failed(ReloadFailure(200), at.Add(3*time.Second), "third")
	if r.OK != 1 || r.LastOK != at || r.Failures(ReloadApp) != 2 || r.Failures(ReloadConfig) != 0 || r.Failures(ReloadFailure(99)) != 1 ||
		r.AllFailures() != 3 || r.LastError != "third" || r.LastFailed != at.Add(3*time.Second) {
		t.Errorf("counted %+v", r)
	}
	seen := map[string]bool{"other": true}
	for why := range NumReloadFailures {
		if seen[why.String()] {
			t.Errorf("reason %d is called %q", why, why)
		}
		seen[why.String()] = true
	}
}
