package config

import (
	"slices"
	"strconv"
	"strings"
)

// Threshold raises alarms while a metric is at a value or above.
type Threshold struct {
	Key    string   `json:"key"`
	Value  int64    `json:"value"`
	Alarms []string `json:"alarms"`
	Msg    string   `json:"msg,omitempty"`   // "" = the metric's name
	Rate   int      `json:"rate,omitempty"`  // seconds between two alarms at the least
	Reset  bool     `json:"reset,omitempty"` // an alarm makes the metric's value of that moment the new zero
	Entry  Entry    `json:"-"`
}

// thresholdKeys in the order in which they are named to whoever gets one wrong.
var thresholdKeys = []string{"key", "value", "alarm", "msg", "rate", "reset"}

func (s *Stats) addThreshold(v *value) error {
	const write = "write key=METRIC,value=N,alarm=NAME"
	v.warnUnresolved()
	t := Threshold{Entry: v.Entry}
	have := map[string]bool{}
	for _, part := range strings.Split(v.Value, ",") {
		key, val, _ := strings.Cut(part, "=")
		key, val = strings.TrimSpace(key), strings.TrimSpace(val)
		if !slices.Contains(thresholdKeys, key) {
			return bad("no such key of a threshold: "+key, strings.Join(thresholdKeys, ", ")+" are known")
		}
		if err := t.set(key, val); err != nil {
			return err
		}
		have[key] = true
	}
	for _, key := range thresholdKeys[:3] {
		if !have[key] {
			return bad("there is no "+key+" in it", write)
		}
	}
	if t.Key == "" || len(t.Alarms) == 0 {
		return bad("a threshold of nothing", write)
	}
	s.Thresholds = append(s.Thresholds, t)
	return nil
}

func (t *Threshold) set(key, val string) error {
	switch key {
	case "key":
		t.Key = val
	case "msg":
		t.Msg = val
	case "alarm":
		t.Alarms = strings.FieldsFunc(val, func(r rune) bool { return r == ';' || r == ' ' })
	case "reset":
		t.Reset = val != "" && val != "0" && val != "false"
	case "value", "rate":
		n, err := strconv.ParseInt(val, 10, 64)
		if err != nil {
			return bad(key+" is not a whole number: "+val, "")
		}
		if key == "value" {
			t.Value = n
			return nil
		}
		if n < 0 || n > maxSeconds {
			return bad("rate out of range: 0 or more seconds", "")
		}
		t.Rate = int(n)
	}
	return nil
}
