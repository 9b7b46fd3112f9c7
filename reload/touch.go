package reload

import (
	"path"
	"slices"
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
	known  bool // last was looked at
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

// looking is the goroutine that looks at files: their file system may hang, and the owner must not.
type looking struct {
	running bool
	done    chan looked
}

// looked is what it has found.
type looked struct {
	root     string // that the names are below
	seen     map[string]stamp
	monitor  *monitor
	appeared []int // watches of the monitor
	err      error
}

// lookPatience is how long a configuration that is taken over waits for the first look at its files.
const lookPatience = time.Second

// absolute makes a path of the configuration absolute, as the jail sees it.
func (p *parent) absolute(snap *snapshot, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(snap.dir, name)
}

// watchFiles takes the files of a configuration; those watched already keep their last stamp. What changes from then on counts.
func (p *parent) watchFiles(snap *snapshot) {
	old := map[string]*touched{}
	for _, t := range p.touched {
		old[t.name] = t
	}
	p.touched = nil
	cfg := &snap.cfg.Reload
	for _, kind := range []struct {
		names  []string
		action verdict.Action
	}{{cfg.Touch, verdict.ReloadAll}, {cfg.TouchWorkers, verdict.ReloadWorkers}, {cfg.TouchChain, verdict.ChainReload}} {
		for _, name := range kind.names {
			t := &touched{name: p.absolute(snap, name), action: kind.action}
			if was := old[t.name]; was != nil {
				t.last, t.known = was.last, was.known
			}
			p.touched = append(p.touched, t)
		}
	}
	p.watchFS(snap)
	if len(p.touched) == 0 && p.monitor == nil {
		return
	}
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	for range 2 { // a look that is under way may be older than these files
		fresh := !p.looking.running
		p.lookAtFiles()
		select {
		case l := <-p.looking.done:
			p.looking.running = false
			p.baseline(l)
		case <-patience.C:
			return
		}
		if fresh {
			return
		}
	}
}

// baseline takes the stamps of files that had none.
func (p *parent) baseline(l looked) {
	p.warn(l.err)
	if l.root != rootOf(&p.newest.spec) {
		return
	}
	for _, t := range p.touched {
		if now, ok := l.seen[t.name]; ok && !t.known {
			t.last, t.known = now, true
		}
	}
}

// lookAtFiles has all watched files looked at, unless the last look still goes on.
func (p *parent) lookAtFiles() {
	if p.looking.running {
		return
	}
	var names []string
	for _, t := range p.touched {
		names = append(names, t.name)
	}
	files := &p.newest.cfg.Log.Files
	for _, name := range append(slices.Clone(files.TouchRotate), files.TouchReopen...) {
		names = append(names, p.absolute(p.newest, name))
	}
	if len(names) == 0 && p.monitor == nil {
		return
	}
	p.looking.running = true
	l := looked{root: rootOf(&p.newest.spec), seen: map[string]stamp{}, monitor: p.monitor}
	done := p.looking.done
	go func() {
		for _, name := range names {
			l.seen[name] = stampOf(l.root, name)
		}
		if l.monitor != nil {
			l.appeared, l.err = l.monitor.renew()
		}
		done <- l
	}()
}

// found asks for what changed files stand for, each wish once.
func (p *parent) found(l looked) {
	p.looking.running = false
	if l.root != rootOf(&p.newest.spec) {
		return
	}
	p.baseline(l)
	p.foundLogs(l)
	asked := map[verdict.Action]bool{}
	for _, t := range p.touched {
		now, ok := l.seen[t.name]
		if !ok || now == t.last {
			continue
		}
		t.last = now
		p.log.Info().Msgf("*** %s has been touched... %s !!! ***", t.name, t.action)
		asked[t.action] = true
	}
	p.fsChange(fsChanged{l.monitor, l.appeared})
	if asked[verdict.ReloadAll] { // which makes the others needless
		p.feed(evAsked{verdict.ReloadAll})
		return
	}
	for a := range asked {
		p.feed(evAsked{a})
	}
}
