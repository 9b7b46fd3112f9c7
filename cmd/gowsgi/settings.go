package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/jail/hook"
	"gowsgi/master"
	"gowsgi/reload"
	"gowsgi/worker"
)

// payload makes the master's settings from the configuration. It runs in the parent, on the host: what an app in the
// jail has to know of the host (its name, the environment with what hooks of the parent made of it) is read here.
func payload(terminal bool) func(*config.Config, reload.Boot) (any, error) {
	return func(cfg *config.Config, boot reload.Boot) (any, error) {
		node, err := os.Hostname()
		if err != nil {
			node = "localhost"
		}
		conf := worker.Conf{
			Version: version, UWSGIVersion: uwsgiVersion, Node: node,
			Processes: cfg.Process.Processes, Threads: max(cfg.Process.Threads, 1),
			LazyApps: cfg.Process.LazyApps, NeedApp: cfg.Process.NeedApp,
			Module: cfg.Python.Module, WSGIFile: cfg.Python.WSGIFile, Callable: cfg.Python.Callable,
			PythonPath: cfg.Python.Path, PyArgv: cfg.Python.Argv,
			BufferSize: cfg.Protocol.BufferSize, Timeout: cfg.Sockets.Timeout, PostBuf: cfg.Protocol.PostBuffering,
			Script: cfg.Protocol.ManageScriptName, NoWrapper: cfg.Python.NoFileWrapper, CatchExc: cfg.Python.CatchExceptions,
			MaxRequests: cfg.Life.MaxRequests, MaxReqDelta: cfg.Life.MaxRequestsDelta, StackOnUSR2: cfg.Life.HarakiriVerbose,
			Harakiri: cfg.Life.Harakiri, Exceptions: exceptions(&cfg.Worker),
			Procname: cfg.Worker.Procname, ProcPrefix: cfg.Worker.ProcPrefix, ProcAppend: cfg.Worker.ProcAppend,
			CPUAffinity: cfg.Worker.CPUAffinity, StackSize: cfg.Worker.StackSize, SkipAtexit: cfg.Worker.SkipAtexit, NoThreadWait: cfg.Worker.NoThreadWait,
			WorkerExec:  cfg.Worker.Exec,
			LogRequests: !cfg.Log.DisableRequests || cfg.Log.Requests.Some(), LogJSON: cfg.Log.JSON, LogDate: cfg.Log.Date, RequestLog: requestLog(&cfg.Log),
		}
		conf.Apps, conf.Serve = cfg.Apps.Apps, serving(cfg)
		for _, e := range cfg.Entries {
			conf.Opt = append(conf.Opt, [2]string{e.Key, e.Value})
		}
		for i, s := range boot.Sockets {
			conf.Sockets = append(conf.Sockets, listener(s, &cfg.Sockets.List[i], &cfg.Sockets))
		}
		conf.Helpers = helpers(cfg)
		hooks, err := masterHooks(&cfg.Isolation, boot.MasterRoot, cfg.Security.DropAfter)
		if err != nil {
			return nil, err
		}
		if conf.Hooks, err = workerHooks(&cfg.Isolation); err != nil {
			return nil, err
		}
		jobs, cronMercy := crons(cfg)
		touches, err := touchExecs(cfg)
		if err != nil {
			return nil, err
		}
		return master.Settings{
			Conf: conf, Interpreter: cfg.Python.Interpreter, Home: cfg.Python.Home,
			Env:   environment(os.Environ(), cfg.Process.Env),
			Hooks: hooks, Shell: cfg.Isolation.Shell,
			DieOnTerm: cfg.Process.DieOnTerm, ContainerInit: boot.ContainerInit,
			MercySeconds: cfg.Process.WorkerReloadMercy, NeedApp: cfg.Process.NeedApp,
			LogJSON: cfg.Log.JSON, LogTerminal: terminal, LogDate: cfg.Log.Date, LogPipes: boot.LogPipes, Limits: limits(&cfg.Life),
			Helpers: helperSettings(cfg), Signals: signalSettings(cfg), Cheaper: cheaper(&cfg.Cheaper),
			Title: masterTitle(&cfg.Worker), TickSeconds: cfg.Worker.CheckSeconds, ForkDelaySeconds: cfg.Worker.ForkDelay,
			Sleep: master.Sleep{Cheap: cfg.Cheaper.Cheap, Idle: time.Duration(cfg.Cheaper.IdleSeconds) * time.Second, DieOnIdle: cfg.Cheaper.DieOnIdle,
				DieOnNoWorkers: cfg.Cheaper.DieOnNoWorker},
			Resources: resources(&cfg.Confine),
			Around:    master.Around{Daemons: daemons(&cfg.Daemons), Crons: jobs, CronMercy: cronMercy, Alarms: alarms(&cfg.Alarms), TouchExec: touches},
		}, nil
	}
}

// serving is what stands between a request and the app, nil for nothing.
func serving(cfg *config.Config) *worker.Serve {
	s := &worker.Serve{Answers: cfg.Serve.Answers}
	if cfg.Static.On() {
		s.Static = &cfg.Static.Static
	}
	if s.Static == nil && !s.Any() {
		return nil
	}
	return s
}

