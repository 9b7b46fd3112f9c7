package jail

import (
	"errors"
	"fmt"
	"net"
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
	for _, c := range []struct{ address, gateway, second string }{{"10.112.0.2/24", "10.112.0.1", "10.112.0.3"}, {"10.113.0.2/24", "10.113.0.1", ""},
		{"fd00:112::2/64", "fd00:112::1", "fd00:112::3"}, {"fd00:113::2/64", "fd00:113::1", ""}} {
		t.Run("twice "+c.address+" "+c.second, func(t *testing.T) { vethTwice(t, c.address, c.gateway, c.second) })
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
	for _, v := range []Veth{{Name: "", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}, {Name: "a-name-of-16-byte", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}, {Name: "a/b", Address: "10.0.0.2/24", Gateway: "10.0.0.1"},
		{Name: "v0", Address: "10.0.0.2", Gateway: "10.0.0.1"}, {Name: "v0", Address: "10.0.0.2/24", Gateway: "10.0.1.1"}, {Name: "v0", Address: "10.0.0.2/24", Gateway: "10.0.0.2"}, {Name: "v0", Address: "10.0.0.2/24", Gateway: "fd00::1"},
		{Name: "v0", Address: "10.0.0.2/24", Gateway: "10.0.0.1", Second: "10.0.1.3"}, {Name: "v0", Address: "10.0.0.2/24", Gateway: "10.0.0.1", Second: "10.0.0.1"}} {
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

// TestVethBeside: what a pair is called and which address it has, by what stands already.
func TestVethBeside(t *testing.T) {
	asked := &Veth{Name: "jail0", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}
	two := &Veth{Name: "jail0", Address: "10.0.0.2/24", Gateway: "10.0.0.1", Second: "10.0.0.3"}
	long := &Veth{Name: "a23456789012345", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}
	with := func(v *Veth) []*Process { return []*Process{{link: 7, Spec: Spec{Veth: v}}} }
	for name, c := range map[string]struct {
		asked         *Veth
		others        []*Process
		link, address string
	}{
		"alone":                             {asked, nil, "jail0", "10.0.0.2/24"},
		"beside one that has no pair":       {asked, []*Process{{}, {link: 7}, {Spec: Spec{Veth: asked}}}, "jail0", "10.0.0.2/24"},
		"beside one":                        {asked, with(asked), "jail0-n", "10.0.0.2/24"},
		"beside one of another name":        {asked, with(long), "jail0", "10.0.0.2/24"},
		"beside one with a temporary name":  {asked, with(&Veth{Name: "jail0", Address: "10.0.0.2/24", Temporary: true}), "jail0", "10.0.0.2/24"},
		"two addresses, alone":              {two, nil, "jail0", "10.0.0.2/24"},
		"two addresses, the first is taken": {two, with(two.beside(nil)), "jail0-n", "10.0.0.3/24"},
		"two addresses, by turns":           {two, with(two.beside(with(two))), "jail0", "10.0.0.2/24"},
		"a long name":                       {long, with(long), "a234567890123-n", "10.0.0.2/24"},
	} {
		got := c.asked.beside(c.others)
		if got.linkName() != c.link || got.Address != c.address {
			t.Errorf("%s: %s %s, want %s %s", name, got.linkName(), got.Address, c.link, c.address)
		}
	}
	if *asked != (Veth{Name: "jail0", Address: "10.0.0.2/24", Gateway: "10.0.0.1"}) || (*Veth)(nil).beside(with(two)) != nil {
		t.Error("what was asked for has changed")
	}
}

// vethTwice: two jails at once with one name; the later one has its network with the other address at once, with the same one when the older is gone.
func vethTwice(t *testing.T, address, gateway, second string) {
	spec := fullSpec(newRootfs(t))
	spec.Namespaces = append(spec.Namespaces, NSNet)
	name := fmt.Sprintf("gw2%d", os.Getpid())
	spec.Veth = &Veth{Name: name, Address: address, Gateway: gateway, Second: second}
	listen := "tcp " + gateway
	old, err := start(t, spec, listen)
	if err != nil {
		t.Fatal(err)
	}
	probe := listen
	if second == "" {
		probe = "read /proc/net/dev" // connecting would wait for minutes: the answers go to the old jail
	}
	command := Command{Spec: spec, Role: testRole, Payload: []string{probe}, Beside: []*Process{old.Process}}
	next, err := Start(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.end() })
	if err := next.TakeName([]*Process{old.Process, next}); err != nil || !next.Spec.Veth.Temporary {
		t.Errorf("the name is taken while the old one has it: %v", err)
	}
	answer := ""
	for answer == "" {
		m, err := next.Conn.Recv()
		if err != nil || m.Type == MsgStepFailed {
			t.Fatalf("%+v %v", m, err)
		}
		if m.Type == MsgNote {
			answer = m.Cause
		}
	}
	if second != "" && answer != "ECONNREFUSED" {
		t.Errorf("connecting from the second jail gives %s", answer)
	}
	old.end()
	if err := next.TakeName([]*Process{next}); err != nil || next.Spec.Veth.Temporary {
		t.Fatal(err)
	}
	index, err := interfaceIndex(name)
	if err != nil || index != next.link {
		t.Errorf("interface %d, %v; want %d", index, err, next.link)
	}
	inside, _, _ := next.Spec.Veth.parse()
	// The host reaches the jail that is left: nobody listens there, but somebody answers.
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(inside.Addr().String(), "9"), 5*time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connecting to the jail gives %v", err)
	}
}
