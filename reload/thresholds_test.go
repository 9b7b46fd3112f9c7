package reload

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gowsgi/config"
	"gowsgi/metrics"
)

// TestThresholds: each row is what is raised second after second while a metric has these values.
func TestThresholds(t *testing.T) {
	for name, row := range map[string]struct {
		limit  config.Threshold
		values []int64
		want   string
	}{
		"below":             {config.Threshold{Value: 3}, []int64{0, 1, 2}, "..."},
		"at it, and above":  {config.Threshold{Value: 3}, []int64{2, 3, 4, 2}, ".mm."},
		"not too often":     {config.Threshold{Value: 3, Rate: 3}, []int64{3, 3, 3, 3, 3}, "m..m."},
		"from there on":     {config.Threshold{Value: 3, Reset: true}, []int64{3, 4, 5, 6, 7, 9}, "m..m.m"},
		"the counter began": {config.Threshold{Value: 3, Reset: true}, []int64{5, 1, 3}, "m.m"},
		"below zero":        {config.Threshold{Value: -1}, []int64{-2, -1}, ".m"},
		"its own words":     {config.Threshold{Value: 3, Msg: "x"}, []int64{3}, "x"},
	} {
		row.limit.Key, row.limit.Alarms, row.limit.Entry.Value = "m", []string{"a"}, name
		var got strings.Builder
		var limits thresholds
		at := time.Unix(1000, 0)
		for _, v := range row.values {
			hits := limits.look([]config.Threshold{row.limit}, metrics.MetricList{{Name: "m", Value: v}}, at)
			switch {
			case len(hits) == 0:
				got.WriteString(".")
			case len(hits) == 1 && fmt.Sprint(hits[0].names) == "[a]":
				got.WriteString(hits[0].text)
			default:
				t.Errorf("%s: %+v", name, hits)
			}
			at = at.Add(time.Second)
		}
		if got.String() != row.want {
			t.Errorf("%s: %s, want %s", name, got.String(), row.want)
		}
	}
	var limits thresholds
	limits.look([]config.Threshold{{Entry: config.Entry{Value: "old"}}}, nil, time.Now())
	if limits.look([]config.Threshold{{Entry: config.Entry{Value: "new"}, Value: 9}}, nil, time.Now()); len(limits.told) != 1 {
		t.Errorf("what is not configured any more is remembered: %v", limits.told)
	}
}
