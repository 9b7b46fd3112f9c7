package reload

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
)

// adopt makes this process the parent that an earlier image of it was. Nothing is read from a descriptor, closed or changed before all of it
// was taken, so that an image which fails can give everything back; begin does that. An error means that the old image could not be executed
// again either.
func (p *parent) adopt(h *Handed) (begin func(), err error) {
	// A file that is forgotten half-way must not be closed by the collector.
	percent := debug.SetGCPercent(-1)
	begin, err = p.tryAdopt(h)
	if err != nil {
		return nil, h.GiveBack(err)
	}
	debug.SetGCPercent(percent)
	return begin, nil
}

func (p *parent) tryAdopt(h *Handed) (begin func(), err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("cannot take over, by a fault of the program: %v", fault)
		}
	}()
	s := h.State
	p.upgrading.adopting = true
	var originals []int
	for _, step := range []func() error{
		jail.SetSubreaper,
		func() error { return faultIn("adopt") },
		func() (err error) { originals, err = p.adoptSockets(s); return err },
		func() error { return p.adoptHeld(s) },
		func() error { return p.adoptStack(s) },
		func() error { p.upgrading.handed = s.Endpoints; return p.openEndpoints() },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	p.watchFiles(p.newest)
	p.watchLog(p.newest)
	return func() {
		for _, fd := range originals {
			_ = unix.Close(fd)
		}
		unix.Close(h.fd)
		unix.Close(h.head.Exe)
		p.begin(s, h.Returned)
	}, nil
}

// begin starts what reads, now that nothing can be given back any more.
func (p *parent) begin(s *State, returned string) {
	p.upgrading.handed, p.upgrading.adopting = nil, false
	p.setup.Logs.Begin()
	if f := p.fifos.open; f != nil {
		var unread []fifoByte
		for _, b := range s.Fifo.Unread {
			unread = append(unread, fifoByte{id: f.id, b: b})
		}
		go replay(unread, p.fifos.said, func() { f.read(p.fifos.said) })
	}
	if p.notices != nil {
		p.readNotices()
	}
	g := p.currentGeneration()
	var unread []frame
	for _, m := range s.Stack.Unread {
		unread = append(unread, frame{gen: g.id, msg: m})
	}
	go replay(unread, p.frames, func() { read(g.proc.Conn, g.id, p.frames) })
	if returned == "" {
		p.info.Reloads.Upgrades[metrics.UpgradeOK]++
		p.log.Info().Msgf("*** gowsgi %s has taken over from %s (pid: %d) ***", p.setup.Version, s.Program, os.Getpid())
	}
}

func (p *parent) adoptSockets(s *State) (originals []int, err error) {
	for _, one := range s.Sockets {
		l, err := one.adopt()
		if err != nil {
			return nil, err
		}
		originals = append(originals, one.File)
		p.sockets = append(p.sockets, l)
	}
	for _, one := range s.Endpoints {
		originals = append(originals, one.File)
	}
	if s.Notices != nil {
		originals = append(originals, s.Notices.File)
		err = p.adoptNotices(s.Notices)
	}
	return originals, err
}

// adopt makes a listener of a descriptor; the descriptor stays open beside it.
func (s *socketState) adopt() (*listener, error) {
	own, err := unix.FcntlInt(uintptr(s.File), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot take over %s: %w", s.Name, err)
	}
	if _, err := familyOf(own); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot take over %s: %w", s.Name, err), unix.Close(own))
	}
	f, err := jail.QuietFile(own, "socket")
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(s.File)
	l := &listener{key: s.Key, addr: s.Addr, name: s.Name, family: s.Family, file: f, full: s.Full}
	l.place, err = s.Place.adopt()
	return l, err
}

func (pl *placeState) adopt() (*place, error) {
	if pl == nil {
		return nil, nil
	}
	dir, err := jail.HandedFile(pl.Dir, pl.Shown)
	return &place{dir: dir, base: pl.Base, dev: pl.Dev, ino: pl.Ino, shown: pl.Shown}, err
}

// adoptNotices takes the notify-socket; nobody reads it yet.
func (p *parent) adoptNotices(s *socketState) error {
	own, err := unix.FcntlInt(uintptr(s.File), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("cannot take over %s: %w", s.Name, err)
	}
	file := os.NewFile(uintptr(own), "notify-socket")
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("cannot take over %s: %w", s.Name, err)
	}
	unix.CloseOnExec(s.File)
	p.notices = &notifySocket{conn: conn.(*net.UnixConn)}
	p.notices.place, err = s.Place.adopt()
	return err
}

// handedEndpoint is the listener that an earlier image bound for this address, nil when there is none.
func (p *parent) handedEndpoint(key string) (*listener, error) {
	i := slices.IndexFunc(p.upgrading.handed, func(s socketState) bool { return s.Key == key })
	if i < 0 {
		return nil, nil
	}
	one := p.upgrading.handed[i]
	p.upgrading.handed = slices.Delete(slices.Clone(p.upgrading.handed), i, i+1)
	return one.adopt()
}

