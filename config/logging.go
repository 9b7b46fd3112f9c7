package config

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/dlclark/regexp2"
)

// Log says where the log goes and how it looks.
type Log struct {
	DisableRequests bool        `json:"disable_requests,omitempty"` // no line for each request
	JSON            bool        `json:"json,omitempty"`
	Date            string      `json:"date,omitempty"` // strftime format before each line of our own
	ShowConfig      bool        `json:"show_config,omitempty"`
	Requests        RequestLog  `json:"requests"`
	Files           LogFiles    `json:"files"`
	Sort            LogSort     `json:"sort"`
	Daemon          Daemonizing `json:"daemon"`
}

// RequestLog says which requests are logged, and how.
type RequestLog struct {
	Format   string `json:"format,omitempty"`
	Strftime bool   `json:"strftime,omitempty"`
	Micros   bool   `json:"micros,omitempty"`
	XFF      bool   `json:"x_forwarded_for,omitempty"`
	Memory   bool   `json:"memory,omitempty"`
	E4xx     bool   `json:"e4xx,omitempty"`
	E5xx     bool   `json:"e5xx,omitempty"`
	Zero     bool   `json:"zero,omitempty"`
	Sendfile bool   `json:"sendfile,omitempty"`
	IOError  bool   `json:"ioerror,omitempty"`
	Slow     int    `json:"slow,omitempty"` // milliseconds
	Big      int64  `json:"big,omitempty"`  // bytes
}

// Some tells whether requests of some kind are logged although disable-logging is set.
func (r *RequestLog) Some() bool {
	return r.E4xx || r.E5xx || r.Zero || r.Sendfile || r.IOError || r.Slow > 0 || r.Big > 0
}

// LogFiles are the files of the log.
type LogFiles struct {
	To          string   `json:"to,omitempty"`  // appended to, opened by the parent; "" = standard error
	To2         string   `json:"to2,omitempty"` // the same, opened as the app's user below the jail's root
	Master      bool     `json:"master,omitempty"`
	Reopen      bool     `json:"reopen,omitempty"`
	Truncate    bool     `json:"truncate,omitempty"`
	MaxSize     int64    `json:"max_size,omitempty"`
	Backup      string   `json:"backup,omitempty"`
	Chown       bool     `json:"chown,omitempty"`
	Chmod       string   `json:"chmod,omitempty"`
	TouchRotate []string `json:"touch_rotate,omitempty"`
	TouchReopen []string `json:"touch_reopen,omitempty"`
}

// LogSort sends lines to loggers.
type LogSort struct {
	Loggers     []Logger   `json:"loggers,omitempty"`
	ReqLoggers  []Logger   `json:"req_loggers,omitempty"`
	Routes      []LogRoute `json:"routes,omitempty"`
	ReqRoutes   []LogRoute `json:"req_routes,omitempty"`
	Encoders    []string   `json:"encoders,omitempty"`
	ReqEncoders []string   `json:"req_encoders,omitempty"`
	Filters     []string   `json:"filters,omitempty"`
	Drains      []string   `json:"drains,omitempty"`
}

// Treats tells whether lines have to be looked at.
func (s *LogSort) Treats() bool {
	return len(s.Loggers)+len(s.ReqLoggers)+len(s.Routes)+len(s.ReqRoutes)+len(s.Encoders)+len(s.ReqEncoders)+len(s.Filters)+len(s.Drains) > 0
}

// Logger is one place for lines. A name makes it one that only routes lead to.
type Logger struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type"`
	Arg  string `json:"arg,omitempty"`
}

// LogRoute leads lines that match to the loggers of a name.
type LogRoute struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
}

// Daemonizing is the way into the background: with the log in File.
type Daemonizing struct {
	File string `json:"file,omitempty"`
	Late bool   `json:"late,omitempty"` // daemonize2: the file is opened as with logto2
}

