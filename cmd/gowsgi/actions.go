package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/reload"
	"gowsgi/reload/verdict"
)

// carryOut does what the command line asks for instead of serving; done is false when serving goes on.
func carryOut(cfg *config.Config, stdout, stderr io.Writer) (code int, done bool) {
	var text string
	var err error
	switch a := cfg.Action; a.Kind {
	case config.ActionHelp:
		text = config.Help()
	case config.ActionVersion:
		text = fmt.Sprintf("gowsgi %s (uWSGI %s compatible)\n", version, uwsgiVersion)
	case config.ActionShowConfig:
		fmt.Fprint(stdout, cfg.Show())
		return 0, false
	case config.ActionCheckConfig:
		if err = checkBeyond(cfg); err == nil {
			text = cfg.Check()
		}
	case config.ActionExplain:
		text, err = config.Explain(a.Name)
	case config.ActionExplainJail:
		text, err = reload.ExplainJail(cfg)
	case config.ActionJailCheck:
		return jailCheck(stdout), true
	case config.ActionCompletion:
		text, err = config.Completion(a.Name)
	case config.ActionSignal:
		err = signalPidfile(a.Pidfile, a.Signal, stderr)
	case config.ActionPing:
		err = ping(a.Name, time.Duration(cfg.Stats.PingTimeout)*time.Second)
	case config.ActionGet, config.ActionDumpOptions, config.ActionList:
		printNames(cfg, stdout)
	case config.ActionExit:
		return a.Code, true
	default:
		return 0, false
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init, true
	}
	fmt.Fprint(stdout, text)
	return verdict.OK, true
}

// printNames prints values or names, one a line, and no more: what reads them is a script.
func printNames(cfg *config.Config, stdout io.Writer) {
	if cfg.Action.Kind == config.ActionDumpOptions {
		fmt.Fprintln(stdout, strings.Join(config.OptionNames(), "\n"))
	}
	for _, name := range cfg.Action.Names {
		if cfg.Action.Kind == config.ActionList {
			fmt.Fprint(stdout, config.Listing(name))
		} else if value, ok := cfg.Get(name); ok {
			fmt.Fprintln(stdout, value)
		}
	}
}

// checkBeyond looks at what the configuration's own package does not know: the jail and the hooks.
func checkBeyond(cfg *config.Config) error {
	if err := reload.CheckSpec(cfg); err != nil {
		return err
	}
	if _, err := workerHooks(&cfg.Isolation); err != nil {
		return err
	}
	if _, err := touchExecs(cfg); err != nil {
		return err
	}
	return nil
}

// jailCheck prints what this machine allows; the exit code is 1 when something is missing that a jail may need.
func jailCheck(stdout io.Writer) int {
	code := verdict.OK
	for _, f := range jail.Probe() {
		mark := "ok     "
		if !f.OK {
			mark, code = "MISSING", verdict.Init
		}
		fmt.Fprintf(stdout, "%s  %-40s %s\n", mark, f.What, f.Is)
		if !f.OK && f.Fix != "" {
			fmt.Fprintf(stdout, "         to have it: %s\n", f.Fix)
		}
	}
	return code
}

// signalPidfile sends a signal to the process whose pid is in a file and, for a reload and a stop, waits for what comes of it.
func signalPidfile(name, signal string, stderr io.Writer) error {
	pid, err := readPidfile(name)
	if err != nil {
		return err
	}
	switch signal {
	case "HUP":
		var known bool
		if known, err = reload.Reload(pid); err == nil && !known {
			fmt.Fprintf(stderr, "asked pid %d to reload; what comes of it is in its log, as it is no gowsgi parent\n", pid)
		}
	case "INT":
		err = reload.Stop(pid)
	case "USR2":
		err = reload.Upgrade(pid)
	default:
		sig := unix.SignalNum("SIG" + signal)
		if sig == 0 {
			return fmt.Errorf("cannot send signal %q: no such signal", signal)
		}
		err = reload.Signal(pid, sig)
	}
	if err != nil {
		return fmt.Errorf("%w (pid from %s)", err, name)
	}
	return nil
}

// readPidfile refuses a file that holds anything but one positive number: uWSGI reads it as 0 and signals the caller's own
// process group.
func readPidfile(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("cannot read pidfile: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("cannot use pidfile %s: %.40q is not a pid", name, strings.TrimSpace(string(text)))
	}
	return pid, nil
}