// adoptHeld takes what the parent itself holds.
func (p *parent) adoptHeld(s *State) error {
	file, err := jail.HandedFile(s.Status, statusName)
	if err != nil {
		return err
	}
	c, u := s.Plan.Settled, s.Plan.Upgraded
	p.status = &statusPage{file: file, settled: actCount{c.Failed, c.Text, c.Ticket}, upgraded: actUpgraded{u.Failed, u.Text, u.Ticket}}
	for i, fd := range s.Locks {
		f, err := jail.HandedFile(fd, "lock "+strconv.Itoa(i))
		if err != nil {
			return err
		}
		p.locks = append(p.locks, f)
	}
	for _, name := range s.Pidfiles {
		p.pidfiles = append(p.pidfiles, &pidfile{name})
	}
	if p.lease, err = jail.AdoptLease(s.Lease); err != nil {
		return err
	}
	if f := s.Fifo; f != nil {
		dir, err1 := jail.HandedFile(f.Dir, "fifo's directory")
		file, err2 := jail.HandedFile(f.File, f.Base)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if err := file.SetReadDeadline(time.Time{}); err != nil {
			return fmt.Errorf("cannot take over the master fifo: %w", err)
		}
		p.fifos.open, p.fifos.id = &fifo{dir: dir, base: f.Base, file: file, id: f.ID}, f.ID
	}
	p.cronAt, p.health.drained, p.notify.state = s.CronAt, s.Drained, s.Notified
	p.info = metrics.Info{Version: p.setup.Version, PID: os.Getpid()}
	p.info.Adopt(s.Metrics.Info)
	return nil
}

// adoptStack takes the generation that serves.
func (p *parent) adoptStack(s *State) error {
	st := &s.Stack
	snap := &snapshot{cfg: s.Config, spec: st.Asked, dir: st.Dir, uid: st.Owner[0], gid: st.Owner[1]}
	for _, i := range st.Uses {
		snap.uses = append(snap.uses, p.sockets[i])
	}
	snap.env = &socketEnv{
		root: rootOf(&snap.spec), dir: st.Dir, chmod: s.Config.Sockets.Chmod, uid: st.Sockets[0], gid: st.Sockets[1], backlog: maxBacklog(),
		reuse: s.Config.Sockets.ReusePort, mask: -1,
	}
	if s.Config.Security.Umask != nil {
		snap.env.mask = *s.Config.Security.Umask
	}
	boards, err := p.store.Adopt(s.Metrics.Base, s.Metrics.Boards)
	if err != nil {
		return err
	}
	p.metrics.keeper.Adopt(s.Metrics.Keeper, boards)
	proc, err := jail.Adopt(st.Process)
	if err != nil {
		return err
	}
	g := &generation{
		id: st.Process.Generation, snap: snap, proc: proc, board: boards[0], started: st.Started,
		around: around{daemons: st.Daemons, crons: st.Crons, alone: st.Alone},
	}
	intakes, err := p.setup.Logs.Adopt()
	if err != nil {
		return err
	}
	if st.Intake >= 0 {
		g.intake = intakes[st.Intake]
	}
	p.gens[g.id] = g
	p.newest, p.serving, p.fifos.env = snap, snap, snap.env
	p.shared.master.Store(int64(proc.PID))
	p.plan.adopt(&s.Plan, g.id)
	return p.adoptLog(snap)
}

// adopt is the plan of a parent whose stack serves already.
func (p *plan) adopt(s *planState, id uint64) {
	p.stage, p.served = serving, true
	p.last, p.asked, p.paused, p.again = s.Last, s.Asked, s.Paused, s.Again
	p.upgrade.asked, p.upgrade.covered = s.Upgrades, s.Covered
	p.current = &gen{id: id, ready: true, readyAt: s.ReadyAt}
}

// adoptLog goes on with the log file that has to know the jail; it is open already.
func (p *parent) adoptLog(snap *snapshot) error {
	if snap.cfg.Log.Files.To2 == "" && !snap.cfg.Log.Daemon.Late {
		return nil
	}
	return p.openLateLog(snap)
}

// ownImage opens the binary that this process executes, whatever its path means now.
func ownImage() (*os.File, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("cannot open our own binary: %w", err)
	}
	return f, nil
}

// loggerFiles are descriptors that loggers write to by number.
func loggerFiles(cfg *config.Config) []int {
	var list []int
	for _, l := range append(slices.Clone(cfg.Log.Sort.Loggers), cfg.Log.Sort.ReqLoggers...) {
		if fd, err := strconv.Atoi(l.Arg); err == nil && l.Type == "fd" && fd > 2 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				list = append(list, fd)
			}
		}
	}
	return list
}
