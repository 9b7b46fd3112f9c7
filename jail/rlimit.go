package jail

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Limit is a resource limit (getrlimit(2)), soft and hard the same. Its unit is the resource's: bytes, processes, seconds.
type Limit struct {
	Resource string `json:"resource"` // "nproc", "nofile", "as" ...
	Value    uint64 `json:"value"`    // Unlimited for none
}

// Unlimited is RLIM_INFINITY.
const Unlimited uint64 = unix.RLIM_INFINITY

var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
	"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
	"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// workersOnly are limits of address space. The Go runtime of the master reserves more of it than it ever uses and ends at such a limit,
// so they are for the processes below it: SetLimits.
var workersOnly = []string{"as", "data"}

func (l Limit) check(workers bool) error {
	if _, ok := resources[l.Resource]; !ok {
		return fmt.Errorf("cannot limit %q: there is no such resource", l.Resource)
	}
	if !workers && slices.Contains(workersOnly, l.Resource) {
		return fmt.Errorf("cannot limit %q of the master: its runtime reserves address space, limit the workers", l.Resource)
	}
	return nil
}

// SetLimits sets the limits of another process (prlimit(2)): of a worker, before it does anything.
func SetLimits(pid int, limits []Limit) error {
	for _, l := range limits {
		if err := l.check(true); err != nil {
			return err
		}
		if err := unix.Prlimit(pid, resources[l.Resource], &unix.Rlimit{Cur: l.Value, Max: l.Value}, nil); err != nil {
			return fmt.Errorf("cannot limit %s of process %d to %d: %w", l.Resource, pid, l.Value, err)
		}
	}
	return nil
}

// limits sets those of the master, which all that it starts inherit, while it may still raise one. It goes through syscall.Setrlimit, so
// that the Go runtime does not put back the number of open files it came with when it starts a process.
func (e *entry) limits() error {
	for _, l := range e.spec.Limits {
		if err := unix.Setrlimit(resources[l.Resource], &unix.Rlimit{Cur: l.Value, Max: l.Value}); err != nil {
			return fmt.Errorf("cannot limit %s to %d: %w", l.Resource, l.Value, err)
		}
	}
	return nil
}
