package master

import (
	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/jail/hook"
	"gowsgi/metrics"
	"gowsgi/reload/verdict"
	"gowsgi/worker"
)

// Event is something that happened; the only way into the machine.
type Event interface{ event() }

type (
	// Booted is the first event: the jail stands, nothing runs yet.
	Booted struct{}
	// ZygoteStarted follows the action StartZygote.
	ZygoteStarted struct {
		Number uint64
		PID    int
	}
	// ZygoteFailed follows the action StartZygote when the exec could not be done.
	ZygoteFailed struct {
		Number uint64
		Err    error
	}
	// HooksFailed follows the action RunHooks.
	HooksFailed struct{ Err error }
	// Said is a packet from a zygote or from something that it forked; Zygote tells whose channel it came by.
	Said struct {
		worker.Message
		Zygote uint64
	}
	// Exited is the end of a child, from wait4.
	Exited struct {
		PID    int
		Status unix.WaitStatus
		OOM    bool // the kernel has killed something for want of memory since the last look
	}
	// Asked is a signal to the master, translated.
	Asked struct{ Action verdict.Action }
	// Leave is the parent's order.
	Leave struct{ Brutal bool }
	// Renew is the parent's order to replace the workers by ones with the code as it is now, one after the other or all at once.
	Renew struct{ Chain, Brutal bool }
	// Ping is the parent's question whether this goroutine turns.
	Ping struct{}
	// Pause is the parent's order to take no connection, or to take them again.
	Pause struct{ On bool }
	// Orphaned means that the parent is gone.
	Orphaned struct{}
	// Woke means that a deadline of the machine may have passed.
	Woke struct{}
)

func (Booted) event()        {}
func (ZygoteStarted) event() {}
func (ZygoteFailed) event()  {}
func (HooksFailed) event()   {}
func (Said) event()          {}
func (Exited) event()        {}
func (Asked) event()         {}
func (Leave) event()         {}
func (Renew) event()         {}
func (Pause) event()         {}
func (Ping) event()          {}
func (Orphaned) event()      {}
func (Woke) event()          {}

// Action is something to be done; the loop carries actions out in order.
type Action interface{ action() }

type (
	// StartZygote executes a Python zygote with a channel of its own; the answer is ZygoteStarted or ZygoteFailed.
	StartZygote struct{ Number uint64 }
	// Fork asks a zygote for a worker.
	Fork struct {
		Zygote uint64
		Slot   int
		Seq    uint64
		Spawns int // how often the slot was filled before
	}
	// RunHooks runs the hooks of a phase; the start ends when one fails.
	RunHooks struct{ Phase hook.Phase }
	// QuitZygote tells a zygote to exit.
	QuitZygote struct{ Number uint64 }
	// DropZygote says that a zygote has ended; its channel lasts as long as something that it forked holds it.
	DropZygote struct{ Number uint64 }
	// Kill sends a signal to a child that has not been waited for yet, so its pid cannot have been reused.
	Kill struct {
		PID    int
		Signal unix.Signal
	}
	// SetPaused tells all workers, those to come too, whether they take connections.
	SetPaused struct{ On bool }
	// Tell sends a frame to the parent.
	Tell struct{ jail.Message }
	// Log writes a line; uWSGI's words where it has some.
	Log struct {
		Level Level
		Text  string
	}
	// Mark writes to the scoreboard.
	Mark struct {
		Slot  int
		What  MarkKind
		PID   int
		Cause metrics.Cause
	}
	// Exit ends the loop; whatever still lives in the jail is killed.
	Exit struct{ Code int }
)

func (StartZygote) action() {}
func (Fork) action()        {}
func (RunHooks) action()    {}
func (QuitZygote) action()  {}
func (DropZygote) action()  {}
func (Kill) action()        {}
func (SetPaused) action()   {}
func (Tell) action()        {}
func (Log) action()         {}
func (Mark) action()        {}
func (Exit) action()        {}

// MarkKind says which fields of a slot change.
type MarkKind uint8

// What can be marked.
const (
	MarkSpawned MarkKind = iota
	MarkRunning
	MarkStopping
	MarkDied
	MarkHarakiri
	MarkCheap
)

// Level of a log line.
type Level uint8

// Levels.
const (
	Info Level = iota
	Warn
	Error
)
