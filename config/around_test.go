package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestDaemonOptions(t *testing.T) {
	c := mustLoad(t, nil, "--attach-daemon", " redis-server --port 1 ", "--attach-control-daemon", "ctl", "--smart-attach-daemon", "/p,7 bg -d",
		"--smart-attach-daemon2", "/q fg", "--attach-daemon2",
		`ns_pid=1,uid=33,gid=34,touch=/a;/b,stopsignal=INT,reloadsignal=1,command=perl a\,b=c,chdir=/d,max_throttle=9,mercy=4,overlap=1,pidfile=/r,daemon=1,freq=2`)
	base := Daemon{Freq: 10, StopSignal: 15, UID: -1, GID: -1, MaxThrottle: 300}
	with := func(change func(*Daemon)) Daemon {
		d := base
		change(&d)
		return d
	}
	want := []Daemon{
		with(func(d *Daemon) { d.Command = "redis-server --port 1" }),
		with(func(d *Daemon) { d.Command, d.Control = "ctl", true }),
		with(func(d *Daemon) { d.Command, d.Pidfile, d.Freq = "bg -d", "/p", 7 }),
		with(func(d *Daemon) { d.Command, d.Pidfile, d.Daemonize = "fg", "/q", true }),
		{Command: "perl a,b=c", Pidfile: "/r", Freq: 2, Daemonize: true, Overlap: true, Touch: []string{"/a", "/b"}, StopSignal: 2, ReloadSignal: 1,
			UID: 33, GID: 34, NSPID: true, Chdir: "/d", MaxThrottle: 9, StopMercy: 4},
	}
	for i := range c.Daemons.List {
		c.Daemons.List[i].Pos = Pos{}
	}
	if !reflect.DeepEqual(c.Daemons.List, want) {
		t.Errorf("got  %+v\nwant %+v", c.Daemons.List, want)
	}
	if c.Daemons.Mercy != 3 {
		t.Errorf("reload-mercy is %d", c.Daemons.Mercy)
	}
}

func TestCronOptions(t *testing.T) {
	c := mustLoad(t, nil, "--cron", "-15 0  -1 12 7 touch x y", "--unique-cron", "59 23 31 1 0 z", "--cron2", "day=-5,harakiri=10,unique=1 /a b", "--cron2", "c d=e")
	want := []Cron{
		{Minute: -15, Hour: 0, Day: -1, Month: 12, Week: 7, Command: "touch x y", Harakiri: -1},
		{Minute: 59, Hour: 23, Day: 31, Month: 1, Week: 0, Command: "z", Unique: true, Harakiri: -1},
		{Minute: -1, Hour: -1, Day: -5, Month: -1, Week: -1, Command: "/a b", Unique: true, Harakiri: 10},
		{Minute: -1, Hour: -1, Day: -1, Month: -1, Week: -1, Command: "c d=e", Harakiri: -1},
	}
	for i := range c.Crons.List {
		c.Crons.List[i].Pos = Pos{}
	}
	if !reflect.DeepEqual(c.Crons.List, want) {
		t.Errorf("got  %+v\nwant %+v", c.Crons.List, want)
	}
}

func TestAlarmOptions(t *testing.T) {
	c := mustLoad(t, nil, "--alarm-backlog", "a,b", "--alarm", "a log:", "--alarm", "b cmd:mail -s x:y root", "--alarm", "c  file:/f", "--segfault-alarm", "c", "--alarm-freq", "9")
	for i := range c.Alarms.List {
		c.Alarms.List[i].Pos = Pos{}
	}
	want := []Alarm{{Name: "a", Kind: "log"}, {Name: "b", Kind: "cmd", Arg: "mail -s x:y root"}, {Name: "c", Kind: "file", Arg: "/f"}}
	if !reflect.DeepEqual(c.Alarms.List, want) || strings.Join(c.Alarms.Backlog, " ") != "a b" || c.Alarms.Freq != 9 || c.Alarms.MsgSize != 8192 {
		t.Errorf("got %+v", c.Alarms)
	}
	for value, want := range map[string]string{
		"a": "not NAME KIND:ARGUMENT", "a x": "not NAME KIND:ARGUMENT", "a curl:x": "cannot be raised here", "a nope:x": "no alarm of the kind",
		"a cmd:": "nothing after cmd:", "c log:": "there is an alarm c already",
	} {
		if _, err := loadWith(nil, "--alarm", "c log:", "--alarm", value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("alarm = %s: %v, want %q", value, err, want)
		}
	}
	c = mustLoad(t, nil, "--alarm", "a log:", "--alarm", "b log:", "--log-alarm", "a,b disk (?!not).* full", "--not-alarm-log", "a ^ok")
	if want := []LogAlarm{{Names: []string{"a", "b"}, Expr: "disk (?!not).* full"}, {Names: []string{"a"}, Expr: "^ok", Not: true}}; !reflect.DeepEqual(c.Alarms.Logs, want) {
		t.Errorf("got %+v", c.Alarms.Logs)
	}
	for value, want := range map[string]string{"a": "not NAME", "a (": "not a regular expression", "x y": `there is no alarm "x"`} {
		if _, err := loadWith(nil, "--alarm", "a log:", "--log-alarm", value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("log-alarm = %s: %v, want %q", value, err, want)
		}
	}
	if _, err := loadWith(nil, "--alarm-segfault", "x"); err == nil || !strings.Contains(err.Error(), `there is no alarm "x"`) {
		t.Errorf("an alarm that does not exist: %v", err)
	}
}

// TestBadAround: each of these ends the start with its reason.
func TestBadAround(t *testing.T) {
	for _, row := range [][3]string{
		{"attach-daemon", "", "no command"},
		{"smart-attach-daemon", "/p", "not PIDFILE"},
		{"smart-attach-daemon", "/p,x cmd", "the seconds after the pidfile"},
		{"attach-daemon2", "freq=3", "no command"},
		{"attach-daemon2", "cmd=a,uid=www", "uid: an id is a number"},
		{"attach-daemon2", "cmd=a,stopsignal=FOO", "stopsignal: no such signal"},
		{"attach-daemon2", "cmd=a,stopsignal=65", "stopsignal: no such signal"},
		{"attach-daemon2", "cmd=a,b", `unknown key "b"`},
		{"attach-daemon2", "cmd=a,daemonize=1", "daemonize without a pidfile"},
		{"attach-daemon2", "cmd=a,stdin=1", "stays outside the jail"},
		{"attach-daemon2", "cmd=a,notifypid=1", "notifypid"},
		{"daemons-honour-stdin", "", "stays outside the jail"},
		{"cron", "* * * * * x", "minute: \"*\" is not a number"},
		{"cron", "60 1 1 1 1 x", "minute: 60 never comes"},
		{"cron", "1 1 0 1 1 x", "day: 0 never comes"},
		{"cron", "1 1 1 1 1", "no command"},
		{"cron2", "minutes=1 x", `unknown key "minutes"`},
		{"cron2", "unique=1", "no command"},
		{"cron2", "legion=x y", "there are no legions"},
		{"legion-cron", "l 1 1 1 1 1 x", "there are no legions"},
	} {
		args := []string{"--" + row[0]}
		if row[0] != "daemons-honour-stdin" {
			args = append(args, row[1])
		}
		if _, err := loadWith(nil, args...); err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s = %s: %v, want %q", row[0], row[1], err, row[2])
		}
	}
}
