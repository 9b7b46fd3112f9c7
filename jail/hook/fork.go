package hook

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Fork is syscall.ForkExec for a child that blocks no signal. A parent that replaced its own image was executed with signals blocked, so that
// none is lost in between, and every thread that the runtime makes has that mask; it is no matter of what is started.
func Fork(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, &old); err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec(path, argv, attr)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return pid, err
}
