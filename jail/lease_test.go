package jail

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLeases: two leases never share an id, the same key gets the same range again, and none is anybody's in the machine's files.
func TestLeases(t *testing.T) {
	needRoot(t)
	const key = "/a/test/of/leases"
	first, err := LeaseIDs(0, key)
	if err != nil {
		t.Fatal(err)
	}
	held := []*Lease{first}
	for range 20 {
		l, err := LeaseIDs(0, key)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, o := range held {
			if l.UID < o.UID+o.Size && o.UID < l.UID+l.Size || l.GID < o.GID+o.Size && o.GID < l.GID+l.Size {
				t.Errorf("%+v overlaps %+v", l, o)
			}
		}
		held = append(held, l)
		if l.UID < firstLease || l.UID+l.Size-1 > lastLease || l.Size != 65536 {
			t.Errorf("%+v is not of the pool", l)
		}
	}
	first.Close()
	if again, err := LeaseIDs(0, key); err != nil || again.UID != first.UID {
		t.Errorf("the range was %d, now %+v, %v", first.UID, again, err)
	} else {
		again.Close()
	}
	uids, gids := first.Maps(0, 0)
	if len(uids) != 1 || uids[0] != (IDMap{0, first.UID, 65536}) || len(gids) != 1 || ToOutside(uids, 33) != first.UID+33 || ToOutside(uids, 65536) != -1 {
		t.Errorf("the maps are %v %v", uids, gids)
	}
	p := pool{taken: []IDMap{{Outside: 100, Size: 50}, {Outside: 1000, Size: 1}}}
	for _, c := range []struct {
		uid, gid, size int
		taken          bool
	}{{0, 0, 100, false}, {0, 0, 101, true}, {149, 0, 10, true}, {150, 150, 10, false}, {0, 149, 1, true}, {990, 2000, 11, true}} {
		if got := p.isTaken(&Lease{UID: c.uid, GID: c.gid, Size: c.size}); got != c.taken {
			t.Errorf("%+v is taken: %v", c, got)
		}
	}
}

// TestLeaseFile: a file of somebody else, or one that others may write, is not locked.
func TestLeaseFile(t *testing.T) {
	ordinaryUser(t)
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	f, err := openLeases(os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if filepath.Dir(f.Name()) != dir {
		t.Errorf("the file is %s", f.Name())
	}
	for _, spoil := range []func() error{
		func() error { return os.Chmod(f.Name(), 0o666) },
		func() error { os.Remove(f.Name()); return os.Symlink("/etc/passwd", f.Name()) },
		func() error { os.Remove(f.Name()); return os.Mkdir(f.Name(), 0o700) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", "/nowhere")
		if f, err := openLeases(os.Geteuid()); err == nil && filepath.Dir(f.Name()) == dir {
			t.Errorf("%s was taken", f.Name())
		}
	}
}

// TestUserLeases: what the system gives to a user is enough for several jails of that user.
func TestUserLeases(t *testing.T) {
	if os.Getenv("JAIL_TEST_LEASES") == "" {
		t.Skip("run as an ordinary user with subordinate ids by TestSubordinateIDs")
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	seen := map[int]bool{}
	for range userLeases {
		l, err := LeaseIDs(os.Geteuid(), "x")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if seen[l.UID] || l.Size != 65536/userLeases || l.UID < 200000 || l.UID+l.Size > 265536 || l.GID-300000 != l.UID-200000 {
			t.Errorf("the lease is %+v, before it %v", l, seen)
		}
		seen[l.UID] = true
		uids, _ := l.Maps(4242, 4343)
		if len(uids) != 2 || uids[0] != (IDMap{0, 4242, 1}) || uids[1] != (IDMap{1, l.UID, l.Size}) {
			t.Errorf("the map is %v", uids)
		}
	}
	if l, err := LeaseIDs(os.Geteuid(), "x"); err == nil {
		t.Errorf("one lease more: %+v", l)
	}
}
