package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"gowsgi/config"
	"gowsgi/master"
	"gowsgi/reload"
	"gowsgi/worker"
)

// helpers is what the runtime is told of mules and spoolers.
func helpers(cfg *config.Config) worker.Helpers {
	h := worker.Helpers{Mules: cfg.Mules.List, RecvSize: cfg.Mules.RecvSize}
	for _, farm := range cfg.Mules.Farms {
		h.Farms = append(h.Farms, worker.Farm{Name: farm.Name, Mules: farm.Mules})
	}
	s := &cfg.Spooler
	h.Spool = worker.Spool{
		Processes: s.Processes, Frequency: s.Frequency, Quiet: s.Quiet, SigTask: s.SignalAsTask, MaxTasks: s.MaxTasks,
		Chdir: s.Chdir, Imports: s.Imports,
	}
	for _, c := range cfg.Caches.List {
		one := worker.Cache{
			Name: c.Name, Items: c.Items, Blocks: c.Blocks, BlockSize: c.BlockSize, KeySize: c.KeySize, Bitmap: c.Bitmap, PurgeLRU: c.PurgeLRU,
			ClearOnFull: c.ClearOnFull, IgnoreFull: c.IgnoreFull, NoExpire: c.NoExpire, MathInitial: c.MathInitial,
			Buckets: max(c.Items, 64),
			Salt:    fmt.Sprintf("%016x", rand.Uint64()),
		}
		if c.Store != "" {
			one.Store = seenInside(cfg, c.Store)
		}
		h.Caches = append(h.Caches, one)
	}
	for _, item := range cfg.Caches.Items {
		h.CacheItems = append(h.CacheItems, [4]string{item.Cache, item.Key, item.Value, item.File})
	}
	for _, dir := range s.Dirs {
		h.Spool.Dirs = append(h.Spool.Dirs, worker.SpoolDir{Path: seenInside(cfg, dir.Path), External: dir.External})
	}
	return h
}

// seenInside makes a relative path absolute. Without a root of its own the app sees the directory that we were started in, as
// with uWSGI; in one the master takes it from where it stands.
func seenInside(cfg *config.Config, name string) string {
	if filepath.IsAbs(name) || cfg.Jail.Namespace != "" || cfg.Isolation.Chroot != "" || cfg.Isolation.PivotNew != "" {
		return name
	}
	if dir, err := filepath.Abs(name); err == nil {
		return dir
	}
	return name
}

func signalSettings(cfg *config.Config) master.SignalSettings {
	var set master.SignalSettings
	for _, t := range cfg.Signals.Timers {
		set.Timers = append(set.Timers, master.SignalTimer(t))
	}
	for _, f := range cfg.Signals.Touch {
		set.Touch = append(set.Touch, master.SignalFile{Path: seenInside(cfg, f.Path), Signal: f.Signal})
	}
	for _, f := range cfg.Signals.Monitors {
		set.Monitors = append(set.Monitors, master.SignalFile{Path: seenInside(cfg, f.Path), Signal: f.Signal})
	}
	return set
}

// helperSettings is what the master is told of them.
func helperSettings(cfg *config.Config) master.HelperSettings {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	return master.HelperSettings{
		MuleMercy: seconds(cfg.Mules.ReloadMercy), MuleHarakiri: seconds(cfg.Mules.Harakiri), MuleMsgSize: cfg.Mules.MsgSize,
		TouchMules:   cfg.Mules.Touch,
		SpoolerMercy: seconds(reload.SpoolerMercy), SpoolerHarakiri: seconds(cfg.Spooler.Harakiri), TouchSpoolers: cfg.Spooler.Touch,
	}
}
