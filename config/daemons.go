package config

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Daemons are the programs that run beside the workers as long as the stack does.
type Daemons struct {
	List  []Daemon `json:"list,omitempty"`
	Mercy int      `json:"mercy"` // seconds from the stop signal of a daemon, or a cron command, to SIGKILL
}

// Daemon is one of them. Everything is as the jail sees it.
type Daemon struct {
	Command      string   `json:"command"`
	Pidfile      string   `json:"pidfile,omitempty"`
	Freq         int      `json:"freq,omitempty"`      // seconds that the pidfile may take to name the daemon
	Daemonize    bool     `json:"daemonize,omitempty"` // the command stays in the foreground and its pid is written to the pidfile
	Control      bool     `json:"control,omitempty"`   // its end is the end of the whole
	Overlap      bool     `json:"overlap,omitempty"`   // does not wait for the former stack to be gone
	Touch        []string `json:"touch,omitempty"`
	StopSignal   int      `json:"stop_signal,omitempty"`
	ReloadSignal int      `json:"reload_signal,omitempty"` // what a touch sends, 0 = restart
	UID          int      `json:"uid"`                     // -1 = the jail's
	GID          int      `json:"gid"`
	NSPID        bool     `json:"ns_pid,omitempty"`
	Chdir        string   `json:"chdir,omitempty"`
	MaxThrottle  int      `json:"max_throttle,omitempty"` // longest back-off, seconds
	StopMercy    int      `json:"stop_mercy,omitempty"`   // seconds, 0 = reload-mercy
	Pos          Pos      `json:"pos"`
}

// defaultDaemonMercy and the others are uWSGI's.
const (
	defaultDaemonMercy = 3
	defaultFreq        = 10
	defaultThrottle    = 300
)

func (d *Daemons) options() []option {
	return []option{
		{"attach-daemon", "run this command beside the workers, and again when it ends; it must stay in the foreground; repeatable", d.plain(false)},
		{"attach-control-daemon", "as attach-daemon, but its end stops the whole; repeatable", d.plain(true)},
		{"smart-attach-daemon", "run this command, which puts itself into the background and writes the pidfile: PIDFILE[,SECONDS] COMMAND; repeatable", d.smart(false)},
		{"smart-attach-daemon2", "run this command, which stays in the foreground, and write its pid: PIDFILE[,SECONDS] COMMAND; repeatable", d.smart(true)},
		{"attach-daemon2", "run a command with more to say: cmd=, pidfile=, freq=, daemonize=, control=, touch=FILE;FILE, stopsignal=, reloadsignal=, uid=, gid=, " +
			"ns_pid=, chdir=, max_throttle=, and ours: overlap=, mercy=; repeatable", d.keyed},
		{"reload-mercy", "seconds that a daemon may take to end before it is killed", number(&d.Mercy, 0, maxSeconds)},
	}
}

func newDaemon(command string, pos Pos) Daemon {
	return Daemon{
		Command: command, Freq: defaultFreq, StopSignal: int(unix.SIGTERM), UID: -1, GID: -1, MaxThrottle: defaultThrottle, Pos: pos,
	}
}

func (d *Daemons) plain(control bool) setter {
	return func(v *value) error {
		command := strings.TrimSpace(v.Value)
		if command == "" {
			return bad("no command", "")
		}
		v.warnUnresolved()
		one := newDaemon(command, v.Pos)
		one.Control = control
		d.List = append(d.List, one)
		return nil
	}
}

func (d *Daemons) smart(daemonize bool) setter {
	return func(v *value) error {
		file, command, _ := strings.Cut(strings.TrimSpace(v.Value), " ")
		command = strings.TrimSpace(command)
		if file == "" || command == "" {
			return bad("not PIDFILE[,SECONDS] COMMAND", "")
		}
		v.warnUnresolved()
		one := newDaemon(command, v.Pos)
		one.Daemonize = daemonize
		name, freq, timed := strings.Cut(file, ",")
		one.Pidfile = name
		if timed {
			n, err := v.part(freq).integer(1, maxSeconds)
			if err != nil {
				return bad("the seconds after the pidfile: "+err.Error(), "PIDFILE,10 COMMAND")
			}
			one.Freq = int(n)
		}
		d.List = append(d.List, one)
		return nil
	}
}

// part is a piece of the value, to be read by the rules of values.
func (v *value) part(text string) *value {
	piece := *v
	piece.Value, piece.HasValue = text, true
	return &piece
}

