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

	"gowsgi/early/heard"
	"gowsgi/metrics"
)

// The variables by which one image of the parent tells the next of its state.
const (
	stateVariable    = heard.Variable          // the descriptor
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
	u := upgrading{answers: make(chan error, 1), signals: heard.Signals, service: map[string]string{}}
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
	came, err := p.exec(path, env)
	return evNotReplaced{err: errors.Join(fmt.Errorf("cannot execute %s: %w", path, err), state.keep(false)), later: came}
}

func keepOpen(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return err
}

// exec replaces the image. It does not when a signal came that was not looked at: that goes first.
//
// Go lets no thread block the signals that end a process (runtime.blockableSig), so that those cannot wait for the new image. One of them that comes
// between the last look and the new image's first act (package heard), some milliseconds, has its default action: a stop is a stop then, though not a
// graceful one. SIGHUP is ignored meanwhile; the new image reloads anyway once it has taken over.
func (p *parent) exec(path string, env []string) (came bool, err error) {
	settled := make(chan os.Signal, 1)
	signal.Notify(settled, unix.SIGHUP)
	signal.Stop(settled) // which waits until what the runtime has is in the channels
	if len(p.upgrading.signals) > 0 {
		return true, errors.New("a signal came")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var others unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, heardMask(), &others); err != nil {
		return false, fmt.Errorf("cannot hold back signals: %w", err)
	}
	signal.Ignore(unix.SIGHUP)
	err = syscall.Exec(path, os.Args, env)
	signal.Notify(p.upgrading.signals, unix.SIGHUP)
	return false, errors.Join(err, unix.PthreadSigmask(unix.SIG_SETMASK, &others, nil))
}

// maskThread lets signals through in the calling thread.
func maskThread() error { return unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil) }

// heardMask is the set of the signals that the parent listens to. It holds until the new image's runtime begins, for SIGUSR2 and SIGTSTP longer.
func heardMask() *unix.Sigset_t {
	var set unix.Sigset_t
	word := unsafe.Sizeof(set.Val[0]) * 8
	for _, sig := range heard.List {
		n := uintptr(sig.(syscall.Signal)) - 1
		set.Val[n/word] |= 1 << (n % word)
	}
	return &set
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
func TakeState(env []string) (h *Handed, err error) {
	value := os.Getenv(stateVariable)
	if value != "" {
		defer func() {
			if h == nil {
				signal.Stop(heard.Signals) // a stranger's variable
			}
		}()
	}
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
	h = &Handed{Returned: returned, fd: fd, env: env}
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
	signal.Ignore(unix.SIGHUP)
	env := append(slices.Clone(h.env), returnedVariable+"="+printable(cause.Error()))
	err := syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", h.head.Exe), os.Args, env)
	return errors.Join(cause, fmt.Errorf("cannot execute the old binary again: %w", err))
}
