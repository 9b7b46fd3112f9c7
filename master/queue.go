package master

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// newQueues makes the queues between the processes of the stack. They are made once: a zygote that is started again, and
// whatever it forks, uses those of the first.
func newQueues(set *Settings) (worker.Queues, error) {
	var q worker.Queues
	conf := &set.Conf.Helpers
	message := func() (worker.Pair, error) { return messageQueue(set.Helpers.MuleMsgSize) }
	shared := func(n int) int { // one for all, and one for each
		if n > 0 {
			return n + 1
		}
		return 0
	}
	mules, farms := len(conf.Mules), len(conf.Farms)
	for _, want := range []struct {
		list *[]worker.Pair
		n    int
		make func() (worker.Pair, error)
	}{
		{&q.Mules, shared(mules), message},
		{&q.Farms, farms, message},
		{&q.ToWorkers, shared(set.Conf.Processes), signalQueue},
		{&q.ToMules, shared(mules), signalQueue},
		{&q.ToFarms, farms, signalQueue},
		{&q.ToSpoolers, min(conf.Spool.Count(), 1), signalQueue},
	} {
		for range want.n {
			pair, err := want.make()
			if err != nil {
				return q, err
			}
			*want.list = append(*want.list, pair)
		}
	}
	for i := range conf.Caches {
		f, err := cacheMemory(&conf.Caches[i])
		if err != nil {
			return q, err
		}
		q.Caches = append(q.Caches, f)
	}
	for range conf.Spool.Dirs {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return q, fmt.Errorf("cannot make what wakes spoolers: %w", err)
		}
		q.Wake = append(q.Wake, os.NewFile(uintptr(fd), "wake"))
		if err := unix.SetNonblock(fd, true); err != nil {
			return q, fmt.Errorf("cannot make what wakes spoolers: %w", err)
		}
	}
	return q, nil
}

// cacheMemory is the file that all processes of the stack map.
func cacheMemory(c *worker.Cache) (*os.File, error) {
	if c.Store == "" {
		fd, err := unix.MemfdCreate("gowsgi-cache", unix.MFD_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("cannot make the cache %s: %w", c.Name, err)
		}
		f := os.NewFile(uintptr(fd), "cache")
		if err := f.Truncate(c.Size()); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot make the cache %s: %w", c.Name, err), f.Close())
		}
		return f, nil
	}
	f, err := openRegular(c.Store, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot keep the cache %s: %w", c.Name, err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, c.Size()); err != nil { // a disk that is full is to be known now, and not by SIGBUS
		return nil, errors.Join(fmt.Errorf("cannot keep the cache %s: %d bytes for %s: %w", c.Name, c.Size(), c.Store, err), f.Close())
	}
	return f, nil
}

// makeSpools makes the directories of tasks that are missing, and their paths absolute: spoolers change directory.
func makeSpools(spool *worker.Spool) error {
	for i := range spool.Dirs {
		path, err := filepath.Abs(spool.Dirs[i].Path)
		if err != nil {
			return fmt.Errorf("cannot find the spooler directory %s: %w", spool.Dirs[i].Path, err)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("cannot make the spooler directory: %w", err)
		}
		if err := unix.Access(path, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("cannot use the spooler directory %s: %w", path, err)
		}
		spool.Dirs[i].Path = path
	}
	return nil
}

// signalQueue is a pipe of one byte a signal; nobody waits at either end.
func signalQueue() (worker.Pair, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return worker.Pair{}, fmt.Errorf("cannot make a queue for signals: %w", err)
	}
	pair := worker.Pair{R: os.NewFile(uintptr(fds[0]), "signals"), W: os.NewFile(uintptr(fds[1]), "signals")}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			return worker.Pair{}, fmt.Errorf("cannot make a queue for signals: %w", err)
		}
	}
	return pair, nil
}

// deliver puts a signal into a queue; one that is full belongs to processes that take none, and loses it.
func (l *loop) deliver(d Deliver) error {
	lists := map[string][]worker.Pair{
		"worker": l.queues.ToWorkers, "mule": l.queues.ToMules, "spooler": l.queues.ToSpoolers,
		"farm": append([]worker.Pair{{}}, l.queues.ToFarms...), // farms count from 1
	}
	list := lists[d.Queue.Kind]
	if d.Queue.Number >= len(list) || list[d.Queue.Number].W == nil {
		return fmt.Errorf("cannot deliver signal %d: there is no %s %d", d.Signal, d.Queue.Kind, d.Queue.Number)
	}
	if _, err := unix.Write(int(list[d.Queue.Number].W.Fd()), []byte{d.Signal}); err != nil {
		now := time.Now()
		if now.Sub(l.lostAt) < time.Second {
			return nil // told already
		}
		l.lostAt = now
		return fmt.Errorf("cannot deliver signal %d to %s %d: %w", d.Signal, d.Queue.Kind, d.Queue.Number, err)
	}
	return nil
}

// messageQueue is a pair of datagram sockets: each message is kept whole, what does not fit is refused, nobody waits.
func messageQueue(size int) (worker.Pair, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return worker.Pair{}, fmt.Errorf("cannot make a queue for messages: %w", err)
	}
	// Made files first: os.File.Fd would turn a descriptor that does not block then back into one that does.
	pair := worker.Pair{R: os.NewFile(uintptr(fds[0]), "messages"), W: os.NewFile(uintptr(fds[1]), "messages")}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			return worker.Pair{}, fmt.Errorf("cannot make a queue for messages: %w", err)
		}
	}
	if size > 0 {
		if err := unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, size); err != nil {
			return worker.Pair{}, fmt.Errorf("cannot give a queue for messages %d bytes: %w", size, err)
		}
	}
	return pair, nil
}

// measureHelpers looks at the helpers.
func (l *loop) measureHelpers() {
	for _, u := range l.machine.units {
		u, ok := u.(*helpers)
		if !ok {
			continue
		}
		for i := range u.list {
			if start := l.board.Helper(i).Start; start != 0 && u.list[i].pid != 0 {
				l.feed(HelperSampled{i, time.Duration(monotonic() - int64(start))})
			}
		}
	}
}

// Message is an action: a message for a mule, or with 0 for whichever is free.
type Message struct {
	Mule int
	Text []byte
}

func (Message) action() {}

// message puts a message into a mule's queue; one that is full loses it.
func (l *loop) message(m Message) error {
	if m.Mule >= len(l.queues.Mules) {
		return fmt.Errorf("cannot give mule %d a message: there is no such mule", m.Mule)
	}
	raw, err := l.queues.Mules[m.Mule].W.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) { err = unix.Send(int(fd), m.Text, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) })
		err = errors.Join(err, cerr)
	}
	if err == nil || time.Since(l.lostAt) < time.Second {
		return nil // or told already
	}
	l.lostAt = time.Now()
	return fmt.Errorf("cannot give mule %d a message: %w", m.Mule, err)
}
