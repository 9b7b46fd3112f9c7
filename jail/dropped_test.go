package jail

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMasterStaysRoot: the master is uid 0 with few capabilities; what the app's processes are to be is in the audit, in numbers.
func TestMasterStaysRoot(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.Creds = Creds{UID: "uwsgi", AddGIDs: []string{"log"}, MasterRoot: true}
	spec.Caps = []string{"net_bind_service"}
	j := mustStart(t, spec)
	a := j.audit.App
	if j.audit.UID != 0 || len(j.audit.Groups) != 0 || j.audit.Bounding != masterCaps || j.audit.Capabilities != masterCaps {
		t.Errorf("the master is %+v", j.audit)
	}
	if a == nil || a.UID != 1234 || a.GID != 2345 || len(a.Groups) != 3 || a.Capabilities != 1<<unix.CAP_NET_BIND_SERVICE || !a.Guarded {
		t.Errorf("the app is to be %+v", a)
	}
	for want, creds := range map[string]Creds{"no other user": {UID: "root", MasterRoot: true}, "no other user ": {GID: "web", MasterRoot: true}} {
		spec.Creds, spec.Caps = creds, nil
		if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%+v gives %v", creds, err)
		}
	}
	spec.Creds = Creds{UID: "99", MasterRoot: true}
	failsAt(t, spec, "audit", "gid -1 (-1: unknown")
}

// TestDroppedThread: what the thread starts is another user from its first moment on; the process around it stays what it was.
func TestDroppedThread(t *testing.T) {
	needRoot(t)
	for _, caps := range []uint64{0, 1<<unix.CAP_NET_RAW | 1<<unix.CAP_CHOWN} {
		d := &Dropped{UID: 4711, GID: 4712, Groups: []int{5, 4712}, Capabilities: caps, Guarded: true}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pid, err := d.StartLimited(func() (int, error) {
			p, err := os.StartProcess("/bin/cat", []string{"cat", "/proc/self/status"}, &os.ProcAttr{Files: []*os.File{nil, w, w}})
			if err != nil {
				return 0, err
			}
			return p.Pid, nil
		}, []Limit{{"nofile", 77}})
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 8192)
		n, _ := r.Read(text)
		r.Close()
		_, _ = unix.Wait4(pid, nil, 0, nil)
		s := parseStatus(string(text[:n]))
		if len(s.uids) != 4 || s.uids[0] != 4711 || s.uids[2] != 4711 || s.gids[3] != 4712 || len(s.groups) != 2 ||
			s.effective != caps || s.permitted != caps || s.inheritable != caps || s.ambient != caps || s.bounding != caps {
			t.Errorf("with capabilities %#x the process is %+v", caps, s)
		}
	}
	if text, err := os.ReadFile("/proc/self/status"); err != nil || parseStatus(string(text)).uids[1] != 0 || os.Geteuid() != 0 {
		t.Error("the process itself has changed")
	}
	bad := &Dropped{UID: 4711, GID: 4712, Groups: []int{7, 5}}
	if err := bad.Do(func() error { t.Error("it ran"); return nil }); err == nil || !strings.Contains(err.Error(), "cannot trust the thread") {
		t.Errorf("groups that do not come out as asked give %v", err)
	}
}
