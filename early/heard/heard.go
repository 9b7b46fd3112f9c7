// Package heard listens to signals before nearly all other packages are initialized, in a process that takes over from an earlier image of itself:
// until somebody listens, most of these would end it. Go initializes packages in the order of their paths, each as soon as what it imports has
// been, so this one comes before those that take their time.
package heard

import (
	"os"
	"os/signal"
	"syscall"
)

// Variable names the descriptor of the state that an earlier image of the parent has left.
const Variable = "GOWSGI_STATE"

// List are the signals that mean something to the parent.
var List = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGTSTP, syscall.SIGUSR2}

// Signals are those that came since this image began, when there is a state.
var Signals = listen()

func listen() chan os.Signal {
	came := make(chan os.Signal, 64)
	if os.Getenv(Variable) != "" {
		signal.Notify(came, List...)
	}
	return came
}