// listener is what the runtime is told of a socket.
func listener(bound reload.BoundSocket, s *config.Socket, all *config.Sockets) worker.Listener {
	l := worker.Listener{
		Proto: bound.Proto, Family: bound.Family, Addr: bound.Addr, Front: s.Front, Proxy: s.Proxy, Workers: s.Workers,
		Timeout: s.Timeout, Send: all.SendTimeout, Idle: s.Idle, Head: s.Head,
	}
	if s.Front {
		l.Vars = append([]string{"UWSGI_ROUTER=http"}, all.FrontVars...)
	}
	return l
}

// masterHooks are those of the master's own phases. One that stays root has those of as-user too, which then run on a thread of the user's.
func masterHooks(iso *config.Isolation, stayRoot, afterApp bool) ([]hook.Hook, error) {
	phases := master.Phases
	if stayRoot {
		phases = append([]hook.Phase{hook.AsUser}, phases...)
	}
	var hooks []hook.Hook
	for _, phase := range phases {
		list, err := reload.ParseHooks(iso, phase)
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			if phase == hook.AsUser && afterApp {
				h.Phase = master.AsUserLate
			}
			hooks = append(hooks, h)
		}
	}
	return hooks, nil
}

// workerPhases are the phases of hooks that run in a worker, in its Python.
var workerPhases = []hook.Phase{"post-fork", "accepting", "accepting-once", "accepting1", "accepting1-once", "as-mule"}

func workerHooks(iso *config.Isolation) ([]worker.Hook, error) {
	var list []worker.Hook
	for _, phase := range workerPhases {
		hooks, err := reload.ParseHooks(iso, phase)
		if err != nil {
			return nil, err
		}
		for _, h := range hooks {
			if !slices.Contains(worker.WorkerActions, h.Action) {
				return nil, fmt.Errorf("cannot run hook %q in a worker: not supported yet in the phase %s (as-root and as-user know every action)", h.Shown(), phase)
			}
			list = append(list, worker.Hook{Phase: string(phase), Action: h.Action, Arg: h.Arg, Shown: h.Shown()})
		}
	}
	return list, nil
}

func resources(c *config.Confine) []jail.Limit {
	var list []jail.Limit
	for _, l := range c.WorkerLimits {
		list = append(list, jail.Limit(l))
	}
	return list
}

func limits(l *config.Life) master.Limits {
	return master.Limits{
		Harakiri: seconds(l.Harakiri), HarakiriVerbose: l.HarakiriVerbose,
		HarakiriGraceful: seconds(l.HarakiriGraceful), HarakiriSignal: l.HarakiriSignal, HarakiriQueue: l.HarakiriQueue,
		ReloadUSS: uint64(l.ReloadOnUSS), ReloadPSS: uint64(l.ReloadOnPSS),
		MinLifetime: seconds(l.MinLifetime), MaxLifetime: seconds(l.MaxLifetime), LifetimeDelta: seconds(l.LifetimeDelta),
		ReloadRSS: uint64(l.ReloadOnRSS), ReloadAS: uint64(l.ReloadOnAS), EvilRSS: uint64(l.EvilRSS), EvilAS: uint64(l.EvilAS),
	}
}

// exceptions are nil when the configuration names none.
func exceptions(w *config.Worker) *worker.Exceptions {
	if !w.Exception && len(w.ExcTypes)+len(w.ExcValues)+len(w.ExcReprs) == 0 {
		return nil
	}
	list := func(names []string) []string { return append([]string{}, names...) } // never null for Python
	return &worker.Exceptions{Any: w.Exception, Types: list(w.ExcTypes), Values: list(w.ExcValues), Reprs: list(w.ExcReprs)}
}

// masterTitle is "" when the master keeps its own name.
func masterTitle(w *config.Worker) string {
	name := "uWSGI master"
	switch {
	case w.ProcMaster != "":
		name = w.ProcMaster
	case w.Procname != "":
		name = w.Procname
	case !w.AutoProcname && w.ProcPrefix == "" && w.ProcAppend == "":
		return ""
	}
	return w.ProcPrefix + name + w.ProcAppend
}

func cheaper(c *config.Cheaper) master.Cheaper {
	return master.Cheaper{
		Min: c.Cheaper, Initial: max(c.Initial, c.Cheaper), Step: c.Step, Overload: c.Overload, Algo: c.Algo, Idle: c.Idle,
		RSSSoft: uint64(c.RSSSoft), RSSHard: uint64(c.RSSHard),
		Busyness: master.Busyness{
			Max: c.BusynessMax, Min: c.BusynessMin, Multiplier: c.Multiplier, Penalty: c.Penalty, BacklogAlert: c.BacklogAlert,
			BacklogMultiplier: c.BacklogMultiplier, BacklogStep: c.BacklogStep, BacklogNonzero: c.BacklogNonzero, Verbose: c.Verbose,
		},
	}
}

// environment is the caller's with the configured changes: K=V sets, K alone takes K out.
func environment(env, changes []string) []string {
	out := slices.Clone(env)
	for _, change := range changes {
		name, _, sets := strings.Cut(change, "=")
		out = slices.DeleteFunc(out, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		if sets {
			out = append(out, change)
		}
	}
	return out
}
