package config

import (
	"strconv"
	"strings"
)

// Spooler says which directories of tasks are worked off, and how.
type Spooler struct {
	Dirs         []SpoolDir `json:"dirs,omitempty"`
	Processes    int        `json:"processes"`                // of each directory
	Frequency    int        `json:"frequency"`                // seconds between two looks at the directory when nobody calls
	Quiet        bool       `json:"quiet,omitempty"`          // no line for each task
	MaxTasks     int        `json:"max_tasks,omitempty"`      // after so many tasks a process is replaced
	Harakiri     int        `json:"harakiri,omitempty"`       // seconds that a task may take
	SignalAsTask bool       `json:"signal_as_task,omitempty"` // signals count towards max_tasks
	Chdir        string     `json:"chdir,omitempty"`          // instead of the spool directory
	Imports      []string   `json:"imports,omitempty"`        // modules or files that spoolers import beside the app
	Touch        []string   `json:"touch,omitempty"`          // a change of one of these files restarts all spoolers
}

// SpoolDir is one directory of tasks, as the jail sees it.
type SpoolDir struct {
	Path     string `json:"path"`
	External bool   `json:"external,omitempty"` // tasks are written there, somebody else works them off
}

func (s *Spooler) options() []option {
	return []option{
		{"spooler", "work off the tasks in this directory, which is made when it is missing; repeatable", s.add(false)},
		{"spooler-external", "write tasks to this directory; another server works them off; repeatable", s.add(true)},
		{"spooler-processes", "number of processes for each spooler directory", number(&s.Processes, 1, MaxHelpers)},
		{"spooler-frequency", "seconds between two looks at the spooler directories", number(&s.Frequency, 1, maxSeconds)},
		{"spooler-quiet", "write no line for each task", boolean(&s.Quiet)},
		{"spooler-max-tasks", "replace a spooler after this many tasks", number(&s.MaxTasks, 0, maxSeconds)},
		{"spooler-signal-as-task", "count the signals that a spooler handles towards spooler-max-tasks", boolean(&s.SignalAsTask)},
		{"spooler-harakiri", "seconds that a task may take before its spooler is killed", number(&s.Harakiri, 0, maxSeconds)},
		{"spooler-chdir", "run tasks in this directory instead of the spooler's own", word(&s.Chdir)},
		{"spooler-python-import", "import this module or file in spoolers; repeatable", words(&s.Imports)},
		{"touch-spoolers-reload", "restart the spoolers when this file changes, appears or goes; repeatable", words(&s.Touch)},
	}
}

func (s *Spooler) add(external bool) setter {
	return func(v *value) error {
		var dir string
		if err := word(&dir)(v); err != nil {
			return err
		}
		dir = strings.TrimRight(dir, "/")
		if dir == "" {
			return bad("the root is no spooler", "name a directory of its own")
		}
		for _, other := range s.Dirs {
			if other.Path == dir {
				return bad("the directory is a spooler already", "keep one; spooler-processes gives it more processes")
			}
		}
		s.Dirs = append(s.Dirs, SpoolDir{dir, external})
		return nil
	}
}

// Signals are uwsgi signals that the configuration asks for.
type Signals struct {
	Timers   []Timer      `json:"timers,omitempty"`
	Touch    []SignalFile `json:"touch,omitempty"`    // looked at every second
	Monitors []SignalFile `json:"monitors,omitempty"` // watched by the kernel
}

// SignalFile raises a signal when a file changes.
type SignalFile struct {
	Path   string `json:"path"`
	Signal int    `json:"signal"`
}

// TouchExec runs a command when a file changes.
type TouchExec struct {
	Path    string `json:"path"`
	Command string `json:"command"`
}

func (a *Aside) options() []option {
	return []option{
		{"touch-exec", "FILE COMMAND runs a command in the jail when the file changes, appears or goes; repeatable", a.touchExec},
	}
}

func (a *Aside) touchExec(v *value) error {
	path, command, _ := strings.Cut(strings.TrimSpace(v.Value), " ")
	if command = strings.TrimSpace(command); command == "" {
		return bad("no file and command", "write the path of a file and a command, as in /etc/app.conf /usr/bin/rebuild")
	}
	v.warnUnresolved()
	a.TouchExec = append(a.TouchExec, TouchExec{path, command})
	return nil
}

// Timer raises a signal every so many seconds.
type Timer struct {
	Signal  int `json:"signal"`
	Seconds int `json:"seconds"`
}

func (s *Signals) options() []option {
	return []option{
		{"timer", "SIGNAL SECONDS raises a uwsgi signal every so many seconds; repeatable", s.setTimer},
		{"rbtimer", "as timer", s.setTimer},
		{"touch-signal", "FILE SIGNAL raises a uwsgi signal when the file changes, appears or goes; repeatable", setSignalFile(&s.Touch)},
		{"fs-signal", "FILE SIGNAL raises a uwsgi signal when something happens to the file or in the directory; repeatable", setSignalFile(&s.Monitors)},
	}
}

func setSignalFile(list *[]SignalFile) setter {
	return func(v *value) error {
		path, number, ok := strings.Cut(v.tidy(), " ")
		signal, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || signal < 0 || signal > 255 {
			return bad("no file and signal", "write the path of a file and the number of a signal, as in /etc/app.conf 17")
		}
		*list = append(*list, SignalFile{path, signal})
		return nil
	}
}

func (s *Signals) setTimer(v *value) error {
	f := strings.Fields(v.tidy())
	if len(f) != 2 {
		return bad("no timer", "write the number of a signal and seconds, as in 17 60")
	}
	sig, err := strconv.Atoi(f[0])
	if err != nil || sig < 0 || sig > 255 {
		return bad("signal out of range: 0 to 255", "")
	}
	seconds, err := strconv.Atoi(f[1])
	if err != nil || seconds < 1 || seconds > maxSeconds {
		return bad("seconds out of range: 1 or more", "")
	}
	s.Timers = append(s.Timers, Timer{sig, seconds})
	return nil
}
