package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Crons are commands that run at times of the wall clock.
type Crons struct {
	List     []Cron `json:"list,omitempty"`
	Harakiri int    `json:"harakiri,omitempty"` // seconds that a run may take, 0 = as long as it likes
	Mercy    int    `json:"mercy,omitempty"`    // seconds that a running command has when the stack leaves; -1 = reload-mercy
}

// Cron is one of them. -1 is every, -N what N divides.
type Cron struct {
	Minute   int    `json:"minute"`
	Hour     int    `json:"hour"`
	Day      int    `json:"day"`
	Month    int    `json:"month"`
	Week     int    `json:"week"`
	Command  string `json:"command"`
	Unique   bool   `json:"unique,omitempty"`
	Harakiri int    `json:"harakiri"` // -1 = cron-harakiri
	Pos      Pos    `json:"pos"`
}

func (c *Crons) options() []option {
	const when = "MINUTE HOUR DAY MONTH WEEKDAY COMMAND, -1 = every, -N = every Nth; repeatable"
	return []option{
		{"cron", "run a command at a time: " + when, c.classic(false)},
		{"unique-cron", "as cron, but not while an earlier run goes on: " + when, c.classic(true)},
		{"cron2", "run a command at a time: [minute=,hour=,day=,month=,week=,unique=,harakiri=] COMMAND; what is left out is every; repeatable", c.keyed},
		{"cron-harakiri", "seconds that a cron command may take before it is killed, 0 = any", number(&c.Harakiri, 0, maxSeconds)},
		{"cron-mercy", "seconds that a running cron command has when the stack leaves; reload-mercy when not given", number(&c.Mercy, 0, maxSeconds)},
	}
}

// cronFields are the parts of a time in their order, with the numbers that can ever be.
var cronFields = []struct {
	name      string
	low, high int
	at        func(*Cron) *int
}{
	{"minute", 0, 59, func(c *Cron) *int { return &c.Minute }}, {"hour", 0, 23, func(c *Cron) *int { return &c.Hour }},
	{"day", 1, 31, func(c *Cron) *int { return &c.Day }}, {"month", 1, 12, func(c *Cron) *int { return &c.Month }},
	{"week", 0, 7, func(c *Cron) *int { return &c.Week }},
}

func (c *Crons) classic(unique bool) setter {
	return func(v *value) error {
		one := Cron{Unique: unique, Harakiri: -1, Pos: v.Pos}
		rest := strings.TrimSpace(v.Value)
		for i := range cronFields {
			var word string
			word, rest, _ = strings.Cut(rest, " ")
			rest = strings.TrimLeft(rest, " \t")
			if err := one.set(i, word); err != nil {
				return err
			}
		}
		return c.add(one, rest, v)
	}
}

func (c *Crons) add(one Cron, command string, v *value) error {
	one.Command = strings.TrimSpace(command)
	if one.Command == "" {
		return bad("no command", "write MINUTE HOUR DAY MONTH WEEKDAY COMMAND")
	}
	v.warnUnresolved()
	c.List = append(c.List, one)
	return nil
}

// set reads one part of the time. uWSGI takes a * for 0 and keeps numbers that never come.
func (c *Cron) set(field int, word string) error {
	f := cronFields[field]
	n, err := strconv.Atoi(word)
	if err != nil {
		hint := "a number; -1 is every, -5 every fifth"
		if strings.HasPrefix(word, "*") {
			hint = "-1 is every (" + strings.Replace(strings.Replace(word, "*/", "-", 1), "*", "-1", 1) + "); uWSGI would read 0"
		}
		return bad(fmt.Sprintf("%s: %q is not a number", f.name, word), hint)
	}
	if n > f.high || n < -f.high || (n >= 0 && n < f.low) {
		return bad(fmt.Sprintf("%s: %d never comes: %d to %d", f.name, n, f.low, f.high), "-1 is every, -5 every fifth")
	}
	*f.at(c) = n
	return nil
}

// keyed reads k=v,k=v COMMAND. A first word that holds no = is the command's.
func (c *Crons) keyed(v *value) error {
	one := Cron{Minute: -1, Hour: -1, Day: -1, Month: -1, Week: -1, Harakiri: -1, Pos: v.Pos}
	text := strings.TrimSpace(v.Value)
	keys, command, _ := strings.Cut(text, " ")
	if !strings.Contains(keys, "=") {
		return c.add(one, text, v)
	}
	for _, pair := range strings.Split(keys, ",") {
		key, word, _ := strings.Cut(pair, "=")
		if err := one.key(key, v.part(word)); err != nil {
			return err
		}
	}
	return c.add(one, command, v)
}

func (c *Cron) key(key string, v *value) error {
	for i, f := range cronFields {
		if f.name == key {
			return c.set(i, v.Value)
		}
	}
	switch key {
	case "unique":
		return within(key, boolean(&c.Unique))(v)
	case "harakiri":
		return within(key, number(&c.Harakiri, 0, maxSeconds))(v)
	case "legion":
		return bad("legion: there are no legions: clusters of instances are not run from here", "leave it out")
	}
	return bad("unknown key "+strconv.Quote(key), "minute, hour, day, month, week, unique, harakiri; a command that begins with an assignment goes after them")
}
