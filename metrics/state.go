package metrics

import "strconv"

// State is a worker's state in the scoreboard, as its master sees it.
type State uint32

// The states of a worker. The numbers are part of the scoreboard's format.
const (
	StateNone     State = iota // never started
	StateStarting              // forked, not accepting yet
	StateRunning               // accepting
	StateCheap                 // stopped on purpose, started again on demand
	StateStopping              // told to leave
	StateDead                  // gone, not replaced yet
	numStates
)

var stateNames = [numStates]string{"none", "starting", "running", "cheap", "stopping", "dead"}

// String returns the state's word, or its number when it is none of the known ones.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "state(" + strconv.FormatUint(uint64(s), 10) + ")"
}

// Cause says why a worker died. Its number is the index of the counter in the scoreboard, its String the label of the
// metric.
type Cause uint8

// The causes of a worker's death.
const (
	CauseExit        Cause = iota // it left by itself: an exit code of the app's making
	CauseSignal                   // a signal nobody here sent (a crash)
	CauseHarakiri                 // a request ran longer than allowed
	CauseOOM                      // killed by the kernel for want of memory
	CauseRSS                      // recycled or killed by a memory limit of ours
	CauseLifetime                 // recycled after its longest life
	CauseMaxRequests              // recycled after its number of requests
	CauseReload                   // left for a reload
	CauseCheap                    // stopped to save resources
	CauseAppFailed                // the app did not load
	CauseStop                     // left because the instance stops
	CauseSeccomp                  // SIGSYS: a forbidden system call
	CauseKilled                   // SIGKILL, neither ours nor the kernel's for want of memory
	CauseException                // recycled after an exception that the configuration names
	NumNamedCauses

	// NumCauses is how many counters of deaths a slot holds; those without a name yet are shown as "other".
	NumCauses = 16
)

var causeNames = [NumNamedCauses]string{
	"exit", "signal", "harakiri", "oom", "rss", "lifetime", "max-requests", "reload", "cheap", "app-failed", "stop",
	"seccomp", "killed", "exception",
}

// String returns the label of the cause: one of a fixed set, "other" for a number without a name.
func (c Cause) String() string {
	if c < NumNamedCauses {
		return causeNames[c]
	}
	return "other"
}

// Causes returns every cause that has a name, in the order of their numbers.
func Causes() []Cause {
	all := make([]Cause, NumNamedCauses)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}
