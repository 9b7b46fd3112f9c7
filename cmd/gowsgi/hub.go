package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gowsgi/cmd/gowsgi/inner"
	"gowsgi/config"
	"gowsgi/reload/logs"
	"gowsgi/worker"
)

// openHub opens the log that the configuration names.
func openHub(cfg *config.Config, handed *logs.Handover, stderr *os.File) (*logs.Hub, error) {
	c := &cfg.Log
	set := logs.Settings{
		Out:    stderr,
		Handed: handed,
		File:   logs.FileOptions{Truncate: c.Files.Truncate, MaxSize: c.Files.MaxSize, Backup: c.Files.Backup},
		Notice: inner.DroppedLine(c.JSON),
		Direct: func(f *os.File) bool { return direct(f, c) && !renamed(cfg) && len(cfg.Alarms.Logs) == 0 },
	}
	if c.JSON {
		set.Wrap = inner.JSONLine
	}
	path := c.Files.To
	if c.Daemon.File != "" && !c.Daemon.Late {
		path = c.Daemon.File
	}
	if path != "" {
		set.Place = logs.HostPlace(path)
		if mode, err := strconv.ParseUint(c.Files.Chmod, 8, 12); err == nil {
			set.Place.Mode = uint32(mode)
		}
	}
	var err error
	if set.Sort.Loggers, err = loggers(c.Sort.Loggers, &c.Daemon); err != nil {
		return nil, err
	}
	if set.Sort.ReqLoggers, err = loggers(c.Sort.ReqLoggers, &c.Daemon); err != nil {
		return nil, err
	}
	for _, r := range c.Sort.Routes {
		set.Sort.Routes = append(set.Sort.Routes, logs.Route(r))
	}
	for _, r := range c.Sort.ReqRoutes {
		set.Sort.ReqRoutes = append(set.Sort.ReqRoutes, logs.Route(r))
	}
	set.Sort.Encoders, set.Sort.ReqEncoders = c.Sort.Encoders, c.Sort.ReqEncoders
	set.Sort.Filters, set.Sort.Drains = c.Sort.Filters, c.Sort.Drains
	return logs.New(set)
}

// loggers are those of the configuration. In the background standard output is the file of daemonize, not the terminal that was left.
func loggers(list []config.Logger, daemon *config.Daemonizing) ([]logs.Logger, error) {
	var all []logs.Logger
	for _, l := range list {
		standard := l.Type == "stdio" || l.Type == "fd" && (l.Arg == "" || l.Arg == "1" || l.Arg == "2")
		if standard && daemon.File != "" {
			if daemon.Late {
				return nil, fmt.Errorf("cannot use the logger %s with daemonize2: there is no terminal in the background (use daemonize, or leave the logger out)", l.Type)
			}
			l.Type, l.Arg = "file", daemon.File
		}
		all = append(all, logs.Logger(l))
	}
	return all, nil
}

// renamed tells whether the log file may be given another name by a letter of the master fifo, so that nobody but the parent may hold it
// open.
func renamed(cfg *config.Config) bool {
	return len(cfg.Reload.Fifos) > 0 && (cfg.Log.Files.To != "" || cfg.Log.Daemon.File != "")
}

// requestLog makes the runtime's settings of what the configuration says of request lines.
func requestLog(c *config.Log) worker.RequestLog {
	r := &c.Requests
	log := worker.RequestLog{
		All: !c.DisableRequests, Format: r.Format, Escape: isJSON(r.Format), Micros: r.Micros, XFF: r.XFF, Memory: r.Memory,
		E4xx: r.E4xx, E5xx: r.E5xx, Zero: r.Zero, Sendfile: r.Sendfile, IOError: r.IOError, Slow: r.Slow, Big: r.Big,
	}
	if r.Strftime {
		log.Strftime = c.Date
	}
	return log
}

// isJSON tells whether a format is meant to make JSON: what clients send is escaped then, so that it stays JSON.
func isJSON(format string) bool {
	if !strings.HasPrefix(format, "{") {
		return false
	}
	variable := regexp.MustCompile(`%\([^)]*\)`)
	filled := variable.ReplaceAllString(format, "0")
	return json.Valid([]byte(filled))
}
