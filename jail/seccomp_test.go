package jail

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSeccomp(t *testing.T) {
	got, err := ParseSeccomp(strings.NewReader("# ours\nsocketpair # no pairs\n\n\tallow   ptrace\nfork\n"))
	if want := (Seccomp{Refuse: []string{"socketpair", "fork"}, Allow: []string{"ptrace"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for text, want := range map[string]string{"fly\n": "no such call", "allow fly": "no such call", "deny read": "line 1", "a b c": "line 1", "execve": "nothing would start"} {
		if _, err := ParseSeccomp(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
}

func FuzzParseSeccomp(f *testing.F) {
	f.Add("socketpair\nallow ptrace # x\n")
	f.Add("allow\nallow allow\n#")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSeccomp(strings.NewReader(text))
		if err != nil {
			return
		}
		if p := seccompProgram(&s); len(p) > 4096 { // BPF_MAXINSNS
			t.Errorf("a program of %d instructions", len(p))
		}
	})
}

// run is the kernel's side of the filter, as far as the program uses it.
func run(t *testing.T, p []unix.SockFilter, arch, number uint32, arg0, arg1 uint64) uint32 {
	t.Helper()
	data := map[uint32]uint32{dataNumber: number, dataArch: arch, dataArg0: uint32(arg0), dataArg1: uint32(arg1)}
	acc := uint32(0)
	for pc := 0; pc < len(p); pc++ {
		in := p[pc]
		yes := false
		switch in.Code {
		case opLoad:
			acc = data[in.K]
			continue
		case opReturn:
			return in.K
		case opEqual:
			yes = acc == in.K
		case opAtLeast:
			yes = acc >= in.K
		case opAnySet:
			yes = acc&in.K != 0
		default:
			t.Fatalf("instruction %d has code %#x", pc, in.Code)
		}
		if yes {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
	t.Fatal("the program runs over its end")
	return 0
}

func TestSeccompProgram(t *testing.T) {
	const i386 = unix.AUDIT_ARCH_I386
	for _, c := range []struct {
		name       string
		rules      Seccomp
		arch       uint32
		number     uint32
		arg0, arg1 uint64
		want       uint32
	}{
		{"read", Seccomp{}, auditArch, unix.SYS_READ, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"a 32-bit call", Seccomp{}, i386, unix.SYS_READ, 0, 0, answerNone},
		{"ptrace", Seccomp{}, auditArch, unix.SYS_PTRACE, 0, 0, answerPerm},
		{"ptrace allowed", Seccomp{Allow: []string{"ptrace"}}, auditArch, unix.SYS_PTRACE, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"socketpair", Seccomp{}, auditArch, unix.SYS_SOCKETPAIR, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"socketpair refused", Seccomp{Refuse: []string{"socketpair"}}, auditArch, unix.SYS_SOCKETPAIR, 0, 0, answerPerm},
		{"a thread", Seccomp{}, auditArch, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, 0, unix.SECCOMP_RET_ALLOW},
		{"a user namespace", Seccomp{}, auditArch, unix.SYS_CLONE, unix.CLONE_NEWUSER, 0, answerPerm},
		{"a user namespace allowed", Seccomp{Allow: []string{"clone"}}, auditArch, unix.SYS_CLONE, unix.CLONE_NEWUSER, 0, unix.SECCOMP_RET_ALLOW},
		{"clone3", Seccomp{}, auditArch, unix.SYS_CLONE3, 0, 0, answerNone},
		{"clone3 allowed", Seccomp{Allow: []string{"clone3"}}, auditArch, unix.SYS_CLONE3, 0, 0, unix.SECCOMP_RET_ALLOW},
		{"an ioctl", Seccomp{}, auditArch, unix.SYS_IOCTL, 0, unix.TIOCGWINSZ, unix.SECCOMP_RET_ALLOW},
		{"TIOCSTI", Seccomp{}, auditArch, unix.SYS_IOCTL, 0, unix.TIOCSTI, answerPerm},
		{"TIOCSTI with high bits", Seccomp{}, auditArch, unix.SYS_IOCTL, 0, 1<<32 | unix.TIOCSTI, answerPerm},
		{"TIOCLINUX", Seccomp{}, auditArch, unix.SYS_IOCTL, 0, tioclinux, answerPerm},
		{"after the ioctl rules", Seccomp{Allow: []string{"ioctl"}}, auditArch, unix.SYS_IOCTL, 0, unix.TIOCSTI, unix.SECCOMP_RET_ALLOW},
	} {
		if got := run(t, seccompProgram(&c.rules), c.arch, c.number, c.arg0, c.arg1); got != c.want {
			t.Errorf("%s is answered %#x, want %#x", c.name, got, c.want)
		}
	}
	for _, number := range (&Seccomp{}).refusedCalls() {
		if got := run(t, seccompProgram(&Seccomp{}), auditArch, uint32(number), 0, 0); got != answerPerm {
			t.Errorf("call %d of the list is answered %#x", number, got)
		}
	}
}

// The table against the kernel's header, which it was not made from.
func TestCallNumbers(t *testing.T) {
	header, err := os.ReadFile("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
	if err != nil || auditArch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("needs the kernel's headers for amd64: ", err)
	}
	rows := regexp.MustCompile(`(?m)^#define __NR_(\w+) (\d+)$`).FindAllStringSubmatch(string(header), -1)
	if len(rows) < 300 {
		t.Fatalf("found %d calls in the header", len(rows))
	}
	for _, row := range rows {
		want, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := callNumber(row[1]); !ok || int(got) != want {
			t.Errorf("%s is %d (%v), the kernel says %d", row[1], got, ok, want)
		}
	}
}

func TestSeccompChangesTakeEffect(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.Seccomp = Seccomp{Refuse: []string{"getppid"}, Allow: []string{"keyctl"}}
	if got := mustStart(t, spec, "call keyctl").answers["call keyctl"]; got != "ok" {
		t.Errorf("an allowed call gives %q", got)
	}
	spec.Seccomp.Refuse = []string{"no-such-call"}
	failsAt(t, spec, "validate", "no such call")
	spec.Seccomp, spec.GuardsOff = Seccomp{Refuse: []string{"getppid"}}, []Guard{GuardSeccomp}
	failsAt(t, spec, "validate", "the guard seccomp is off")
}
