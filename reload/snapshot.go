package reload

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
)

// snapshot is a configuration that was read, checked and whose sockets are bound.
type snapshot struct {
	cfg  *config.Config
	spec jail.Spec
	uses []*listener // by socket of the configuration
	dir  string      // for relative paths, as the jail sees it
	env  *socketEnv
	uid  int // of the app on this machine, -1 = the parent's own
	gid  int
}

// snapshotOf checks a configuration against the machine and binds its sockets; those bound already are used again.
func (p *parent) snapshotOf(cfg *config.Config) (*snapshot, error) {
	spec, err := specOf(cfg, p.who)
	if err != nil {
		return nil, err
	}
	if cfg.Sockets.BindInJail {
		return nil, errors.New("cannot bind in the jail: bind-in-jail is not supported yet (leave it out: the parent binds, and the jail inherits)")
	}
	if spec.Root.Kind == jail.RootDir {
		if st, err := os.Stat(spec.Root.Path); err != nil {
			return nil, fmt.Errorf("cannot use rootfs %s: %w", spec.Root.Path, err)
		} else if !st.IsDir() {
			return nil, fmt.Errorf("cannot use rootfs %s: not a directory", spec.Root.Path)
		}
	}
	snap := &snapshot{cfg: cfg, spec: spec, uid: -1, gid: -1}
	if p.who.euid == 0 && (spec.Creds.UID != "" || spec.Creds.GID != "") {
		snap.uid, snap.gid, err = jail.LookupIDs(rootOf(&spec), spec.Creds)
		if err != nil && spec.PivotRoot == nil {
			return nil, err
		} else if err != nil {
			snap.uid, snap.gid = -1, -1 // names of a root that the hooks have yet to make: the master looks them up there
		}
	}
	dir := spec.Chdir
	if rootOf(&spec) == "" && dir == "" {
		dir = p.who.dir
	} else if dir == "" {
		dir = "/"
	}
	env, err := envOf(cfg, &spec, dir)
	if err != nil {
		return nil, err
	}
	snap.dir, snap.env = dir, env
	for i := range cfg.Sockets.List {
		s := &cfg.Sockets.List[i]
		own := *env
		own.tuning = env.tuning.of(s, &cfg.Sockets)
		l, err := p.listen(s, &own)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", s.Pos, err)
		}
		snap.uses = append(snap.uses, l)
	}
	return snap, nil
}

// rootOf is the directory that the jail's paths and names are below, "" for the host's own root.
func rootOf(spec *jail.Spec) string {
	if spec.Root.Kind == jail.RootDir {
		return spec.Root.Path
	}
	return spec.Chroot
}

// startup is how long a start waits for what the jail of a parent that was killed a moment ago still holds: addresses, an interface.
const startup = time.Second

// patience is none once something serves: then nothing may hold the owner up.
func (p *parent) patience() time.Duration {
	if p.plan.served {
		return 0
	}
	return startup
}

// listen finds the socket among those that are bound, or binds it.
func (p *parent) listen(s *config.Socket, env *socketEnv) (*listener, error) {
	key := socketKey(s.Addr, env)
	for i, l := range p.sockets {
		if l.key == key {
			if err := l.retune(env); err != nil {
				return nil, err
			}
			p.log.Info().Msgf("uwsgi socket %d inherited %s fd %d", i, l.name, l.fd())
			return l, nil
		}
	}
	l, err := bind(s.Addr, env)
	for deadline := time.Now().Add(p.patience()); errors.Is(err, unix.EADDRINUSE) && time.Now().Before(deadline); l, err = bind(s.Addr, env) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	if s.Front {
		p.log.Info().Msgf("uWSGI http bound on %s fd %d", s.Addr, l.fd())
	} else {
		p.log.Info().Msgf("uwsgi socket %d bound to %s fd %d", len(p.sockets), l.name, l.fd())
	}
	p.sockets = append(p.sockets, l)
	return l, nil
}
