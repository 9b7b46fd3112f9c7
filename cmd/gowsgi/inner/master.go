// Package inner is the role that our own binary plays inside a jail, "@master": PID 1.
//
// It runs while the program's packages are still being initialized, and never returns. Go initializes them in the order of their paths, each as soon
// as what it imports has been: this one before net/http, crypto/tls and client_golang, which only the parent needs and whose start would cost
// each jail a tenth of its building. Should a release of Go choose another order, the master starts later and does the same.
package inner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "gowsgi/early"
	"gowsgi/jail"
	"gowsgi/master"
	"gowsgi/reload/logs"
	"gowsgi/reload/verdict"
)

// Role is the hidden first argument.
const Role = "@master"

func init() {
	if len(os.Args) > 1 && os.Args[1] == Role {
		os.Exit(runMaster(os.Stderr))
	}
}

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
	channel, pipes := logEnds(&set)
	out := logs.NewMasterSink(stderr, channel, DroppedLine(set.LogJSON))
	defer out.Close(time.Second)
	log := NewLogger(Dated(out, set.LogDate, set.LogJSON), set.LogJSON, set.LogTerminal)
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
	return master.Run(&set, master.Resources{
		Conn:      conn,
		Board:     os.NewFile(jail.FDBoard, "scoreboard"),
		Listeners: listeners,
		App:       audit.App,
		AppLog:    stderr,
		Channel:   channel,
		Pipes:     pipes,
		Log:       log,
	})
}

// logEnds are the descriptors that the parent gave for the log: none when everything here writes to the log by itself.
func logEnds(set *master.Settings) (channel *os.File, pipes []*os.File) {
	if set.LogPipes == 0 {
		return nil, nil
	}
	fd := jail.FDListeners + len(set.Conf.Sockets)
	channel = os.NewFile(uintptr(fd), "log channel")
	for i := range set.LogPipes {
		pipes = append(pipes, os.NewFile(uintptr(fd+1+i), "log pipe"))
	}
	return channel, pipes
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
