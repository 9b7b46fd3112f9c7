package reload

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
)

// touchEvery is how often the watched files are looked at.
const touchEvery = time.Second

// touched is a file whose change asks for something. uWSGI compares whole seconds of the modification time and misses
// what happens within one; here the nanoseconds, the inode and the size count, and a file that appears or goes as well.
type touched struct {
	name   string
	action verdict.Action
	last   stamp
}

// stamp is what of a file tells that it changed.
type stamp struct {
	exists bool
	mtime  int64 // nanoseconds
	ino    uint64
	size   int64
}

// stampOf looks at a file below the root. A path that cannot be looked at counts as missing.
func stampOf(root, name string) stamp {
	var st unix.Stat_t
	if root == "" {
		if unix.Stat(name, &st) != nil {
			return stamp{}
		}
		return stamp{true, st.Mtim.Nano(), st.Ino, st.Size}
	}
	f, err := jail.OpenInRoot(root, name, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return stamp{}
	}
	defer f.Close()
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return stamp{}
	}
	return stamp{true, st.Mtim.Nano(), st.Ino, st.Size}
}

// watchFiles takes the files of a configuration; those watched already keep their last stamp.
func (p *parent) watchFiles(snap *snapshot) {
	old := map[string]stamp{}
	for _, t := range p.touched {
		old[t.name] = t.last
	}
	p.touched = nil
	cfg := &snap.cfg.Reload
	for _, kind := range []struct {
		names  []string
		action verdict.Action
	}{{cfg.Touch, verdict.ReloadAll}, {cfg.TouchWorkers, verdict.ReloadWorkers}, {cfg.TouchChain, verdict.ChainReload}} {
		for _, name := range kind.names {
			if !path.IsAbs(name) {
				name = path.Join(snap.dir, name)
			}
			last, known := old[name]
			if !known {
				last = stampOf(rootOf(&snap.spec), name)
			}
			p.touched = append(p.touched, &touched{name: name, action: kind.action, last: last})
		}
	}
}

// lookAtFiles asks for what changed files stand for, each wish once.
func (p *parent) lookAtFiles() {
	p.lookAtLogs()
	asked := map[verdict.Action]bool{}
	for _, t := range p.touched {
		now := stampOf(rootOf(&p.newest.spec), t.name)
		if now == t.last {
			continue
		}
		t.last = now
		p.log.Info().Msgf("*** %s has been touched... %s !!! ***", t.name, t.action)
		asked[t.action] = true
	}
	if asked[verdict.ReloadAll] { // which makes the others needless
		p.feed(evAsked{verdict.ReloadAll})
		return
	}
	for a := range asked {
		p.feed(evAsked{a})
	}
}
