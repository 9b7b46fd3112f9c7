package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Alarms say what is done when something needs a person.
type Alarms struct {
	List     []Alarm    `json:"list,omitempty"`
	Freq     int        `json:"freq"`               // seconds within which the same message is not repeated
	MsgSize  int        `json:"msg_size"`           // bytes of a message at the most
	Backlog  []string   `json:"backlog,omitempty"`  // alarms raised when a listen queue is full
	Segfault []string   `json:"segfault,omitempty"` // alarms raised when a process dies of a segmentation fault
	Logs     []LogAlarm `json:"logs,omitempty"`

	named []namedAlarm // where an alarm is named, to be checked when all are known
}

// Alarm is one way to raise the alarm, as the jail sees it.
type Alarm struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // log, cmd, file, signal or mule
	Arg  string `json:"arg,omitempty"`
	N    int    `json:"n,omitempty"` // number of a signal, or of a mule (0 = any)
	Pos  Pos    `json:"pos"`
}

// LogAlarm raises alarms for lines of the log, or, negated, keeps those after it from being raised.
type LogAlarm struct {
	Names []string `json:"names"`
	Expr  string   `json:"expr"`
	Not   bool     `json:"not,omitempty"`
}

type namedAlarm struct {
	name  string
	entry Entry
}

// alarmKinds are the kinds that there are; alarm-list shows them (lists.go).
var alarmKinds = []string{"log", "cmd", "file", "signal", "mule"}

// What uWSGI has and we do not, with what to write instead.
var alarmKindsRefused = map[string]string{
	"curl":   "cmd:curl -T - URL",
	"xmpp":   "cmd:sendxmpp -i ADDRESS",
	"speech": "cmd:COMMAND",
	"sentry": "cmd:COMMAND",
}

const (
	defaultAlarmFreq = 3
	maxAlarmSize     = 8192 // bytes; uWSGI's default
)

func defaultAlarms() Alarms { return Alarms{Freq: defaultAlarmFreq, MsgSize: maxAlarmSize} }

func (a *Alarms) options() []option {
	return []option{
		{"alarm", "name a way to raise the alarm: NAME log:TEXT, NAME cmd:COMMAND (the message is its standard input), NAME file:PATH (a line is added), NAME signal:NUMBER (of uwsgi) or NAME mule:NUMBER (a message, 0 = any); repeatable", a.add},
		{"alarm-freq", "seconds within which an alarm does not repeat a message", number(&a.Freq, 0, maxSeconds)},
		{"alarm-msg-size", "bytes of an alarm's message at the most", number(&a.MsgSize, 1, maxAlarmSize)},
		{"alarm-backlog", "raise these alarms (a comma list) when the listen queue of a socket is full; repeatable", a.names(&a.Backlog)},
		{"alarm-segfault", "raise these alarms (a comma list) when a process of the jail dies of a segmentation fault; repeatable", a.names(&a.Segfault)},
		{"log-alarm", "raise alarms when a line of the log matches: NAME[,NAME] REGEXP; repeatable, asked in order", a.logs(false)},
		{"not-log-alarm", "a line that matches raises none of the alarms that follow: NAME[,NAME] REGEXP; repeatable", a.logs(true)},
	}
}

func (a *Alarms) logs(not bool) setter {
	return func(v *value) error {
		text := strings.TrimSpace(v.Value)
		names, expr, _ := strings.Cut(text, " ")
		if expr = strings.TrimLeft(expr, " \t"); expr == "" {
			return bad("not NAME[,NAME] REGEXP", "")
		}
		if err := checkExpr(expr); err != nil {
			return err
		}
		one := LogAlarm{Expr: expr, Not: not}
		if err := a.names(&one.Names)(v.part(names)); err != nil {
			return err
		}
		a.Logs = append(a.Logs, one)
		return nil
	}
}

func (a *Alarms) add(v *value) error {
	name, rest, _ := strings.Cut(strings.TrimSpace(v.Value), " ")
	kind, arg, ok := strings.Cut(strings.TrimLeft(rest, " \t"), ":")
	if name == "" || !ok {
		return bad("not NAME KIND:ARGUMENT", "alarm = page cmd:mail -s trouble root")
	}
	if hint, known := alarmKindsRefused[kind]; known {
		return bad("alarms of the kind "+kind+" cannot be raised here", hint)
	}
	if !slices.Contains(alarmKinds, kind) {
		return bad(fmt.Sprintf("no alarm of the kind %q", kind), "one of "+strings.Join(alarmKinds, ", "))
	}
	if arg == "" && kind != "log" {
		return bad("nothing after "+kind+":", "")
	}
	if slices.ContainsFunc(a.List, func(have Alarm) bool { return have.Name == name }) {
		return bad("there is an alarm "+name+" already", "")
	}
	n, most := 0, map[string]int{"signal": 255, "mule": MaxHelpers}[kind]
	if most > 0 {
		var err error
		if n, err = strconv.Atoi(strings.TrimSpace(arg)); err != nil || n < 0 || n > most {
			return bad(fmt.Sprintf("%q is no number of a %s: 0 to %d", arg, kind, most), "")
		}
	}
	v.warnUnresolved()
	a.List = append(a.List, Alarm{Name: name, Kind: kind, Arg: arg, N: n, Pos: v.Pos})
	return nil
}

// names binds a comma list of alarms, whose names are checked when all are read.
func (a *Alarms) names(list *[]string) setter {
	return func(v *value) error {
		for _, name := range strings.Split(v.tidy(), ",") {
			if name = strings.TrimSpace(name); name == "" {
				return bad("no alarm", "write the NAME of an alarm = NAME KIND:ARGUMENT")
			}
			*list = append(*list, name)
			a.named = append(a.named, namedAlarm{name, v.Entry})
		}
		return nil
	}
}

// checkAlarms finds alarms that are raised but do not exist, which uWSGI passes over, and those for mules that do not.
func (l *loader) checkAlarms(c *Config) {
	a, mules := &c.Alarms, len(c.Mules.List)
	for _, t := range c.Stats.Thresholds {
		for _, name := range t.Alarms {
			a.named = append(a.named, namedAlarm{name, t.Entry})
		}
	}
	for _, one := range a.List {
		if one.Kind == "mule" && (mules == 0 || one.N > mules) {
			l.report.add(SeverityError, Entry{Key: "alarm", Value: one.Name + " mule:" + one.Arg, Pos: one.Pos},
				fmt.Sprintf("there is no mule %d", one.N), fmt.Sprintf("there are %d mules", mules))
		}
	}
	for _, n := range a.named {
		if !slices.ContainsFunc(a.List, func(have Alarm) bool { return have.Name == n.name }) {
			l.report.add(SeverityError, n.entry, fmt.Sprintf("there is no alarm %q", n.name), "write alarm = "+n.name+" KIND:ARGUMENT")
		}
	}
}
