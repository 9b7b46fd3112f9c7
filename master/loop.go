package master

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// Resources are the descriptors and sinks that the master was started with.
type Resources struct {
	Conn      *jail.Conn
	Board     *os.File
	Listeners []*os.File
	App       *jail.Dropped // what the app's processes become, nil: what the master is
	AppLog    *os.File      // what the zygote and the workers get as 1 and 2
	Channel   *os.File      // for the runtime's own lines and request lines, nil: as AppLog
	Pipes     []*os.File    // 1 and 2 of each worker, mule, spooler and daemon, nil: as AppLog
	Log       zerolog.Logger
}

// Run is the master's whole life after the jail stands. It returns the exit code; when it returns, every process that
// was left in the jail has been killed and reaped.
func Run(set *Settings, res Resources) int {
	l, err := newLoop(set, res)
	if err != nil {
		res.Log.Error().Msg(err.Error())
		if sendErr := res.Conn.Send(jail.Message{Type: jail.MsgStepFailed, Step: "master", Message: err.Error()}); sendErr != nil {
			res.Log.Error().Msg(sendErr.Error())
		}
		return verdict.Init
	}
	code := l.run()
	if err := l.runHooks(AsUserAtexit); err != nil {
		res.Log.Error().Msg(err.Error()) // nothing is left to be stopped by it
	}
	if !jail.KillChildren() {
		res.Log.Error().Msg("Some processes do not die; the end of this one takes them along in a pid namespace")
	}
	return code
}

// loop owns the machine and carries out its actions. Only run's goroutine touches its fields.
type loop struct {
	set     *Settings
	res     Resources
	log     zerolog.Logger
	machine *machine
	board   *metrics.Board
	chans   channels
	knocks  chan Event // of a connection while no worker is there
	life    *os.File   // write end of the lifeline: kept open, never written
	lifeR   *os.File
	stdin   *os.File
	clerk   *clerk
	queues  worker.Queues
	watcher *watcher  // of files that raise signals, nil: none
	lostAt  time.Time // when the loss of a signal was told
	signals chan os.Signal
	control chan Event
	leaving chan struct{} // closed when the parent wants everything to end
	pending []Event       // made by actions, handled before anything from outside
	ends    []Event       // reaped, not yet handled
	floods  int

	queueWarned bool
	oomKills    uint64 // at the last tick
	code        int
	done        bool
}

func newLoop(set *Settings, res Resources) (*loop, error) {
	board, err := metrics.OpenBoard(res.Board)
	if err != nil {
		return nil, err
	}
	lifeR, life, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make the lifeline: %w", err)
	}
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		// A rootfs without /dev/null must not decide whether the app starts: an empty pipe reads the same.
		if stdin, err = emptyPipe(); err != nil {
			return nil, err
		}
	}
	if err := makeSpools(&set.Conf.Helpers.Spool); err != nil {
		return nil, err
	}
	queues, err := newQueues(set)
	if err != nil {
		return nil, err
	}
	l := &loop{
		queues: queues,
		set:    set, res: res, log: res.Log, board: board, chans: newChannels(), life: life, lifeR: lifeR, stdin: stdin,
		machine: newMachine(set, os.Getpid()),
		signals: make(chan os.Signal, 64),
		control: make(chan Event, 64), // the owner may be in a hook while frames come
		leaving: make(chan struct{}),
		knocks:  make(chan Event, 1),
		clerk:   clerkOf(set),
	}
	l.machine.units = unitsOf(l.machine, set, l.warn)
	return l, nil
}

// emptyPipe is the read end of a pipe without a writer: end of file at once, like /dev/null.
func emptyPipe() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make an empty standard input: %w", err)
	}
	return r, w.Close()
}

func (l *loop) run() int {
	// Landlock is entered by each thread for itself (Linux before 7.0), so each has a domain of its own, and a process made by one
	// thread may not be looked into (smaps_rollup) by another. The owner makes the zygote and measures what comes of it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signal.Notify(l.signals, unix.SIGCHLD, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGTSTP)
	// Not ignored: that would be inherited by what we start.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	go readControl(l.res.Conn, l.control, l.leaving)
	l.clerk.start()
	if l.set.Title != "" {
		l.warn(setTitle(l.set.Title))
	}
	l.oomKills = oomKills()
	l.feed(Booted{})
	ticker := time.NewTicker(time.Duration(max(l.set.TickSeconds, 1)) * time.Second)
	defer ticker.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for !l.done {
		l.arm(wake)
		select {
		case sig := <-l.signals:
			if sig == unix.SIGCHLD {
				l.children()
			} else if a := verdict.OfSignal(sig.(syscall.Signal), l.set.DieOnTerm, l.set.ContainerInit); a != verdict.None {
				l.feed(Asked{a})
			}
		case ev := <-l.control:
			if ev, ok := ev.(changed); ok {
				l.raiseChanged(ev)
				continue
			}
			l.feed(ev)
		case ev := <-l.knocks:
			l.feed(ev)
		case c := <-l.chans.readable:
			l.children()
			c.rearm()
		case ev := <-l.clerk.out:
			l.clerkSaid(ev)
		case err := <-l.clerk.problems:
			l.warn(err)
		case <-wake.C:
			l.feed(Woke{})
		case <-ticker.C:
			l.measure()
			l.measureHelpers()
		}
	}
	return l.code
}

func (l *loop) arm(wake *time.Timer) {
	at := l.machine.next()
	if at.IsZero() {
		wake.Reset(time.Hour)
		return
	}
	wake.Reset(max(time.Until(at), 0))
}

