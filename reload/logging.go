package reload

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"gowsgi/reload/logs"
)

// openLateLog opens the log file of logto2 and daemonize2, and gives the log file to the app's user when that is asked for: both have to
// know the jail.
func (p *parent) openLateLog(snap *snapshot) error {
	c := &snap.cfg.Log
	name := c.Files.To2
	if c.Daemon.Late {
		name = c.Daemon.File
	}
	if name != "" {
		place := snap.place(name)
		if mode, err := strconv.ParseUint(c.Files.Chmod, 8, 12); err == nil {
			place.Mode = uint32(mode)
		}
		options := logs.FileOptions{Truncate: c.Files.Truncate, MaxSize: c.Files.MaxSize, Backup: c.Files.Backup}
		if err := p.setup.Logs.Replace(place, options); err != nil {
			return err
		}
	}
	if c.Files.Chown {
		p.setup.Logs.Own(snap.uid, snap.gid)
	}
	return nil
}

// place is a file below the jail's root, which is opened with the rights of the app's user: no more can be reached by it than the app could
// reach by itself.
func (s *snapshot) place(name string) logs.Place {
	root, uid, gid := rootOf(&s.spec), s.uid, s.gid
	at := func(name string, do func(dirfd int, base string) error) error {
		if !path.IsAbs(name) {
			name = path.Join(s.dir, name)
		}
		return withRights(uid, gid, func() error {
			dir, err := openDir(root, path.Dir(path.Clean(name)))
			if err != nil {
				return err
			}
			return errors.Join(do(int(dir.Fd()), path.Base(name)), dir.Close())
		})
	}
	place := logs.Place{Path: name, UID: -1, GID: -1}
	place.Open = func(name string, flags int, mode uint32) (f *os.File, err error) {
		if root != "" {
			flags |= unix.O_NOFOLLOW // a link could lead out of the root
		}
		err = at(name, func(dirfd int, base string) error {
			fd, err := unix.Openat(dirfd, base, flags|unix.O_CLOEXEC, mode)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			f = os.NewFile(uintptr(fd), name)
			return nil
		})
		return f, err
	}
	place.Rename = func(from, to string) error {
		return at(from, func(fromDir int, fromBase string) error {
			return at(to, func(toDir int, toBase string) error { return unix.Renameat(fromDir, fromBase, toDir, toBase) })
		})
	}
	return place
}

// withRights does something with another user's rights to files (setfsuid(2)): on a thread of its own, which ends with it. An ordinary user does
// it as it is.
func withRights(uid, gid int, do func() error) error {
	if os.Geteuid() != 0 || (uid <= 0 && gid <= 0) {
		return do()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		if gid >= 0 {
			_ = unix.Setfsgid(gid)
		}
		if uid >= 0 {
			_ = unix.Setfsuid(uid)
			if now, _ := unix.SetfsuidRetUid(-1); now != uid {
				done <- fmt.Errorf("cannot take the file rights of user %d", uid)
				return
			}
		}
		done <- do()
	}()
	return <-done
}

// writeLatePidfile writes the pid into a file of the app's user, below the jail's root.
func (p *parent) writeLatePidfile(name string, snap *snapshot) error {
	if name == "" {
		return nil
	}
	f, err := snap.place(name).Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("cannot write pidfile: %w", err)
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot write pidfile: %w", err)
	}
	return nil
}

// foundLogs reopens and rotates the log when files have changed.
func (p *parent) foundLogs(l looked) {
	files := &p.newest.cfg.Log.Files
	if p.logTouch == nil {
		p.logTouch = map[string]stamp{}
	}
	for _, kind := range []struct {
		names []string
		what  string
		do    func()
	}{{files.TouchRotate, "rotating the log", p.setup.Logs.Rotate}, {files.TouchReopen, "reopening the log", p.setup.Logs.Reopen}} {
		for _, name := range kind.names {
			full := p.absolute(p.newest, name)
			now, ok := l.seen[full]
			if !ok {
				continue
			}
			last, known := p.logTouch[full]
			p.logTouch[full] = now
			if known && now != last {
				p.log.Info().Msgf("*** %s has been touched... %s !!! ***", name, kind.what)
				kind.do()
			}
		}
	}
}
