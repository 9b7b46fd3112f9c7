package reload

import (
	"errors"
	"fmt"
	"os"
	"time"

	"gowsgi/jail"
	"gowsgi/reload/logs"
)

// frozen is a parent whose goroutines stand still, so that nothing is on its way in this process. What was on its way is here.
type frozen struct {
	gen    *generation
	frames []frame // of the stack, received and not looked at
	ended  bool    // it has said its last
	fifo   []fifoByte
	hub    logs.Handover
	intake int // of the stack, -1: none
	undo   []func()
}

// thaw lets everything go on, what was on its way first.
func (fz *frozen) thaw() {
	for i := len(fz.undo) - 1; i >= 0; i-- {
		fz.undo[i]()
	}
	fz.undo = nil
}

// freeze stops what hands things to the owner. later: what stands in the way passes.
func (p *parent) freeze() (fz *frozen, later bool, err error) {
	fz = &frozen{intake: -1, gen: p.currentGeneration()}
	if len(p.gens) != 1 || fz.gen == nil || fz.gen.proc == nil || fz.gen.silent || fz.gen.reaped {
		return nil, true, errors.New("the stack is about to change")
	}
	defer func() {
		if err != nil {
			fz.thaw()
		}
	}()
	if err := p.freezeFrames(fz); err != nil {
		return nil, false, err
	}
	if fz.ended {
		return nil, true, errors.New("the stack has just ended")
	}
	if err := p.freezeFifo(fz); err != nil {
		return nil, false, err
	}
	thaw, err := p.setup.Logs.Freeze(logFlush)
	if err != nil {
		return nil, false, err
	}
	fz.undo = append(fz.undo, thaw)
	var index map[*logs.Intake]int
	fz.hub, index = p.setup.Logs.Handover()
	if fz.gen.intake != nil {
		i, ok := index[fz.gen.intake]
		if !ok {
			return nil, true, errors.New("the log of the stack has just ended")
		}
		fz.intake = i
	}
	return fz, false, nil
}

func (p *parent) freezeFrames(fz *frozen) error {
	conn, id := fz.gen.proc.Conn, fz.gen.id
	if err := conn.Interrupt(); err != nil {
		return fmt.Errorf("cannot stop reading from the stack: %w", err)
	}
	for stopped := false; !stopped; {
		f := <-p.frames
		stopped = f.gen == id && f.err != nil
		if stopped && errors.Is(f.err, os.ErrDeadlineExceeded) {
			break
		}
		fz.frames = append(fz.frames, f)
		fz.ended = stopped
	}
	fz.undo = append(fz.undo, func() {
		p.warn(conn.Continue())
		go replay(fz.frames, p.frames, func() {
			if !fz.ended {
				read(conn, id, p.frames)
			}
		})
	})
	return nil
}

// replay hands on what was held back, and then goes on.
func replay[T any](held []T, to chan<- T, then func()) {
	for _, one := range held {
		to <- one
	}
	then()
}

func (p *parent) freezeFifo(fz *frozen) error {
	f := p.fifos.open
	if f == nil {
		return nil
	}
	if err := f.file.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return fmt.Errorf("cannot stop reading the master fifo: %w", err)
	}
	over := false
	for {
		b := <-p.fifos.said
		if b.id != f.id {
			continue // of one that was listened to before
		}
		if errors.Is(b.err, os.ErrDeadlineExceeded) {
			break
		}
		fz.fifo = append(fz.fifo, b)
		if over = b.err != nil; over {
			break
		}
	}
	fz.undo = append(fz.undo, func() {
		_ = f.file.SetReadDeadline(time.Time{})
		go replay(fz.fifo, p.fifos.said, func() {
			if !over {
				f.read(p.fifos.said)
			}
		})
	})
	return nil
}

