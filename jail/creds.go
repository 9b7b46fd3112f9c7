package jail

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// The credentials are per thread to the kernel; the calls below change all threads of the process, which Go can do without cgo only.

// lookupIDs finds the numbers, in the jail's own files: its root is "/" by now.
func (e *entry) lookupIDs() error {
	found, err := lookup("/", e.spec.Creds)
	if err != nil {
		return err
	}
	e.ids = found
	if !e.spec.has(NSUser) {
		return nil
	}
	if found.uid >= 0 && !mapsInside(e.spec.UIDMap, found.uid) {
		return fmt.Errorf("cannot become user %q: uid %d is not mapped into the user namespace", e.spec.Creds.UID, found.uid)
	}
	if found.gid >= 0 && !mapsInside(e.spec.GIDMap, found.gid) {
		return fmt.Errorf("cannot become group %q: gid %d is not mapped into the user namespace", e.spec.Creds.GID, found.gid)
	}
	if e.spec.SetgroupsDenied && len(e.spec.Creds.AddGIDs) > 0 {
		return fmt.Errorf("cannot add groups: an ordinary user's user namespace may not set any")
	}
	return nil
}

// masterIDs are the ids of this process: those asked for, or root's without further groups when it stays root for the app's sake.
func (e *entry) masterIDs() ids {
	if e.spec.Creds.MasterRoot {
		return ids{uid: 0, gid: -1, exact: e.ids.exact}
	}
	return e.ids
}

// setGroups replaces the supplementary groups, with none when nothing was asked: those of whoever started the parent are not the jail's.
// Where the kernel denies setgroups(2), in an ordinary user's namespace, they stay, as ids that are not mapped.
func (e *entry) setGroups() error {
	if e.spec.SetgroupsDenied || !e.ids.exact && !e.spec.ownRoot() {
		return nil
	}
	groups := e.masterIDs().groups
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("cannot set supplementary groups %v: %w", groups, err)
	}
	return nil
}

func (e *entry) setGID() error {
	if e.ids.gid < 0 {
		return nil
	}
	if err := syscall.Setresgid(e.ids.gid, e.ids.gid, e.ids.gid); err != nil {
		return fmt.Errorf("cannot become gid %d: %w", e.ids.gid, err)
	}
	return nil
}

func (e *entry) setUID() error {
	if len(e.spec.Caps) > 0 {
		if err := prctlAll(unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
			return fmt.Errorf("cannot keep capabilities over a change of uid: %w", err)
		}
	}
	if err := syscall.Setresuid(e.ids.uid, e.ids.uid, e.ids.uid); err != nil {
		return fmt.Errorf("cannot become uid %d: %w", e.ids.uid, err)
	}
	return nil
}

// boundingSet takes away what is not kept, as long as CAP_SETPCAP is there. Outside a user namespace the parent did most of it.
func (e *entry) boundingSet() error {
	keep, err := e.spec.keptCaps()
	if err != nil {
		return err
	}
	return dropBounding(keep, func(c uintptr) error { return prctlAll(unix.PR_CAPBSET_DROP, c, 0) })
}

// setCaps leaves the capabilities that were asked for and no others. Another uid than 0 keeps them over the exec of the app only as ambient
// ones (capabilities(7)), so they are, when asked for.
func (e *entry) setCaps() error {
	keep, err := e.spec.keptCaps()
	if err != nil {
		return err
	}
	inheritable := uint64(0)
	ambient := unix.Geteuid() != 0
	if ambient {
		if keep, err = capSet(e.spec.Caps); err != nil {
			return err
		}
		inheritable = keep
	}
	if err := prctlAll(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("cannot clear the ambient capabilities: %w", err)
	}
	held, err := e.threadStatus("self")
	if err != nil {
		return err
	}
	if missing := capSetMissing(e.spec.Caps, held.permitted); missing != "" {
		return fmt.Errorf("cannot keep capability %q: the process does not have it: %w", missing, unix.EPERM)
	}
	if err := setCaps(keep&held.permitted, inheritable); err != nil {
		return err
	}
	for c := uintptr(0); ambient && c < 64; c++ {
		if keep&(1<<c) == 0 {
			continue
		}
		if err := prctlAll(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c); err != nil {
			return fmt.Errorf("cannot raise ambient capability %s: %w", capNames[c], err)
		}
	}
	return nil
}

// noNewPrivs: from here on exec gives nobody more rights (prctl(2), Linux 3.5).
func (e *entry) noNewPrivs() error {
	if err := prctlAll(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("cannot set no_new_privs: %w", err)
	}
	return nil
}

// notDumpable keeps the workers, which run as the same user, from tracing the master or reading its memory (CVE-2016-9962). An exec makes a
// process dumpable again, so the app's own processes are not touched.
func (e *entry) notDumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot make the master undumpable: %w", err)
	}
	return nil
}
