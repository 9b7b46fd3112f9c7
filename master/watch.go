package master

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watchedEvents are what counts as a change of a file, or in a directory.
const watchedEvents = unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MODIFY | unix.IN_MOVE_SELF |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO

// watchPause is the time between two looks at the changes: a handler that writes to the file that calls it goes round in a
// circle, but not faster.
const watchPause = 50 * time.Millisecond

// watcher is inotify(7). The clerk adds watches, because a path may take for ever; a goroutine tells of changes.
type watcher struct {
	file *os.File

	mu      sync.Mutex
	signals map[int32][]byte // of each watch
	early   map[int32]bool   // changes seen before it was known whose they are
}

// changed is what the goroutine saw: watches, each once.
type changed struct{ watches []int32 }

func (changed) event() {}

// watchFile carries out WatchFile.
func (l *loop) watchFile(w WatchFile) error {
	if l.watcher == nil {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
		if err != nil {
			return fmt.Errorf("cannot watch files: %w", err)
		}
		l.watcher = &watcher{file: os.NewFile(uintptr(fd), "inotify"), signals: map[int32][]byte{}, early: map[int32]bool{}}
		go l.watcher.run(l.control)
	}
	if !l.clerk.give(FileTask{What: WatchPath, Path: w.Path, Signal: w.Signal, watcher: l.watcher}) {
		return fmt.Errorf("cannot watch %s for signal %d: the file system does not answer", w.Path, w.Signal)
	}
	return nil
}

// add watches a path for a signal; it tells of a change that came in the meantime.
func (w *watcher) add(path string, signal byte) ([]int32, error) {
	raw, err := w.file.SyscallConn()
	var id int
	if err == nil {
		cerr := raw.Control(func(fd uintptr) { id, err = unix.InotifyAddWatch(int(fd), path, watchedEvents) })
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch %s for signal %d: %w", path, signal, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signals[int32(id)] = append(w.signals[int32(id)], signal)
	if w.early[int32(id)] {
		delete(w.early, int32(id))
		return []int32{int32(id)}, nil
	}
	return nil, nil
}

// of returns the signals of a watch.
func (w *watcher) of(id int32) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	signals := w.signals[id]
	if signals == nil && len(w.early) < maxTimers {
		w.early[id] = true
	}
	return slices.Clone(signals)
}

func (w *watcher) run(out chan<- Event) {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return
		}
		out <- changed{watchesIn(buf[:n])}
		time.Sleep(watchPause)
	}
}

// watchesIn reads the events that the kernel wrote: a watch, three more words, the last of which is the length of a name.
func watchesIn(buf []byte) []int32 {
	var list []int32
	seen := map[int32]bool{}
	for len(buf) >= unix.SizeofInotifyEvent {
		id := int32(binary.NativeEndian.Uint32(buf))
		name := binary.NativeEndian.Uint32(buf[12:])
		if !seen[id] && id >= 0 {
			seen[id] = true
			list = append(list, id)
		}
		next := unix.SizeofInotifyEvent + int(name)
		if next > len(buf) {
			break
		}
		buf = buf[next:]
	}
	return list
}

// raiseChanged raises the signals of watches.
func (l *loop) raiseChanged(ev changed) {
	for _, id := range ev.watches {
		for _, signal := range l.watcher.of(id) {
			l.feed(Raised{signal})
		}
	}
}
