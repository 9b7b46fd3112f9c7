package jail

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// masterCaps are what a master that stays root keeps beside what its app was given: what any uid 0 of a jail keeps, and the right to take
// capabilities from the bounding set of the processes it starts.
const masterCaps = rootCaps | 1<<unix.CAP_SETPCAP

// Dropped is what the processes of the app become under a master that stays uid 0 (Creds.MasterRoot): numbers, found in the jail's files.
type Dropped struct {
	UID          int    `json:"uid"`
	GID          int    `json:"gid"`
	Groups       []int  `json:"groups"`                 // supplementary, all of them
	Capabilities uint64 `json:"capabilities"`           // as effective, permitted, inheritable and ambient ones
	Guarded      bool   `json:"guarded"`                // the bounding set is the same
	AfterImport  bool   `json:"after_import,omitempty"` // Creds.AfterImport
}

// dropped tells what the app's processes are to be; nil when the master itself became it.
func (e *entry) dropped() (*Dropped, error) {
	if !e.spec.Creds.MasterRoot {
		return nil, nil
	}
	caps, err := capSet(e.spec.Caps)
	if err != nil {
		return nil, err
	}
	if e.ids.uid <= 0 || e.ids.gid < 0 {
		return nil, fmt.Errorf("cannot give the app ids of its own under a master that stays root: user %q has uid %d and gid %d (-1: unknown, name it)",
			e.spec.Creds.UID, e.ids.uid, e.ids.gid)
	}
	return &Dropped{UID: e.ids.uid, GID: e.ids.gid, Groups: slices.Clone(e.ids.groups), Capabilities: caps, Guarded: e.spec.guarded(GuardCaps), AfterImport: e.spec.Creds.AfterImport}, nil
}

// Do runs a function on a thread that has become what the app's processes are to be: what it starts is so from its first moment on, and
// was compared with what was asked for before it is there. The kernel's ids are per thread; the thread ends with the function.
func (d *Dropped) Do(f func() error) (err error) {
	onThread(func() {
		if err = d.apply(); err == nil {
			err = d.check()
		}
		if err == nil {
			err = f()
		}
	})
	return err
}

// apply changes the calling thread only, so it must not go through package syscall's functions, which change all.
func (d *Dropped) apply() error {
	if d.Guarded {
		drop := func(c uintptr) error { return unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) }
		if err := dropBounding(d.Capabilities, drop); err != nil {
			return err
		}
	}
	groups := make([]uint32, len(d.Groups)+1) // one more, so that there is a first
	for i, g := range d.Groups {
		groups[i] = uint32(g)
	}
	raw := func(what string, number, a, b, c uintptr) error {
		if _, _, errno := unix.RawSyscall(number, a, b, c); errno != 0 {
			return fmt.Errorf("cannot %s: %w", what, errno)
		}
		return nil
	}
	uid, gid := uintptr(d.UID), uintptr(d.GID)
	data := capWords(d.Capabilities, d.Capabilities)
	return cmp.Or(
		raw("clear the ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0),
		raw("set supplementary groups", unix.SYS_SETGROUPS, uintptr(len(d.Groups)), uintptr(unsafe.Pointer(&groups[0])), 0),
		raw("become the app's group", unix.SYS_SETRESGID, gid, gid, gid),
		raw("keep capabilities over a change of uid", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0),
		raw("become the app's user", unix.SYS_SETRESUID, uid, uid, uid),
		raw("set capabilities", unix.SYS_CAPSET, uintptr(unsafe.Pointer(&capHeader{version: capVersion3})), uintptr(unsafe.Pointer(&data)), 0),
		raiseAmbient(d.Capabilities, raw),
		raw("stop keeping capabilities", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0, 0),
	)
}

func raiseAmbient(caps uint64, raw func(what string, number, a, b, c uintptr) error) error {
	for c := uintptr(0); c < 64; c++ {
		if caps&(1<<c) == 0 {
			continue
		}
		if err := raw("raise an ambient capability", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c); err != nil {
			return err
		}
	}
	return nil
}

// check reads the thread's ids and capabilities back from the kernel.
func (d *Dropped) check() error {
	var uids, gids [3]int
	uids[0], uids[1], uids[2] = unix.Getresuid()
	gids[0], gids[1], gids[2] = unix.Getresgid()
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("cannot read the groups: %w", err)
	}
	slices.Sort(groups)
	if uids != [3]int{d.UID, d.UID, d.UID} || gids != [3]int{d.GID, d.GID, d.GID} || !slices.Equal(groups, d.Groups) {
		return fmt.Errorf("cannot trust the thread: it has uids %v, gids %v and groups %v, not %d, %d and %v", uids, gids, groups, d.UID, d.GID, d.Groups)
	}
	var data capData
	head := capHeader{version: capVersion3}
	if _, _, errno := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&data)), 0); errno != 0 {
		return fmt.Errorf("cannot read the capabilities: %w", errno)
	}
	if data != capWords(d.Capabilities, d.Capabilities) {
		return fmt.Errorf("cannot trust the thread: it has capabilities %+v, not %#x", data, d.Capabilities)
	}
	for c := uintptr(0); d.Guarded && c < 64; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == nil && in == 1 && d.Capabilities&(1<<c) == 0 {
			return fmt.Errorf("cannot trust the thread: capability %d is in its bounding set", c)
		}
	}
	return nil
}

// StartLimited starts a process of the app under its limits: as the app's user when d is not nil, else as what we are. One that could not
// be limited is killed; it is the caller's to reap.
func (d *Dropped) StartLimited(start func() (int, error), limits []Limit) (pid int, err error) {
	limited := func() error {
		if pid, err = start(); err != nil {
			return err
		}
		return SetLimits(pid, limits) // by the right of the same user
	}
	if d != nil {
		err = d.Do(limited)
	} else {
		err = limited()
	}
	if err != nil && pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return 0, err
	}
	return pid, err
}
