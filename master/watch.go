package master

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watchedEvents are what counts as a change of a file, or in a directory.
const watchedEvents = unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_MODIFY | unix.IN_MOVE_SELF |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO

// watchPause is the time between two looks at the changes: a handler that writes to the file that calls it goes round in a
// circle, but not faster.
const watchPause = 50 * time.Millisecond

// watcher is inotify(7); the owner adds watches, a goroutine tells of changes.
type watcher struct {
	file    *os.File
	signals map[int32][]byte // of each watch; the owner's
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
		l.watcher = &watcher{file: os.NewFile(uintptr(fd), "inotify"), signals: map[int32][]byte{}}
		go l.watcher.run(l.control)
	}
	var id int
	raw, err := l.watcher.file.SyscallConn()
	if err == nil {
		if cerr := raw.Control(func(fd uintptr) { id, err = unix.InotifyAddWatch(int(fd), w.Path, watchedEvents) }); cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("cannot watch %s for signal %d: %w", w.Path, w.Signal, err)
	}
	l.watcher.signals[int32(id)] = append(l.watcher.signals[int32(id)], w.Signal)
	return nil
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
		for _, signal := range l.watcher.signals[id] {
			l.feed(Raised{signal})
		}
	}
}
