package reload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/metrics"
)

// pushing is what pushes figures to others: one goroutine a target, which may wait for its server without anybody waiting for it.
type pushing struct {
	stop context.CancelFunc
	as   []pushTarget
}

// pushTarget is all that a target is made from: one that a reload did not change goes on with what it counted.
type pushTarget struct {
	push   config.Push
	carbon config.Carbon
	stats  config.Stats
	root   string
	dir    string
	id     string
	own    [2]int
}

// startPushing starts the targets of the newest configuration, unless they are those that run.
func (p *parent) startPushing() {
	targets := pushTargets(p.newest)
	if reflect.DeepEqual(targets, p.pushing.as) {
		return
	}
	if p.pushing.stop != nil {
		p.pushing.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	p.pushing = pushing{stop: stop, as: targets}
	source := func() metrics.Moment {
		snap, info := p.figures()
		return metrics.Moment{Snapshot: snap, Info: info}
	}
	for _, t := range targets {
		target, schedule, name := t.make()
		if t.push.Kind != "" {
			target = resetting{target, &p.metrics.keeper}
		}
		log := p.log
		go metrics.RunPush(ctx, target, schedule, source, func(err error) {
			if err != nil {
				log.Warn().Msgf("cannot push statistics to %s: %v", name, err)
			} else {
				log.Info().Msgf("Pushing statistics to %s works again", name)
			}
		})
	}
}

func pushTargets(snap *snapshot) []pushTarget {
	s := snap.cfg.Stats
	base := pushTarget{root: snap.env.root, dir: snap.dir, own: [2]int{snap.uid, snap.gid}}
	base.stats.Minified, base.stats.NoCores, base.stats.NoMetrics = s.Minified, s.NoCores, s.NoMetrics
	base.stats.StatsdAllGauges, base.stats.StatsdNoWorkers = s.StatsdAllGauges, s.StatsdNoWorkers
	var list []pushTarget
	for _, push := range s.Push {
		t := base
		t.push = push
		if t.push.Freq == 0 {
			t.push.Freq = s.PushFreq
		}
		list = append(list, t)
	}
	for _, server := range s.Carbon.Servers {
		t := base
		t.push.To, t.carbon = server, s.Carbon
		t.carbon.Servers = nil
		if t.id = s.Carbon.ID; t.id == "" && len(snap.uses) > 0 {
			t.id = strings.ReplaceAll(snap.uses[0].addr, ".", "_")
		}
		list = append(list, t)
	}
	return list
}

// make builds the target. The name is for the log.
func (t *pushTarget) make() (target metrics.Target, s metrics.Schedule, name string) {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	s.Every = seconds(t.push.Freq)
	switch t.push.Kind {
	case "file":
		return &metrics.FileTarget{Open: t.open, Separator: t.push.Separator, Options: statsOptions(&t.stats)}, s, t.push.To
	case "socket":
		return metrics.NewSocketTarget(t.push.To, t.push.Prefix), s, t.push.To
	case "statsd":
		target := metrics.NewStatsdTarget(t.push.To, t.push.Prefix)
		target.AllGauges, target.NoWorkers = t.stats.StatsdAllGauges, t.stats.StatsdNoWorkers
		return target, s, "statsd " + t.push.To
	}
	c := &t.carbon
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if c.HostnameDots != "" {
		host = strings.ReplaceAll(host, ".", c.HostnameDots)
	}
	s = metrics.Schedule{Every: seconds(c.Freq), Retries: c.MaxRetry, RetryAfter: seconds(c.RetryDelay)}
	return &metrics.CarbonTarget{
		Addr: t.push.To, Prefix: c.Root + "." + host + "." + t.id, Timeout: seconds(c.Timeout),
		NoWorkers: c.NoWorkers, UseMetrics: c.UseMetrics, IdleAvg: c.IdleAvg,
	}, s, "carbon " + t.push.To
}

// open opens the file of a push for appending.
func (t *pushTarget) open() (*os.File, error) {
	name := t.push.To
	if !path.IsAbs(name) {
		name = path.Join(t.dir, name)
	}
	return openForApp(t.root, name, unix.O_WRONLY|unix.O_APPEND, t.own)
}

// openForApp opens a file that the app may have under its hands, and makes it for the app's user when it is not there. The path is one
// below root, and what stands there must be a plain file with this one name: a fifo would hold us up, a link would lead elsewhere.
func openForApp(root, name string, flags int, own [2]int) (*os.File, error) {
	dir, err := openDir(root, path.Dir(path.Clean(name)))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	base := path.Base(name)
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(int(dir.Fd()), base, flags|unix.O_CREAT|unix.O_EXCL, 0o640)
	made := err == nil
	if errors.Is(err, unix.EEXIST) {
		fd, err = unix.Openat(int(dir.Fd()), base, flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot look at %s: %w", name, err), f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 {
		return nil, errors.Join(fmt.Errorf("cannot write to %s: it is not a plain file of one name", name), f.Close())
	}
	if made && (own[0] >= 0 || own[1] >= 0) {
		if err := unix.Fchown(fd, own[0], own[1]); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot give %s to the app's user: %w", name, err), f.Close())
		}
	}
	return f, nil
}
