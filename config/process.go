package config

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what is worth asking for.
const (
	maxSeconds = 1 << 30
	maxWorkers = 1 << 14
	maxThreads = 1 << 12
)

// Process says how many processes run the app, where, and how they end.
type Process struct {
	Processes         int      `json:"processes"`
	Threads           int      `json:"threads"` // per worker
	Master            bool     `json:"master"`
	LazyApps          bool     `json:"lazy_apps,omitempty"` // import after the fork
	NeedApp           bool     `json:"need_app,omitempty"`  // no app, no start: exit 22
	DieOnTerm         bool     `json:"die_on_term,omitempty"`
	Vacuum            bool     `json:"vacuum,omitempty"` // remove our sockets and pidfile at the end
	ExitOnReload      bool     `json:"exit_on_reload,omitempty"`
	Chdir             string   `json:"chdir,omitempty"` // seen from inside the jail
	Pidfile           string   `json:"pidfile,omitempty"`
	SafePidfile       string   `json:"safe_pidfile,omitempty"`
	Pidfile2          string   `json:"pidfile2,omitempty"`
	SafePidfile2      string   `json:"safe_pidfile2,omitempty"`
	Env               []string `json:"env,omitempty"`       // changes of the environment: K=V sets, K alone takes K out; each K once
	WorkerReloadMercy int      `json:"worker_reload_mercy"` // seconds a worker may take to finish its request
}

func (p *Process) options() []option {
	return []option{
		{"processes", "number of workers; auto = one a processor", p.count("processes", &p.Processes, 1, maxWorkers)},
		{"threads", "number of threads a worker", p.count("threads", &p.Threads, 0, maxThreads)},
		{"master", "run a master over the workers (always so here; false is said to be without effect)", p.setMaster},
		{"lazy-apps", "import the app in each worker instead of once before the fork", boolean(&p.LazyApps)},
		{"lazy", "as lazy-apps", p.setLazy},
		{"need-app", "exit with 22 when the app does not import", boolean(&p.NeedApp)},
		{"die-on-term", "SIGTERM stops instead of reloading", boolean(&p.DieOnTerm)},
		{"vacuum", "remove our unix sockets and pidfiles at the end", boolean(&p.Vacuum)},
		{"exit-on-reload", "end instead of reloading", boolean(&p.ExitOnReload)},
		{"chdir", "change to this directory, as the jail sees it, before the app is imported", word(&p.Chdir)},
		{"env", "set a variable of the app's environment: NAME=value; NAME alone unsets it; repeatable", p.setEnv},
		{"unenv", "take a variable out of the app's environment; repeatable", p.unsetEnv},
		{"envdir", "set the app's variables from a directory of files; repeatable", p.setEnvdir},
		{"pidfile", "write the parent's pid here, before privileges are dropped", word(&p.Pidfile)},
		{"safe-pidfile", "write the parent's pid here once the workers are started", word(&p.SafePidfile)},
		{"pidfile2", "write the parent's pid here as the app's user, below the jail's root", word(&p.Pidfile2)},
		{"safe-pidfile2", "as pidfile2, once the workers are started", word(&p.SafePidfile2)},
		{"worker-reload-mercy", "seconds a worker may take to finish its request before it is killed", number(&p.WorkerReloadMercy, 0, maxSeconds)},
	}
}

// count reads a number of workers or threads. uWSGI reads auto as 0 and then serves nothing.
func (p *Process) count(what string, n *int, low, high int) setter {
	return func(v *value) error {
		if strings.EqualFold(v.tidy(), "auto") {
			v.warn(fmt.Sprintf("read as the number of processors, %d", v.cpus), "write %k for it")
			*n = v.cpus
			return nil
		}
		var got int
		if err := number(&got, 0, high)(v); err != nil {
			return err
		}
		if got < low {
			return bad("0 "+what+" would serve nothing", "write a number from 1")
		}
		*n = max(got, 1)
		return nil
	}
}

func (p *Process) setMaster(v *value) error {
	if err := boolean(&p.Master)(v); err != nil {
		return err
	}
	if !p.Master {
		v.warn("there is always a master", "leave the line out")
		p.Master = true
	}
	return nil
}

func (p *Process) setLazy(v *value) error {
	on, err := v.truth()
	if err == nil && on {
		p.LazyApps = true
		v.warn("read as lazy-apps: a reload still builds the whole stack anew", "write lazy-apps")
	}
	return err
}

// setEnv keeps the last word on each variable. NAME without = unsets it, as putenv(3) of glibc does.
func (p *Process) setEnv(v *value) error {
	if line := strings.TrimSpace(v.Value); line == "" || line[0] == '#' {
		v.warn("no variable: ignored", "") // of a file that for-readline reads, as .env files have them
		return nil
	}
	if rest, ok := strings.CutPrefix(v.Value, "export "); ok {
		v.warn("read without export", "")
		v.Value = strings.TrimLeft(rest, " ")
	}
	name, rest, assigns := strings.Cut(v.Value, "=")
	if trimmed := strings.TrimSpace(name); trimmed != name {
		v.warn("blanks around the variable's name are taken off", "write NAME=value without blanks around the first =")
		name, rest = trimmed, strings.TrimLeft(rest, " \t")
	}
	if name == "" {
		return bad("no variable name", "write NAME=value")
	}
	v.warnUnresolved()
	if assigns {
		name += "=" + rest
	}
	p.change([]string{name})
	return nil
}

func (p *Process) unsetEnv(v *value) error {
	name := v.tidy()
	if name == "" || strings.Contains(name, "=") {
		return bad("not a variable's name", "")
	}
	p.change([]string{name})
	return nil
}

// forget drops what was said about a variable before.
func (p *Process) forget(name string) {
	n := len(name)
	p.Env = slices.DeleteFunc(p.Env, func(kv string) bool { return strings.HasPrefix(kv, name) && (len(kv) == n || kv[n] == '=') })
}
