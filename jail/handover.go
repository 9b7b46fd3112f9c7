package jail

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Handover is a started master as one image of the parent hands it to the next: descriptors by number, which an exec keeps. The process stays
// the parent's child, since the pid is the same.
type Handover struct {
	PID        int    `json:"pid"`
	Generation uint64 `json:"generation"`
	Spec       Spec   `json:"spec"`
	Control    int    `json:"control"`        // the control socket
	Held       []byte `json:"held,omitempty"` // the beginning of a frame that was read from it
	Pidfd      int    `json:"pidfd"`          // -1: none
	Leaf       int    `json:"leaf"`           // directory of the control group, -1: none
	LeafDir    string `json:"leaf_dir,omitempty"`
	Link       uint32 `json:"link,omitempty"`
}

// Handover tells what the next image needs. Nothing may be receiving on Conn.
func (p *Process) Handover() Handover {
	h := Handover{
		PID: p.PID, Generation: p.Generation, Spec: p.Spec, Control: int(rawFD(p.Conn.file)), Held: p.Conn.held,
		Pidfd: p.pidfd, Leaf: -1, Link: p.link,
	}
	if fd, ok := p.leaf.fd(); ok {
		h.Leaf, h.LeafDir = fd, p.leaf.dir.Name()
	}
	return h
}

// Files are the descriptors that have to be open in the next image.
func (h *Handover) Files() []int {
	var list []int
	for _, fd := range []int{h.Control, h.Pidfd, h.Leaf} {
		if fd >= 0 {
			list = append(list, fd)
		}
	}
	return list
}

// Adopt takes over a master from an earlier image of this process.
func Adopt(h Handover) (*Process, error) {
	control, err := HandedFile(h.Control, "control")
	if err != nil {
		return nil, err
	}
	p := &Process{PID: h.PID, Conn: newConn(control, false), Generation: h.Generation, Spec: h.Spec, pidfd: h.Pidfd, link: h.Link}
	p.Conn.held = h.Held
	if err := p.Conn.Continue(); err != nil {
		return nil, fmt.Errorf("cannot take over the control socket: %w", err)
	}
	if h.Pidfd >= 0 {
		unix.CloseOnExec(h.Pidfd)
	}
	if h.Leaf >= 0 {
		if p.leaf.dir, err = HandedFile(h.Leaf, h.LeafDir); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// HandedFile makes a file of a descriptor that an earlier image of this process has left open.
func HandedFile(fd int, name string) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot take over descriptor %d (%s): %w", fd, name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// LeaseHandover is a Lease for the next image: the lock belongs to the open file (fcntl(2), F_OFD_SETLK).
type LeaseHandover struct {
	UID  int `json:"uid"`
	GID  int `json:"gid"`
	Size int `json:"size"`
	File int `json:"file"`
}

// Handover tells what the next image needs; nil for no lease.
func (l *Lease) Handover() *LeaseHandover {
	if l == nil {
		return nil
	}
	return &LeaseHandover{UID: l.UID, GID: l.GID, Size: l.Size, File: int(rawFD(l.file))}
}

// AdoptLease takes over a range of ids.
func AdoptLease(h *LeaseHandover) (*Lease, error) {
	if h == nil {
		return nil, nil
	}
	if h.Size < 1 {
		return nil, errors.New("cannot take over a range of ids: it has none")
	}
	f, err := HandedFile(h.File, "ids")
	return &Lease{UID: h.UID, GID: h.GID, Size: h.Size, file: f}, err
}
