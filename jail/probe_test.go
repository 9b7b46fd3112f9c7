package jail

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probe looks at something from inside the jail: "NAME" or "NAME ARG".
func probe(what string) string {
	name, arg, _ := strings.Cut(what, " ")
	switch name {
	case "pid":
		return fmt.Sprint(os.Getpid())
	case "read":
		text, err := os.ReadFile(arg)
		if err != nil {
			return "error " + err.Error()
		}
		return string(text)
	case "ls":
		return list(arg)
	case "write":
		return outcome(os.WriteFile(arg, []byte("x"), 0o644))
	case "open-write":
		f, err := os.OpenFile(arg, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return outcome(err)
	case "tcp":
		return dial(arg)
	case "chmod":
		return outcome(os.Chmod(arg, 0o755))
	case "fds":
		var out []string
		for _, fd := range strings.Fields(list("/proc/self/fd")) {
			to, err := os.Readlink("/proc/self/fd/" + fd)
			if err == nil {
				out = append(out, fd+"="+to)
			}
		}
		return strings.Join(out, "\n")
	case "child": // the probe in an executed process, as an app would run it
		out, err := exec.Command("/bin/probe", "@probe:"+arg).CombinedOutput()
		if err != nil {
			return "error " + err.Error() + " " + string(out)
		}
		return string(out)
	case "call":
		return call(arg)
	case "keyring":
		id, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
		if err != nil {
			return "error " + err.Error()
		}
		return fmt.Sprint(id)
	case "orphan": // a process that left its session and its parent; its argument tells it from others
		return orphan()
	case "sleep":
		time.Sleep(time.Minute)
		return ""
	}
	return "unknown probe " + name
}

// dial connects to a port of the address that nobody is likely to listen on.
func dial(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return err.Error()
	}
	domain, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: 9, Addr: at.As16()})
	if at.Is4() {
		domain, sa = unix.AF_INET, &unix.SockaddrInet4{Port: 9, Addr: at.As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return outcome(err)
	}
	defer unix.Close(fd)
	return outcome(unix.Connect(fd, sa))
}

func orphan() string {
	mark := fmt.Sprintf("orphan-of-%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.Command("/bin/probe", "@probe:sleep "+mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "error " + err.Error()
	}
	return mark
}

func list(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "error " + err.Error()
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if errno, ok := unwrapErrno(err); ok {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func unwrapErrno(err error) (syscall.Errno, bool) {
	for err != nil {
		if errno, ok := err.(syscall.Errno); ok {
			return errno, true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return 0, false
		}
		err = u.Unwrap()
	}
	return 0, false
}

// call attempts a system call and gives its errno.
func call(name string) string {
	switch name {
	case "unshare-user":
		return outcome(unix.Unshare(unix.CLONE_NEWUSER))
	case "clone-user":
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno == 0 && pid == 0 {
			unix.Exit(0)
		}
		return outcome(errnoError(errno))
	case "clone3":
		_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
		return outcome(errnoError(errno))
	case "mount":
		return outcome(unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
	case "umount-proc-sys":
		return outcome(unix.Unmount("/proc/sys", unix.MNT_DETACH))
	case "bpf":
		_, _, errno := unix.RawSyscall(unix.SYS_BPF, 0, 0, 0)
		return outcome(errnoError(errno))
	case "io_uring":
		_, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		return outcome(errnoError(errno))
	case "keyctl":
		_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
		return outcome(err)
	case "tiocsti":
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, 0, 1<<40|unix.TIOCSTI, 0)
		return outcome(errnoError(errno))
	case "x32":
		_, _, errno := unix.RawSyscall(0x40000000|unix.SYS_GETPID, 0, 0, 0)
		return outcome(errnoError(errno))
	case "ptrace-parent":
		return outcome(unix.PtraceSeize(os.Getppid())) // without stopping it
	case "parent-mem":
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", os.Getppid()))
		if err == nil {
			f.Close()
		}
		return outcome(err)
	case "mknod":
		return outcome(unix.Mknod(filepath.Join("/tmp", "mem"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 1))))
	case "exe-write": // CVE-2019-5736: O_PATH first, then reopen it for writing
		fd, err := unix.Open("/proc/1/exe", unix.O_PATH, 0)
		if err != nil {
			return "path " + outcome(err)
		}
		w, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY, 0)
		if err == nil {
			unix.Close(w)
		}
		return outcome(err)
	}
	return "unknown call " + name
}

func errnoError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
