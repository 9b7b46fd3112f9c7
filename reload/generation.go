package reload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/logs"
	"gowsgi/reload/verdict"
)

// generation is one jail with its master, from the clone until nothing of it is left.
type generation struct {
	id      uint64
	snap    *snapshot
	proc    *jail.Process
	board   *metrics.Board
	started time.Time
	intake  *logs.Intake // of its log, nil: it writes by itself
	status  syscall.WaitStatus
	reaped  bool // status is known
	silent  bool // the control socket is at its end: all that the master said was read
	around  around
}

// frame is what came from a generation's control socket.
type frame struct {
	gen uint64
	msg jail.Message
	err error
}

// start builds a generation from the newest configuration.
func (p *parent) start(id uint64) error {
	snap := p.newest
	g := &generation{id: id, snap: snap, started: time.Now(), around: newAround(snap)}
	boot := Boot{ContainerInit: os.Getpid() == 1, MasterRoot: snap.spec.Creds.MasterRoot}
	var files []*os.File
	for i, l := range snap.uses {
		files = append(files, l.file)
		boot.Sockets = append(boot.Sockets, BoundSocket{Addr: l.addr, Proto: snap.cfg.Sockets.List[i].Proto, Family: l.family})
	}
	p.setWaiting(snap)
	out := p.setup.Logs.Direct()
	var extra []*os.File
	if out == nil {
		boot.LogPipes = logPipes(snap.cfg)
		intake, err := p.setup.Logs.Intake(boot.LogPipes)
		if err != nil {
			return err
		}
		defer intake.Handed()
		g.intake, out, extra = intake, intake.Rest(), intake.Extra()
	}
	payload, err := p.setup.Payload(snap.cfg, boot)
	if err != nil {
		return err
	}
	rows := p.metricRows(snap)
	g.board, err = metrics.NewBoard(snap.cfg.Process.Processes, max(snap.cfg.Process.Threads, 1), id, rows...)
	if err != nil {
		return err
	}
	join, err := joined(&snap.cfg.Confine)
	if err != nil {
		return errors.Join(err, g.board.Close())
	}
	defer closeFiles(join)
	g.proc, err = jail.Start(jail.Command{
		Spec: snap.spec, Role: "@master", Generation: id, Payload: payload,
		Board: g.board.File(), Listeners: files, Extra: extra, Log: out, Env: os.Environ(), Join: join,
		PostJail: p.postJail(snap), Prio: snap.cfg.Worker.Prio, Patience: p.patience(), Beside: p.standing(),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("cannot build the jail: %w", err), g.board.Close())
	}
	p.gens[id] = g
	p.store.Add(g.board)
	p.metrics.keeper.Add(g.board, rows)
	go read(g.proc.Conn, id, p.frames)
	p.tellAlone()
	return nil
}

// setWaiting says how workers are to wait on the sockets: those with a single core and a single socket in accept(2) itself, which costs
// the least, all others with epoll. O_NONBLOCK belongs to the open file that all processes share, so it is left as it is while another
// generation serves: workers of the new one then adapt to it.
func (p *parent) setWaiting(snap *snapshot) {
	if len(p.gens) > 0 {
		return
	}
	alone := len(snap.uses) == 1 && snap.cfg.Process.Threads <= 1 && snap.cfg.Sockets.List[0].Proto != config.ProtoHTTP11
	for _, l := range snap.uses {
		if err := unix.SetNonblock(l.fd(), !alone); err != nil {
			p.log.Warn().Msgf("Cannot set how workers wait on %s: %v", l.name, err)
		}
	}
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// read hands on the frames of one generation until its end.
func read(conn *jail.Conn, id uint64, out chan<- frame) {
	for {
		msg, err := conn.Recv()
		out <- frame{id, msg, err}
		if err != nil {
			return
		}
	}
}

// leave tells the master to end. One that does not read any more is killed at its deadline.
func (g *generation) leave(brutal bool, log zerolog.Logger) {
	mercy := time.Duration(g.snap.cfg.Process.WorkerReloadMercy) * time.Second
	g.send(jail.Message{Type: jail.MsgLeave, Brutal: brutal, MercyMS: mercy.Milliseconds()}, log)
}

// send does not wait for a master that does not read: whoever may write to the fifo could otherwise hold the parent.
func (g *generation) send(msg jail.Message, log zerolog.Logger) {
	if g.proc == nil || g.silent {
		return
	}
	err := g.proc.Conn.SendSoon(msg, sendPatience)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		log.Error().Msgf("The master of generation %d does not read: killing it", g.id)
		g.proc.Kill()
	} else if err != nil {
		log.Warn().Msg(err.Error())
	}
}

// sendPatience is how long a master may leave its socket full.
const sendPatience = 200 * time.Millisecond

// echo tells one SIGTSTP of a terminal, which goes to parent and master alike, from two.
type echo struct {
	at     time.Time
	inside bool
}

// heard reports whether the same wish came from the other side just before.
func (e *echo) heard(inside bool, now time.Time) bool {
	if e.inside != inside && now.Sub(e.at) < time.Second/2 {
		e.at = time.Time{}
		return true
	}
	e.at, e.inside = now, inside
	return false
}

