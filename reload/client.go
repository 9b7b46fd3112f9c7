package reload

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// oldPatience is how much longer the client waits for the stack that the new one replaced: idle workers leave at once, and
// then every answer comes from the new one; a long request is not waited for.
const oldPatience = time.Second

// glance is how long the client sleeps between two looks at the status; the end of the process wakes it at once.
const glance = 20 * time.Millisecond

// target is a running parent, held by a pidfd so that no other process that gets its pid is signalled.
type target struct {
	pid   int
	pidfd int
}

func openTarget(pid int) (target, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return target{}, fmt.Errorf("cannot find pid %d: %w", pid, err)
	}
	return target{pid, fd}, nil
}

func (t target) close() { unix.Close(t.pidfd) }

func (t target) signal(sig unix.Signal) error {
	if err := unix.PidfdSendSignal(t.pidfd, sig, nil, 0); err != nil {
		return fmt.Errorf("cannot send %s to pid %d: %w", unix.SignalName(sig), t.pid, err)
	}
	return nil
}

// ended waits for the end of the process, so long; negative means for ever.
func (t target) ended(patience time.Duration) (bool, error) {
	timeout := -1
	if patience >= 0 {
		timeout = int(patience.Milliseconds())
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(t.pidfd), Events: unix.POLLIN}}, timeout)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("cannot wait for pid %d: %w", t.pid, err)
		}
		return n > 0, nil
	}
}

// Signal sends a signal to a process.
func Signal(pid int, sig unix.Signal) error {
	t, err := openTarget(pid)
	if err != nil {
		return err
	}
	defer t.close()
	return t.signal(sig)
}

// Stop sends SIGINT and waits until the process is gone.
func Stop(pid int) error {
	t, err := openTarget(pid)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.signal(unix.SIGINT); err != nil {
		return err
	}
	_, err = t.ended(-1)
	return err
}

// Reload asks a parent for a reload and waits for its result. A process that shows no status, uWSGI's own master, is signalled and known is
// false.
func Reload(pid int) (known bool, err error) {
	t, err := openTarget(pid)
	if err != nil {
		return false, err
	}
	defer t.close()
	page, err := openStatus(pid)
	if errors.Is(err, errNoStatus) {
		return false, t.signal(unix.SIGHUP)
	}
	if err != nil {
		return false, err
	}
	defer page.Close()
	before, err := readStatus(page)
	if err != nil {
		return false, err
	}
	if err := t.signal(unix.SIGHUP); err != nil {
		return false, err
	}
	return true, t.settled(page, before.Asked+1)
}

// Upgrade asks a parent to replace its own image by the binary that is on disk now, and waits until that one has reloaded the stack.
func Upgrade(pid int) error {
	t, err := openTarget(pid)
	if err != nil {
		return err
	}
	defer t.close()
	page, err := openStatus(pid)
	if err != nil {
		return fmt.Errorf("cannot upgrade pid %d: %w", pid, err)
	}
	defer page.Close()
	before, err := readStatus(page)
	if err != nil {
		return err
	}
	if before.Upgrades == nil { // the signal would do something else there
		return fmt.Errorf("cannot upgrade pid %d: its version %s cannot do that (stop and start it)", pid, printable(before.Version))
	}
	if err := t.signal(unix.SIGUSR2); err != nil {
		return err
	}
	number := before.Upgrades.Asked + 1
	for {
		gone, err := t.ended(glance)
		if err != nil {
			return err
		}
		st, err := readStatus(page)
		switch u := st.Upgrades; {
		case err != nil:
			return err
		case u != nil && u.Settled >= number && u.Failed == "":
			return nil
		case u != nil && u.Settled >= number:
			return fmt.Errorf("cannot upgrade (%s): %s", u.Failed, printable(u.Cause))
		case gone:
			return fmt.Errorf("cannot upgrade: pid %d has ended", t.pid)
		}
	}
}

// settled waits for the result of the reload with this number, or of a later one: it too read everything after we asked.
func (t target) settled(page *os.File, number uint64) error {
	var since time.Time
	for {
		gone, err := t.ended(glance)
		if err != nil {
			return err
		}
		st, err := readStatus(page)
		switch {
		case err != nil:
			return err
		case st.Settled >= number && st.Failed == "":
			if since.IsZero() {
				since = time.Now()
			}
			if st.Old == 0 || gone || time.Since(since) > oldPatience {
				return nil
			}
		case st.Settled >= number:
			return fmt.Errorf("cannot reload (%s): %s", st.Failed, printable(st.Cause))
		case gone && st.Leaving == exitOnReload:
			return nil
		case gone:
			return fmt.Errorf("cannot reload: pid %d has ended", t.pid)
		}
	}
}

// printable keeps what came from an app's mouth from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, text)
}
