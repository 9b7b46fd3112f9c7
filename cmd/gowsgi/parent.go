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

	"gowsgi/config"
	"gowsgi/reload"
	"gowsgi/reload/verdict"
)

// runParent is the role of whoever the user starts: read the configuration, do what it asks for.
func runParent(args, env []string, stdin io.Reader, stdout, stderr *os.File) int {
	daemon, env := asDaemon(env)
	heard := &bytes.Buffer{} // what comes on standard input, for the process in the background
	options := config.Options{Args: args, Env: env, Stdin: io.TeeReader(stdin, heard), Exec: shellOutput, ReadFD: readFD, Lookup: lookupHost, Fetch: fetchURL}
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
	return serve(cfg, options, env, daemon, stderr)
}

// logPatience is how long the end waits for whoever reads the log.
const logPatience = 2 * time.Second

func serve(cfg *config.Config, options config.Options, env []string, daemon *daemon, stderr *os.File) int {
	hub, err := openHub(cfg, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	}
	defer hub.Close(logPatience)
	terminal := hub.Terminal() != nil && isTerminal(hub.Terminal())
	log := newLogger(dated(hub, cfg.Log.Date, cfg.Log.JSON), cfg.Log.JSON, terminal)
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
	log.Info().Msgf("*** Starting gowsgi %s (a uWSGI-compatible server, pid: %d) ***", version, os.Getpid())
	for _, name := range cfg.Files {
		log.Info().Msgf("[uWSGI] getting configuration from %s", name)
	}
	warn := func(c *config.Config) {
		for _, w := range c.Warnings {
			log.Warn().Msg(w.Error())
		}
		for _, line := range c.Prints {
			log.Info().Msg(line)
		}
	}
	warn(cfg)
	if len(cfg.Sockets.List) == 0 {
		log.Error().Msg("The -s/--socket option is missing and stdin is not a socket. (give one of socket, http-socket, http11-socket)")
		return verdict.Init
	}
	options.Reload = true
	options.Stdin = strings.NewReader("") // what came on standard input is gone
	return reload.Run(reload.Setup{
		Config: cfg,
		Load: func() (*config.Config, error) {
			next, err := loadAgain(options)
			if err == nil {
				warn(next)
			}
			return next, err
		},
		Payload: payload(env, terminal),
		Serving: daemon.detach,
		Log:     log, Logs: hub, Version: version,
	})
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
