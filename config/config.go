package config

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Config is a whole configuration, read, resolved and checked. It is plain data: it can be copied and written as JSON.
type Config struct {
	Sockets   Sockets   `json:"sockets"`
	Process   Process   `json:"process"`
	Life      Life      `json:"life"`
	Cheaper   Cheaper   `json:"cheaper"`
	Worker    Worker    `json:"worker"`
	Python    Python    `json:"python"`
	Protocol  Protocol  `json:"protocol"`
	Apps      Apps      `json:"apps"`
	Serve     Serve     `json:"serve"`
	Static    Static    `json:"static"`
	Jail      Jail      `json:"jail"`
	Security  Security  `json:"security"`
	Isolation Isolation `json:"isolation"`
	Confine   Confine   `json:"confine"`
	Log       Log       `json:"log"`
	Stats     Stats     `json:"stats"`
	Reload    Reload    `json:"reload"`
	Aside

	Entries  []Entry      `json:"entries"`            // every setting after expansion, in order
	Warnings []Diagnostic `json:"warnings,omitempty"` // what was read otherwise than written, or not at all
	Notes    []Diagnostic `json:"notes,omitempty"`    // options accepted without effect, with the reason
	Prints   []string     `json:"prints,omitempty"`   // values of print and iprint, for the log
	Files    []string     `json:"files,omitempty"`    // files read, in order, each once
	Action   Action       `json:"action"`
}

// ActionKind says what the command line asks for.
type ActionKind uint8

// What can be asked for. ActionRun is the rule.
const (
	ActionRun         ActionKind = iota
	ActionHelp                   // print Help and exit 0
	ActionVersion                // print the version and exit 0
	ActionShowConfig             // print Show, then go on as ActionRun: real files carry show-config = true
	ActionCheckConfig            // print Check and exit 0 (Load gave no error)
	ActionExplain                // print Explain(Name) and exit 0
	ActionCompletion             // print Completion(Name) and exit 0
	ActionExplainJail            // print the steps of the jail and exit 0
	ActionJailCheck              // print what this machine allows and exit: 0 when a jail for every user works
	ActionSignal                 // send Signal to the pid in Pidfile and exit
	ActionExit                   // exit with Code
	ActionPing                   // ask the server at the address Name whether it answers, and exit: 0 when it does
	ActionGet                    // print Get of each of Names and exit 0
	ActionDumpOptions            // print OptionNames, one a line, and exit 0
	ActionList                   // print Listing of each of Names and exit 0
)

// Action is what the command line asks for, with its operands.
type Action struct {
	Kind    ActionKind `json:"kind"`
	Name    string     `json:"name,omitempty"`    // ActionExplain: option, ActionCompletion: shell, ActionPing: address
	Names   []string   `json:"names,omitempty"`   // ActionGet: keys, ActionList: options
	Pidfile string     `json:"pidfile,omitempty"` // ActionSignal
	Signal  string     `json:"signal,omitempty"`  // ActionSignal: HUP, INT, TSTP or USR2
	Code    int        `json:"code,omitempty"`    // ActionExit
}

// Options is the world that Load may look at. A nil function means the operating system's own, except for Exec, Fetch, Lookup and
// ReadFD: what they would do is refused when they are nil.
type Options struct {
	Args     []string // without the program's name
	Env      []string // NAME=value
	Dir      string   // current directory, "" = the process's
	Hostname string   // of the machine
	Binary   string   // path of the running program, "" = found out
	CPUs     int      // 0 = runtime.NumCPU
	Start    int64    // unix microseconds for %t and %T, 0 = now
	Reload   bool     // this is not the first start: for if-reload
	Stdin    io.Reader

	ReadFile func(path string) ([]byte, error)
	Stat     func(path string) (fs.FileInfo, error)
	Glob     func(pattern string) ([]string, error)
	ReadFD   func(fd int) ([]byte, error)        // fd://N
	Exec     func(cmd string) ([]byte, error)    // exec://cmd: standard output of /bin/sh -c cmd
	Fetch    func(url string) ([]byte, error)    // http://...
	Lookup   func(host string) ([]string, error) // addresses of a host, for resolve
}

func (o *Options) fill() {
	if o.Dir == "" {
		o.Dir, _ = os.Getwd()
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname()
	}
	if o.CPUs == 0 {
		o.CPUs = runtime.NumCPU()
	}
	if o.Start == 0 {
		o.Start = time.Now().UnixMicro()
	}
	if o.Binary == "" {
		o.Binary, _ = os.Executable()
	}
	if o.ReadFile == nil {
		o.ReadFile = readBounded
	}
	if o.Stat == nil {
		o.Stat = os.Stat
	}
	if o.Glob == nil {
		o.Glob = filepath.Glob
	}
}

