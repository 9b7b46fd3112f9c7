package jail

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs a function on a thread that ends with it, so that what belongs to a thread (ids, capabilities, namespaces, the keyring) can be
// changed there and is inherited by what it starts. Never on the main thread: that one cannot end, and its status is what /proc, kill(2) and
// ptrace(2) take for the process's.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f() // never unlocked: the thread ends with this goroutine
			return
		}
		onThread(f) // on another one, since this one is held
		runtime.UnlockOSThread()
	}()
	<-done
}
