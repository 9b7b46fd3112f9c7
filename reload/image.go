package reload

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
)

// The variables by which one image of the parent tells the next of its state.
const (
	stateVariable    = "GOWSGI_STATE"          // the descriptor
	returnedVariable = "GOWSGI_STATE_RETURNED" // why a new image gave it back
)

// upgrading is what the owner has for a replacement of its own image.
type upgrading struct {
	answers chan error        // of probes
	signals chan os.Signal    // that the owner listens to
	service map[string]string // what a service manager put into the environment
	handed  []socketState     // endpoints that an earlier image bound and this one has yet to take

	adopting bool // a running stack is being taken over
}

func newUpgrading(getenv func(string) string) upgrading {
	u := upgrading{answers: make(chan error, 1), signals: make(chan os.Signal, 64), service: map[string]string{}}
	for _, name := range serviceEnv {
		if value := getenv(name); value != "" {
			u.service[name] = value
		}
	}
	return u
}

// first is the event that the loop begins with.
func (p *parent) first() {
	h := p.setup.Handed
	if h != nil { // executed with signals held back; this goroutine has the first thread, which the kernel prefers
		p.warn(maskThread())
	}
	switch {
	case h == nil:
		p.feed(evBoot{})
	case h.Returned != "":
		p.feed(evAdopted{errors.New(h.Returned)})
		p.reap()
	default:
		p.feed(evAdopted{})
		p.reap() // of what ended while nobody listened
	}
}

// doUpgrade carries out what the plan decides of an upgrade.
func (p *parent) doUpgrade(act action) {
	switch act := act.(type) {
	case actProbe:
		if err := p.tryBinary(); err != nil {
			p.pending = append(p.pending, evProbed{err})
		}
	case actReplace:
		p.pending = append(p.pending, p.replace())
	case actUpgraded:
		p.status.upgraded = act
		for _, r := range []metrics.UpgradeResult{metrics.UpgradeProbe, metrics.UpgradeExec, metrics.UpgradeAdopt} {
			if act.failed == r.String() {
				p.info.Reloads.Upgrades[r]++
			}
		}
	}
}

// heard are the signals that mean something to the parent.
var heard = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGTSTP, unix.SIGUSR2}

// logFlush is how long an upgrade waits until the log was written.
const logFlush = time.Second

// imageEnv is the environment that this image was started with.
func (p *parent) imageEnv() []string {
	env := os.Environ()
	for _, name := range serviceEnv {
		if value, ok := p.upgrading.service[name]; ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// replace executes the new binary in this process. It returns only when that was not possible; then everything goes on as before.
func (p *parent) replace() evNotReplaced {
	froze, later, err := p.freeze()
	if err != nil {
		return evNotReplaced{err: err, later: later}
	}
	defer froze.thaw()
	state, err := p.state(froze)
	if err != nil {
		return evNotReplaced{err: err}
	}
	memory, err := state.seal()
	if err != nil {
		return evNotReplaced{err: err}
	}
	defer memory.Close()
	if err := errors.Join(state.keep(true), keepOpen(int(memory.Fd()))); err != nil {
		return evNotReplaced{err: errors.Join(err, state.keep(false))}
	}
	env := append(p.imageEnv(), fmt.Sprintf("%s=%d", stateVariable, memory.Fd()))
	path := p.setup.Binary()
	err = p.execHeld(path, env)
	return evNotReplaced{err: errors.Join(fmt.Errorf("cannot execute %s: %w", path, err), state.keep(false))}
}

func keepOpen(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return err
}

// execHeld is the exec, in whose course no signal is lost: they are blocked in every thread, those that came before are raised again, and
// what is pending is kept by an exec. The runtime goes on listening to them: a thread that it makes meanwhile blocks none, and without a
// listener a signal there would be the end.
func (p *parent) execHeld(path string, env []string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for came := true; came; {
		if err := maskAll(unix.SIG_BLOCK); err != nil {
			return fmt.Errorf("cannot hold back signals: %w", err)
		}
		came = p.raiseAgain()
	}
	err := syscall.Exec(path, os.Args, env)
	return errors.Join(err, maskAll(unix.SIG_UNBLOCK))
}

// raiseAgain raises the signals that were delivered and not looked at; it tells whether there were any.
func (p *parent) raiseAgain() (came bool) {
	settled := make(chan os.Signal, 1)
	signal.Notify(settled, unix.SIGHUP)
	signal.Stop(settled) // which waits until what the runtime has is in the channels
	for {
		select {
		case sig := <-p.upgrading.signals:
			came = true
			_ = unix.Kill(os.Getpid(), sig.(syscall.Signal))
		default:
			return came
		}
	}
}

// maskThread lets signals through in the calling thread.
func maskThread() error { return unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil) }

// maskAll blocks or unblocks the signals that the parent listens to, in every thread.
func maskAll(how uintptr) error {
	var set unix.Sigset_t
	word := unsafe.Sizeof(set.Val[0]) * 8
	for _, sig := range heard {
		n := uintptr(sig.(syscall.Signal)) - 1
		set.Val[n/word] |= 1 << (n % word)
	}
	const kernelSet = 8 // bytes of the kernel's own sigset_t
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&set)), 0, kernelSet, 0, 0)
	runtime.KeepAlive(&set)
	if errno == unix.ENOTSUP { // a cgo build, which is not how we are built: the own thread at least
		return unix.PthreadSigmask(int(how), &set, nil)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// Handed is a state that an earlier image has left.
type Handed struct {
	State    *State
	Returned string // why the image after this one gave it back, "" = it is from the one before
	fd       int
	head     Head
	env      []string
}

// TakeState finds the state that an earlier image of this process has left, and takes it out of the environment; nil when there is none.
// One that cannot be read is given back to the image that wrote it, and only when that fails is there an error.
func TakeState(env []string) (*Handed, error) {
	value := os.Getenv(stateVariable)
	returned := os.Getenv(returnedVariable)
	_ = os.Unsetenv(stateVariable)
	_ = os.Unsetenv(returnedVariable)
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil, nil
	}
	data, err := readSealed(fd)
	if err != nil {
		return nil, nil // the variable is a stranger's
	}
	h := &Handed{Returned: returned, fd: fd, env: env}
	if h.head, _, err = decodeHead(data); err != nil || h.head.PID != os.Getpid() {
		return nil, nil // or of a parent that started us
	}
	unix.CloseOnExec(fd)
	if h.State, err = DecodeState(data); err != nil {
		return nil, h.GiveBack(err)
	}
	return h, nil
}

// GiveBack executes the image that wrote the state, with the state. It returns only when that is not possible.
func (h *Handed) GiveBack(cause error) error {
	if h.Returned != "" {
		return fmt.Errorf("cannot take over again what another binary gave back: %w", cause)
	}
	if h.State != nil {
		if err := h.State.keep(true); err != nil {
			return errors.Join(cause, err)
		}
	}
	if err := errors.Join(keepOpen(h.fd), keepOpen(h.head.Exe)); err != nil {
		return errors.Join(cause, err)
	}
	env := append(slices.Clone(h.env), returnedVariable+"="+printable(cause.Error()))
	err := syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", h.head.Exe), os.Args, env)
	return errors.Join(cause, fmt.Errorf("cannot execute the old binary again: %w", err))
}