// state is what the next image needs. Without a frozen parent it is one to look at, for a probe.
func (p *parent) state(fz *frozen) (*State, error) {
	exe, err := ownImage()
	if err != nil {
		return nil, err
	}
	s := &State{
		Head: Head{Major: stateMajor, Minor: stateMinor, PID: os.Getpid(), Exe: fileNumber(exe)}, Program: p.setup.Version, Args: os.Args[1:],
		Status: fileNumber(p.status.file), CronAt: p.cronAt, Drained: p.health.drained, Notified: p.notify.state,
	}
	probe := fz == nil
	if probe {
		fz = &frozen{gen: p.currentGeneration(), intake: -1}
		defer exe.Close()
		if fz.gen == nil || fz.gen.proc == nil {
			return nil, errors.New("no stack serves")
		}
	} else {
		fz.undo = append(fz.undo, func() { exe.Close() })
		s.Logs = fz.hub
	}
	s.Config = fz.gen.snap.cfg
	s.Plan = p.planState()
	for _, f := range p.pidfiles {
		s.Pidfiles = append(s.Pidfiles, f.path)
	}
	for _, f := range p.locks {
		s.Locks = append(s.Locks, fileNumber(f))
	}
	s.Lease = p.lease.Handover()
	s.Sockets, s.Endpoints = socketStates(p.sockets), socketStates(p.endpoints)
	if f := p.fifos.open; f != nil {
		s.Fifo = &fifoState{Dir: fileNumber(f.dir), Base: f.base, File: fileNumber(f.file), ID: f.id}
		for _, b := range fz.fifo {
			s.Fifo.Unread = append(s.Fifo.Unread, b.b)
		}
	}
	s.Notices = p.notices.state()
	s.Metrics.Info = p.info.Handover()
	s.Metrics.Base, s.Metrics.Boards = p.store.Handover()
	var thaw func()
	s.Metrics.Keeper, thaw = p.metrics.keeper.Handover()
	if probe {
		thaw()
	} else {
		fz.undo = append(fz.undo, thaw)
	}
	s.Stack = p.stackState(fz)
	s.Files = s.files(append(loggerFiles(s.Config), p.setup.Activated...)...)
	return s, nil
}

func (p *parent) planState() planState {
	end := func(failed, text string, ticket uint64) endState { return endState{failed, text, ticket} }
	c, u := p.status.settled, p.status.upgraded
	return planState{
		Last: p.plan.last, Asked: p.plan.asked, Upgrades: p.plan.upgrade.asked, Covered: p.plan.upgrade.covered, Again: p.plan.again,
		Paused: p.plan.paused, ReadyAt: p.plan.current.readyAt,
		Settled: end(c.failed, c.text, c.ticket), Upgraded: end(u.failed, u.text, u.ticket),
	}
}

func socketStates(list []*listener) []socketState {
	var out []socketState
	for _, l := range list {
		s := socketState{Key: l.key, Addr: l.addr, Name: l.name, Family: l.family, File: l.fd(), Full: l.full}
		s.Place = l.place.state()
		out = append(out, s)
	}
	return out
}

func (pl *place) state() *placeState {
	if pl == nil {
		return nil
	}
	return &placeState{fileNumber(pl.dir), pl.base, pl.dev, pl.ino, pl.shown}
}

// state is the notify-socket as another image of the parent needs it. A datagram that is just being written to the log is not part of it.
func (s *notifySocket) state() *socketState {
	if s == nil {
		return nil
	}
	out := &socketState{Name: "the notify-socket", File: -1, Place: s.place.state()}
	if raw, err := s.conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { out.File = int(fd) })
	}
	return out
}

func (p *parent) stackState(fz *frozen) stackState {
	g := fz.gen
	s := stackState{
		Process: g.proc.Handover(), Asked: g.snap.spec, Started: g.started, Intake: fz.intake, Dir: g.snap.dir,
		Owner: [2]int{g.snap.uid, g.snap.gid}, Sockets: [2]int{g.snap.env.uid, g.snap.env.gid},
		Alone: g.around.alone, Daemons: g.around.daemons, Crons: g.around.crons,
	}
	for _, l := range g.snap.uses {
		for i, have := range p.sockets {
			if have == l {
				s.Uses = append(s.Uses, i)
			}
		}
	}
	s.Unread = make([]jail.Message, 0, len(fz.frames))
	for _, f := range fz.frames {
		if f.gen == g.id {
			s.Unread = append(s.Unread, f.msg)
		}
	}
	return s
}
