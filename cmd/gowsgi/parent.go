package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gowsgi/cmd/gowsgi/inner"
	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/reload"
	"gowsgi/reload/logs"
	"gowsgi/reload/verdict"
)

// runParent is the role of whoever the user starts: read the configuration, do what it asks for.
func runParent(args, env []string, stdin io.Reader, stdout, stderr *os.File) int {
	daemon, env := asDaemon(env)
	heard := &bytes.Buffer{} // what comes on standard input, for the process in the background
	options := world(args, env)
	options.Stdin = io.TeeReader(stdin, heard)
	cfg, err := config.Load(options)
	if err != nil {
		printProblems(stderr, err)
		return verdict.Init
	}
	if code, done := carryOut(cfg, stdout, stderr); done {
		return code
	}
	if cfg.Log.Daemon.File != "" && !daemon.started() && os.Getpid() != 1 {
		return background(heard.Bytes(), stderr)
	}
	return serve(cfg, options, daemon, stderr)
}

// world is what a configuration may look at.
func world(args, env []string) config.Options {
	return config.Options{Args: args, Env: env, Exec: shellOutput, ReadFD: readFD, Lookup: lookupHost, Fetch: fetchURL}
}

// logPatience is how long the end waits for whoever reads the log.
const logPatience = 2 * time.Second

func serve(cfg *config.Config, options config.Options, daemon *daemon, stderr *os.File) int {
	if err := becomeAtOnce(&cfg.Security); err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	}
	hub, log, terminal, err := startLog(cfg, daemon, nil, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	}
	defer hub.Close(logPatience)
	log.Info().Msgf("*** Starting gowsgi %s (a uWSGI-compatible server, pid: %d) ***", version, os.Getpid())
	for _, name := range cfg.Files {
		log.Info().Msgf("[uWSGI] getting configuration from %s", name)
	}
	warn(log, cfg)
	activated := reload.Activated(os.Getenv)
	if len(activated) > 0 {
		log.Info().Msg("- SystemD socket activation detected -") // uWSGI's words
	}
	if err := reload.Adopt(cfg, activated); err != nil {
		log.Error().Msg(err.Error())
		return verdict.Init
	}
	if len(cfg.Sockets.List) == 0 {
		log.Error().Msg("The -s/--socket option is missing and stdin is not a socket. (give one of socket, http-socket, http11-socket)")
		return verdict.Init
	}
	setup := setupOf(cfg, options, activated, log)
	setup.Logs, setup.Payload, setup.Serving = hub, payload(terminal), daemon.detach
	return reload.Run(setup)
}

// setupOf is what does not depend on whether this process has just started.
func setupOf(cfg *config.Config, options config.Options, activated []int, log zerolog.Logger) reload.Setup {
	options.Reload = true
	options.Stdin = strings.NewReader("") // what came on standard input is gone
	return reload.Setup{
		Config: cfg,
		Load: func() (*config.Config, error) {
			next, err := loadAgain(options)
			if err != nil {
				return nil, err
			}
			warn(log, next)
			return next, reload.Adopt(next, activated)
		},
		Log: log, Version: version, Activated: activated, Binary: binaryFinder(),
	}
}

// warn tells what the configuration has to be told of.
func warn(log zerolog.Logger, c *config.Config) {
	for _, w := range c.Warnings {
		log.Warn().Msg(w.Error())
	}
	for _, line := range c.Prints {
		log.Info().Msg(line)
	}
}

// startLog opens the log and the logger that writes to it; terminal tells whether somebody looks on.
func startLog(cfg *config.Config, daemon *daemon, handed *logs.Handover, stderr *os.File) (hub *logs.Hub, log zerolog.Logger, terminal bool, err error) {
	if hub, err = openHub(cfg, handed, stderr); err != nil {
		return nil, log, false, err
	}
	terminal = hub.Terminal() != nil && isTerminal(hub.Terminal())
	log = inner.NewLogger(inner.Dated(hub, cfg.Log.Date, cfg.Log.JSON), cfg.Log.JSON, terminal)
	if daemon.started() {
		log = log.Hook(daemon.tellCaller(stderr))
	}
	hub.Tell(func(text string, bad bool) {
		if bad {
			log.Error().Msg(text)
		} else {
			log.Info().Msg(text)
		}
	})
	return hub, log, terminal, nil
}

// becomeAtOnce gives the parent itself the ids of immediate-uid and immediate-gid.
func becomeAtOnce(s *config.Security) error {
	if s.ImmediateUID == "" && s.ImmediateGID == "" {
		return nil
	}
	return jail.Become(jail.Creds{UID: s.ImmediateUID, GID: s.ImmediateGID})
}

// loadAgain is config.Load for a parent that serves: a fault of ours in it must cost the reload, not the parent.
func loadAgain(options config.Options) (cfg *config.Config, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			cfg, err = nil, fmt.Errorf("cannot read the configuration, by a fault of the program: %v\n%s", fault, debug.Stack())
		}
	}()
	return config.Load(options)
}

// printProblems writes each problem of a configuration on a line of its own.
func printProblems(stderr io.Writer, err error) {
	var all config.Diagnostics
	if !errors.As(err, &all) {
		fmt.Fprintln(stderr, err)
		return
	}
	for _, d := range all {
		fmt.Fprintln(stderr, d.Error())
	}
}
