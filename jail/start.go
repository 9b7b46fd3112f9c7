package jail

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The descriptors of a new master, in the order in which Start hands them over (seam 1).
const (
	FDControl   = 3 // the control socket
	FDBoard     = 4 // the scoreboard
	FDListeners = 5 // the first listening socket
)

// Command is what Start starts. The files stay the caller's.
type Command struct {
	Spec       Spec
	Role       string              // the hidden first argument of our own binary: "@master"
	Generation uint64              // goes into the boot
	Payload    any                 // goes into the boot as JSON; opaque here
	Board      *os.File            // becomes FDBoard; nil: /dev/null
	Listeners  []*os.File          // become FDListeners and on, non-blocking
	Extra      []*os.File          // become what follows the listeners
	Log        *os.File            // becomes 1 and 2; nil: our own standard error
	Env        []string            // the whole environment
	PostJail   func(pid int) error // after the clone, before the process does anything; its error ends the start. nil: none
	Prio       int                 // nice value of all that lives in the jail
	Join       []*os.File          // namespaces of another jail to start in, before those of the spec are made (ReceiveNamespaces)
	Beside     []*Process          // the other jails of the same parent that stand now
	Patience   time.Duration       // how long an interface of the name may still be there: that of a jail which is being torn down
}

// Process is a started master, seen from the parent.
type Process struct {
	PID        int   // as the parent sees it
	Conn       *Conn // the control socket; what was sent before the end is still read after it
	Generation uint64
	Spec       Spec // what was sent: the asked one, completed

	pidfd int
	leaf  cgroupLeaf
	link  uint32 // index of the host's end of a veth pair; 0: none
}

// Kill sends SIGKILL; with a pid namespace or a cgroup of version 2 everything in the jail dies with it. A process that was already reaped is not mistaken for
// another one (pidfd_send_signal(2)).
func (p *Process) Kill() {
	p.leaf.kill()
	if p.pidfd >= 0 {
		_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
	}
}

// Close gives back what the parent holds of the process: the control socket (so the master ends, if it lives), the pidfd, its
// interface, and its cgroup, whose last processes are killed.
func (p *Process) Close() {
	p.Conn.Close()
	p.leaf.kill()
	p.leaf.remove()
	p.leaf = cgroupLeaf{}
	removeLink(p.link)
	p.link = 0
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
		p.pidfd = -1
	}
}

// Start clones and executes our own binary in the namespaces of the spec and sends it the boot. It does not wait for the answer: the first
// message on Process.Conn is `entered` or `step_failed`, or there is end of file. The process is the caller's child, to be reaped by it.
//
// Every descriptor of the calling process from 3 on is made close-on-exec, so that nothing a launcher leaked reaches the jail
// (CVE-2024-21626). The error is a *StepError when cloning or preparing failed.
func Start(c Command) (*Process, error) {
	spec := c.Spec.complete(unix.Geteuid(), unix.Getegid())
	spec.Veth = spec.Veth.beside(c.Beside)
	if err := spec.Validate(); err != nil {
		return nil, &StepError{Step: "validate", Err: err}
	}
	if spec.has(NSUser) && (spec.UIDMap == nil || spec.GIDMap == nil) {
		return nil, &StepError{Step: "validate", Err: errors.New("cannot make a user namespace for root: say which ids it maps (uid-map and gid-map, both or none)")}
	}
	payload, err := json.Marshal(c.Payload)
	if err != nil {
		return nil, &StepError{Step: "boot", Err: fmt.Errorf("cannot encode the payload: %w", err)}
	}
	from, err := newOrigin(&spec, c.Join)
	if err != nil {
		return nil, err
	}
	defer from.close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, newStepError(Step{Name: "control"}, fmt.Errorf("cannot make the control socket: %w", err))
	}
	defer unix.Close(pair[1])
	conn := newConn(os.NewFile(uintptr(pair[0]), "control"), false)
	p := &Process{Conn: conn, Generation: c.Generation, pidfd: -1}
	if p.leaf, err = prepareCgroups(spec.Cgroups, c.Generation); err != nil {
		conn.Close()
		return nil, newStepError(Step{Name: "cgroup"}, err)
	}
	if err := p.spawn(&c, &spec, from, pair[1]); err != nil {
		p.Close()
		return nil, err
	}
	p.Spec = spec
	if err := p.release(payload, &c); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// release does to the child what can be done to a running process only, and then sends it the boot, for which it waits before it does
