package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxHelpers bounds mules and spooler processes together: the scoreboard's head has room for so many.
const MaxHelpers = 48

// Aside is what the processes of the app do beside requests.
type Aside struct {
	Daemons Daemons `json:"daemons"`
	Crons   Crons   `json:"crons"`
	Alarms  Alarms  `json:"alarms"`
	Mules   Mules   `json:"mules"`
	Spooler Spooler `json:"spooler"`
	Signals Signals `json:"signals"`

	Caches Caches `json:"caches"`

	TouchExec []TouchExec `json:"touch_exec,omitempty"`
}

// Mules are processes beside the workers: they wait for messages and signals, or run a program of their own.
type Mules struct {
	List        []string `json:"list,omitempty"` // "" waits for messages; else a file.py, or module:function
	Farms       []Farm   `json:"farms,omitempty"`
	Harakiri    int      `json:"harakiri,omitempty"`  // seconds that a message or a signal may take
	ReloadMercy int      `json:"reload_mercy"`        // seconds to finish what runs before SIGKILL
	Touch       []string `json:"touch,omitempty"`     // a change of one of these files restarts all mules
	MsgSize     int      `json:"msg_size,omitempty"`  // bytes of each message queue, 0 = the system's
	RecvSize    int      `json:"recv_size,omitempty"` // longest message that a mule takes, 0 = whatever fits into the queue
}

// Farm is a named group of mules that share a queue.
type Farm struct {
	Name  string `json:"name"`
	Mules []int  `json:"mules"` // ids
	Pos   Pos    `json:"-"`
}

func (m *Mules) options() []option {
	return []option{
		{"mule", "run a mule: one that waits for messages, or a file.py or module:function; repeatable", m.setMule},
		{"mules", "run this many mules that wait for messages", m.setMules},
		{"farm", "name:1,2 gives mules a queue of their own; repeatable", m.setFarm},
		{"mule-harakiri", "seconds that a mule may take for a message or a signal before it is killed", number(&m.Harakiri, 0, maxSeconds)},
		{"mule-reload-mercy", "seconds that a mule may take to finish before it is killed", number(&m.ReloadMercy, 0, maxSeconds)},
		{"mule-msg-size", "bytes that wait in a queue of messages at the most", number(&m.MsgSize, 0, 1<<30)},
		{"mule-msg-recv-size", "bytes of a message that a mule takes at the most", number(&m.RecvSize, 0, 1<<30)},
		{"touch-mules-reload", "restart the mules when this file changes, appears or goes; repeatable", words(&m.Touch)},
	}
}

func (m *Mules) setMule(v *value) error {
	program := v.tidy()
	if program == "" || slices.Contains([]string{"true", "yes", "on", "1"}, strings.ToLower(program)) {
		m.List = append(m.List, "")
		return nil
	}
	if err := unresolved(program); err != nil {
		return err
	}
	if !strings.HasSuffix(program, ".py") && !strings.Contains(program, ":") {
		return bad("neither a file.py nor module:function", "a mule runs Python; mule without a value waits for messages")
	}
	m.List = append(m.List, program)
	return nil
}

func (m *Mules) setMules(v *value) error {
	var n int
	if err := number(&n, 0, MaxHelpers)(v); err != nil {
		return err
	}
	m.List = append(m.List, make([]string, n)...)
	return nil
}

func (m *Mules) setFarm(v *value) error {
	name, list, ok := strings.Cut(v.tidy(), ":")
	if !ok || name == "" || list == "" {
		return bad("no farm", "write name:1,2 with the numbers of mules")
	}
	farm := Farm{Name: name, Pos: v.Pos}
	for word := range strings.SplitSeq(list, ",") {
		id, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || id < 1 || id > MaxHelpers {
			return bad(fmt.Sprintf("%q is not the number of a mule", word), "write name:1,2 with the numbers of mules, from 1")
		}
		farm.Mules = append(farm.Mules, id)
	}
	for _, other := range m.Farms {
		if other.Name == name {
			return bad("the farm "+name+" is there already, at "+other.Pos.String(), "keep one")
		}
	}
	m.Farms = append(m.Farms, farm)
	return nil
}

// checkMules finds farms of mules that do not exist, and more processes than there is room for.
func (l *loader) checkMules(c *Config) {
	for _, farm := range c.Mules.Farms {
		for _, id := range farm.Mules {
			if id > len(c.Mules.List) {
				l.report.add(SeverityError, Entry{Key: "farm", Value: farm.Name, Pos: farm.Pos},
					fmt.Sprintf("there is no mule %d", id), fmt.Sprintf("there are %d mules", len(c.Mules.List)))
			}
		}
	}
	helpers := len(c.Mules.List) + len(c.Spooler.Dirs)*c.Spooler.Processes
	if helpers > MaxHelpers {
		l.report.add(SeverityError, Entry{Key: "mules", Pos: Pos{}},
			fmt.Sprintf("%d mules and spoolers are more than the %d that there is room for", helpers, MaxHelpers), "run more workers instead")
	}
}
