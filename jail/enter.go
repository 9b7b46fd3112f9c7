package jail

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// Boot is what the parent sent first.
type Boot struct {
	Generation uint64
	Spec       Spec
	Payload    json.RawMessage // what was Command.Payload
}

// Receive takes over the control socket (FDControl) and waits for the boot; io.EOF means that the parent has ended. Every descriptor from 3
// on is close-on-exec afterwards, whatever the parent did.
func Receive() (*Boot, *Conn, error) {
	var st unix.Stat_t
	if err := unix.Fstat(FDControl, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, nil, errors.New("cannot receive the boot: descriptor 3 is not a control socket; this role is started by gowsgi itself")
	}
	if err := unix.CloseRange(FDControl, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) {
		return nil, nil, fmt.Errorf("cannot make descriptors close-on-exec: %w", err)
	}
	if err := unix.SetNonblock(FDControl, true); err != nil {
		return nil, nil, fmt.Errorf("cannot make the control socket non-blocking: %w", err)
	}
	conn := newConn(os.NewFile(FDControl, "control"), true)
	m, err := conn.Recv()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	if m.Type != MsgBoot || m.Spec == nil {
		conn.Close()
		return nil, nil, fmt.Errorf("cannot start from a frame of type %q: %w", m.Type, ErrFrame)
	}
	return &Boot{Generation: m.Generation, Spec: *m.Spec, Payload: m.Payload}, conn, nil
}

// entry is a jail while it is being entered.
type entry struct {
	spec    *Spec
	root    *mount.Tree // the new root, attached; nil: the host's
	keeps   []*mount.Tree
	mounted []expected
	ids     ids
	mask    int    // the umask the process came with
	hooked  bool   // hooks have run: mounts and hostname are no longer those of the steps alone
	proc    procfs // of the root the process came with, for a root that has none of its own
	say     func(text string)
	audit   Audit
}

// Enter does the steps of the spec in the calling process, which Start cloned, and compares the outcome with the spec. The error is a
// *StepError; the process is then good for nothing but to report it and exit. What hooks have to tell goes to say.
func Enter(s Spec, say func(text string)) (Audit, error) {
	e := &entry{spec: &s, say: say, ids: ids{uid: -1, gid: -1}, proc: -1}
	// Modes of what is made on the way are meant as they are written.
	e.mask = unix.Umask(0)
	defer e.close()
	var err error
	if e.proc, err = openProc(); err != nil {
		return Audit{}, newStepError(Step{Name: "proc"}, err)
	}
	for _, step := range s.Steps() {
		err := e.fault(step.Name)
		if err == nil {
			err = step.run(e)
		}
		if err != nil {
			return Audit{}, newStepError(step, err)
		}
	}
	return e.audit, nil
}

func (e *entry) close() {
	if e.spec.Umask == nil {
		unix.Umask(e.mask)
	}
	e.proc.close()
	e.proc = -1
	e.root.Close()
	for _, k := range e.keeps {
		k.Close()
	}
}

// fault fails the step that a test has named, or kills the process before it.
func (e *entry) fault(step string) error {
	switch e.spec.Fault {
	case step:
		return fmt.Errorf("cannot go on: fault injected: %w", unix.EIO)
	case step + "!":
		_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
		// A PID 1 does not die of its own SIGKILL (pid_namespaces(7)); it does of leaving without a word.
		unix.Exit(137)
	}
	return nil
}

// joined leaves the directory the thread was started in, the host's /proc, for the root of the namespaces it joined.
func (e *entry) joined() error { return toRoot() }

func (e *entry) mountPrivate() error { return mount.Private() }

func (e *entry) hostname() error {
	if err := unix.Sethostname([]byte(e.spec.Hostname)); err != nil {
		return fmt.Errorf("cannot set the hostname: %w", err)
	}
	return nil
}

// loopback brings lo up; a new network namespace has it down, and nothing else (network_namespaces(7)).
func (e *entry) loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open a socket: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return fmt.Errorf("cannot read the flags of lo: %w", err)
	}
	ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("cannot bring lo up: %w", err)
	}
	return nil
}

// chdir goes where the app wants to be, by its own rights, and makes sure that it is a place inside: a working directory that is not below
// the root is a way out of it (CVE-2024-21626). Magic links (/proc/self/fd/N) are refused.
func (e *entry) chdir() error {
	dir := e.spec.Chdir
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, dir, &how)
	if err != nil {
		return fmt.Errorf("cannot change to directory %q: %w", dir, err)
	}
	defer unix.Close(fd)
	if err := unix.Fchdir(fd); err != nil {
		return fmt.Errorf("cannot change to directory %q: %w", dir, err)
	}
	return insideRoot()
}

// insideRoot asks the kernel for the working directory; it writes "(unreachable)" before one that no path leads to (getcwd(2)).
func insideRoot() error {
	buf := make([]byte, unix.PathMax+32)
	n, _, errno := unix.Syscall(unix.SYS_GETCWD, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0)
	runtime.KeepAlive(buf)
	if errno != 0 {
		return fmt.Errorf("cannot read the working directory: %w", errno)
	}
	if n < 2 || buf[0] != '/' {
		return fmt.Errorf("cannot use the working directory %q: it is outside the root", buf[:max(n, 1)-1])
	}
	return nil
}

func (e *entry) umask() error {
	unix.Umask(*e.spec.Umask)
	return nil
}
