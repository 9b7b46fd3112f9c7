package config

import (
	"slices"
	"strconv"
	"strings"
)

// Stats says where state can be read from.
type Stats struct {
	Stats      []string `json:"stats,omitempty"` // addresses of uWSGI's JSON
	HTTP       bool     `json:"http,omitempty"`  // answer it with an HTTP header
	Minified   bool     `json:"minified,omitempty"`
	NoCores    bool     `json:"no_cores,omitempty"`
	NoMetrics  bool     `json:"no_metrics,omitempty"`
	Prometheus string   `json:"prometheus,omitempty"` // host:port or unix path of the metrics page; "" = none

	EnableMetrics  bool `json:"enable_metrics,omitempty"` // uWSGI's metrics in the JSON
	MetricsNoCores bool `json:"metrics_no_cores,omitempty"`

	Custom            []Metric    `json:"custom,omitempty"`
	Thresholds        []Threshold `json:"thresholds,omitempty"`
	MetricsDir        string      `json:"metrics_dir,omitempty"` // each metric is a file here, as the jail sees it
	MetricsDirRestore bool        `json:"metrics_dir_restore,omitempty"`

	Push            []Push `json:"push,omitempty"`
	PushFreq        int    `json:"push_freq"`    // seconds between two pushes of those that do not say
	PingTimeout     int    `json:"ping_timeout"` // seconds
	StatsdNoWorkers bool   `json:"statsd_no_workers,omitempty"`
	StatsdAllGauges bool   `json:"statsd_all_gauges,omitempty"`
	Carbon          Carbon `json:"carbon,omitzero"`
}

// Metrics reports whether uWSGI's metrics are wanted: what pushes them turns them on too.
func (s *Stats) Metrics() bool {
	return s.EnableMetrics || len(s.Push) > 0 || len(s.Custom) > 0 || len(s.Thresholds) > 0 || s.MetricsDir != ""
}

// Push is one stats-push.
type Push struct {
	Kind      string `json:"kind"` // file, socket, statsd
	To        string `json:"to"`   // path or address
	Prefix    string `json:"prefix,omitempty"`
	Separator string `json:"separator,omitempty"`
	Freq      int    `json:"freq,omitempty"` // seconds, 0 = push_freq
}

// Carbon is what carbon servers are sent.
type Carbon struct {
	Servers      []string `json:"servers,omitempty"` // host:port
	Timeout      int      `json:"timeout,omitempty"` // seconds
	Freq         int      `json:"freq,omitempty"`    // seconds
	ID           string   `json:"id,omitempty"`      // "" = the first socket
	NoWorkers    bool     `json:"no_workers,omitempty"`
	MaxRetry     int      `json:"max_retry,omitempty"`
	RetryDelay   int      `json:"retry_delay,omitempty"` // seconds
	Root         string   `json:"root,omitempty"`
	HostnameDots string   `json:"hostname_dots,omitempty"` // instead of the dots of the host's name
	IdleAvg      string   `json:"idle_avg,omitempty"`
	UseMetrics   bool     `json:"use_metrics,omitempty"`
}

// Defaults of uWSGI.
const (
	defaultPushFreq         = 3
	defaultPingTimeout      = 3
	defaultCarbonTimeout    = 3
	defaultCarbonFreq       = 60
	defaultCarbonRetryDelay = 7
)

// idleAverages are the words of carbon-idle-avg.
var idleAverages = []string{"last", "zero", "none"}

func defaultStats() Stats {
	return Stats{
		PushFreq: defaultPushFreq, PingTimeout: defaultPingTimeout,
		Carbon: Carbon{
			Timeout: defaultCarbonTimeout, Freq: defaultCarbonFreq, RetryDelay: defaultCarbonRetryDelay, Root: "uwsgi", IdleAvg: "last",
		},
	}
}

