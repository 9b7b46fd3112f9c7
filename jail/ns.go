package jail

import (
	"slices"

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

// cloneFlags are the flags of clone(2) for the namespaces of the spec.
func (s *Spec) cloneFlags() uintptr {
	var flags uintptr
	for _, n := range namespaceTable {
		if s.has(n.kind) {
			flags |= n.flag
		}
	}
	return flags
}
