package jail

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setPrio sets the nice value of a process and so of all that it will start. On Linux the value is a thread's, and a new
// thread has that of its maker: once all are seen to have it, all later ones have it too.
func setPrio(pid, prio int) error {
	for done := map[int]bool{}; ; {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return fmt.Errorf("cannot list the threads of pid %d: %w", pid, err)
		}
		found := false
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil || done[tid] {
				continue
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, prio); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("cannot set the priority to %d: %w (only root can go below 0)", prio, err)
			}
			done[tid], found = true, true
		}
		if !found {
			return nil
		}
	}
}
