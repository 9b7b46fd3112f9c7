package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/master"
	"gowsgi/reload/verdict"
)

// runMaster is the role of PID 1: receive the boot, enter the jail, run. What cannot be done is told to the parent, who
// logs it: one line, once.
func runMaster(stderr *os.File) int {
	boot, conn, err := jail.Receive()
	if err != nil {
		fmt.Fprintf(stderr, "gowsgi @master: %v\n", err)
		return verdict.Init
	}
	var set master.Settings
	if err := json.Unmarshal(boot.Payload, &set); err != nil {
		return failed(conn, jail.Message{Type: jail.MsgStepFailed, Step: "boot", Message: fmt.Sprintf("cannot read the master's settings: %v", err)}, stderr)
	}
	if err := jail.SetSubreaper(); err != nil {
		return failed(conn, jail.Message{Type: jail.MsgStepFailed, Step: "subreaper", Message: err.Error()}, stderr)
	}
	// Executed by descriptor, we would be called by its number in ps.
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&[]byte("gowsgi\x00")[0])), 0, 0, 0); err != nil {
		fmt.Fprintf(stderr, "gowsgi @master: cannot set the process name: %v\n", err)
	}
	lend(set.Env, stderr)
	log := newLogger(stderr, set.LogJSON, set.LogTerminal)
	audit, err := jail.Enter(boot.Spec, func(text string) { log.Info().Msg(text) })
	set.Env = os.Environ()
	if err != nil {
		msg := jail.Message{Type: jail.MsgStepFailed, Message: err.Error()}
		if step := (*jail.StepError)(nil); errors.As(err, &step) {
			msg = step.Message()
		}
		return failed(conn, msg, stderr)
	}
	if err := conn.Send(jail.Message{Type: jail.MsgEntered, Audit: &audit}); err != nil {
		fmt.Fprintf(stderr, "gowsgi @master: %v\n", err)
		return verdict.Init
	}
	var listeners []*os.File
	for i := range set.Conf.Sockets {
		l, err := jail.QuietFile(jail.FDListeners+i, "listener")
		if err != nil {
			return failed(conn, jail.Message{Type: jail.MsgStepFailed, Step: "listeners", Message: err.Error()}, stderr)
		}
		listeners = append(listeners, l)
	}
	appLog, direct := stderr, (*os.File)(nil)
	if set.LogJSON {
		direct = stderr // the runtime writes JSON itself
		if appLog, err = wrapLines(log); err != nil {
			return failed(conn, jail.Message{Type: jail.MsgStepFailed, Step: "log", Message: err.Error()}, stderr)
		}
	}
	return master.Run(&set, master.Resources{
		Conn:      conn,
		Board:     os.NewFile(jail.FDBoard, "scoreboard"),
		Listeners: listeners,
		App:       audit.App,
		AppLog:    appLog,
		Direct:    direct,
		Log:       log,
	})
}

func failed(conn *jail.Conn, msg jail.Message, stderr *os.File) int {
	if err := conn.Send(msg); err != nil {
		fmt.Fprintf(stderr, "gowsgi @master: %s (and %v)\n", msg.Message, err)
	}
	return verdict.Init
}

// lend makes the app's environment that of this process: hooks see it, and what they change of it is the app's.
func lend(env []string, stderr *os.File) {
	os.Clearenv()
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); name != "" && err != nil {
			fmt.Fprintf(stderr, "gowsgi @master: cannot set the variable %q: %v\n", name, err)
		}
	}
}
