package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestMetricValues reads metrics and pushes, and what is wrong with them.
func TestMetricValues(t *testing.T) {
	for _, c := range []struct {
		line string
		want Metric
	}{
		{"metric = hits", Metric{Name: "hits", Type: "counter", Freq: 1}},
		{"metric = name=my.temp,type=gauge,initial_value=-5,oid=100.1", Metric{Name: "my.temp", Type: "gauge", Initial: -5, OID: "100.1", Freq: 1}},
		{"metric = name=f,collector=file,arg1=/run/n,freq=10", Metric{Name: "f", Type: "counter", Collector: "file", Path: "/run/n", Freq: 10}},
		{"metric = name=s,collector=adder,children=a;b,arg1n=7,reset_after_push=1",
			Metric{Name: "s", Type: "counter", Collector: "adder", Children: []string{"a", "b"}, Number: 7, Freq: 1, Reset: true}},
		{"metric = name=other,alias=worker.0.requests", Metric{Name: "other", Type: "alias", Alias: "worker.0.requests", Freq: 1}},
	} {
		cfg, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + c.line + "\n"}, "--ini", "a.ini")
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got := cfg.Stats.Custom; len(got) != 1 || !reflect.DeepEqual(got[0], c.want) || !cfg.Stats.Metrics() {
			t.Errorf("%s is %+v, want %+v", c.line, got, c.want)
		}
	}
	for line, want := range map[string]string{
		"metric = ":                            "without a name",
		"metric = name=":                       "without a name",
		"metric = type=gauge":                  "without a name",
		"metric = a b":                         "letters, digits",
		"metric = worker.1.requests":           "built-in",
		"metric = name=a,type=meter":           "no such type",
		"metric = name=a,type=alias":           "alias of nothing",
		"metric = name=a,initial_value=x":      "not a whole number",
		"metric = name=a,oid=1.x":              "digits and dots",
		"metric = name=a,collector=ptr":        "needs code in C",
		"metric = name=a,collector=none":       "no such collector",
		"metric = name=a,collector=file":       "has no file",
		"metric = name=a,collector=sum":        "nothing to work on",
		"metric = name=a,arg2=1":               "collectors in C",
		"metric = name=a,colour=1":             "no such key",
		"metric = " + strings.Repeat("x", 112): "longer than",
		"metric = a\nmetric = a":               "already",
		"stats-push = nowhere":                 "no such way",
		"stats-push = mongodb:x":               "library in C",
		"stats-push = carbon:x":                "options of its own",
		"stats-push = statsd:host":             "no address",
		"stats-push = socket:":                 "no address",
		"stats-push = file:/tmp/x":             "no key=value",
		"stats-push = file:path=/tmp/x,freq=0": "number of seconds",
		"stats-push = file:name=/tmp/x":        "no such key",
		"stats-pusher-default-freq = 0":        "out of range",
		"carbon = host":                        "host:port",
		"carbon = host:99999":                  "host:port",
		"carbon-idle-avg = sometimes":          "not one of",
	} {
		_, err := loadWith(map[string]string{"/site/a.ini": "[uwsgi]\n" + line + "\n"}, "--ini", "a.ini")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", line, err, want)
		}
	}
}

func TestPushValues(t *testing.T) {
	cfg, err := loadWith(map[string]string{"/site/a.ini": `[uwsgi]
stats-push = file:path=/run/s,freq=9,separator=--
stats-push = file:
stats-push = socket:127.0.0.1:8125,mine
stats-push = statsd:/run/statsd.sock
stats = 127.0.0.1:1
stats = /run/stats
stats = 127.0.0.1:1
`}, "--ini", "a.ini")
	if err != nil {
		t.Fatal(err)
	}
	want := []Push{{Kind: "file", To: "/run/s", Separator: "--", Freq: 9}, {Kind: "file", To: "uwsgi.stats", Separator: "\n\n"},
		{Kind: "socket", To: "127.0.0.1:8125", Prefix: "mine"}, {Kind: "statsd", To: "/run/statsd.sock", Prefix: "uwsgi"}}
	if !reflect.DeepEqual(cfg.Stats.Push, want) || cfg.Stats.PushFreq != 3 || !reflect.DeepEqual(cfg.Stats.Stats, []string{"127.0.0.1:1", "/run/stats"}) {
		t.Errorf("pushes are %+v, stats %v", cfg.Stats.Push, cfg.Stats.Stats)
	}
}
