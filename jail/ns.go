package jail

import (
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespace is a kind of Linux namespace (namespaces(7)).
type Namespace string

// The kinds a jail may have of its own.
const (
	NSMount  Namespace = "mount"
	NSPID    Namespace = "pid"
	NSUTS    Namespace = "uts"
	NSIPC    Namespace = "ipc"
	NSNet    Namespace = "net"
	NSUser   Namespace = "user"
	NSCgroup Namespace = "cgroup"
	NSTime   Namespace = "time"
)

// namespaceTable: the clone(2) flag of each kind and its name below /proc/PID/ns.
var namespaceTable = []struct {
	kind Namespace
	flag uintptr
	link string
}{
	{NSMount, unix.CLONE_NEWNS, "mnt"},
	{NSPID, unix.CLONE_NEWPID, "pid"},
	{NSUTS, unix.CLONE_NEWUTS, "uts"},
	{NSIPC, unix.CLONE_NEWIPC, "ipc"},
	{NSNet, unix.CLONE_NEWNET, "net"},
	{NSUser, unix.CLONE_NEWUSER, "user"},
	{NSCgroup, unix.CLONE_NEWCGROUP, "cgroup"},
	{NSTime, unix.CLONE_NEWTIME, "time"},
}

func (s *Spec) has(kind Namespace) bool { return slices.Contains(s.Namespaces, kind) }

// ownLeaf: the root of a cgroup namespace is the group that its maker is in. At the clone that is still the parent's, so where the jail has
// a group of its own the namespace is made once it is there.
func (s *Spec) ownLeaf() bool { return s.has(NSCgroup) && len(s.Cgroups) > 0 }

// cgroupNamespace: one thread makes the namespace, then all join it.
func (e *entry) cgroupNamespace() error {
	made := -1
	var err error
	onThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWCGROUP); err == nil {
			made, err = unix.Openat(int(e.proc), "thread-self/ns/cgroup", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
	})
	if err != nil {
		return fmt.Errorf("cannot make a cgroup namespace: %w", err)
	}
	defer unix.Close(made)
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_SETNS, uintptr(made), unix.CLONE_NEWCGROUP, 0); errno != 0 {
		return fmt.Errorf("cannot enter the cgroup namespace: %w", errno)
	}
	return nil
}

// cloneFlags are the flags of clone(2) for the namespaces of the spec.
func (s *Spec) cloneFlags() uintptr {
	var flags uintptr
	for _, n := range namespaceTable {
		if s.has(n.kind) && !(n.kind == NSCgroup && s.ownLeaf()) {
			flags |= n.flag
		}
	}
	return flags
}
