package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gowsgi/reload"
	"gowsgi/reload/verdict"
)

// runUpgraded goes on where an earlier image of this process stood.
func runUpgraded(handed *reload.Handed, args []string, stderr *os.File) int {
	giveBack := func(err error) int {
		fmt.Fprintln(stderr, handed.GiveBack(err)) // it does not return, unless there is nobody to give it to
		return verdict.Init
	}
	state := handed.State
	hub, log, terminal, err := startLog(state.Config, &daemon{}, &state.Logs, stderr)
	if err != nil {
		return giveBack(err)
	}
	defer hub.Close(logPatience)
	setup := setupOf(state.Config, world(args, os.Environ()), reload.Activated(os.Getenv), log)
	setup.Logs, setup.Payload, setup.Serving, setup.Handed = hub, payload(terminal), func() {}, handed
	return reload.Run(setup)
}

// couldTakeOver is asked in a child of the running parent, before anything is changed: the configuration must be one that we understand.
func couldTakeOver(s *reload.State) error {
	options := world(s.Args, os.Environ())
	options.Reload = true
	options.Stdin = strings.NewReader("")
	cfg, err := loadAgain(options)
	if err != nil {
		return err
	}
	return checkBeyond(cfg)
}

// binaryFinder finds the binary that is installed now under the name by which we were started. A name that means another program, or none,
// is passed over for the path of our own image.
func binaryFinder() func() string {
	name, err := startedAs(os.Args[0])
	if err == nil {
		err = isOurs(name)
	}
	if err == nil {
		return func() string { return name }
	}
	own, err := os.Executable()
	if err != nil {
		own = "/proc/self/exe"
	}
	own = strings.TrimSuffix(own, " (deleted)") // what the kernel adds once another file has the name
	return func() string { return own }
}

func startedAs(name string) (string, error) {
	if strings.Contains(name, "/") {
		return filepath.Abs(name)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isOurs(path) == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("it is not in PATH")
}

// isOurs tells whether the file is the one that this process executes.
func isOurs(name string) error {
	there, err := os.Stat(name)
	if err != nil {
		return err
	}
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	if !os.SameFile(there, own) {
		return errors.New("another program has the name")
	}
	return nil
}
