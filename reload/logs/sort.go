package logs

import (
	"errors"
	"fmt"
	"time"
)

// Sort sends lines to loggers, as the configuration has it.
type Sort struct {
	Loggers, ReqLoggers   []Logger
	Routes, ReqRoutes     []Route
	Encoders, ReqEncoders []string
	Filters, Drains       []string
}

// Logger is one place for lines. One with a name gets only what a route sends to it.
type Logger struct{ Name, Type, Arg string }

// Route sends lines that match to the loggers of a name.
type Route struct{ Name, Expr string }

// lane is the way of one kind of lines: the log, or the request lines when they have loggers of their own.
type lane struct {
	loggers  []named
	routes   []compiledRoute
	encoders []encoder
	main     *Sink // when no logger takes a line
}

type named struct {
	name string
	sink *Sink
}

type compiledRoute struct {
	name string
	expr Matcher
}

func newLane(main *Sink, loggers []Logger, routes []Route, encoders []string, notice func(uint64) []byte) (*lane, error) {
	l := &lane{main: main}
	for _, one := range loggers {
		s, err := OpenSink(one.Type, one.Arg, notice)
		if err != nil {
			return nil, err
		}
		l.loggers = append(l.loggers, named{one.Name, s})
	}
	for _, r := range routes {
		m, err := Compile(r.Expr)
		if err != nil {
			return nil, fmt.Errorf("cannot use log-route %s: %w", r.Name, err)
		}
		l.routes = append(l.routes, compiledRoute{r.Name, m})
	}
	for _, text := range encoders {
		e, err := parseEncoder(text)
		if err != nil {
			return nil, err
		}
		l.encoders = append(l.encoders, e)
	}
	return l, nil
}

// send gives one line to the loggers that routes name; without any, to those without a name; without those, to the main log.
func (l *lane) send(line []byte, now time.Time) {
	sent := false
	for _, r := range l.routes {
		if !r.expr.Match(line) {
			continue
		}
		for _, one := range l.loggers {
			if one.name == r.name {
				one.sink.put(l.encode(line, one.name, now), 1)
				sent = true
			}
		}
	}
	if sent {
		return
	}
	for _, one := range l.loggers {
		if one.name == "" {
			one.sink.put(l.encode(line, "", now), 1)
			sent = true
		}
	}
	if !sent {
		l.main.put(l.encode(line, "", now), 1)
	}
}

// encode makes the record of a line for the loggers of a name. It ends with a newline, whatever the encoders do.
func (l *lane) encode(line []byte, name string, now time.Time) []byte {
	line = append([]byte(nil), line...)
	for _, e := range l.encoders {
		if e.use == "" || e.use == name {
			line = e.change(line, now)
		}
	}
	if len(line) == 0 || line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	return line
}

// await waits a little where the queue of a logger is full.
func (l *lane) await(size int) {
	if len(l.loggers) == 0 {
		l.main.await(size)
	}
	for _, one := range l.loggers {
		one.sink.await(size)
	}
}

func compileAll(list []string) ([]Matcher, error) {
	var all []Matcher
	var failed error
	for _, expr := range list {
		m, err := Compile(expr)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot use the expression %q: %w", expr, err))
			continue
		}
		all = append(all, m)
	}
	return all, failed
}

func matchAny(list []Matcher, line []byte) bool {
	for _, m := range list {
		if m.Match(line) {
			return true
		}
	}
	return false
}
