package reload

import (
	"errors"
	"fmt"
	"os"

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
	if err := p.giveIDs(&spec); err != nil {
		return nil, err
	}
	if err := checkMetrics(cfg); err != nil {
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
	if spec.UIDMap != nil { // sockets are the host's, and so are their owners
		snap.uid, snap.gid = jail.ToOutside(spec.UIDMap, snap.uid), jail.ToOutside(spec.GIDMap, snap.gid)
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
