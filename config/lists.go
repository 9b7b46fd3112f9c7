package config

import (
	"fmt"
	"slices"
	"strings"
)

// listing is an option that prints what there is of a kind.
type listing struct {
	title string
	items []listed
}

// listed is one line of a listing: it is there once the option that needs it is done, always without one.
type listed struct{ name, option string }

// listings are keyed by the option that prints them.
var listings = map[string]listing{
	"loop-list":             {"loop engines", []listed{{"simple", ""}, {"async", "async"}, {"gevent", "gevent"}, {"asyncio", "asyncio"}}},
	"clock-list":            {"clocks", []listed{{"unix", ""}}},
	"cheaper-algos-list":    {"cheaper algorithms", []listed{{"spare", "cheaper-algo"}, {"backlog", "cheaper-algo"}, {"busyness", "cheaper-busyness-max"}, {"manual", "cheaper-algo"}}},
	"logger-list":           {"loggers", []listed{{"file", "logger"}, {"fd", "logger"}, {"stdio", "logger"}, {"socket", "logger"}, {"syslog", "logger"}}},
	"alarm-list":            {"alarms", []listed{{"cmd", "alarm"}, {"log", "alarm"}, {"file", "alarm"}}},
	"router-list":           {"routers", nil},
	"imperial-monitor-list": {"imperial monitors", []listed{{"dir", "emperor"}, {"glob", "emperor"}}},
	"plugins-list":          {"plugins", nil}, // those of the table in plugins.go
}

// Listing gives what an option like loop-list prints.
func Listing(option string) string {
	list := listings[option]
	var names []string
	for _, item := range list.items {
		if row, ok := table().byName[item.option]; item.option == "" || ok && row.Status == StatusDone {
			names = append(names, item.name)
		}
	}
	if option == "plugins-list" {
		for name, class := range plugins {
			if class == pluginHere {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*** uWSGI loaded %s ***\n", list.title)
	for _, name := range names {
		fmt.Fprintln(&b, name)
	}
	fmt.Fprintf(&b, "--- end of %s list ---\n", list.title)
	return b.String()
}

// list carries out such an option. In a file it is a line of the log and no more, for the app is to start; on the command line
// nobody who asks for it wants an app started, although uWSGI tries.
func (l *loader) list(e Entry, option string) {
	if on, err := l.valueOf(&e).truth(); err != nil || !on {
		return
	}
	if e.Pos.File != fromArgs {
		l.prints = append(l.prints, strings.Split(strings.TrimRight(Listing(option), "\n"), "\n")...)
		return
	}
	asked(func(Entry) (Action, error) { return Action{Kind: ActionList, Names: []string{option}}, nil })(l, e)
}

// OptionNames gives every name that an option has, uWSGI's in its order and then ours.
func OptionNames() []string {
	var ours, names []string
	for _, r := range table().byNameOrdered {
		if r.Source == "gowsgi" {
			ours = append(ours, r.Name)
		} else {
			names = append(names, r.Name)
		}
	}
	return append(names, ours...)
}

// Get gives the value of the first setting with this key, after expansion.
func (c *Config) Get(key string) (string, bool) {
	for _, e := range c.Entries {
		if e.Key == key {
			return e.shown(), true
		}
	}
	return "", false
}
