package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The namespaces of a jail cross a unix stream socket as uWSGI's setns-socket gives them: the server sends one message as soon as somebody
// connects, without reading anything, and closes. The message is the tag, a native 32-bit count and that many descriptors (SCM_RIGHTS).
const setnsTag = "uwsgi-setns"

// maxNamespaceFiles is the most a message may carry; uWSGI makes room for as many.
const maxNamespaceFiles = 64

// OpenNamespaces opens what /proc/PID/ns of the process names, in the order of that directory, without the user namespace, which uWSGI
// never gives away, and without the entries in skip ("cgroup", "time_for_children" ...). The caller closes the files. It needs the right to
// trace the process, so it is for the parent: the master cannot open its own after it has dropped its uid.
func OpenNamespaces(pid int, skip []string) ([]*os.File, error) {
	dir := fmt.Sprintf("/proc/%d/ns", pid)
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the namespaces of process %d: %w", pid, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list the namespaces of process %d: %w", pid, err)
	}
	var files []*os.File
	for _, name := range names {
		if name == "user" || slices.Contains(skip, name) {
			continue
		}
		f, err := os.Open(dir + "/" + name)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("cannot open the %s namespace of process %d: %w", name, pid, err)
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// GiveNamespaces serves one connection of a setns-socket: whoever is allowed (by the peer's uid as the kernel knows it, SO_PEERCRED) gets the
// namespaces of the process. The caller closes the connection.
func GiveNamespaces(conn *os.File, pid int, skip []string, allowed func(uid uint32) bool) error {
	fd := int(rawFD(conn))
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return fmt.Errorf("cannot tell who asks for the namespaces: %w", err)
	}
	if !allowed(peer.Uid) {
		return fmt.Errorf("cannot give namespaces to uid %d (pid %d): not allowed", peer.Uid, peer.Pid)
	}
	files, err := OpenNamespaces(pid, skip)
	if err != nil {
		return err
	}
	defer closeAll(files)
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	message := binary.NativeEndian.AppendUint32([]byte(setnsTag), uint32(len(fds)))
	if err := unix.Sendmsg(fd, message, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("cannot send the namespaces: %w", err)
	}
	return nil
}

// ReceiveNamespaces asks the setns-socket at the path (of gowsgi or of uWSGI) for its namespaces. The caller closes the files.
func ReceiveNamespaces(path string, timeout time.Duration) ([]*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a socket: %w", err)
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	for _, option := range []int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} { // connect(2) waits as long as a send may
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &limit); err != nil {
			return nil, fmt.Errorf("cannot limit the time of a socket: %w", err)
		}
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("cannot connect to setns socket %q: %w", path, err)
	}
	message, control := make([]byte, len(setnsTag)+4), make([]byte, unix.CmsgSpace(4*maxNamespaceFiles))
	n, cn, flags, _, err := unix.Recvmsg(fd, message, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	if err != nil {
		return nil, fmt.Errorf("cannot receive from setns socket %q: %w", path, err)
	}
	files, err := namespaceMessage(message[:n], control[:cn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = fmt.Errorf("more than %d descriptors", maxNamespaceFiles)
	}
	if err != nil {
		closeAll(files)
		return nil, fmt.Errorf("cannot use what setns socket %q sent: %w", path, err)
	}
	return files, nil
}

// namespaceMessage takes the message apart. The files are those that came, also with an error, for the caller to close.
func namespaceMessage(message, control []byte) ([]*os.File, error) {
	var files []*os.File
	parts, err := unix.ParseSocketControlMessage(control)
	for _, part := range parts {
		fds, partErr := unix.ParseUnixRights(&part)
		if partErr != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "namespace"))
		}
	}
	switch {
	case err != nil:
		return files, err
	case len(message) == 0:
		return files, errors.New("nothing: it closed the connection (it may not allow this user)")
	case len(message) != len(setnsTag)+4 || !bytes.HasPrefix(message, []byte(setnsTag)):
		return files, fmt.Errorf("not a namespace message: %q", message)
	}
	if count := binary.NativeEndian.Uint32(message[len(setnsTag):]); int64(count) != int64(len(files)) {
		return files, fmt.Errorf("it says %d namespaces and sent %d", count, len(files))
	}
	return files, nil
}

// joining is a namespace that is to be joined.
type joining struct {
	file  *os.File
	kind  Namespace
	flag  uintptr
	inode uint64
}

// planJoin finds out, before anything is started, which of the files are namespaces that can be joined; those the process is in already are
// left out. A process with threads, as this one, can join neither a user nor a time namespace (setns(2)).
func planJoin(files []*os.File, own map[Namespace]uint64) ([]joining, error) {
	var plan []joining
	for _, f := range files {
		fd := int(rawFD(f))
		flag, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
		if err != nil {
			return nil, fmt.Errorf("cannot join %s: it is not a namespace: %w", f.Name(), err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, fmt.Errorf("cannot join %s: %w", f.Name(), err)
		}
		j := joining{file: f, flag: uintptr(flag), inode: st.Ino}
		for _, n := range namespaceTable {
			if n.flag == j.flag {
				j.kind = n.kind
			}
		}
		same := own[j.kind] == j.inode || slices.ContainsFunc(plan, func(p joining) bool { return p.inode == j.inode })
		if same {
			continue
		}
		if j.kind == NSUser || j.kind == NSTime {
			return nil, fmt.Errorf("cannot join the %s namespace: the kernel lets only a process with one thread do that", j.kind)
		}
		if err := sameOwner(fd, j.kind, own[NSUser]); err != nil {
			return nil, err
		}
		plan = append(plan, j)
	}
	// The mount namespace last: it changes what paths mean.
	slices.SortStableFunc(plan, func(a, b joining) int {
		return b2i(a.kind == NSMount) - b2i(b.kind == NSMount)
	})
	return plan, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sameOwner refuses the namespaces of a jail that has a user namespace of its own: in them but not in it, the app would be the host's user.
func sameOwner(fd int, kind Namespace, own uint64) error {
	owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err != nil {
		return fmt.Errorf("cannot tell whose the %s namespace is: %w", kind, err)
	}
	defer unix.Close(owner)
	var st unix.Stat_t
	if err := unix.Fstat(owner, &st); err != nil {
		return fmt.Errorf("cannot tell whose the %s namespace is: %w", kind, err)
	}
	if st.Ino != own {
		return fmt.Errorf("cannot join the %s namespace: it belongs to a user namespace, which a process with threads cannot join", kind)
	}
	return nil
}

// join moves the calling thread, which must be one that ends soon, and so the child it forks. Its working directory is proc then, because
// the way to the binary, self/fd/N, leads through a /proc in which the thread has a number; that of a joined jail is not one.
func (p procfs) join(plan []joining) error {
	// setns(2) wants a thread that shares its root and working directory with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot part a thread from the others: %w", err)
	}
	for _, j := range plan {
		if err := unix.Setns(int(rawFD(j.file)), int(j.flag)); err != nil {
			return fmt.Errorf("cannot join the %s namespace: %w", j.kind, err)
		}
	}
	if err := unix.Fchdir(int(p)); err != nil {
		return fmt.Errorf("cannot change to /proc: %w", err)
	}
	return nil
}
