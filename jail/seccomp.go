package jail

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are the system calls that answer EPERM in a jail: nothing that serves a web app needs one, and each is a way to the machine or a
// large piece of kernel to attack. Those of one architecture only are in seccomp_ARCH.go.
var refused = []uintptr{
	// mounts and roots: the jail's are settled
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
	// files by handle reach the whole filesystem (CVE-2014-3519)
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	// namespaces (clone with a flag of a new one is refused too; clone3, whose flags cannot be seen, is as if it did not exist)
	unix.SYS_UNSHARE, unix.SYS_SETNS,
	// other processes' memory and descriptors
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE,
	// kernel code and machines in the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD,
	// io_uring does what other calls do, past this list
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	// keys are not in a namespace
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	// the machine
	unix.SYS_REBOOT, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_VHANGUP, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
	unix.SYS_FANOTIFY_INIT, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
}

// newNamespaceFlags are the flags of clone(2) that would make a namespace. CLONE_NEWTIME is not one of them: it is a signal number there.
const newNamespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET |
	unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data (seccomp(2)); of the 64-bit arguments the low words, on the little-endian machines this is built for.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
	dataArg1   = 24
)

const (
	opLoad     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opAtLeast  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opAnySet   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	opReturn   = unix.BPF_RET | unix.BPF_K
	answerPerm = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	answerNone = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Seccomp changes the built-in list of refused system calls, by name.
type Seccomp struct {
	Refuse []string `json:"refuse,omitempty"` // refused too
	Allow  []string `json:"allow,omitempty"`  // not refused; "clone" and "clone3" allow new namespaces, "ioctl" pushing into a terminal
}

// ParseSeccomp reads the changes from a file: a system call's name on a line is refused, with "allow" before it it is not. Empty lines and
// what follows a # do not count.
func ParseSeccomp(r io.Reader) (Seccomp, error) {
	var s Seccomp
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		f := strings.Fields(text)
		switch {
		case len(f) == 0:
		case len(f) == 1:
			s.Refuse = append(s.Refuse, f[0])
		case len(f) == 2 && f[0] == "allow":
			s.Allow = append(s.Allow, f[1])
		default:
			return Seccomp{}, fmt.Errorf("cannot use line %d of the seccomp list: not NAME or allow NAME: %q", n, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		return Seccomp{}, fmt.Errorf("cannot read the seccomp list: %w", err)
	}
	return s, s.check()
}

// callNumber finds a call of this architecture.
func callNumber(name string) (uintptr, bool) {
	for i := range callNumbers {
		if callNumbers[i].name == name {
			return callNumbers[i].number, true
		}
	}
	return 0, false
}

// needed are calls without which no program starts or says why it does not.
var needed = []string{"execve", "exit", "exit_group", "read", "write", "mmap", "brk", "rt_sigreturn", "clone", "futex"}

func (s *Seccomp) check() error {
	for _, name := range append(slices.Clone(s.Refuse), s.Allow...) {
		if _, ok := callNumber(name); !ok {
			return fmt.Errorf("cannot filter system call %q: there is no such call on this machine", name)
		}
	}
	for _, name := range s.Refuse {
		if slices.Contains(needed, name) {
			return fmt.Errorf("cannot refuse system call %q: nothing would start without it", name)
		}
	}
	return nil
}

// refusedCalls is the built-in list with the changes.
func (s *Seccomp) refusedCalls() []uintptr {
	calls := slices.Concat(refused, refusedHere)
	for _, name := range s.Refuse {
		if n, ok := callNumber(name); ok && !slices.Contains(calls, n) {
			calls = append(calls, n)
		}
	}
	return slices.DeleteFunc(calls, s.allows)
}

func (s *Seccomp) allows(number uintptr) bool {
	return slices.ContainsFunc(s.Allow, func(name string) bool {
		n, ok := callNumber(name)
		return ok && n == number
	})
}

// seccompProgram is the filter: another architecture's calls (the 32-bit ABIs of a 64-bit kernel) do not exist, the refused ones answer
// EPERM, everything else is allowed, so the kernel decides it once for each number and not once for each call (Linux 5.11).
func seccompProgram(rules *Seccomp) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter { return unix.SockFilter{Code: opLoad, K: offset} }
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: opReturn, K: k} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: op, Jt: yes, Jf: no, K: k}
	}
	p := []unix.SockFilter{
		load(dataArch), jump(opEqual, auditArch, 1, 0), answer(answerNone),
		load(dataNumber), jump(opAtLeast, foreignABI, 0, 1), answer(answerNone),
	}
	if !rules.allows(unix.SYS_CLONE3) {
		p = append(p, jump(opEqual, unix.SYS_CLONE3, 0, 1), answer(answerNone))
	}
	if !rules.allows(unix.SYS_CLONE) {
		p = append(p, jump(opEqual, unix.SYS_CLONE, 0, 4),
			load(dataArg0), jump(opAnySet, newNamespaceFlags, 0, 1), answer(answerPerm), answer(unix.SECCOMP_RET_ALLOW))
	}
	if !rules.allows(unix.SYS_IOCTL) {
		// Only the low 32 bits of the request count to the kernel: comparing all 64 let TIOCSTI through (CVE-2019-7303).
		p = append(p, jump(opEqual, unix.SYS_IOCTL, 0, 5),
			load(dataArg1), jump(opEqual, unix.TIOCSTI, 1, 0), jump(opEqual, tioclinux, 0, 1), answer(answerPerm), answer(unix.SECCOMP_RET_ALLOW))
	}
	for _, number := range rules.refusedCalls() {
		p = append(p, jump(opEqual, uint32(number), 0, 1), answer(answerPerm))
	}
	return append(p, answer(unix.SECCOMP_RET_ALLOW))
}

// tioclinux is TIOCLINUX: it selects and pastes on a virtual console (ioctl_console(2)).
const tioclinux = 0x541c

// seccomp puts the filter on every thread. Without no_new_privs it would need CAP_SYS_ADMIN, which is gone by now; Validate knows.
func (e *entry) seccomp() error {
	if auditArch == 0 {
		e.missing(GuardSeccomp, fmt.Errorf("no list for this architecture"))
		return nil
	}
	program := seccompProgram(&e.spec.Seccomp)
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno == unix.ENOSYS {
		e.missing(GuardSeccomp, errno)
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("cannot load the seccomp filter: %w", errno)
	}
	if r != 0 {
		return fmt.Errorf("cannot put the seccomp filter on thread %d", r)
	}
	return nil
}
