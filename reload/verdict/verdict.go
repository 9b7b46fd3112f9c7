// Package verdict holds what the parent and the master must agree on without importing each other: the exit codes that
// pass between them, and what a signal means.
package verdict

import (
	"fmt"
	"syscall"
)

// Exit codes, with uWSGI's numbers. The master ends with OK, Init or FailedApp; workers with the rest.
const (
	OK        = 0  // a stop or a reload that was asked for
	Init      = 1  // something of the start could not be done
	Graceful  = 17 // a worker that finished its request after SIGHUP
	FailedApp = 22 // the app did not import and need-app is set
	Ended     = 30 // a worker ended by SIGINT or SIGTERM
)

// Action is what somebody asks the parent to do. The words travel in the control message "asked".
type Action string

// The actions. Brutal ones cut requests in flight.
const (
	None         Action = ""
	ReloadAll    Action = "reload"
	BrutalReload Action = "brutal-reload"
	Stop         Action = "stop"
	BrutalStop   Action = "brutal-stop"

	// New code in the same jail: all workers at once, or one after the other. Not for the jail to ask for.
	ReloadWorkers       Action = "reload-workers"
	BrutalReloadWorkers Action = "brutal-reload-workers"
	ChainReload         Action = "chain-reload"
	Pause               Action = "pause" // take no connection; asked again, take them
)

// Valid reports whether a word that came over the wire is an action.
func (a Action) Valid() bool {
	switch a {
	case ReloadAll, BrutalReload, Stop, BrutalStop, Pause:
		return true
	}
	return false
}

// OfSignal says what a signal to the parent or to the jailed master means. uWSGI 2.0: HUP reloads gracefully, INT and
// QUIT stop at once, TERM reloads brutally; with die-on-term TERM stops and QUIT reloads brutally. As PID 1 of a
// container, where TERM comes from the orchestrator that wants the container gone, TERM is a graceful stop whatever
// die-on-term says.
func OfSignal(sig syscall.Signal, dieOnTerm, containerInit bool) Action {
	switch sig {
	case syscall.SIGHUP:
		return ReloadAll
	case syscall.SIGTSTP:
		return Pause
	case syscall.SIGINT:
		return BrutalStop
	case syscall.SIGQUIT:
		if dieOnTerm {
			return BrutalReload
		}
		return BrutalStop
	case syscall.SIGTERM:
		if containerInit || dieOnTerm {
			return Stop
		}
		return BrutalReload
	}
	return None
}

// Verdict is what the parent does after a master ended.
type Verdict struct {
	Exit    bool // end the whole with Code
	Code    int
	Rebuild bool // build the stack again, after a back-off
	Why     string
}

// OfMaster judges the end of a master that nobody had asked to leave. served tells whether that generation had ever
// been ready: a start that never worked ends the whole, while a master that dies in service is built again, so that a
// crash of the master is not an outage.
func OfMaster(status syscall.WaitStatus, served bool) Verdict {
	switch {
	case status.Exited() && status.ExitStatus() == FailedApp:
		return Verdict{Exit: true, Code: FailedApp, Why: "no app loaded and need-app is set"}
	case status.Exited() && status.ExitStatus() == Init && !served:
		return Verdict{Exit: true, Code: Init, Why: "the start could not be completed"}
	case status.Signaled():
		return Verdict{Rebuild: true, Why: fmt.Sprintf("the master was killed by signal %d", status.Signal())}
	}
	return Verdict{Rebuild: true, Why: fmt.Sprintf("the master exited with code %d", status.ExitStatus())}
}