// received takes one frame. The jail is not trusted: what it says can end its own generation, nothing else.
func (p *parent) received(f frame) {
	g := p.gens[f.gen]
	if g == nil {
		return
	}
	if f.err != nil {
		g.silent = true
		if !errors.Is(f.err, io.EOF) {
			p.log.Error().Msgf("The master of generation %d breaks the protocol: killing it: %v", g.id, f.err)
			g.proc.Kill()
		}
		p.maybeEnded(g)
		return
	}
	switch f.msg.Type {
	case jail.MsgEntered:
		p.info.JailBuilds.Observe(time.Since(g.started))
		p.shared.master.Store(int64(g.proc.PID))
		if record, err := json.Marshal(f.msg.Audit); err == nil {
			p.info.Jail = record
		}
		p.feed(evEntered{g.id})
	case jail.MsgStepFailed:
		p.feed(evFailed{gen: g.id, text: stepText(f.msg)})
	case jail.MsgAppFailed:
		p.feed(evFailed{gen: g.id, app: true, text: f.msg.Message})
	case jail.MsgReady:
		if g.snap != p.serving {
			p.serving = g.snap
		}
		p.feed(evReady{g.id})
		p.dropSockets()
	case jail.MsgAsked:
		p.askedInside(verdict.Action(f.msg.Action))
	case jail.MsgPong:
		p.answered(g)
	case jail.MsgNote:
		p.noted(g, f.msg)
	default:
		p.log.Error().Msgf("The master of generation %d sends a %q: killing it", g.id, f.msg.Type)
		g.proc.Kill()
	}
}

// noted: births and deaths are told for whoever listens, the figures come from the scoreboard; the end of a workers reload
// counts as a reload's.
func (p *parent) noted(g *generation, m jail.Message) {
	switch m.Event {
	case jail.NoteRenewed:
		p.count(actCount{})
	case jail.NoteNotRenewed:
		p.count(actCount{failed: "app", text: m.Message})
	default:
		p.notedAround(g, m)
	}
}

func (p *parent) askedInside(a verdict.Action) {
	if !a.Valid() {
		p.log.Warn().Msgf("Ignoring an unknown wish from the jail: %.40q", a)
		return
	}
	if a == verdict.Pause && p.echo.heard(true, time.Now()) {
		return
	}
	p.log.Info().Msgf("Asked from inside the jail: %s", a)
	p.feed(evAsked{a})
}

func stepText(m jail.Message) string {
	if m.Message != "" {
		return m.Message
	}
	if m.Errno != 0 {
		return fmt.Sprintf("cannot %s %s: %v", m.Step, m.Arg, m.Errno)
	}
	return fmt.Sprintf("cannot %s %s", m.Step, m.Arg)
}

// maybeEnded: a generation has ended when its status is known and all that it said was read; the cause of an end often
// comes with the last frame before it.
func (p *parent) maybeEnded(g *generation) {
	if !g.reaped || !g.silent {
		return
	}
	delete(p.gens, g.id)
	p.shared.master.CompareAndSwap(int64(g.proc.PID), 0)
	if g.status.Signaled() || g.status.ExitStatus() != verdict.OK {
		p.killStrangers()
		p.info.MasterRespawns++
	}
	p.store.Retire(g.board)
	p.metrics.keeper.Retire(g.board)
	p.warn(g.board.Close())
	g.proc.Close()
	for _, other := range p.standing() {
		p.warn(other.TakeName(p.standing()))
	}
	p.tellAlone()
	if g.intake != nil {
		g.intake.End()
	}
	p.feed(evEnded{g.id, g.status})
	p.dropSockets()
}

// standing are the processes of all generations.
func (p *parent) standing() []*jail.Process {
	var all []*jail.Process
	for _, g := range p.gens {
		if g.proc != nil {
			all = append(all, g.proc)
		}
	}
	return all
}

// killStrangers ends what a killed master left behind. In a pid namespace the kernel has done it; without one the
// orphans were reparented to us, and any child that is not a master is such an orphan.
func (p *parent) killStrangers() {
	var masters []int
	for _, g := range p.gens {
		if g.proc != nil && !g.reaped {
			masters = append(masters, g.proc.PID)
		}
	}
	if !jail.KillChildrenBut(masters, p.reaped) {
		p.log.Error().Msg("Some processes of the ended stack do not die")
	}
}

// dropSockets closes the listeners that neither a generation nor the newest configuration uses.
func (p *parent) dropSockets() {
	used := func(l *listener) bool {
		for _, g := range p.gens {
			if slices.Contains(g.snap.uses, l) {
				return true
			}
		}
		return (p.newest != nil && slices.Contains(p.newest.uses, l)) || (p.serving != nil && slices.Contains(p.serving.uses, l))
	}
	p.sockets = slices.DeleteFunc(p.sockets, func(l *listener) bool {
		if used(l) {
			return false
		}
		p.log.Info().Msgf("Closing %s: nothing uses it any more", l.name)
		p.warn(l.close(true))
		return true
	})
}

func (p *parent) count(act actCount) {
	if act.ticket > 0 { // a workers reload is no answer to whoever waits for a whole one
		p.status.settled = act
	}
	now := time.Now()
	if act.failed == "" {
		p.info.Reloads.Succeeded(now)
		return
	}
	p.info.Reloads.Failed(failureOf(act.failed), now, act.text)
	p.log.Error().Str("reason", act.failed).Msgf("Reload failed: %s", act.text)
}

func failureOf(label string) metrics.ReloadFailure {
	for r := metrics.ReloadConfig; r.String() != "other"; r++ {
		if r.String() == label {
			return r
		}
	}
	return metrics.ReloadCrash
}