// anything.
func (p *Process) release(payload json.RawMessage, c *Command) error {
	if err := p.Spec.writeMaps(p.PID); err != nil {
		return newStepError(Step{Name: "id-maps"}, err)
	}
	if err := joinVersion1(p.Spec.Cgroups, p.PID); err != nil {
		return newStepError(Step{Name: "cgroup"}, err)
	}
	if v := p.Spec.Veth; v != nil {
		var err error
		if p.link, err = v.createIn(p.PID, c.Patience); err != nil {
			return newStepError(Step{Name: "veth", Arg: v.Name}, err)
		}
	}
	if c.Prio != 0 {
		if err := setPrio(p.PID, c.Prio); err != nil {
			return newStepError(Step{Name: "prio", Arg: fmt.Sprint(c.Prio)}, err)
		}
	}
	if c.PostJail != nil {
		if err := c.PostJail(p.PID); err != nil {
			return newStepError(Step{Name: "post-jail"}, err)
		}
	}
	boot := Message{Type: MsgBoot, Generation: p.Generation, Spec: &p.Spec, Payload: payload}
	// EPIPE is left to whoever reads: the process has ended, and its status says more.
	if err := p.Conn.Send(boot); err != nil && !errors.Is(err, unix.EPIPE) {
		return newStepError(Step{Name: "boot"}, err)
	}
	return nil
}

// end undoes a start that nobody else has heard of yet.
func (p *Process) end() {
	p.Kill()
	_, _ = unix.Wait4(p.PID, nil, 0, nil)
	p.Close()
}

// complete fills in what an ordinary user (euid not 0) needs and did not say: a root built from the host comes with a user namespace whose
// map is the user itself; with another root uid 0 inside is the user.
func (s Spec) complete(uid, gid int) Spec {
	if uid != 0 && s.Root.Kind == RootHost && !s.has(NSUser) {
		s.Namespaces = append(append([]Namespace(nil), s.Namespaces...), NSUser)
	}
	if !s.has(NSUser) || uid == 0 {
		return s
	}
	uids, gids := []IDMap{{Inside: uid, Outside: uid, Size: 1}}, []IDMap{{Inside: gid, Outside: gid, Size: 1}}
	if s.Root.Kind != RootHost {
		uids, gids = userMaps(uid, gid)
	}
	if s.UIDMap == nil {
		s.UIDMap = uids
	}
	if s.GIDMap == nil {
		s.GIDMap = gids
	}
	s.MapsByHelper = !ownMap(s.UIDMap, uid) || !ownMap(s.GIDMap, gid)
	s.SetgroupsDenied = !s.MapsByHelper
	return s
}

// spawn numbers the descriptors of the child and forks it.
func (p *Process) spawn(c *Command, spec *Spec, from origin, control int) error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return newStepError(Step{Name: "descriptors"}, fmt.Errorf("cannot open /dev/null: %w", err))
	}
	defer null.Close()
	log, board := c.Log, c.Board
	if log == nil {
		log = os.Stderr
	}
	if board == nil {
		board = null
	}
	fds := []uintptr{0: rawFD(null), 1: rawFD(log), 2: rawFD(log), FDControl: uintptr(control), FDBoard: rawFD(board)}
	for _, l := range c.Listeners {
		fds = append(fds, rawFD(l)) // blocking or not, as whoever waits on it wants it
	}
	for _, f := range c.Extra {
		fds = append(fds, rawFD(f))
	}
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) {
		return newStepError(Step{Name: "descriptors"}, fmt.Errorf("cannot make descriptors close-on-exec: %w", err))
	}
	attr := &syscall.ProcAttr{Env: c.Env, Files: fds, Sys: spec.sysProcAttr(&p.pidfd)}
	// Cloned into it, the master has never been outside (clone3(2), Linux 5.7).
	attr.Sys.CgroupFD, attr.Sys.UseCgroupFD = p.leaf.fd()
	p.PID, err = forkExec(spec, from, []string{os.Args[0], c.Role}, attr)
	return err
}

// rawFD is the descriptor's number. Unlike (*os.File).Fd it does not make the open file description blocking, which a listener shares with
// the old generation's workers.
func rawFD(f *os.File) uintptr {
	fd := ^uintptr(0)
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(n uintptr) { fd = n })
	}
	return fd
}