func (s *Stats) options() []option {
	const day = 86400
	c := &s.Carbon
	return []option{
		{"stats", "serve uWSGI's JSON of statistics here; repeatable", listenWords(&s.Stats)},
		{"stats-http", "put an HTTP header before the statistics", boolean(&s.HTTP)},
		{"stats-minified", "statistics without white space", boolean(&s.Minified)},
		{"stats-no-cores", "statistics without the cores of each worker", boolean(&s.NoCores)},
		{"stats-no-metrics", "statistics without uWSGI's metrics", boolean(&s.NoMetrics)},
		{"prometheus", "serve Prometheus metrics over HTTP here", listenWord(&s.Prometheus)},
		{"enable-metrics", "keep uWSGI's metrics", boolean(&s.EnableMetrics)},
		{"metrics-no-cores", "no metrics of single cores", boolean(&s.MetricsNoCores)},
		{"metric", "keep a metric of the app: NAME, or name=NAME,type=T,initial_value=N,oid=O,collector=C,children=A;B,arg1=FILE,arg1n=N,freq=N; repeatable", metricDefs(&s.Custom)},
		{"metric-alarm", "raise alarms while a metric is at a value or above: key=METRIC,value=N,alarm=NAME[;NAME],msg=TEXT,rate=SECONDS,reset=1; repeatable", s.addThreshold},
		{"metrics-dir", "write each metric to a file of its name in this directory, as the jail sees it", word(&s.MetricsDir)},
		{"metrics-dir-restore", "start with the values of the app's metrics in metrics-dir", boolean(&s.MetricsDirRestore)},
		{"stats-push", "push figures: file:path=FILE[,freq=N][,separator=S], socket:ADDR[,PREFIX] or statsd:ADDR[,PREFIX]; repeatable", pushes(&s.Push)},
		{"stats-pusher-default-freq", "seconds between two pushes", number(&s.PushFreq, 1, day)},
		{"ping-timeout", "seconds that ping waits for the answer", number(&s.PingTimeout, 1, day)},
		{"statsd-no-workers", "push no metrics of single workers to statsd", boolean(&s.StatsdNoWorkers)},
		{"statsd-all-gauges", "push counters to statsd as gauges", boolean(&s.StatsdAllGauges)},
		{"carbon", "send figures to this carbon server, host:port; repeatable", carbonServers(&c.Servers)},
		{"carbon-timeout", "seconds that sending to carbon may take", number(&c.Timeout, 1, day)},
		{"carbon-freq", "seconds between two sendings to carbon", number(&c.Freq, 1, day)},
		{"carbon-id", "name of this instance for carbon; default is the first socket", word(&c.ID)},
		{"carbon-no-workers", "send no figures of single workers to carbon", boolean(&c.NoWorkers)},
		{"carbon-max-retry", "times that a failed sending to carbon is tried again", number(&c.MaxRetry, 0, 100)},
		{"carbon-retry-delay", "seconds before a failed sending to carbon is tried again", number(&c.RetryDelay, 0, day)},
		{"carbon-root", "first part of each path for carbon; default is uwsgi", word(&c.Root)},
		{"carbon-hostname-dots", "written for the dots of the host's name in carbon's paths", word(&c.HostnameDots)},
		{"carbon-idle-avg", "average time of an idle worker for carbon: last, zero or none", oneOf(&c.IdleAvg, idleAverages)},
		{"carbon-use-metrics", "send uWSGI's metrics to carbon instead of the fixed figures", boolean(&c.UseMetrics)},
	}
}

// listenWord binds one address.
func listenWord(p *string) setter {
	return func(v *value) error {
		addr, err := address(v)
		if err == nil {
			*p = addr
		}
		return err
	}
}

// listenWords appends an address; one that is given twice counts once.
func listenWords(p *[]string) setter {
	return func(v *value) error {
		addr, err := address(v)
		if err == nil && !slices.Contains(*p, addr) {
			*p = append(*p, addr)
		}
		return err
	}
}

// oneOf binds one of a few words.
func oneOf(p *string, allowed []string) setter {
	return func(v *value) error {
		w := v.tidy()
		if err := unresolved(w); err != nil {
			return err
		}
		if !slices.Contains(allowed, w) {
			return bad("not one of "+strings.Join(allowed, ", "), "")
		}
		*p = w
		return nil
	}
}

func carbonServers(p *[]string) setter {
	return func(v *value) error {
		addr := v.tidy()
		if err := unresolved(addr); err != nil {
			return err
		}
		if !isHostPort(addr) {
			return bad("no address of a server", "write host:port")
		}
		*p = append(*p, addr)
		return nil
	}
}

// isHostPort reports whether a word names somebody to send to.
func isHostPort(addr string) bool {
	i := strings.LastIndexByte(addr, ':')
	if i < 1 {
		return false
	}
	port, err := strconv.Atoi(addr[i+1:])
	return err == nil && port > 0 && port < 65536
}

// pushes reads KIND:WHERE.
func pushes(p *[]Push) setter {
	return func(v *value) error {
		w := v.tidy()
		if err := unresolved(w); err != nil {
			return err
		}
		kind, rest, _ := strings.Cut(w, ":")
		push := Push{Kind: kind}
		switch kind {
		case "file":
			if err := push.file(rest); err != nil {
				return err
			}
		case "socket", "statsd":
			push.To, push.Prefix, _ = strings.Cut(rest, ",")
			if push.Prefix == "" {
				push.Prefix = "uwsgi"
			}
			if !isHostPort(push.To) && !strings.HasPrefix(push.To, "/") && !strings.HasPrefix(push.To, "@") {
				return bad("no address to push to", "write "+kind+":host:port[,prefix]")
			}
		case "carbon":
			return bad("carbon has options of its own", "write carbon = host:port")
		case "mongodb", "rrdtool", "zabbix":
			return bad("pushing to "+kind+" needs a library in C", "scrape prometheus, or push to statsd")
		default:
			return bad("no such way to push", "write file:, socket: or statsd:")
		}
		*p = append(*p, push)
		return nil
	}
}

// file reads the keys of a push to a file.
func (p *Push) file(text string) error {
	p.To, p.Separator = "uwsgi.stats", "\n\n"
	if text == "" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		key, val, ok := strings.Cut(part, "=")
		switch {
		case !ok || val == "":
			return bad("no key=value: "+part, "write file:path=FILE,freq=SECONDS")
		case key == "path":
			p.To = val
		case key == "separator":
			p.Separator = val
		case key == "freq":
			n, err := strconv.Atoi(val)
			if err != nil || n < 1 {
				return bad("freq is not a number of seconds: "+val, "")
			}
			p.Freq = n
		default:
			return bad("no such key of a push to a file: "+key, "path, freq and separator are known")
		}
	}
	return nil
}
