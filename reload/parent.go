package reload

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/config"
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
}

// Boot is what the payload of a generation depends on beside the configuration.
type Boot struct {
	Sockets       []BoundSocket // in the order of the descriptors
	ContainerInit bool          // the parent is PID 1 of a container
	LogPipes      int           // workers with a log pipe of their own, after the listeners and the log channel; 0 = no channel either
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
	cronAt    int64 // unix seconds: up to when cron was looked after, 0 = never
	shared    shared
	pushing   pushing
	pidfiles  []*pidfile
	touched   []*touched
	logTouch  map[string]stamp // of the files of touch-logrotate and touch-logreopen
	fifos     fifos
	status    *statusPage
	settled   actCount // how the last reload ended
	code      int
	done      bool
}

// snapshot is a configuration that was read, checked and whose sockets are bound.
type snapshot struct {
	cfg  *config.Config
	spec jail.Spec
	uses []*listener // by socket of the configuration
	dir  string      // for relative paths, as the jail sees it
	env  *socketEnv
	uid  int // of the app on this machine, -1 = the parent's own
	gid  int
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
		frames: make(chan frame, 16),
		fifos:  fifos{said: make(chan fifoByte)},
	}
	p.plan.mercy = p.mercy
	p.plan.exitOnReload = func() bool { return p.newest.cfg.Process.ExitOnReload }
	defer p.cleanUp()
	if err := p.prepare(); err != nil {
		p.log.Error().Msg(err.Error())
		return verdict.Init
	}
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
	if err := p.runHooks(&snapshot{cfg: p.setup.Config}, hook.Asap); err != nil {
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
	if err := p.openFifos(); err != nil {
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
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	// The default action of these would end the process, and an ignored one would be inherited by the app.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM)
	defer signal.Stop(signals)
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	look := time.NewTicker(touchEvery)
	defer look.Stop()
	p.feed(evBoot{})
	for !p.done {
		p.arm(wake)
		select {
		case <-children:
			p.reap()
		case sig := <-signals:
			p.signalled(sig.(syscall.Signal))
		case f := <-p.frames:
			p.received(f)
		case b := <-p.fifos.said:
			p.fifoSaid(b)
		case <-look.C:
			p.lookAtFiles()
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
	die := p.newest.cfg.Process.DieOnTerm
	a := verdict.OfSignal(sig, die, os.Getpid() == 1)
	if a == verdict.Stop || a == verdict.BrutalStop {
		p.log.Info().Msg("SIGINT/SIGTERM received...killing workers...")
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
	case actKill:
		if g := p.gens[act.gen]; g != nil && g.proc != nil {
			g.proc.Kill()
		}
	case actRevert:
		if p.serving != nil {
			p.newest = p.serving
			p.watchFiles(p.newest)
			p.startPushing()
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
	case actExit:
		p.code, p.done = act.code, true
	}
}

func (p *parent) warn(err error) {
	if err != nil {
		p.log.Warn().Msg(err.Error())
	}
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
	p.newest = snap
	p.watchFiles(snap)
	if cfg.Log.Files.Reopen {
		p.setup.Logs.Reopen()
	}
	p.startPushing()
	return evLoaded{overlap: cfg.Reload.Overlap}
}

// snapshotOf checks a configuration against the machine and binds its sockets; those bound already are used again.
func (p *parent) snapshotOf(cfg *config.Config) (*snapshot, error) {
	spec, err := specOf(cfg, p.who)
	if err != nil {
		return nil, err
	}
	if cfg.Sockets.BindInJail {
		return nil, errors.New("cannot bind in the jail: bind-in-jail is not supported yet (leave it out: the parent binds, and the jail inherits)")
	}
	if spec.Root.Kind == jail.RootDir {
		if st, err := os.Stat(spec.Root.Path); err != nil {
			return nil, fmt.Errorf("cannot use rootfs %s: %w", spec.Root.Path, err)
		} else if !st.IsDir() {
			return nil, fmt.Errorf("cannot use rootfs %s: not a directory", spec.Root.Path)
		}
	}
	snap := &snapshot{cfg: cfg, spec: spec, uid: -1, gid: -1}
	if p.who.euid == 0 && (spec.Creds.UID != "" || spec.Creds.GID != "") {
		snap.uid, snap.gid, err = jail.LookupIDs(rootOf(&spec), spec.Creds)
		if err != nil && spec.PivotRoot == nil {
			return nil, err
		} else if err != nil {
			snap.uid, snap.gid = -1, -1 // names of a root that the hooks have yet to make: the master looks them up there
		}
	}
	dir := spec.Chdir
	if rootOf(&spec) == "" && dir == "" {
		dir = p.who.dir
	} else if dir == "" {
		dir = "/"
	}
	env, err := envOf(cfg, &spec, dir)
	if err != nil {
		return nil, err
	}
	snap.dir, snap.env = dir, env
	for i := range cfg.Sockets.List {
		s := &cfg.Sockets.List[i]
		own := *env
		own.tuning = env.tuning.of(s, &cfg.Sockets)
		l, err := p.listen(s, &own)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", s.Pos, err)
		}
		snap.uses = append(snap.uses, l)
	}
	return snap, nil
}

// rootOf is the directory that the jail's paths and names are below, "" for the host's own root.
func rootOf(spec *jail.Spec) string {
	if spec.Root.Kind == jail.RootDir {
		return spec.Root.Path
	}
	return spec.Chroot
}

// startup is how long a start waits for what the jail of a parent that was killed a moment ago still holds: addresses, an interface.
const startup = time.Second

// patience is none once something serves: then nothing may hold the owner up.
func (p *parent) patience() time.Duration {
	if p.plan.served {
		return 0
	}
	return startup
}

// listen finds the socket among those that are bound, or binds it.
func (p *parent) listen(s *config.Socket, env *socketEnv) (*listener, error) {
	key := socketKey(s.Addr, env)
	for i, l := range p.sockets {
		if l.key == key {
			if err := l.retune(env); err != nil {
				return nil, err
			}
			p.log.Info().Msgf("uwsgi socket %d inherited %s fd %d", i, l.name, l.fd())
			return l, nil
		}
	}
	l, err := bind(s.Addr, env)
	for deadline := time.Now().Add(p.patience()); errors.Is(err, unix.EADDRINUSE) && time.Now().Before(deadline); l, err = bind(s.Addr, env) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	if s.Front {
		p.log.Info().Msgf("uWSGI http bound on %s fd %d", s.Addr, l.fd())
	} else {
		p.log.Info().Msgf("uwsgi socket %d bound to %s fd %d", len(p.sockets), l.name, l.fd())
	}
	p.sockets = append(p.sockets, l)
	return l, nil
}
