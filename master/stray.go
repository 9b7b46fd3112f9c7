package master

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// A zygote may be killed between a fork and the message that tells of it. Its orders are then given to the next zygote, and the process that
// comes all the same has a place only while nobody was asked for it anew. Two in one place would write to the same counters.

// stray is a worker without a place: it was told to leave.
type stray struct {
	pid      int
	deadline time.Time // SIGKILL then
}

// astray sends off a worker that comes too late.
func (m *machine) astray(msg worker.Message, now time.Time) []Action {
	m.strays = append(m.strays, stray{msg.PID, now.Add(m.set.mercy())})
	text := fmt.Sprintf("worker %d (pid: %d) comes after its place was filled anew: telling it to leave", msg.Slot, msg.PID)
	return []Action{Log{Warn, text}, Kill{msg.PID, unix.SIGHUP}}
}

// strayed takes the end of a stray; false when the process was none.
func (m *machine) strayed(pid int) bool {
	before := len(m.strays)
	m.strays = slices.DeleteFunc(m.strays, func(s stray) bool { return s.pid == pid })
	return len(m.strays) < before
}

// hurryStrays kills those whose mercy is over.
func (m *machine) hurryStrays(now time.Time) []Action {
	var acts []Action
	for i := range m.strays {
		if s := &m.strays[i]; !s.deadline.After(now) {
			s.deadline = now.Add(brutalMercy)
			acts = append(acts, Kill{s.pid, unix.SIGKILL})
		}
	}
	return acts
}
