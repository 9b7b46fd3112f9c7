package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says who wrote a line.
type Kind byte

// Lines that come over the channel begin with the byte of their kind; what comes over a pipe is the app's.
const (
	Own     Kind = 'o' // of the parent, the master or the runtime
	App     Kind = 'a' // of the app and of every program in the jail
	Request Kind = 'r' // a request line
)

// Intake is how one generation's lines come in. The pipes belong to one process each, as far as that can be, so that a long line
// of one is not torn by another: a pipe keeps only writes of 4096 bytes together.
type Intake struct {
	rest    *os.File   // 1 and 2 of everything that has no pipe of its own
	channel *os.File   // a packet socket for the lines of the master and of the runtime
	workers []*os.File // 1 and 2 of each worker

	sources []*source
	done    sync.WaitGroup
	ended   atomic.Bool // nobody should write any more
	freezer
}

// source is one of the ends that are read.
type source struct {
	f       *os.File
	a       assembler // of a pipe
	channel bool
	over    bool // read to its end; guarded by the freezer
}

// idle is how long the beginning of a line waits for its end before it is taken for a line.
const idle = time.Second

// maxPacket is the longest packet that is read from the channel, in bytes.
const maxPacket = 512 << 10

// newIntake makes the ends and starts to read. take is called from several goroutines; it must not keep the bytes.
func newIntake(workers int, take func(kind Kind, lines []byte)) (*Intake, error) {
	in := newEmptyIntake()
	for n := range workers + 1 {
		r, w, err := os.Pipe()
		if err != nil {
			in.Handed()
			in.End()
			return nil, fmt.Errorf("cannot make a log pipe: %w", err)
		}
		// Whoever has the pipe may open it again for writing, as programs do that write to /dev/stderr; nobody may read it.
		if err := chmod(w, 0o222); err != nil {
			in.Handed()
			in.End()
			return nil, fmt.Errorf("cannot make a log pipe: %w", err)
		}
		if n == 0 {
			in.rest = w
		} else {
			in.workers = append(in.workers, w)
		}
		in.read(&source{f: r}, take)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		in.Handed()
		in.End()
		return nil, fmt.Errorf("cannot make the log channel: %w", err)
	}
	// More than the system's limit only for root; what does not fit is cut by the sender.
	if unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<20) != nil {
		_ = unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	}
	_ = unix.SetNonblock(pair[0], true)
	r := os.NewFile(uintptr(pair[0]), "log channel")
	in.channel = os.NewFile(uintptr(pair[1]), "log channel")
	in.read(&source{f: r, channel: true}, take)
	return in, nil
}

func newEmptyIntake() *Intake {
	in := &Intake{}
	in.changed = sync.NewCond(&in.mu)
	return in
}

// read starts to read an end.
func (in *Intake) read(s *source, take func(Kind, []byte)) {
	in.sources = append(in.sources, s)
	in.done.Add(1)
	go func() {
		defer in.done.Done()
		defer in.isOver(s)
		defer s.f.Close()
		if s.channel {
			in.readChannel(s, take)
		} else {
			in.readPipe(s, take)
		}
	}()
}

// chmod sets the mode of a pipe without making its description blocking, which (*os.File).Fd would do.
func chmod(f *os.File, mode uint32) error {
	raw, err := f.SyscallConn()
	if err == nil {
		ctl := raw.Control(func(fd uintptr) {
			if err = unix.Fchmod(int(fd), mode); err == nil {
				// Programs do not expect a non-blocking standard output.
				err = unix.SetNonblock(int(fd), false)
			}
		})
		err = errors.Join(err, ctl)
	}
	return err
}

// Rest is what becomes 1 and 2 of the master.
func (in *Intake) Rest() *os.File { return in.rest }

// Extra lists the other ends that the jail gets: the channel, then one pipe for each worker.
func (in *Intake) Extra() []*os.File { return append([]*os.File{in.channel}, in.workers...) }

// Handed closes the jail's ends here: the jail has them now.
func (in *Intake) Handed() {
	for _, f := range append(in.workers, in.rest, in.channel) {
		if f != nil {
			f.Close()
		}
	}
	in.workers, in.rest, in.channel = nil, nil, nil
}

// End tells that nobody should write any more. What is there is read; a writer that is left over has a second.
func (in *Intake) End() {
	in.ended.Store(true)
	time.AfterFunc(time.Second, in.stop)
}

func (in *Intake) stop() {
	for _, s := range in.sources {
		s.f.Close()
	}
}

// wait tells whether everything was read to its end in time.
func (in *Intake) wait(patience time.Duration) bool {
	done := make(chan struct{})
	go func() { in.done.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(patience):
		return false
	}
}

func (in *Intake) readPipe(s *source, take func(Kind, []byte)) {
	out := func(lines []byte) { take(App, lines) }
	armed := true
	buf := make([]byte, 64<<10)
	for {
		if partial := len(s.a.held) > 0; partial {
			_ = s.f.SetReadDeadline(time.Now().Add(idle))
			armed = true
		} else if armed {
			_ = s.f.SetReadDeadline(time.Time{})
			armed = false
		}
		if in.park() {
			armed = true
			continue
		}
		n, err := s.f.Read(buf)
		s.a.take(buf[:n], out)
		if errors.Is(err, os.ErrDeadlineExceeded) && !in.freezing() {
			s.a.flush(out)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.a.flush(out)
			return
		}
	}
}

func (in *Intake) readChannel(s *source, take func(Kind, []byte)) {
	buf := make([]byte, maxPacket+1)
	for {
		if in.park() {
			continue
		}
		n, err := s.f.Read(buf[:maxPacket])
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) && !hungUp(s.f) {
			continue // told to stop for a while, or an empty packet
		}
		if err != nil {
			return
		}
		kind, text := Kind(buf[0]), buf[1:n]
		if kind != Own && kind != Request {
			kind, text = App, buf[:n]
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		if len(text) > 0 {
			take(kind, text)
		}
	}
}

// hungUp tells whether every writer of the channel is gone.
func hungUp(r *os.File) (gone bool) {
	raw, err := r.SyscallConn()
	if err != nil {
		return true
	}
	gone = true
	_ = raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(set, 0)
		gone = err == nil && n == 1 && set[0].Revents&unix.POLLHUP != 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	return gone
}
