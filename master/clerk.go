package master

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The clerk is a goroutine that touches files of the jail for the units, so that a file system that hangs never blocks the owner.
// The files are the app's to change: all are opened without waiting for the other end of a fifo, and little is read.

// FileVerb says what the clerk is to do.
type FileVerb string

// What can be done with a file.
const (
	// ClearPidfile removes a pidfile that names no living process; the answer is Cleared. It was left by a daemon of another time,
	// and in a fresh pid namespace its number is that of anybody.
	ClearPidfile FileVerb = "clear pidfile"
	WritePidfile FileVerb = "write pidfile"
	// AppendLine adds a line to a file.
	AppendLine FileVerb = "append to"
	// WatchPath has the kernel watch a path for a signal.
	WatchPath FileVerb = "watch"
)

type (
	// FileTask is an action: something for the clerk.
	FileTask struct {
		What FileVerb
		Path string
		Job  Job    // whose it is, for Cleared
		PID  int    // WritePidfile
		Text string // AppendLine

		Signal  byte // WatchPath
		watcher *watcher
	}
	// Cleared answers ClearPidfile, whatever came of it.
	Cleared struct{ Job Job }
	// PIDFile says that a watched pidfile names a child of ours.
	PIDFile struct {
		Path string
		PID  int
	}
	// Touched says that a watched file has changed, appeared or gone.
	Touched struct{ Path string }
)

func (FileTask) action() {}
func (Cleared) event()   {}
func (PIDFile) event()   {}
func (Touched) event()   {}

const (
	clerkEvery    = 500 * time.Millisecond
	clerkQueue    = 64
	clerkPatience = time.Second
)

type clerk struct {
	tasks    chan FileTask
	out      chan Event
	problems chan error
	pidfiles []string
	touched  []touched
	started  chan struct{} // closed when every file was looked at once
	ownPIDs  bool          // we are PID 1: every pidfile from before us is stale
}

func newClerk(pidfiles []string, files []touched) *clerk {
	return &clerk{
		tasks: make(chan FileTask, clerkQueue), out: make(chan Event), problems: make(chan error, 1), started: make(chan struct{}),
		pidfiles: pidfiles, touched: files, ownPIDs: os.Getpid() == 1,
	}
}

// start returns when the clerk knows how the files are now, so that what is changed from then on counts; it does not wait for long.
func (c *clerk) start() {
	go c.run()
	select {
	case <-c.started:
	case <-time.After(clerkPatience):
	}
}

// give hands a task over; false means that too many wait already.
func (c *clerk) give(t FileTask) bool {
	select {
	case c.tasks <- t:
		return true
	default:
		return false
	}
}

// run works for ever.
func (c *clerk) run() {
	for i := range c.touched {
		c.touched[i].last = stampOf(c.touched[i].name)
	}
	close(c.started)
	var tick <-chan time.Time
	if len(c.pidfiles)+len(c.touched) > 0 {
		ticker := time.NewTicker(clerkEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case t := <-c.tasks:
			c.perform(t)
		case <-tick:
			c.look()
		}
	}
}

func (c *clerk) perform(t FileTask) {
	var err error
	switch t.What {
	case ClearPidfile:
		err = c.clear(t.Path)
		c.out <- Cleared{t.Job}
	case WritePidfile:
		err = writeSmall(t.Path, unix.O_TRUNC, fmt.Sprintf("%d\n", t.PID), 0o644)
	case AppendLine:
		err = writeSmall(t.Path, unix.O_APPEND, t.Text+"\n", 0o640)
	case WatchPath:
		var missed []int32
		if missed, err = t.watcher.add(t.Path, t.Signal); missed != nil {
			c.out <- changed{missed}
		}
	}
	if err != nil {
		select {
		case c.problems <- err:
		default: // one at a time is enough to know
		}
	}
}

func (c *clerk) clear(path string) error {
	pid, err := readPidfile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && !c.ownPIDs && unix.Kill(pid, 0) != unix.ESRCH {
		return fmt.Errorf("cannot take pidfile %s over: pid %d lives and is not ours", path, pid)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot remove a stale pidfile: %w", err)
	}
	return nil
}

// look reads the pidfiles and compares the files that may be touched.
func (c *clerk) look() {
	for _, path := range c.pidfiles {
		if pid, err := readPidfile(path); err == nil && isChild(pid) {
			c.out <- PIDFile{path, pid}
		}
	}
	for i := range c.touched {
		t := &c.touched[i]
		if now := stampOf(t.name); now != t.last {
			t.last = now
			c.out <- t.ev
		}
	}
}

// isChild tells whether a pid is a child of this process, without collecting its end.
func isChild(pid int) bool {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil
}

func readPidfile(path string) (int, error) {
	f, err := openRegular(path, unix.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", path, err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid < 2 {
		return 0, fmt.Errorf("cannot use pidfile %s: %.20q is not a pid", path, text)
	}
	return pid, nil
}

func writeSmall(path string, how int, text string, mode os.FileMode) error {
	f, err := openRegular(path, unix.O_WRONLY|unix.O_CREAT|how, mode)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return f.Close()
}

// openRegular opens a file that must be a regular one: a fifo or a device could make us wait.
func openRegular(path string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("cannot use %s: not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// clerkOf makes a clerk that watches the files of the settings.
func clerkOf(set *Settings) *clerk {
	var pidfiles []string
	for i := range set.Daemons {
		if d := &set.Daemons[i]; d.smart() {
			pidfiles = append(pidfiles, d.Pidfile)
		}
	}
	return newClerk(pidfiles, newTouched(set))
}

// clerkSaid hands on what the clerk has seen. A pidfile is the app's to write: one that names the zygote or a worker is not believed.
func (l *loop) clerkSaid(ev Event) {
	if named, ok := ev.(PIDFile); ok && l.machine.owns(named.PID) {
		return
	}
	if ev, ok := ev.(changed); ok {
		l.raiseChanged(ev)
		return
	}
	l.feed(ev)
}

// owns tells whether a pid is that of the zygote or a worker.
func (m *machine) owns(pid int) bool {
	for i := range m.slots {
		if m.slots[i].pid == pid {
			return true
		}
	}
	return m.zygoteWith(pid) != nil
}
