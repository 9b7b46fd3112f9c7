package jail

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// KillChildrenBut is KillChildren for a parent that has children to keep: what an ended one left behind was reparented to us, and any child
// that is not kept is such an orphan. Every end that is collected on the way is given to each, those of kept children too.
func KillChildrenBut(keep []int, each func(pid int, status unix.WaitStatus, ru *unix.Rusage)) bool {
	deadline := time.NewTimer(DefaultGrace)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		strangers := slices.DeleteFunc(children(), func(pid int) bool { return slices.Contains(keep, pid) })
		for _, pid := range strangers {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		reap(each)
		if len(strangers) == 0 {
			return true
		}
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
}
