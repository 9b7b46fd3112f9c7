// The Go runtime would keep files of the host's control groups open to follow a CPU limit, in the jail's master too.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command gowsgi is a uWSGI-compatible process master whose apps live in namespace jails. See README.md.
//
// One binary plays several roles, picked by a hidden first argument: without one it is the parent, "@master" is PID 1 of a jail (package inner),
// "@probe" tells whether it could take over from a running parent.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"gowsgi/reload"
	"gowsgi/reload/verdict"
)

// version is the release; the build may override it with -ldflags "-X main.version=...".
var version = "0.1.0"

// uwsgiVersion is what apps and tools are told when they ask for uWSGI's version.
const uwsgiVersion = "2.0.21"

func main() {
	// The first thread is for this goroutine, which in parent and master is the owner that never blocks: the kernel gives a signal to the first
	// thread whenever it can (signal(7)), and would not be heard with another goroutine on it that is stuck in a file system that hangs.
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code.
func run(args, env []string, stdin io.Reader, stdout, stderr *os.File) int {
	if len(args) > 0 {
		if args[0] == reload.ProbeRole {
			return reload.Probe(version, couldTakeOver)
		}
	}
	if len(args) > 0 && args[0] == "top" {
		return runTop(args[1:], os.Stdin, stdout, stderr)
	}
	if handed, err := reload.TakeState(env); err != nil {
		fmt.Fprintln(stderr, err)
		return verdict.Init
	} else if handed != nil {
		return runUpgraded(handed, args, stderr)
	}
	return runParent(args, env, stdin, stdout, stderr)
}
