package jail

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestVeth works in a network namespace that stands for the host's.
func TestVeth(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestVethPair$", "-test.v")
	cmd.Env = append(os.Environ(), "JAIL_TEST_ALONE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestVethPair") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestVethPair(t *testing.T) {
	alone(t)
	for _, c := range []struct{ address, gateway string }{{"10.111.0.2/24", "10.111.0.1"}, {"fd00:111::2/64", "fd00:111::1"}} {
		t.Run(c.address, func(t *testing.T) { vethPair(t, c.address, c.gateway) })
	}
}

func vethPair(t *testing.T, address, gateway string) {
	spec := fullSpec(newRootfs(t))
	spec.Namespaces = append(spec.Namespaces, NSNet)
	spec.Veth = &Veth{Name: fmt.Sprintf("gowsgi%d", os.Getpid()), Address: address, Gateway: gateway}
	listen := "tcp " + gateway
	j, err := start(t, spec, "read /proc/net/dev", listen)
	if err != nil {
		if strings.Contains(err.Error(), unix.EOPNOTSUPP.Error()) {
			t.Skip("this kernel has no veth: ", err)
		}
		t.Fatal(err)
	}
	if !strings.Contains(j.answers["read /proc/net/dev"], "eth0:") {
		t.Errorf("the jail has %s", j.answers["read /proc/net/dev"])
	}
	// Nobody listens there, but somebody answers.
	if got := j.answers[listen]; got != "ECONNREFUSED" {
		t.Errorf("connecting to the gateway %s gives %s", gateway, got)
	}
	spec.Fault = "audit"
	failsAt(t, spec, "veth", "there is one")
	// A start has patience with an interface that is about to go.
	spec.Fault = ""
	go func() {
		time.Sleep(50 * time.Millisecond)
		j.end()
	}()
	next, err := Start(Command{Spec: spec, Role: testRole, Payload: []string{}, Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	next.end()
	if _, err := interfaceIndex(spec.Veth.Name); err == nil {
		t.Error("the interface is still there")
	}
	spec.Fault = "network"
	failsAt(t, spec, "network", "fault injected")
}

func TestVethParsing(t *testing.T) {
	for _, v := range []Veth{{"", "10.0.0.2/24", "10.0.0.1"}, {"a-name-of-16-byte", "10.0.0.2/24", "10.0.0.1"}, {"a/b", "10.0.0.2/24", "10.0.0.1"},
		{"v0", "10.0.0.2", "10.0.0.1"}, {"v0", "10.0.0.2/24", "10.0.1.1"}, {"v0", "10.0.0.2/24", "10.0.0.2"}, {"v0", "10.0.0.2/24", "fd00::1"}} {
		if _, _, err := v.parse(); err == nil {
			t.Errorf("%+v is taken", v)
		}
	}
	s := everything()
	s.Namespaces = s.Namespaces[:4]
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "no network namespace") {
		t.Errorf("a veth without a network namespace: %v", err)
	}
}

func FuzzAcknowledged(f *testing.F) {
	f.Add([]byte{36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xef, 0xff, 0xff, 0xff})
	f.Add([]byte{20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{20, 0, 0, 0})
	f.Fuzz(func(t *testing.T, m []byte) {
		done, err := (&netlink{seq: 1}).acknowledged(m)
		if err != nil && !done {
			t.Errorf("%v is an error and no answer", err)
		}
	})
}
