package reload

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/early/heard"
	"gowsgi/jail"
	"gowsgi/jail/hook"
	"gowsgi/metrics"
	"gowsgi/reload/logs"
	"gowsgi/reload/verdict"
)

// Setup is what the parent is given by cmd.
type Setup struct {
	Config  *config.Config                 // the first one
	Load    func() (*config.Config, error) // reads everything again
	Payload func(cfg *config.Config, boot Boot) (any, error)
	Log     zerolog.Logger
	Logs    *logs.Hub // takes what the jail writes
	Serving func()    // the first generation is ready
	Version string

	Activated []int         // sockets of a service manager, by number
	Binary    func() string // the path of the binary that an upgrade executes
	Handed    *Handed       // of an earlier image of this process, nil: this is the first
}

// Boot is what the payload of a generation depends on beside the configuration.
type Boot struct {
	Sockets       []BoundSocket // in the order of the descriptors
	ContainerInit bool          // the parent is PID 1 of a container
	LogPipes      int           // processes with a log pipe of their own, after the listeners and the log channel; 0 = no channel either
	MasterRoot    bool          // the master does not become the app's user
}

// BoundSocket describes one inherited listener.
type BoundSocket struct{ Addr, Proto, Family string }

// parent owns the generations. Only the goroutine of Run touches its fields, but for shared, which readers of the
// metrics use.
type parent struct {
	setup     Setup
	log       zerolog.Logger
	plan      plan
	who       who
	gens      map[uint64]*generation
	serving   *snapshot   // the configuration of the newest generation that became ready
	newest    *snapshot   // what the next generation is built from
	sockets   []*listener // of the app
	endpoints []*listener // stats and metrics
	frames    chan frame
	pending   []event
	store     metrics.Store
	info      metrics.Info
	logHits   chan logHit
	logPace   pace
	fsChanges chan fsChanged
	cronAt    int64 // unix seconds: up to when cron was looked after, 0 = never
	shared    shared
	pushing   pushing
	metrics   collecting
	upgrading upgrading
	held
	outlook
	code int
	done bool
}

// held is what the parent has taken for itself and gives back at its end.
type held struct {
	pidfiles []*pidfile
	locks    []*os.File  // held open
	lease    *jail.Lease // ids of user namespaces
	touched  []*touched
	logTouch map[string]stamp // of the files of touch-logrotate and touch-logreopen
	looking  looking
	monitor  *monitor // of fs-reload, nil = none
	fifos    fifos
	notices  *notifySocket // nil = none
}

// outlook is how those who supervise the parent see it.
type outlook struct {
	status *statusPage
	echo   echo
	notify notifier
	health health
}

// Run is the parent's whole life. It returns the exit code.
func Run(setup Setup) int {
	dir, err := os.Getwd()
	if err != nil {
		setup.Log.Error().Msgf("cannot find the working directory: %v", err)
		return verdict.Init
	}
	p := &parent{
		setup: setup, log: setup.Log,
		who:    who{euid: os.Geteuid(), egid: os.Getegid(), dir: dir},
		gens:   map[uint64]*generation{},
		frames: make(chan frame, 16), logHits: make(chan logHit, logHits),
		fsChanges: make(chan fsChanged),
		held:      held{fifos: fifos{said: make(chan fifoByte)}, looking: looking{done: make(chan looked, 1)}},
		upgrading: newUpgrading(os.Getenv),
		outlook:   outlook{health: health{calls: make(chan func())}, notify: newNotifier(os.Getenv)},
	}
	p.plan.mercy = p.mercy
	p.plan.exitOnReload = func() bool { return p.newest.cfg.Process.ExitOnReload }
	p.plan.stopDelay = func() time.Duration { return time.Duration(p.newest.cfg.Reload.StopDelay) * time.Second }
	forgetService()
	begin := func() {}
	if setup.Handed == nil {
		defer p.cleanUp()
		err = p.prepare()
	} else if begin, err = p.adopt(setup.Handed); err == nil {
		defer p.cleanUp()
	}
	if err != nil {
		p.log.Error().Msg(err.Error())
		return verdict.Init
	}
	begin()
	return p.loop()
}

// prepare does what can be found wrong before any process exists.
func (p *parent) prepare() error {
	p.info = metrics.Info{Version: p.setup.Version, Start: time.Now(), PID: os.Getpid()}
	if err := jail.SetSubreaper(); err != nil {
		return err
	}
	var err error
	if p.status, err = newStatusPage(); err != nil {
		return err
	}
	locks := p.setup.Config.Security.Locks
	if err := p.lockFiles(locks, false); err != nil {
		return err
	}
	if err := p.runHooks(&snapshot{cfg: p.setup.Config}, hook.Asap); err != nil {
		return err
	}
	if err := p.lockFiles(locks, true); err != nil {
		return err
	}
	snap, err := p.snapshotOf(p.setup.Config)
	if err != nil {
		return err
	}
	p.newest = snap
	if err := p.openLateLog(snap); err != nil {
		return err
	}
	if err := p.openEndpoints(); err != nil {
		return err
	}
	p.watchFiles(snap)
	p.watchLog(snap)
	if err := p.openFifos(); err != nil {
		return err
	}
	if err := p.openNotifySocket(); err != nil {
		return err
	}
	if err := p.writePidfile(snap.cfg.Process.Pidfile); err != nil {
		return err
	}
	if err := p.writeLatePidfile(snap.cfg.Process.Pidfile2, snap); err != nil {
		return err
	}
	return p.runHooks(snap, hook.PreJail)
}