// readBounded reads a file, or one byte more than is allowed: /dev/zero has no end. It asks the kernel itself: a configuration may have
// hundreds of small files, and os.File tries to have each watched by epoll.
func readBounded(name string) ([]byte, error) {
	failed := func(what string, err error) ([]byte, error) {
		return nil, &os.PathError{Op: what, Path: name, Err: err}
	}
	fd, err := again(func() (int, error) { return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return failed("open", err)
	}
	defer syscall.Close(fd)
	size := 0
	if st := (syscall.Stat_t{}); syscall.Fstat(fd, &st) == nil && st.Size > 0 {
		size = int(min(st.Size, maxFile))
	}
	data := make([]byte, 0, size+512)
	for len(data) <= maxFile {
		data = slices.Grow(data, 512)
		n, err := again(func() (int, error) { return syscall.Read(fd, data[len(data):min(cap(data), maxFile+1)]) })
		if err != nil {
			return failed("read", err)
		}
		if n == 0 {
			break
		}
		data = data[:len(data)+n]
	}
	return data, nil
}

// again repeats a system call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}

// abs gives the path of a file named relative to the current directory.
func (o *Options) abs(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(o.Dir, name)
}

// defaults gives a configuration in which nothing was asked for.
func defaults() *Config {
	return &Config{
		Sockets:  Sockets{Timeout: 4},
		Process:  Process{Processes: 1, Threads: 1, Master: true, WorkerReloadMercy: 60},
		Life:     Life{MinLifetime: defaultMinLifetime, HarakiriSignal: 15},
		Protocol: Protocol{BufferSize: 4096},
		Stats:    defaultStats(),
		Cheaper:  defaultCheaper(),
		Worker:   Worker{CheckSeconds: 1, ForkDelay: 2},
		Aside: Aside{
			Daemons: Daemons{Mercy: defaultDaemonMercy}, Crons: Crons{Mercy: -1}, Alarms: defaultAlarms(),
			Mules: Mules{ReloadMercy: 60}, Spooler: Spooler{Processes: 1, Frequency: 30},
		},
	}
}

// options lists every bound option of every area.
func (c *Config) options() []option {
	return c.bind(new(string))
}

func (c *Config) bind(protocol *string) []option {
	return slices.Concat(
		c.Sockets.options(protocol),
		c.Process.options(),
		c.Life.options(),
		c.Cheaper.options(),
		c.Worker.options(),
		c.Python.options(),
		c.Protocol.options(),
		c.Apps.options(),
		c.Serve.options(),
		c.Static.options(),
		c.Jail.options(),
		c.Isolation.options(),
		c.Confine.options(),
		c.Security.options(),
		c.Log.options(),
		c.Stats.options(),
		c.Reload.options(),
		c.Daemons.options(),
		c.Crons.options(),
		c.Alarms.options(),
		c.Mules.options(),
		c.Spooler.options(),
		c.Signals.options(),
		c.Aside.options(),
		c.Caches.options(),
	)
}

// Load reads the environment, the command line and all files that they name, resolves and checks everything. The error is a Diagnostics
// with every problem, not just the first; the Config is nil then. If the configuration names a fallback-config, an error at the first start
// makes that file be read instead of everything, and the problems become warnings; at a reload the error stands, for the old
// configuration still serves.
func Load(o Options) (*Config, error) {
	o.fill()
	l := newLoader(o)
	c, err := l.once()
	if err == nil || l.fallback == "" || l.argErrors > 0 || l.action.Kind != ActionRun || o.Reload {
		return c, err
	}
	problems := l.errors
	o.Args = []string{l.fallback}
	l = newLoader(o)
	if c, err = l.once(); err != nil {
		return nil, Diagnostics(append(problems, l.errors...))
	}
	for i := range problems {
		problems[i].Severity = SeverityWarning
		problems[i].Message += "; the fallback-config is used"
	}
	c.Warnings = append(problems, c.Warnings...)
	return c, nil
}

// once is Load without the fallback.
func (l *loader) once() (*Config, error) {
	l.read()
	if l.action.Kind == ActionHelp {
		return &Config{Action: l.action}, nil
	}
	l.resolveAll()
	if l.action.Kind == ActionGet && len(l.errors) == 0 {
		return &Config{Action: l.action, Entries: l.entries}, nil // what becomes of the settings is not asked
	}
	c := l.apply()
	if !c.Action.looksAway() {
		l.check(c)
	} else if l.argErrors == 0 {
		return c, nil
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	c.Warnings, c.Notes = l.warnings, l.notes
	return c, nil
}

// looksAway reports actions that do not depend on the settings, so that errors in them do not matter.
func (a Action) looksAway() bool {
	switch a.Kind {
	case ActionSignal, ActionPing, ActionVersion, ActionExit, ActionExplain, ActionCompletion, ActionDumpOptions, ActionList:
		return true
	}
	return false
}
