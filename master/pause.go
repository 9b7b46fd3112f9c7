package master

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// pause: the flag on the scoreboard says what holds, the signal only has the workers look at it. So a SIGTSTP that a
// terminal sends to the whole process group changes nothing in them.
func (m *machine) pause(on bool) []Action {
	if m.paused == on || m.phase == leaving {
		return nil
	}
	m.paused = on
	word := "resumed"
	if on {
		word = "suspended"
	}
	acts := []Action{SetPaused{on}}
	for i := range m.slots {
		if s := &m.slots[i]; s.state == slotRunning {
			acts = append(acts, Log{Info, fmt.Sprintf("*** worker %d %s ***", s.id, word)}, Kill{s.pid, unix.SIGTSTP})
		}
	}
	return acts
}

// lookAtPause is for a worker that has just become ready: it may have looked at the flag before it changed.
func (m *machine) lookAtPause(s *slot) []Action {
	if !m.paused {
		return nil
	}
	return []Action{Log{Info, fmt.Sprintf("*** worker %d suspended ***", s.id)}, Kill{s.pid, unix.SIGTSTP}}
}
