package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/reload"
	"gowsgi/reload/logs"
	"gowsgi/reload/verdict"
)

// runParent is the role of whoever the user starts: read the configuration, do what it asks for.
func runParent(args, env []string, stdin io.Reader, stdout, stderr *os.File) int {
	options := config.Options{Args: args, Env: env, Stdin: stdin, Exec: shellOutput, ReadFD: readFD, Lookup: lookupHost, Fetch: fetchURL}
	cfg, err := config.Load(options)
	if err != nil {
		printProblems(stderr, err)
		return verdict.Init
	}
	if code, done := carryOut(cfg, stdout, stderr); done {
		return code
	}
	return serve(cfg, options, stderr)
}

// logPatience is how long the end waits for whoever reads the log.
const logPatience = 2 * time.Second

func serve(cfg *config.Config, options config.Options, stderr *os.File) int {
	if err := becomeAtOnce(&cfg.Security); err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	}
	logFile, err := openLog(cfg.Log.File, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	}
	terminal := isTerminal(logFile)
	hubSettings := logs.Settings{Out: logFile, Direct: direct(logFile, &cfg.Log) && len(cfg.Alarms.Logs) == 0, Notice: droppedLine(cfg.Log.JSON)}
	if cfg.Log.JSON {
		hubSettings.Wrap = jsonLine
	}
	hub := logs.New(hubSettings)
	defer hub.Close(logPatience)
	log := newLogger(hub, cfg.Log.JSON, terminal)
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
	options.Reload = true
	options.Stdin = strings.NewReader("") // what came on standard input is gone
	return reload.Run(reload.Setup{
		Config: cfg,
		Load: func() (*config.Config, error) {
			next, err := loadAgain(options)
			if err != nil {
				return nil, err
			}
			warn(next)
			return next, reload.Adopt(next, activated)
		},
		Payload: payload(terminal),
		Log:     log, Logs: hub, Version: version,
	})
}

// becomeAtOnce gives the parent itself the ids of immediate-uid and immediate-gid.
func becomeAtOnce(s *config.Security) error {
	if s.ImmediateUID == "" && s.ImmediateGID == "" {
		return nil
	}
	return jail.Become(jail.Creds{UID: s.ImmediateUID, GID: s.ImmediateGID})
}

// openLog gives the log: a file of that name, else what the caller has as standard error.
func openLog(name string, stderr *os.File) (*os.File, error) {
	if name == "" {
		return stderr, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	return f, nil
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

// withoutService is the environment without what a service manager means for its own child.
func withoutService(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(reload.ServiceEnv, name)
	})
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
