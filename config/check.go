package config

import (
	"slices"
	"strings"
)

// check looks across options, once all are in their fields.
func (l *loader) check(c *Config) {
	at := func(name string) (Entry, bool) {
		for i := len(l.entries) - 1; i >= 0; i-- {
			if !l.entries[i].logic && canonical(l.entries[i].Key) == name {
				return l.entries[i], true
			}
		}
		return Entry{}, false
	}
	l.checkSockets(c)
	l.checkAlarms(c)
	l.checkMules(c)
	l.checkCaches(&c.Caches)
	for _, r := range rules {
		if e, ok := at(r.option); ok && r.broken(c, func(name string) bool { _, ok := at(name); return ok }) {
			l.report.add(r.severity, e, r.message, r.hint)
		}
	}
}

// checkSockets finds an address that is bound twice.
func (l *loader) checkSockets(c *Config) {
	seen := map[string]Pos{}
	for _, s := range c.Sockets.List {
		first, twice := seen[s.Addr]
		_, port, _ := strings.Cut(s.Addr, ":")
		if twice && !c.Sockets.ReusePort && port != "0" {
			l.report.add(SeverityError, Entry{Key: "socket", Value: s.Addr, Pos: s.Pos}, "the address is bound already at "+first.String(), "keep one")
		}
		seen[s.Addr] = s.Pos
	}
}

// rule is one thing that options may not be together.
type rule struct {
	option   string // the setting that the finding is shown at
	broken   func(c *Config, given func(string) bool) bool
	severity Severity
	message  string
	hint     string
}

func with(names ...string) func(*Config, func(string) bool) bool {
	return func(_ *Config, given func(string) bool) bool {
		for _, n := range names {
			if given(n) {
				return true
			}
		}
		return false
	}
}

func withoutUser(c *Config, _ func(string) bool) bool {
	return (c.Security.MasterRoot || c.Security.DropAfter) && c.Security.UID == ""
}

func noFiles(c *Config, _ func(string) bool) bool { return !c.Static.On() }

func noFront(c *Config, _ func(string) bool) bool {
	return !slices.ContainsFunc(c.Sockets.List, func(s Socket) bool { return s.Front })
}

// strays tells whether a route leads to a logger that does not exist.
func strays(routes []LogRoute, loggers []Logger) bool {
	return slices.ContainsFunc(routes, func(r LogRoute) bool {
		return !slices.ContainsFunc(loggers, func(l Logger) bool { return l.Name == r.Name })
	})
}

var rules = []rule{
	{"namespace", with("pivot_root"), SeverityError, "namespace and pivot_root both make the root", "keep one"},
	{"namespace", with("chroot"), SeverityError, "namespace and chroot both make the root", "keep one"},
	{"unshare", func(c *Config, _ func(string) bool) bool {
		return c.Jail.Namespace != "" && c.Isolation.unsharesOf("mount", "pid", "uts", "ipc")
	}, SeverityWarning,
		"namespace makes the mount, pid, uts and ipc namespaces already: each is made once", "name only user, net, cgroup and time beside namespace"},
	{"jail-net", func(c *Config, _ func(string) bool) bool {
		return c.Confine.Veth != nil && c.Confine.Veth.Second == "" && c.Reload.Overlap
	}, SeverityWarning,
		"reload-overlap has two jails at once: with one address the next one cannot reach anything until the old one is gone",
		"add a second address: jail-net = veth:NAME,ADDRESS/LENGTH,GATEWAY,ADDRESS2"},
	{"jail-dev", func(c *Config, _ func(string) bool) bool { return c.Jail.Namespace == "" }, SeverityError,
		"only a root that namespace makes gets a /dev", "write namespace = /rootfs:hostname, or mount one in a hook"},
	{"master-as-root", withoutUser, SeverityWarning, "there is no uid to give the app: everything stays as it is", "name a uid"},
	{"drop-after-apps", withoutUser, SeverityWarning, "there is no uid to drop to: everything stays as it is", "name a uid"},
	{"threads", with("gevent"), SeverityError, "threads and gevent exclude each other", "keep one"},
	{"threads", with("async"), SeverityError, "threads and async exclude each other", "keep one"},
	{"namespace-keep-mount", func(c *Config, _ func(string) bool) bool { return c.Jail.Namespace == "" }, SeverityError,
		"there is no jail to keep a mount in", "write namespace = /rootfs:hostname"},
	{"namespace-net", func(c *Config, _ func(string) bool) bool { return c.Jail.Net && c.Jail.Namespace == "" }, SeverityError,
		"there is no jail to give a network", "write namespace = /rootfs:hostname"},
	{"cheaper", func(c *Config, _ func(string) bool) bool { return c.Cheaper.Cheaper >= c.Process.Processes }, SeverityError,
		"invalid cheaper value: must be lower than processes", "cheaper is the least number of workers, processes the largest"},
	{"cheaper-initial", func(c *Config, _ func(string) bool) bool { return c.Cheaper.Cheaper == 0 }, SeverityError,
		"cheaper-initial does nothing without cheaper", "write cheaper = N, the least number of workers"},
	{"cheaper-rss-limit-hard", func(c *Config, _ func(string) bool) bool { return c.Cheaper.RSSHard <= c.Cheaper.RSSSoft }, SeverityError,
		"cheaper-rss-limit-hard must be above cheaper-rss-limit-soft", ""},
	{"cheaper-busyness-min", func(c *Config, _ func(string) bool) bool { return c.Cheaper.BusynessMin >= c.Cheaper.BusynessMax }, SeverityError,
		"cheaper-busyness-min must be below cheaper-busyness-max", ""},
	{"die-on-idle", func(c *Config, _ func(string) bool) bool { return c.Cheaper.DieOnIdle && c.Cheaper.IdleSeconds == 0 }, SeverityWarning,
		"die-on-idle does nothing without idle", "write idle = SECONDS"},
	{"mount", func(c *Config, given func(string) bool) bool {
		speaksUWSGI := slices.ContainsFunc(c.Sockets.List, func(s Socket) bool { return s.Proto == ProtoUWSGI })
		return !c.Protocol.ManageScriptName && !speaksUWSGI && len(c.Sockets.List) > 0
	}, SeverityWarning, "requests over HTTP have no SCRIPT_NAME to choose the app by", "write manage-script-name = true"},
	{"static-index", noFiles, SeverityWarning, "no files are served", "write static-map = /prefix=directory"},
	{"static-expires", noFiles, SeverityWarning, "no files are served", "write static-map = /prefix=directory"},
	{"http-keepalive", noFront, SeverityWarning, "there is no http", "http11-socket keeps its connections"},
	{"http-timeout", noFront, SeverityWarning, "there is no http", "socket-timeout is the limit of the other sockets"},
	{"log-route", func(c *Config, _ func(string) bool) bool { return strays(c.Log.Sort.Routes, c.Log.Sort.Loggers) }, SeverityWarning,
		"no logger has this name: these lines go nowhere else", "write logger = NAME TYPE:WHERE"},
	{"log-req-route", func(c *Config, _ func(string) bool) bool { return strays(c.Log.Sort.ReqRoutes, c.Log.Sort.ReqLoggers) }, SeverityWarning,
		"no req-logger has this name: these lines go nowhere else", "write req-logger = NAME TYPE:WHERE"},
	{"module", with("wsgi-file"), SeverityWarning, "module and wsgi-file both name the app: the module is taken", "keep one"},
}
