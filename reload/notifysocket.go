package reload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// notifySocket takes datagrams and writes them to the log, as uWSGI's notify-socket does. Whoever may write to it is not trusted: a line is
// of bounded length and of printable letters, and what is too much in a second is only counted.
type notifySocket struct {
	place *place
	conn  *net.UnixConn
}

const (
	notifySize = 4096 // bytes of a datagram that are read
	notifyMax  = 100  // lines in a second
)

// openNotifySocket binds the socket of the configuration; it stays for all of the parent's life.
func (p *parent) openNotifySocket() error {
	name := p.newest.cfg.Reload.NotifySocket
	if name == "" {
		return nil
	}
	full := p.absolute(p.newest, name)
	dir, err := openDir(p.newest.env.root, path.Dir(path.Clean(full)))
	if err != nil {
		return fmt.Errorf("cannot bind notify-socket %s: %w", name, err)
	}
	s := &notifySocket{place: &place{dir: dir, base: path.Base(full), shown: name}}
	if err := s.bind(p.newest.env); err != nil {
		return errors.Join(fmt.Errorf("cannot bind notify-socket %s: %w", name, err), dir.Close())
	}
	p.notices = s
	p.log.Info().Msgf("notification socket enabled on %s", name)
	p.readNotices()
	return nil
}

func (p *parent) readNotices() {
	go p.notices.read(func(line string) { p.log.Info().Msg("[notify-socket] " + line) })
}

func (s *notifySocket) bind(env *socketEnv) error {
	dirfd := int(s.place.dir.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, s.place.base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("the path exists and is not a socket (remove it, or name another path)")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "notify-socket")
	defer file.Close()
	temp := fmt.Sprintf(".gowsgi.%x", rand.Uint64())
	own := *env
	own.chmod = "" // which is for the sockets of clients
	if err = s.place.name(fd, temp, &own); err == nil {
		err = unix.Renameat(dirfd, temp, dirfd, s.place.base)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(unix.Unlinkat(dirfd, temp, 0)))
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return err
	}
	s.conn = conn.(*net.UnixConn)
	return nil
}

// read is a goroutine's whole life.
func (s *notifySocket) read(say func(line string)) {
	buf := make([]byte, notifySize)
	var lines pace
	dropped := 0
	for {
		n, err := s.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Second) // for want of memory, say
			continue
		}
		if !lines.allows(time.Now(), notifyMax) {
			dropped++
			continue
		}
		if dropped > 0 {
			say(fmt.Sprintf("%d datagrams more than %d in a second were dropped", dropped, notifyMax))
			dropped = 0
		}
		say(printable(strings.ToValidUTF8(strings.TrimRight(string(buf[:n]), "\r\n\x00"), "?")))
	}
}

func (s *notifySocket) close(remove bool) error {
	err := s.conn.Close()
	if remove {
		_, rerr := s.place.remove()
		err = errors.Join(err, rerr)
	}
	return errors.Join(err, s.place.dir.Close())
}