// keys of attach-daemon2, with uWSGI's other names for them.
var daemonAliases = map[string]string{"command": "cmd", "exec": "cmd", "daemon": "daemonize"}

// keyed reads k=v,k=v: a comma in a value is written as \, and an unknown key is an error, which uWSGI passes over.
func (d *Daemons) keyed(v *value) error {
	v.warnUnresolved()
	one := newDaemon("", v.Pos)
	for _, pair := range splitEscaped(v.Value, ',') {
		key, text, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if other, ok := daemonAliases[key]; ok {
			key = other
		}
		if err := one.set(key, v.part(text)); err != nil {
			return err
		}
	}
	if one.Command == "" {
		return bad("no command", `write cmd=COMMAND; a comma in it is written \,`)
	}
	if one.Daemonize && one.Pidfile == "" {
		return bad("daemonize without a pidfile", "add pidfile=FILE")
	}
	d.List = append(d.List, one)
	return nil
}

func (d *Daemon) set(key string, v *value) error {
	switch key {
	case "cmd":
		d.Command = strings.TrimSpace(v.Value)
	case "pidfile":
		d.Pidfile = v.Value
	case "chdir":
		d.Chdir = v.Value
	case "touch":
		d.Touch = slices.DeleteFunc(strings.Split(v.Value, ";"), func(s string) bool { return s == "" })
	case "freq":
		return within(key, number(&d.Freq, 1, maxSeconds))(v)
	case "max_throttle":
		return within(key, number(&d.MaxThrottle, 1, maxSeconds))(v)
	case "mercy":
		return within(key, number(&d.StopMercy, 1, maxSeconds))(v)
	case "daemonize":
		return within(key, boolean(&d.Daemonize))(v)
	case "control":
		return within(key, boolean(&d.Control))(v)
	case "overlap":
		return within(key, boolean(&d.Overlap))(v)
	case "ns_pid":
		return within(key, boolean(&d.NSPID))(v)
	case "stopsignal":
		return within(key, signalNumber(&d.StopSignal))(v)
	case "reloadsignal":
		return within(key, signalNumber(&d.ReloadSignal))(v)
	case "uid":
		return within(key, idNumber(&d.UID))(v)
	case "gid":
		return within(key, idNumber(&d.GID))(v)
	case "stdin":
		if on, err := v.truth(); err != nil || !on {
			return err
		}
		return bad("stdin: what is on the parent's standard input stays outside the jail", "redirect in the command: cmd=COMMAND < FILE")
	case "notifypid":
		return bad("notifypid: nothing listens for it here", "leave it out")
	default:
		return bad("unknown key "+strconv.Quote(key), `see --explain attach-daemon2; a comma in a value is written \,`)
	}
	return nil
}

// within says in which key of the value something is wrong.
func within(key string, set setter) setter {
	return func(v *value) error {
		err := set(v)
		if p, ok := err.(*problem); ok {
			return bad(key+": "+p.message, p.hint)
		}
		return err
	}
}

// idNumber binds a user or group id. uWSGI takes a name for 0, which is root.
func idNumber(p *int) setter {
	return func(v *value) error {
		n, err := strconv.ParseUint(strings.TrimSpace(v.Value), 10, 31)
		if err != nil {
			return bad("an id is a number here", "uWSGI would read a name as 0, root")
		}
		*p = int(n)
		return nil
	}
}

// signalNumber binds a signal by its number or, which uWSGI does not know, by its name.
func signalNumber(p *int) setter {
	return func(v *value) error {
		word := strings.ToUpper(strings.TrimSpace(v.Value))
		if !strings.HasPrefix(word, "SIG") {
			word = "SIG" + word
		}
		if n := unix.SignalNum(word); n != 0 {
			*p = int(n)
			return nil
		}
		n, err := strconv.Atoi(strings.TrimPrefix(word, "SIG"))
		if err != nil || n < 1 || n > 64 {
			return bad("no such signal", "write a number or a name: 15 or TERM")
		}
		*p = n
		return nil
	}
}

// splitEscaped splits at the separator but where a backslash is before it; the backslash goes. Empty pieces are left out.
func splitEscaped(s string, sep byte) []string {
	var list []string
	var piece strings.Builder
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == sep:
			if piece.Len() > 0 {
				list = append(list, piece.String())
			}
			piece.Reset()
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == sep:
			i++
			piece.WriteByte(sep)
		default:
			piece.WriteByte(s[i])
		}
	}
	return list
}
