package config

import (
	"slices"
	"strconv"
	"strings"
)

// Metric is one metric of the configuration.
type Metric struct {
	Name      string   `json:"name"`
	OID       string   `json:"oid,omitempty"`
	Type      string   `json:"type"` // counter, gauge, absolute, alias
	Initial   int64    `json:"initial,omitempty"`
	Alias     string   `json:"alias,omitempty"`     // the metric that this is another name of
	Collector string   `json:"collector,omitempty"` // "" = the app sets it
	Children  []string `json:"children,omitempty"`
	Path      string   `json:"path,omitempty"`   // of the collector file, as the jail sees it
	Number    int64    `json:"number,omitempty"` // of the collectors adder and multiplier
	Freq      int      `json:"freq,omitempty"`   // seconds
	Reset     bool     `json:"reset,omitempty"`  // to the initial value after each push
}

const maxMetricName = 111 // what a row of the scoreboard holds

var metricTypes = []string{"counter", "gauge", "absolute", "alias"}

// metricCollectors are the ways to come to a value without the app.
var metricCollectors = []string{"file", "sum", "avg", "adder", "multiplier", "accumulator"}

// metricDefs reads NAME or a list of key=value.
func metricDefs(p *[]Metric) setter {
	return func(v *value) error {
		w := v.tidy()
		if err := unresolved(w); err != nil {
			return err
		}
		m := Metric{Type: "counter", Freq: 1}
		if !strings.Contains(w, "=") {
			m.Name = w
		} else {
			for _, part := range strings.Split(w, ",") {
				key, val, _ := strings.Cut(part, "=")
				if err := m.set(strings.TrimSpace(key), strings.TrimSpace(val)); err != nil {
					return err
				}
			}
		}
		if err := m.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(*p, func(other Metric) bool { return other.Name == m.Name }) {
			return bad("there is a metric of this name already: "+m.Name, "")
		}
		*p = append(*p, m)
		return nil
	}
}

func (m *Metric) set(key, val string) error {
	number := func(n *int64) error {
		parsed, err := strconv.ParseInt(val, 10, 64)
		if err != nil {
			return bad(key+" is not a whole number: "+val, "")
		}
		*n = parsed
		return nil
	}
	switch key {
	case "name":
		m.Name = val
	case "oid":
		m.OID = val
	case "type":
		m.Type = val
	case "alias":
		m.Alias, m.Type = val, "alias"
	case "initial_value":
		return number(&m.Initial)
	case "children":
		m.Children = strings.Split(val, ";")
	case "collector":
		m.Collector = val
	case "arg1":
		m.Path = val
	case "arg1n":
		return number(&m.Number)
	case "freq":
		var n int64
		if err := number(&n); err != nil {
			return err
		}
		m.Freq = int(min(max(n, 1), 86400))
	case "reset_after_push":
		m.Reset = val != "" && val != "0" && val != "false"
	case "arg2", "arg3", "arg2n", "arg3n":
		return bad(key+" is for collectors in C", "arg1 and arg1n are known")
	default:
		return bad("no such key of a metric: "+key, "name, type, oid, initial_value, collector, children, arg1, arg1n, freq, alias and reset_after_push are known")
	}
	return nil
}

// check says what is wrong with a metric by itself.
func (m *Metric) check() error {
	part, _, _ := strings.Cut(m.Name, ".")
	switch {
	case m.Name == "":
		return bad("a metric without a name", "write name=NAME")
	case len(m.Name) > maxMetricName:
		return bad("the name is longer than "+strconv.Itoa(maxMetricName)+" bytes", "")
	case strings.Trim(m.Name, metricLetters) != "":
		return bad("a name is of letters, digits, dots, dashes and underscores: "+m.Name, "")
	case slices.Contains([]string{"core", "worker", "socket", "rss_size", "vsz_size"}, part):
		return bad("the name is that of a built-in metric: "+m.Name, "")
	case strings.Trim(m.OID, ".0123456789") != "":
		return bad("an oid is of digits and dots: "+m.OID, "")
	case !slices.Contains(metricTypes, m.Type):
		return bad("no such type of a metric: "+m.Type, "write one of "+strings.Join(metricTypes, ", "))
	case m.Type == "alias" && m.Alias == "":
		return bad("an alias of nothing", "write alias=NAME")
	case slices.Contains([]string{"ptr", "func"}, m.Collector):
		return bad("the collector "+m.Collector+" needs code in C", "have the app set the metric: uwsgi.metric_set")
	case m.Collector != "" && !slices.Contains(metricCollectors, m.Collector):
		return bad("no such collector: "+m.Collector, "write one of "+strings.Join(metricCollectors, ", "))
	case m.Collector == "file" && m.Path == "":
		return bad("the collector file has no file", "write arg1=PATH")
	case m.Collector != "" && m.Collector != "file" && len(m.Children) == 0:
		return bad("the collector "+m.Collector+" has nothing to work on", "write children=NAME;NAME")
	}
	return nil
}

const metricLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
