package reload

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/metrics/prom"
)

// shared is what readers of stats and metrics see: values that are replaced whole, never changed.
type shared struct {
	info    atomic.Pointer[metrics.Info]
	sockets atomic.Pointer[[]watched]
	master  atomic.Int64 // pid of the newest master in a jail that stands, as the host sees it
}

// watched is a listener whose queue is measured when somebody asks.
type watched struct {
	info metrics.SocketInfo
	file *os.File
}

// publish makes the owner's figures visible to readers.
func (p *parent) publish() {
	info := p.info
	info.Wanted = 0
	if p.newest != nil {
		info.Wanted = p.newest.cfg.Process.Processes
		info.CWD = p.newest.spec.Chdir
		if info.CWD == "" {
			info.CWD = p.who.dir
		}
	}
	if g := p.currentGeneration(); g != nil && g.proc != nil {
		info.PID = g.proc.PID
		if slices.Contains(g.snap.spec.Namespaces, jail.NSPID) {
			info.PID = 1 // as everything in the jail knows it, and as uWSGI shows it
		}
	}
	if g := p.currentGeneration(); g != nil {
		info.Daemons, info.Crons = g.around.daemons, g.around.crons
	}
	info.UID, info.GID = p.who.euid, p.who.egid
	if p.newest != nil {
		info.UID, info.GID = max(p.newest.uid, info.UID), max(p.newest.gid, info.GID)
	}
	if p.newest != nil {
		info.MetricsOn, info.MetricsNoCore = p.newest.cfg.Stats.Metrics(), p.newest.cfg.Stats.MetricsNoCores
		info.UserLocks = userLocks(p.newest.cfg)
	}
	info.Apps = []metrics.AppInfo{{ID: 0, Mountpoint: "", Chdir: ""}}
	if p.newest != nil {
		info.Mules, info.Spoolers = helperInfo(p.newest.cfg)
	}
	p.shared.info.Store(&info)
	var list []watched
	if p.newest != nil {
		for i, l := range p.newest.uses {
			list = append(list, watched{metrics.SocketInfo{Name: l.addr, Proto: p.newest.cfg.Sockets.List[i].Proto}, l.file})
		}
	}
	p.shared.sockets.Store(&list)
	p.show()
}

// show writes the status page.
func (p *parent) show() {
	if p.status == nil {
		return
	}
	p.warn(p.status.write(Status{
		Version: p.setup.Version, Stage: p.plan.stage.String(), Asked: p.plan.asked, Settled: p.status.settled.ticket, Failed: p.status.settled.failed,
		Cause: p.status.settled.text, Leaving: p.plan.leaving, Old: len(p.plan.old), Paused: p.plan.paused,
		Upgrades: &UpgradeStatus{p.plan.upgrade.asked, p.status.upgraded.ticket, p.status.upgraded.failed, p.status.upgraded.text},
	}))
}

// figures is the source of every view of the figures; it may be called from any goroutine.
func (p *parent) figures() (metrics.Snapshot, metrics.Info) {
	var info metrics.Info
	if at := p.shared.info.Load(); at != nil {
		info = *at
	}
	if list := p.shared.sockets.Load(); list != nil {
		for _, w := range *list {
			info.Sockets = append(info.Sockets, w.measure())
		}
	}
	info.Custom = p.metrics.keeper.List()
	info.Locks = p.store.Locks(info.UserLocks)
	info.LogDropped = p.setup.Logs.Dropped()
	snap := p.store.Snapshot()
	for _, w := range snap.Workers { // the configuration tells the largest number, cheaper keeps some places empty
		if w.State == metrics.StateCheap {
			info.Wanted--
		}
	}
	info.FillHelpers(snap.Helpers)
	return snap, info
}

// userLocks is how many locks apps have: one, and those of the option locks.
func userLocks(cfg *config.Config) int {
	n := 1
	for _, e := range cfg.Entries {
		if e.Key == "locks" {
			if more, err := strconv.Atoi(e.Value); err == nil && more > 0 {
				n = 1 + more
			}
		}
	}
	return n
}

// measure asks the kernel for the queue; a listener that was closed meanwhile has none.
func (w watched) measure() metrics.SocketInfo {
	info := w.info
	raw, err := w.file.SyscallConn()
	if err != nil {
		return info
	}
	_ = raw.Control(func(fd uintptr) {
		if q, err := metrics.ListenQueue(int(fd)); err == nil {
			info.Queue = q
		}
	})
	return info
}

// openEndpoints binds the stats and the Prometheus address and serves them. They live as long as the parent.
func (p *parent) openEndpoints() error {
	cfg := p.newest.cfg
	p.publish()
	opts := statsOptions(&cfg.Stats)
	doc := func() []byte {
		snap, info := p.figures()
		return metrics.Stats(snap, info, opts)
	}
	for _, addr := range cfg.Stats.Stats {
		l, name, err := p.endpoint(addr, cfg)
		if err != nil {
			return err
		}
		go func() { p.serveFailed("stats", metrics.ServeStats(l, doc, cfg.Stats.HTTP)) }()
		p.log.Info().Msgf("*** Stats server enabled on %s ***", name)
	}
	if addr := cfg.Stats.Prometheus; addr != "" {
		l, name, err := p.endpoint(addr, cfg)
		if err != nil {
			return err
		}
		reg, err := prom.NewRegistry(prom.NewCollector(p.figures))
		if err != nil {
			return err
		}
		go func() { p.serveFailed("prometheus", prom.Serve(l, prom.Handler(reg))) }()
		p.log.Info().Msgf("Prometheus metrics on %s", name)
	}
	p.keepMetrics()
	p.startPushing()
	if err := p.openHealth(); err != nil {
		return err
	}
	return p.openSetns(cfg)
}

