package reload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
)

// fsEvents are what counts as a change of a file, or in a directory, for fs-reload.
const fsEvents = unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MODIFY | unix.IN_MOVE_SELF |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO

const (
	fsQuiet  = 200 * time.Millisecond // without another event: what an editor or an upload does is one change
	fsLonger = 2 * time.Second        // but a change is not put off for longer than this
)

// monitor is inotify(7) on the paths of fs-reload and fs-brutal-reload. One goroutine reads its events; renew is called from the one that
// looks at files, because opening a path may take for ever.
type monitor struct {
	root string
	file *os.File
	quit chan struct{}

	mu      sync.Mutex
	watches []fsWatch
}

type fsWatch struct {
	name   string
	action verdict.Action
	id     int32 // of the kernel's watch, -1 = there is none: the path does not exist
	looked bool  // once, so that a path that comes into being is a change
}

// fsChanged is what a monitor tells: the watches that saw something.
type fsChanged struct {
	from    *monitor
	watches []int
}

func newMonitor(root string, watches []fsWatch, out chan<- fsChanged) (*monitor, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot watch files: %w", err)
	}
	m := &monitor{root: root, file: os.NewFile(uintptr(fd), "inotify"), quit: make(chan struct{}), watches: watches}
	for i := range m.watches {
		m.watches[i].id = -1
	}
	go m.run(out)
	return m, nil
}

func (m *monitor) close() error {
	close(m.quit)
	return m.file.Close()
}

// renew watches the paths that are not watched yet, or were replaced; it tells which came into being.
func (m *monitor) renew() (appeared []int, err error) {
	m.mu.Lock()
	missing := make(map[int]string)
	for i, w := range m.watches {
		if w.id < 0 {
			missing[i] = w.name
		}
	}
	m.mu.Unlock()
	for i, name := range missing {
		there, one := m.add(i, name)
		if there {
			appeared = append(appeared, i)
		}
		err = errors.Join(err, one)
	}
	return appeared, err
}

// add tells whether the path is there and was not when it was looked for last.
func (m *monitor) add(i int, name string) (bool, error) {
	f, err := openPath(m.root, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &m.watches[i]
	first := !w.looked
	w.looked = true
	if err != nil {
		if first {
			return false, fmt.Errorf("cannot watch %s yet, and waits for it: %w", name, err)
		}
		return false, nil
	}
	defer f.Close()
	raw, err := m.file.SyscallConn()
	if err != nil {
		return false, nil // closed
	}
	var id int
	cerr := raw.Control(func(fd uintptr) {
		id, err = unix.InotifyAddWatch(int(fd), "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), fsEvents)
	})
	if cerr != nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot watch %s: %w", name, err)
	}
	w.id = int32(id)
	return !first, nil
}

// openPath opens a path below the root for nothing but to name it.
func openPath(root, name string) (*os.File, error) {
	if root != "" {
		return jail.OpenInRoot(root, name, unix.O_PATH|unix.O_CLOEXEC)
	}
	return os.OpenFile(name, unix.O_PATH|unix.O_CLOEXEC, 0)
}

func (m *monitor) run(out chan<- fsChanged) {
	buf := make([]byte, 64<<10)
	for {
		if m.file.SetReadDeadline(time.Time{}) != nil {
			return
		}
		n, err := m.file.Read(buf)
		if err != nil {
			return
		}
		seen := map[int]bool{}
		m.note(buf[:n], seen)
		for until := time.Now().Add(fsLonger); time.Now().Before(until); {
			if m.file.SetReadDeadline(time.Now().Add(fsQuiet)) != nil {
				return
			}
			if n, err = m.file.Read(buf); errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				return
			}
			m.note(buf[:n], seen)
		}
		if len(seen) == 0 {
			continue
		}
		change := fsChanged{from: m}
		for i := range seen {
			change.watches = append(change.watches, i)
		}
		select {
		case out <- change:
		case <-m.quit:
			return
		}
	}
}

// note reads the events that the kernel wrote: a watch, a mask, a cookie and the length of a name. A path that was moved or removed is
// looked for again.
func (m *monitor) note(buf []byte, seen map[int]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(buf) >= unix.SizeofInotifyEvent {
		id := int32(binary.NativeEndian.Uint32(buf))
		mask := binary.NativeEndian.Uint32(buf[4:])
		for i := range m.watches {
			w := &m.watches[i]
			if mask&unix.IN_Q_OVERFLOW == 0 && (w.id < 0 || w.id != id) {
				continue
			}
			seen[i] = true
			if mask&(unix.IN_MOVE_SELF|unix.IN_IGNORED) != 0 {
				w.id = -1
			}
		}
		next := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
		if next > len(buf) {
			return
		}
		buf = buf[next:]
	}
}

// watchFS has the kernel watch what the configuration names, instead of what was watched before.
func (p *parent) watchFS(snap *snapshot) {
	if p.monitor != nil {
		p.warn(p.monitor.close())
		p.monitor = nil
	}
	var watches []fsWatch
	for _, name := range snap.cfg.Reload.FS {
		watches = append(watches, fsWatch{name: p.absolute(snap, name), action: verdict.ReloadAll})
	}
	for _, name := range snap.cfg.Reload.FSBrutal {
		watches = append(watches, fsWatch{name: p.absolute(snap, name), action: verdict.BrutalReload})
	}
	if len(watches) == 0 {
		return
	}
	var err error
	p.monitor, err = newMonitor(rootOf(&snap.spec), watches, p.fsChanges)
	p.warn(err)
}

// fsChange asks for what changed paths stand for: brutally when one says so.
func (p *parent) fsChange(c fsChanged) {
	if c.from != p.monitor || len(c.watches) == 0 {
		return
	}
	action := verdict.ReloadAll
	for _, i := range c.watches {
		w := &c.from.watches[i] // name and action never change
		p.log.Info().Msgf("[uwsgi-fsmon] detected event on %q", w.name)
		if w.action == verdict.BrutalReload {
			action = w.action
		}
	}
	p.feed(evAsked{action})
}