func (p *parent) loop() int {
	// On a channel of its own, so that many ends while the configuration is read cannot push a wish out of the other.
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	defer signal.Stop(children)
	signals := p.upgrading.signals
	signal.Notify(signals, heard.List...)
	// The default action of these would end the process, and an ignored one would be inherited by the app.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE, unix.SIGUSR1, unix.SIGALRM)
	defer signal.Stop(signals)
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	look := time.NewTicker(touchEvery)
	defer look.Stop()
	p.first()
	for !p.done {
		p.arm(wake)
		select {
		case <-children:
			p.reap()
		case sig := <-signals:
			p.signalled(sig.(syscall.Signal))
		case f := <-p.frames:
			p.received(f)
		case err := <-p.upgrading.answers:
			p.feed(evProbed{err})
		case h := <-p.logHits:
			p.logHit(h)
		case l := <-p.looking.done:
			p.found(l)
		case c := <-p.fsChanges:
			p.fsChange(c)
		case b := <-p.fifos.said:
			p.fifoSaid(b)
		case call := <-p.health.calls:
			call()
		case <-p.notify.beat:
			p.alive()
		case <-look.C:
			p.lookAtFiles()
			p.lookAtQueues()
		case <-wake.C:
			p.feed(evWoke{})
		}
	}
	return p.code
}

func (p *parent) arm(wake *time.Timer) {
	at := p.plan.nextWake()
	if at.IsZero() {
		wake.Reset(time.Hour)
		return
	}
	wake.Reset(max(time.Until(at), 0))
}

func (p *parent) reap() {
	jail.Reap(p.reaped)
	for _, g := range p.gens {
		p.maybeEnded(g)
	}
}

func (p *parent) signalled(sig syscall.Signal) {
	if sig == unix.SIGUSR2 {
		p.feed(evUpgrade{})
		return
	}
	die := p.newest.cfg.Process.DieOnTerm
	a := verdict.OfSignal(sig, die, os.Getpid() == 1)
	if a == verdict.Stop || a == verdict.BrutalStop {
		p.log.Info().Msg("SIGINT/SIGTERM received...killing workers...")
	}
	if a == verdict.Pause && p.echo.heard(false, time.Now()) {
		return
	}
	p.feed(evAsked{a})
}

// reaped notes the end of a master; any other child was an orphan.
func (p *parent) reaped(pid int, status unix.WaitStatus, _ *unix.Rusage) {
	for _, g := range p.gens {
		if g.proc != nil && g.proc.PID == pid {
			g.status, g.reaped = syscall.WaitStatus(status), true
		}
	}
}

// feed gives one event to the plan and carries out what it answers, and what follows from that.
func (p *parent) feed(ev event) {
	p.pending = append(p.pending, ev)
	for len(p.pending) > 0 && !p.done {
		next := p.pending[0]
		p.pending = p.pending[1:]
		for _, act := range p.plan.handle(next, time.Now()) {
			p.do(act)
		}
	}
	p.publish()
}

func (p *parent) do(act action) {
	p.announce(act)
	switch act := act.(type) {
	case actLoad:
		p.pending = append(p.pending, p.reloadConfig())
	case actStart:
		if err := p.start(act.gen); err != nil {
			p.pending = append(p.pending, evNotStarted{act.gen, err}) // which the plan logs, once
		}
	case actLeave:
		if g := p.gens[act.gen]; g != nil {
			g.leave(act.brutal, p.log)
		}
	case actRenew:
		if g := p.gens[act.gen]; g != nil {
			g.send(jail.Message{Type: jail.MsgReloadWorkers, Chain: act.chain, Brutal: act.brutal}, p.log)
		}
	case actPause:
		if g := p.gens[act.gen]; g != nil {
			g.send(jail.Message{Type: jail.MsgPause, On: act.on}, p.log)
		}
	case actKill:
		if g := p.gens[act.gen]; g != nil && g.proc != nil {
			g.proc.Kill()
		}
	case actRevert:
		if p.serving != nil {
			p.takeOver(p.serving)
		}
		p.dropSockets()
	case actCount:
		p.count(act)
	case actServing:
		p.warn(p.writePidfile(p.newest.cfg.Process.SafePidfile))
		p.warn(p.writeLatePidfile(p.newest.cfg.Process.SafePidfile2, p.newest))
		p.setup.Serving()
	case actLog:
		if act.bad {
			p.log.Error().Msg(act.text)
		} else {
			p.log.Info().Msg(act.text)
		}
	case actProbe, actReplace, actUpgraded:
		p.doUpgrade(act)
	case actExit:
		p.code, p.done = act.code, true
	}
}

func (p *parent) warn(err error) {
	if err != nil {
		p.log.Warn().Msg(err.Error())
	}
}

// takeOver makes a configuration the newest one: the next generation is built from it, and what the parent itself watches, keeps and
// pushes is what it says.
func (p *parent) takeOver(snap *snapshot) {
	p.newest = snap
	p.watchFiles(snap)
	p.keepMetrics()
	p.watchLog(snap)
	p.startPushing()
}

// reloadConfig reads the configuration again and binds what is new in it. Whatever is wrong leaves everything as it is.
func (p *parent) reloadConfig() event {
	cfg, err := p.setup.Load()
	if err != nil {
		return evLoaded{err: err}
	}
	snap, err := p.snapshotOf(cfg)
	if err != nil {
		p.dropSockets()
		return evLoaded{err: err}
	}
	for _, text := range unchangeable(p.newest.cfg, cfg) {
		p.log.Warn().Msg(text)
	}
	p.takeOver(snap)
	if cfg.Log.Files.Reopen {
		p.setup.Logs.Reopen()
	}
	return evLoaded{overlap: cfg.Reload.Overlap}
}