// readControl turns frames from the parent into events; end of file or garbage means that there is no parent any more.
func readControl(conn *jail.Conn, out chan<- Event, leaving chan struct{}) {
	leave := sync.OnceFunc(func() { close(leaving) }) // hooks run in the owner, which hears of nothing then
	for {
		msg, err := conn.Recv()
		if err != nil {
			leave()
			out <- Orphaned{}
			return
		}
		switch msg.Type {
		case jail.MsgLeave:
			leave()
			out <- Leave{Brutal: msg.Brutal}
		case jail.MsgReloadWorkers:
			out <- Renew{Chain: msg.Chain, Brutal: msg.Brutal}
		case jail.MsgScale:
			out <- Scale{Delta: msg.Delta, Cheap: msg.Cheap}
		case jail.MsgAlone:
			out <- Alone{Since: msg.At}
		case jail.MsgAlarm:
			out <- Alert{msg.Event, msg.Message}
		case jail.MsgPause:
			out <- Pause{On: msg.On}
		case jail.MsgPing:
			out <- Ping{}
		}
	}
}

// children reaps, then reads the packets, then handles the packets before the ends: see machine.forked for why this
// order never loses the birth of a worker that died at once.
func (l *loop) children() {
	jail.Reap(func(pid int, status unix.WaitStatus, _ *unix.Rusage) {
		oom := status.Signaled() && status.Signal() == unix.SIGKILL && oomKills() > l.oomKills
		l.ends = append(l.ends, Exited{pid, status, oom})
	})
	packets, full := l.chans.drain()
	for _, p := range packets {
		msg, err := worker.ParseMessage(p.data)
		if err != nil {
			l.log.Warn().Msg(err.Error())
			continue
		}
		l.feed(Said{msg, p.zygote})
	}
	// A flood of packets may hide a birth behind it: the ends wait for it, but not for ever.
	l.floods++
	if full && l.floods < floodRounds {
		return
	}
	l.floods = 0
	ends := l.ends
	l.ends = nil
	for _, ev := range ends {
		l.feed(ev)
	}
}

// feed gives one event to the machine and carries out what it answers, and what follows from that.
func (l *loop) feed(ev Event) {
	l.pending = append(l.pending, ev)
	for len(l.pending) > 0 && !l.done {
		next := l.pending[0]
		l.pending = l.pending[1:]
		for _, act := range l.machine.dispatch(next, time.Now()) {
			l.do(act)
		}
	}
}

func (l *loop) do(act Action) {
	switch act := act.(type) {
	case StartZygote:
		pid, err := l.startZygote(act.Number)
		if err != nil {
			l.pending = append(l.pending, ZygoteFailed{act.Number, err})
			return
		}
		l.pending = append(l.pending, ZygoteStarted{act.Number, pid})
	case RunHooks:
		if err := l.runHooks(act.Phase); err != nil {
			l.pending = append([]Event{HooksFailed{err}}, l.pending...)
		}
	case Fork:
		l.warn(l.chans.send(act.Zygote, worker.ForkCommand(act.Slot, act.Seq, act.Spawns)))
	case StartHelper:
		l.warn(l.chans.send(act.Zygote, worker.StartCommand(act.Kind, act.ID, act.Seq, act.Spawns)))
	case Deliver:
		l.warn(l.deliver(act))
	case WatchFile:
		l.warn(l.watchFile(act))
	case Message:
		l.warn(l.message(act))
	case Raise:
		l.pending = append(l.pending, Raised(act))
	case MarkHelper:
		l.board.SetHelper(act.Place, act.PID, time.Now())
	case QuitZygote:
		l.warn(l.chans.send(act.Number, worker.QuitCommand()))
	case DropZygote:
		l.warn(l.chans.dropPeer(act.Number))
	case Kill:
		if err := unix.Kill(act.PID, act.Signal); err != nil && !errors.Is(err, unix.ESRCH) {
			l.warn(fmt.Errorf("cannot signal pid %d: %w", act.PID, err))
		}
	case SetPaused:
		l.board.SetPaused(act.On)
	case Tell:
		l.warn(l.res.Conn.Send(act.Message))
	case Log:
		l.write(act)
	case Mark:
		l.mark(act)
	case WatchSockets:
		go l.watchSockets()
	case Exit:
		l.code, l.done = act.Code, true
	default:
		l.doUnit(act)
	}
}

func (l *loop) warn(err error) {
	if err != nil {
		l.log.Warn().Msg(err.Error())
	}
}

func (l *loop) write(line Log) {
	switch line.Level {
	case Error:
		l.log.Error().Msg(line.Text)
	case Warn:
		l.log.Warn().Msg(line.Text)
	default:
		l.log.Info().Msg(line.Text)
	}
}

func (l *loop) mark(mark Mark) {
	slot := mark.Slot - 1
	switch mark.What {
	case MarkSpawned:
		l.board.Spawned(slot, mark.PID, time.Now())
		l.board.SetState(slot, metrics.StateStarting)
	case MarkRunning:
		l.board.SetState(slot, metrics.StateRunning)
	case MarkStopping:
		l.board.SetState(slot, metrics.StateStopping)
	case MarkHarakiri:
		l.board.Harakiri(slot)
	case MarkDied:
		l.board.Died(slot, mark.Cause)
		l.board.SetState(slot, metrics.StateDead)
		l.board.SetPID(slot, 0)
		l.board.SetMemory(slot, 0, 0)
		l.board.ClearCore(slot)
	case MarkCheap:
		l.board.SetState(slot, metrics.StateCheap)
	}
}
