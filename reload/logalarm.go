package reload

import (
	"bytes"
	"fmt"
	"time"

	"gowsgi/config"
	"gowsgi/reload/logs"
)

// logAlarms look for lines of the log that raise an alarm. The lines are read in goroutines of the hub; what is found goes to the owner over
// a queue of bounded size, and what is too much is not raised.
type logAlarms struct {
	rules []logRule
	hits  chan logHit
}

type logRule struct {
	names []string
	expr  logs.Matcher
	not   bool // ends the search: what follows is not asked
}

type logHit struct {
	names []string
	text  string
}

const (
	logHits    = 64       // that wait for the owner
	logHitsMax = 50       // raised in a second
	logLook    = 16 << 10 // bytes of a line that are looked at
)

func newLogAlarms(list []config.LogAlarm, hits chan logHit) (*logAlarms, error) {
	a := &logAlarms{hits: hits}
	for _, l := range list {
		expr, err := logs.Compile(l.Expr)
		if err != nil {
			return nil, fmt.Errorf("cannot use log-alarm %q: %w", l.Expr, err)
		}
		a.rules = append(a.rules, logRule{l.Names, expr, l.Not})
	}
	return a, nil
}

// ownAlarmLines are what lines begin with that alarms themselves write: they must not raise the next one.
var ownAlarmLines = [][]byte{[]byte("ALARM: "), []byte("[uwsgi-alarm")}

// look takes one line; it may be called from several goroutines and never waits.
func (a *logAlarms) look(line []byte) {
	line = bytes.TrimRight(line[:min(len(line), logLook)], "\r\n")
	for _, own := range ownAlarmLines {
		if bytes.Contains(line[:min(len(line), 200)], own) {
			return
		}
	}
	for _, r := range a.rules {
		if !r.expr.Match(line) {
			continue
		}
		if r.not {
			return
		}
		select {
		case a.hits <- logHit{r.names, string(line)}:
		default:
		}
	}
}

// pace lets so many hits through in a second.
type pace struct {
	second int64
	count  int
}

func (p *pace) allows(now time.Time, most int) bool {
	if s := now.Unix(); s != p.second {
		p.second, p.count = s, 0
	}
	p.count++
	return p.count <= most
}

// watchLog has the log searched for what the configuration names.
func (p *parent) watchLog(snap *snapshot) {
	list := snap.cfg.Alarms.Logs
	if len(list) == 0 {
		p.setup.Logs.Watch(nil)
		return
	}
	if p.setup.Logs.Direct() != nil {
		p.log.Warn().Msg("A reload does not begin to read the log, which log-alarm needs: stop and start for it")
	}
	a, err := newLogAlarms(list, p.logHits)
	if err != nil {
		p.log.Error().Msg(err.Error())
		return
	}
	p.setup.Logs.Watch(a.look)
}

func (p *parent) logHit(h logHit) {
	if p.logPace.allows(time.Now(), logHitsMax) {
		p.raise(h.names, h.text)
	}
}