// LoggerTypes are those that exist here; RefusedLoggers those that never will.
var (
	LoggerTypes    = []string{"file", "fd", "stdio", "socket", "syslog", "rsyslog"}
	refusedLoggers = map[string]string{
		"redislog": "it speaks to a database; use socket or syslog and a log shipper", "mongodblog": "it speaks to a database; use socket or syslog and a log shipper",
		"zeromq": "ZeroMQ is a library in C", "graylog2": "use socket or syslog and a log shipper", "crypto": "it is a plugin in C", "pipe": "pipe standard error to the program",
		"systemd": "systemd takes standard error", "sentry": "it is a plugin in C",
	}
	logEncoders     = []string{"prefix", "suffix", "nl", "format", "json"}
	refusedEncoders = map[string]string{"gzip": "compress the file when it is rotated", "compress": "compress the file when it is rotated", "crypto": "it is a plugin in C", "msgpack": "use json"}
)

func (l *Log) options() []option {
	f, s, r := &l.Files, &l.Sort, &l.Requests
	return []option{
		{"disable-logging", "no line for each request", boolean(&l.DisableRequests)},
		{"log-format-json", "log JSON, one object a line", boolean(&l.JSON)},
		{"logdate", "put the date, or text in strftime's format, before each line of the server's own", l.setDate},
		{"show-config", "print the resolved configuration, then go on", boolean(&l.ShowConfig)},

		{"logto", "append the log to this file, opened by the parent; or HOST:PORT, by UDP", word(&f.To)},
		{"logto2", "append the log to this file, opened as the app's user, below the jail's root", word(&f.To2)},
		{"log-master", "have all lines go through the parent, also where that is not needed", boolean(&f.Master)},
		{"log-reopen", "open the log file again at a reload", boolean(&f.Reopen)},
		{"log-truncate", "empty the log file at the start", boolean(&f.Truncate)},
		{"log-maxsize", "rotate the log file when it is larger, in bytes", number64(&f.MaxSize, 0, 1<<62)},
		{"log-backupname", "name of the rotated log file; else its name and the time", word(&f.Backup)},
		{"logfile-chown", "give the log file to the app's user", boolean(&f.Chown)},
		{"logfile-chmod", "mode of the log file, octal", fileMode(&f.Chmod)},
		{"touch-logrotate", "rotate the log file when this file changes; repeatable", words(&f.TouchRotate)},
		{"touch-logreopen", "open the log file again when this file changes; repeatable", words(&f.TouchReopen)},
		{"daemonize", "go to the background once the app serves, with the log in this file", l.daemonize(false)},
		{"daemonize2", "as daemonize, with the file opened as by logto2", l.daemonize(true)},

		{"log-format", "the request line, with %(variables)", text(&r.Format)},
		{"logformat-strftime", "%(ftime) has the format of log-date", boolean(&r.Strftime)},
		{"log-micros", "the request line tells microseconds", boolean(&r.Micros)},
		{"log-x-forwarded-for", "the request line has the client of X-Forwarded-For", boolean(&r.XFF)},
		{"memory-report", "the request line tells the memory use of the worker", boolean(&r.Memory)},
		{"log-4xx", "log requests with a status of 4xx in spite of disable-logging", boolean(&r.E4xx)},
		{"log-5xx", "log requests with a status of 5xx in spite of disable-logging", boolean(&r.E5xx)},
		{"log-zero", "log answers without a body in spite of disable-logging", boolean(&r.Zero)},
		{"log-sendfile", "log answers sent with sendfile in spite of disable-logging", boolean(&r.Sendfile)},
		{"log-ioerror", "log requests whose client went away in spite of disable-logging", boolean(&r.IOError)},
		{"log-slow", "log requests of so many milliseconds in spite of disable-logging", number(&r.Slow, 0, 1<<30)},
		{"log-big", "log answers of so many bytes in spite of disable-logging", number64(&r.Big, 0, 1<<62)},

		{"logger", "send the log to [NAME ]TYPE[:ARGUMENT]: file, fd, stdio, socket, syslog, rsyslog; repeatable", logger(&s.Loggers, "")},
		{"req-logger", "send request lines to a logger of their own; repeatable", logger(&s.ReqLoggers, "")},
		{"log-syslog", "send the log to syslog", logger(&s.Loggers, "syslog")},
		{"log-socket", "send the log to a datagram socket", logger(&s.Loggers, "socket")},
		{"log-route", "NAME REGEXP: lines that match go to the loggers of that name; repeatable", route(&s.Routes)},
		{"log-req-route", "NAME REGEXP: request lines that match go to the req-loggers of that name; repeatable", route(&s.ReqRoutes)},
		{"log-encoder", "change each line: prefix, suffix, nl, format, json; repeatable", encoder(&s.Encoders)},
		{"log-req-encoder", "change each line of the req-loggers; repeatable", encoder(&s.ReqEncoders)},
		{"log-filter", "log only lines that match one of these; repeatable", expressions(&s.Filters, checkExpr)},
		{"log-drain", "do not log lines that match; repeatable", expressions(&s.Drains, checkExpr)},
	}
}

