package config

import "strings"

// Worker says what a worker process is like: its name, its processors, its end.
type Worker struct {
	Procname     string   `json:"procname,omitempty"`
	ProcPrefix   string   `json:"procname_prefix,omitempty"`
	ProcAppend   string   `json:"procname_append,omitempty"`
	ProcMaster   string   `json:"procname_master,omitempty"`
	AutoProcname bool     `json:"auto_procname,omitempty"` // the master is named too
	CPUAffinity  int      `json:"cpu_affinity,omitempty"`
	Prio         int      `json:"prio,omitempty"`              // nice value
	StackSize    int      `json:"threads_stacksize,omitempty"` // kilobytes
	SkipAtexit   bool     `json:"skip_atexit,omitempty"`
	NoThreadWait bool     `json:"no_threads_wait,omitempty"`
	Exec         string   `json:"exec,omitempty"`
	Exception    bool     `json:"exception,omitempty"` // any
	ExcTypes     []string `json:"exception_types,omitempty"`
	ExcValues    []string `json:"exception_values,omitempty"`
	ExcReprs     []string `json:"exception_reprs,omitempty"`
	CheckSeconds int      `json:"check_seconds"`  // between two looks of the master
	ForkDelay    int      `json:"forkbomb_delay"` // seconds, the first pause after workers that die at once
}

func (w *Worker) options() []option {
	return []option{
		{"procname", "name of all processes in ps and top", text(&w.Procname)},
		{"procname-master", "name of the master in ps and top", text(&w.ProcMaster)},
		{"procname-prefix", "put before the names of processes", text(&w.ProcPrefix)},
		{"procname-prefix-spaced", "put before the names of processes, with a blank", w.setSpaced},
		{"procname-append", "put after the names of processes", text(&w.ProcAppend)},
		{"auto-procname", "name the master too (workers are always named for what they do)", boolean(&w.AutoProcname)},
		{"cpu-affinity", "bind each worker to this many of the processors, each to the next ones", number(&w.CPUAffinity, 0, maxThreads)},
		{"prio", "nice value of the app's processes, -20 to 19; below 0 needs root", number(&w.Prio, -20, 19)},
		{"threads-stacksize", "stack of the threads of a worker in kilobytes", number(&w.StackSize, 32, 1<<22)},
		{"skip-atexit", "do not run the app's atexit functions when a worker ends", boolean(&w.SkipAtexit)},
		{"no-threads-wait", "do not wait for threads that the app has started when a worker ends", boolean(&w.NoThreadWait)},
		{"worker-exec", "run this command as worker instead of serving an app; it gets the first socket as standard input", w.setExec},
		{"worker-exec2", "as worker-exec (both run after the hooks of post-fork)", w.setExec},
		{"reload-on-exception", "replace a worker whose app raised an exception", boolean(&w.Exception)},
		{"reload-on-exception-type", "replace a worker whose app raised an exception of this class; repeatable", words(&w.ExcTypes)},
		{"reload-on-exception-value", "replace a worker whose app raised an exception with this text; repeatable", texts(&w.ExcValues)},
		{"reload-on-exception-repr", "replace a worker whose app raised an exception that reads class: text; repeatable", texts(&w.ExcReprs)},
		{"check-interval", "seconds between two looks of the master at the workers", number(&w.CheckSeconds, 1, maxSeconds)},
		{"forkbomb-delay", "seconds of the first pause of a worker that dies at once, later ones are longer", number(&w.ForkDelay, 1, 60)},
	}
}

// texts appends free texts to a list.
func texts(p *[]string) setter {
	return func(v *value) error {
		v.warnUnresolved()
		*p = append(*p, v.Value)
		return nil
	}
}

func (w *Worker) setSpaced(v *value) error {
	err := text(&w.ProcPrefix)(v)
	w.ProcPrefix += " "
	return err
}

func (w *Worker) setExec(v *value) error {
	if strings.TrimSpace(v.Value) == "" {
		return bad("no command", "")
	}
	return text(&w.Exec)(v)
}