func statsOptions(s *config.Stats) metrics.StatsOptions {
	return metrics.StatsOptions{Minified: s.Minified, NoCores: s.NoCores, NoMetrics: s.NoMetrics}
}

// openSetns binds the setns-socket: uWSGI's name and wire form, mode 0600.
func (p *parent) openSetns(cfg *config.Config) error {
	addr := cfg.Confine.SetnsSocket
	if addr == "" {
		return nil
	}
	if !isUnixPath(addr) {
		return fmt.Errorf("cannot give namespaces on %s: it must be the path of a unix socket, whose peer the kernel names", addr)
	}
	env := &socketEnv{dir: p.who.dir, chmod: "600", uid: -1, gid: -1, backlog: 16, mask: -1}
	l, err := p.handedEndpoint(socketKey(addr, env))
	if err == nil && l == nil {
		l, err = bind(addr, env)
	}
	if err != nil {
		return err
	}
	p.endpoints = append(p.endpoints, l)
	own, err := unix.FcntlInt(uintptr(l.fd()), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w", addr, err)
	}
	waiting := os.NewFile(uintptr(own), addr) // on this one the runtime's poller does wait
	go func() { p.serveFailed("setns", p.serveNamespaces(waiting, cfg.Confine.SetnsSkip)) }()
	p.log.Info().Msgf("*** setns server enabled on %s ***", l.name)
	return nil
}

func (p *parent) serveFailed(what string, err error) {
	if err != nil {
		p.log.Error().Msgf("The %s server ended: %v", what, err)
	}
}

// endpoint binds an address of our own. Unix paths follow the same rule as sockets: below the rootfs when there is one.
func (p *parent) endpoint(addr string, cfg *config.Config) (net.Listener, string, error) {
	spec := p.newest.spec
	dir := p.who.dir
	if spec.Root.Kind == jail.RootDir {
		dir = path.Join("/", spec.Chdir)
	}
	l, err := p.handedEndpoint(socketKey(addr, &socketEnv{root: rootOf(&spec), dir: dir}))
	if err == nil && l == nil {
		var env *socketEnv
		if env, err = envOf(cfg, &spec, dir); err != nil {
			return nil, "", err
		}
		env.tuning = tuning{} // whoever asks for stats sends nothing, and these options are the app's sockets'
		l, err = bind(addr, env)
	}
	if err != nil {
		return nil, "", err
	}
	nl, err := net.FileListener(l.file)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("cannot serve on %s: %w", addr, err), l.file.Close())
	}
	p.endpoints = append(p.endpoints, l)
	return nl, l.name, nil
}

// pidfile is one that we wrote.
type pidfile struct{ path string }

func (p *parent) writePidfile(name string) error {
	if name == "" {
		return nil
	}
	if !path.IsAbs(name) {
		name = path.Join(p.who.dir, name)
	}
	f := &pidfile{name}
	if err := f.write(); err != nil {
		return err
	}
	p.pidfiles = append(p.pidfiles, f)
	return nil
}

func (f *pidfile) write() error {
	if err := os.WriteFile(f.path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("cannot write pidfile: %w", err)
	}
	return nil
}

// remove deletes the pidfile if it still holds our pid: a successor may have written its own.
func (f *pidfile) remove() (bool, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) || (err == nil && string(text) != strconv.Itoa(os.Getpid())+"\n") {
		return false, nil
	}
	if err == nil {
		err = os.Remove(f.path)
	}
	if err != nil {
		return false, fmt.Errorf("cannot remove pidfile: %w", err)
	}
	return true, nil
}

func (l *listener) fd() int { return fileNumber(l.file) }

// fileNumber is the file's descriptor. (*os.File).Fd would make the open file description blocking, which others share.
func fileNumber(f *os.File) int {
	fd := -1
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd
}

// close ends the listener; unlink also removes the path that we made, if it still is ours.
func (l *listener) close(unlink bool) error {
	var err error
	if l.place != nil {
		if unlink {
			_, err = l.place.remove()
		}
		err = errors.Join(err, l.place.dir.Close())
	}
	return errors.Join(err, l.file.Close())
}

// cleanUp is the last thing: with vacuum the paths that we made go, and only those.
func (p *parent) cleanUp() {
	vacuum := p.newest != nil && p.newest.cfg.Process.Vacuum
	if p.fifos.open != nil {
		p.warn(p.fifos.open.close())
	}
	if p.notices != nil {
		p.warn(p.notices.close(vacuum))
	}
	for _, l := range append(p.sockets, p.endpoints...) {
		if vacuum && l.place != nil {
			gone, err := l.place.remove()
			p.warn(err)
			if gone {
				p.log.Info().Msgf("VACUUM: unix socket %s removed.", l.place.shown)
			}
		}
		p.warn(l.close(false))
	}
	for _, f := range p.pidfiles {
		if !vacuum {
			break
		}
		gone, err := f.remove()
		p.warn(err)
		if gone {
			p.log.Info().Msgf("VACUUM: pidfile %s removed.", f.path)
		}
	}
	p.log.Info().Msg("goodbye to uWSGI.")
}
