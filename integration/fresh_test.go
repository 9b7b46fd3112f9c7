package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// oldJail remembers a jail that is about to be replaced. It holds the namespaces open, because the kernel gives the inode number of a
// namespace that is gone to the next one that is made.
type oldJail struct {
	t          *testing.T
	master     int
	namespaces map[string]string
}

func holdJail(t *testing.T, s *harness.Server) oldJail {
	t.Helper()
	old := oldJail{t: t, master: s.Master(), namespaces: map[string]string{}}
	for _, kind := range jailNamespaces {
		path := fmt.Sprintf("/proc/%d/ns/%s", old.master, kind)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		old.namespaces[kind], err = os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
	}
	return old
}

// waitFresh waits until the app answers from a jail that shares no namespace with the old one, and returns what it sees.
func (old oldJail) waitFresh(s *harness.Server, proto, addr string) facts {
	old.t.Helper()
	var f facts
	ok := harness.Eventually(15*time.Second, func() bool {
		f = getFacts(old.t, proto, addr)
		time.Sleep(20 * time.Millisecond)
		return f.Namespaces["mnt"] != old.namespaces["mnt"]
	})
	if !ok {
		old.t.Fatalf("no fresh jail: the mount namespace is still %s", old.namespaces["mnt"])
	}
	for kind, inode := range old.namespaces {
		if f.Namespaces[kind] == inode {
			old.t.Errorf("the new jail has the old %s namespace", kind)
		}
	}
	if master := s.Master(); master == old.master {
		old.t.Errorf("the master is still %d", master)
	}
	return f
}
