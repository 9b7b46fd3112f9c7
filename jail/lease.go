package jail

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ids for user namespaces that say no map. Two jails with the same ids of the host could signal each other's processes and write each
// other's files, were it not for their other namespaces; so each gets a range of its own, and keeps it for as long as its parent lives.

// The ids that root gives out: those that systemd leaves to containers, too, in pieces of 16 bits (systemd.io/UIDS-GIDS).
const (
	firstLease = 0x00080000
	lastLease  = 0x6FFEFFFF
	leaseSize  = 1 << 16
	userLeases = 8 // pieces of what /etc/subuid gives to a user, when it is not more than so many whole ones
)

// Lease is a range of ids of the host that no other gowsgi of this machine gives to a jail.
type Lease struct {
	UID, GID int // the first of each
	Size     int
	file     *os.File // the lock is on it, and goes when it is closed
}

// pool is what leases are cut from.
type pool struct {
	uid, gid int
	size     int
	count    int
	taken    []IDMap // ranges outside that belong to somebody
}

// WantsLease tells whether the spec asks for a user namespace without saying which ids it maps, and there are ids to give.
func (s *Spec) WantsLease(euid int) bool {
	if !s.has(NSUser) || s.UIDMap != nil || s.GIDMap != nil {
		return false
	}
	if euid == 0 {
		return true
	}
	return s.Root.Kind != RootHost && HasSubordinate(euid)
}

// HasSubordinate tells whether an ordinary user may map more ids than the own one.
func HasSubordinate(uid int) bool {
	_, ok := userPool(uid)
	return ok
}

// LeaseIDs takes a range for a jail. The same key gets the same range as long as it is free, so that files on a kept mount stay the
// jail's own over a restart.
func LeaseIDs(euid int, key string) (*Lease, error) {
	p, ok := rootPool(), true
	if euid != 0 {
		p, ok = userPool(euid)
	}
	if !ok {
		return nil, errors.New("cannot choose ids for the user namespace: /etc/subuid and /etc/subgid give none (say uid-map and gid-map)")
	}
	f, err := openLeases(euid)
	if err != nil {
		return nil, err
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	first := int(h.Sum32()) % p.count
	for n := range p.count {
		slot := (first + n) % p.count
		l := &Lease{UID: p.uid + slot*p.size, GID: p.gid + slot*p.size, Size: p.size, file: f}
		if p.isTaken(l) {
			continue
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(slot), Len: 1}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return nil, errors.Join(fmt.Errorf("cannot lock a range of ids: %w", err), f.Close())
		}
	}
	return nil, errors.Join(fmt.Errorf("cannot choose ids for the user namespace: all %d ranges are in use (say uid-map and gid-map)", p.count), f.Close())
}

// Close gives the range back.
func (l *Lease) Close() {
	if l != nil {
		l.file.Close()
	}
}

// Maps are the maps of a jail that has the range: uid 0 inside is the range's first id, or an ordinary user.
func (l *Lease) Maps(euid, egid int) (uids, gids []IDMap) {
	if euid == 0 {
		return []IDMap{{0, l.UID, l.Size}}, []IDMap{{0, l.GID, l.Size}}
	}
	return []IDMap{{0, euid, 1}, {1, l.UID, l.Size}}, []IDMap{{0, egid, 1}, {1, l.GID, l.Size}}
}

func (p *pool) isTaken(l *Lease) bool {
	for _, t := range p.taken {
		end := t.Outside + t.Size
		if l.UID < end && t.Outside < l.UID+l.Size || l.GID < end && t.Outside < l.GID+l.Size {
			return true
		}
	}
	return false
}

// rootPool leaves out what the machine's files give to somebody.
func rootPool() pool {
	p := pool{uid: firstLease, gid: firstLease, size: leaseSize, count: (lastLease + 1 - firstLease) / leaseSize}
	for _, file := range []string{"/etc/subuid", "/etc/subgid", "/etc/passwd", "/etc/group"} {
		// A file that is not there gives nothing to anybody.
		_ = eachEntry("/", file, func(f []string) bool {
			if len(f) < 3 {
				return true
			}
			start, size := f[1], f[2]
			if file == "/etc/passwd" || file == "/etc/group" {
				start, size = f[2], "1"
			}
			from, err1 := strconv.Atoi(start)
			n, err2 := strconv.Atoi(size)
			if err1 == nil && err2 == nil {
				p.taken = append(p.taken, IDMap{Outside: from, Size: n})
			}
			return true
		})
	}
	return p
}

// userPool cuts what the system gives the user into pieces, so that more than one jail of the user can stand.
func userPool(uid int) (pool, bool) {
	maps, groups := userMaps(uid, 0)
	if len(maps) < 2 || len(groups) < 2 {
		return pool{}, false
	}
	total := min(maps[1].Size, groups[1].Size)
	p := pool{uid: maps[1].Outside, gid: groups[1].Outside, size: leaseSize, count: total / leaseSize}
	if p.count < userLeases {
		p.size, p.count = max(total/userLeases, 1), min(userLeases, total)
	}
	return p, true
}

// openLeases opens the file whose bytes are locked, one for each range: ours, and nobody else's to lock.
func openLeases(euid int) (*os.File, error) {
	dirs := []string{"/run"}
	if euid != 0 {
		dirs = []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", euid), os.TempDir()}
	}
	var err error
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			continue
		}
		var f *os.File
		name := filepath.Join(dir, fmt.Sprintf("gowsgi-%d.ids", euid))
		if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600); err != nil {
			continue
		}
		var st unix.Stat_t
		if err = unix.Fstat(int(f.Fd()), &st); err == nil && (int(st.Uid) != euid || st.Mode&(unix.S_IFMT|0o077) != unix.S_IFREG) {
			err = fmt.Errorf("%s is not ours alone", name)
		}
		if err == nil {
			return f, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("cannot choose ids for the user namespace: %w (say uid-map and gid-map)", err)
}

// ToOutside gives the id of the host for one of the jail, -1 when it is not mapped or not said.
func ToOutside(maps []IDMap, id int) int {
	for _, m := range maps {
		if id >= m.Inside && id < m.Inside+m.Size {
			return m.Outside + id - m.Inside
		}
	}
	return -1
}
