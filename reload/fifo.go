package reload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
)

// letter is what one byte of the master fifo asks for.
type letter struct {
	action verdict.Action
	own    ownWish      // of the parent itself
	frame  jail.Message // for the master that serves
}

// ownWish is something that the parent does without asking the plan.
type ownWish uint8

const (
	noWish ownWish = iota
	writeStats
	writePidfiles
	reopenLogs
	rotateLogs
	upgradeBinary
)

// letters is the alphabet of the master fifo, with uWSGI's meanings, and u, which uWSGI does not have. The digits choose among several fifos; see switchTo.
var letters = map[byte]letter{
	'r': {action: verdict.ReloadAll},
	'R': {action: verdict.BrutalReload},
	'c': {action: verdict.ChainReload},
	'w': {action: verdict.ReloadWorkers},
	'W': {action: verdict.BrutalReloadWorkers},
	'q': {action: verdict.Stop},
	'Q': {action: verdict.BrutalStop},
	'p': {action: verdict.Pause},
	's': {own: writeStats},
	'P': {own: writePidfiles},
	'l': {own: reopenLogs},
	'L': {own: rotateLogs},
	'u': {own: upgradeBinary},
	'+': {frame: jail.Message{Type: jail.MsgScale, Delta: 1}},
	'-': {frame: jail.Message{Type: jail.MsgScale, Delta: -1}},
	'C': {frame: jail.Message{Type: jail.MsgScale, Cheap: true}},
}

// neverLetters are those that ask for what is not there, with the reason.
var neverLetters = map[byte]string{
	'B': "there is no Emperor",
	'E': "there is no Emperor",
	'f': "a parent never runs twice",
	'S': "there are no subscriptions",
}

// fifos are the configured ones, of which one is listened to.
type fifos struct {
	open *fifo // nil = none
	id   uint64
	env  *socketEnv
	said chan fifoByte
}

// openFifos listens to the first of the fifos.
func (p *parent) openFifos() error {
	names := p.newest.cfg.Reload.Fifos
	if len(names) == 0 {
		return nil
	}
	p.fifos.env = p.newest.env
	var err error
	p.fifos.open, err = openFifo(names[0], p.fifos.env, p.fifos.id, p.fifos.said)
	return err
}

// fifo is the one of the master fifos that is listened to.
type fifo struct {
	dir  *os.File
	base string
	file *os.File
	id   uint64
}

// fifoByte is one byte that came, or the end of a fifo.
type fifoByte struct {
	id  uint64
	b   byte
	err error
}

// openFifo makes the fifo anew, owned by the app's user, mode 0600, and starts to read it. It is opened for writing as
// well, so that it does not come to its end when a writer closes.
func openFifo(name string, env *socketEnv, id uint64, out chan<- fifoByte) (*fifo, error) {
	if !path.IsAbs(name) {
		name = path.Join(env.dir, name)
	}
	dir, err := openDir(env.root, path.Dir(path.Clean(name)))
	if err != nil {
		return nil, fmt.Errorf("cannot make fifo %s: %w", name, err)
	}
	f := &fifo{dir: dir, base: path.Base(name), id: id}
	if err := f.make(env); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make fifo %s: %w", name, err), dir.Close())
	}
	go f.read(out)
	return f, nil
}

func (f *fifo) make(env *socketEnv) error {
	dirfd := int(f.dir.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, f.base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return errors.New("the path exists and is not a fifo (remove it, or name another path)")
	}
	temp := fmt.Sprintf(".gowsgi.%x", rand.Uint64())
	if err := unix.Mknodat(dirfd, temp, unix.S_IFIFO|0o600, 0); err != nil {
		return err
	}
	fd, err := unix.Openat(dirfd, temp, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		f.file = os.NewFile(uintptr(fd), f.base)
		err = f.own(env)
	}
	if err == nil {
		err = unix.Renameat(dirfd, temp, dirfd, f.base)
	}
	if err != nil {
		if f.file != nil {
			err = errors.Join(err, f.file.Close())
		}
		return errors.Join(err, ignoreMissing(unix.Unlinkat(dirfd, temp, 0)))
	}
	return nil
}

func (f *fifo) own(env *socketEnv) error {
	var st unix.Stat_t
	fd := fileNumber(f.file)
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return errors.New("somebody replaced the new fifo while it was made")
	}
	if env.uid < 0 && env.gid < 0 {
		return nil
	}
	return unix.Fchown(fd, env.uid, env.gid)
}

// read hands on one byte after the other until the fifo is closed.
func (f *fifo) read(out chan<- fifoByte) {
	var b [1]byte
	for {
		_, err := f.file.Read(b[:])
		out <- fifoByte{f.id, b[0], err}
		if err != nil {
			return
		}
	}
}

func (f *fifo) close() error { return errors.Join(f.file.Close(), f.dir.Close()) }

// switchTo listens to another of the configured fifos, by number; the old one's file stays, as in uWSGI.
func (p *parent) switchTo(n int) {
	names := p.newest.cfg.Reload.Fifos
	if n >= len(names) {
		p.log.Warn().Msgf("There is no master-fifo %d: %d are configured", n, len(names))
		return
	}
	p.fifos.id++
	next, err := openFifo(names[n], p.fifos.env, p.fifos.id, p.fifos.said)
	if err != nil {
		p.log.Error().Msg(err.Error())
		return
	}
	if p.fifos.open != nil {
		p.warn(p.fifos.open.close())
	}
	p.fifos.open = next
	p.log.Info().Msgf("active master fifo is now %s", names[n])
}

// fifoSaid carries out one letter.
func (p *parent) fifoSaid(in fifoByte) {
	if p.fifos.open == nil || in.id != p.fifos.open.id {
		return
	}
	if in.err != nil {
		p.log.Error().Msgf("The master fifo is of no use any more: %v", in.err)
		p.warn(p.fifos.open.close())
		p.fifos.open = nil
		return
	}
	if in.b >= '0' && in.b <= '9' {
		p.switchTo(int(in.b - '0'))
		return
	}
	l, ok := letters[in.b]
	switch {
	case ok && l.action != verdict.None:
		p.log.Info().Msgf("Asked by the master fifo: %s", l.action)
		p.feed(evAsked{l.action})
	case l.own == writeStats:
		snap, info := p.figures()
		p.log.Info().Msgf("requests: %d, exceptions: %d, workers wanted: %d, generation: %d", snap.Totals.Requests, snap.Totals.Exceptions, info.Wanted, snap.Generation)
	case l.own == writePidfiles:
		for _, f := range p.pidfiles {
			p.warn(f.write())
		}
	case l.own == reopenLogs:
		p.setup.Logs.Reopen()
	case l.own == rotateLogs:
		p.setup.Logs.Rotate()
	case l.own == upgradeBinary:
		p.feed(evUpgrade{})
	case l.frame.Type != "":
		if g := p.plan.current; g != nil && p.gens[g.id] != nil {
			p.gens[g.id].send(l.frame, p.log)
		}
	case neverLetters[in.b] != "":
		p.log.Warn().Msgf("The fifo letter %q does nothing: %s", in.b, neverLetters[in.b])
	}
}