// setDate reads a flag or a format.
func (l *Log) setDate(v *value) error {
	switch strings.ToLower(strings.TrimSpace(v.Value)) {
	case "", "true", "1", "on", "yes":
		l.Date = "%a %b %e %H:%M:%S %Y" // ctime(3)
	case "false", "0", "off", "no":
		l.Date = ""
	default:
		l.Date = v.Value
	}
	return nil
}

func (l *Log) daemonize(late bool) setter {
	return func(v *value) error {
		if v.Value == "true" || v.Value == "1" {
			v.warn("the value is the name of the log file: "+v.Value, "write a path")
		}
		l.Daemon.Late = late
		return word(&l.Daemon.File)(v)
	}
}

func fileMode(p *string) setter {
	return func(v *value) error {
		w := v.tidy()
		if n, err := strconv.ParseUint(w, 8, 12); err != nil || n > 0o777 {
			return bad("not an octal mode", "write 640 or the like")
		}
		*p = w
		return nil
	}
}

// logger reads [NAME ]TYPE[:ARGUMENT], or only the argument when the type is known.
func logger(list *[]Logger, kind string) setter {
	return func(v *value) error {
		one := Logger{Type: kind, Arg: v.Value}
		if kind == "" {
			w := v.tidy()
			space, colon := strings.IndexByte(w, ' '), strings.IndexByte(w, ':')
			if space > 0 && (colon < 0 || space < colon) {
				one.Name, w = w[:space], strings.TrimSpace(w[space+1:])
			}
			one.Type, one.Arg, _ = strings.Cut(w, ":")
		}
		if why := refusedLoggers[one.Type]; why != "" {
			return bad("there is no logger "+one.Type+" here", why)
		}
		if !contains(LoggerTypes, one.Type) {
			return bad("there is no logger "+strconv.Quote(one.Type), "known: "+strings.Join(LoggerTypes, ", "))
		}
		if one.Arg == "" && (one.Type == "file" || one.Type == "socket" || one.Type == "rsyslog") {
			return bad("the logger "+one.Type+" needs an argument", "write "+one.Type+":ARGUMENT")
		}
		if err := unresolved(one.Arg); err != nil {
			return err
		}
		*list = append(*list, one)
		return nil
	}
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

func route(list *[]LogRoute) setter {
	return func(v *value) error {
		name, expr, ok := strings.Cut(strings.TrimSpace(v.Value), " ")
		if !ok {
			return bad("a route is a name, a blank and a regular expression", "write NAME REGEXP")
		}
		if err := checkExpr(expr); err != nil {
			return err
		}
		*list = append(*list, LogRoute{name, expr})
		return nil
	}
}

// checkExpr compiles a regular expression as the log will: by Go's engine, or one that knows more of PCRE.
func checkExpr(expr string) error {
	if _, err := regexp.Compile(expr); err == nil {
		return nil
	}
	if _, err := regexp2.Compile(expr, regexp2.None); err != nil {
		return bad("not a regular expression: "+err.Error(), "")
	}
	return nil
}

// encoder reads NAME[:LOGGER][ ARGUMENT].
func encoder(list *[]string) setter {
	return func(v *value) error {
		word, _, _ := strings.Cut(v.Value, " ")
		name, _, _ := strings.Cut(word, ":")
		if why := refusedEncoders[name]; why != "" {
			return bad("there is no log encoder "+name+" here", why)
		}
		if !contains(logEncoders, name) {
			return bad("there is no log encoder "+strconv.Quote(name), "known: "+strings.Join(logEncoders, ", "))
		}
		*list = append(*list, v.Value)
		return nil
	}
}
