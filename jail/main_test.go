package jail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays the master too: started with this role it enters the jail, answers what it is asked to look at, and waits.
const testRole = "@jailtest"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == testRole {
		os.Exit(playMaster())
	}
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "@probe:") {
		fmt.Print(probe(strings.TrimPrefix(os.Args[1], "@probe:")))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func playMaster() int {
	boot, conn, err := Receive()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	audit, err := Enter(boot.Spec, func(string) {})
	if err != nil {
		var step *StepError
		if errors.As(err, &step) {
			_ = conn.Send(step.Message())
		}
		return 1
	}
	if err := conn.Send(Message{Type: MsgEntered, Audit: &audit}); err != nil {
		return 4
	}
	var probes []string
	if err := json.Unmarshal(boot.Payload, &probes); err != nil {
		return 5
	}
	for _, name := range probes {
		if err := conn.Send(Message{Type: MsgNote, Event: name, Cause: probe(name)}); err != nil {
			return 6
		}
	}
	for {
		m, err := conn.Recv()
		if err != nil || m.Type == MsgLeave {
			return 0
		}
	}
}

// jailed is a jail under test and what its probes answered.
type jailed struct {
	*Process
	audit   *Audit
	answers map[string]string
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces without a user namespace")
	}
}

// start enters the spec and runs the probes in it, or gives the error of the step that failed.
func start(t testing.TB, spec Spec, probes ...string) (*jailed, error) {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if probes == nil {
		probes = []string{}
	}
	p, err := Start(Command{Spec: spec, Role: testRole, Generation: 7, Payload: probes, Log: log, Env: []string{"PATH=/bin"}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		p.Kill()
		_, _ = unix.Wait4(p.PID, nil, 0, nil)
		p.Close()
	})
	j := &jailed{Process: p, answers: map[string]string{}}
	deadline := time.AfterFunc(60*time.Second, p.Kill)
	defer deadline.Stop()
	for j.audit == nil || len(j.answers) < len(probes) {
		m, err := p.Conn.Recv()
		if err != nil {
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("the master left: %w; its log: %s", err, text)
		}
		switch m.Type {
		case MsgEntered:
			j.audit = m.Audit
		case MsgStepFailed:
			return nil, &StepError{Step: m.Step, Arg: m.Arg, Errno: m.Errno, Err: errors.New(m.Message)}
		case MsgNote:
			j.answers[m.Event] = m.Cause
		}
	}
	return j, nil
}

func mustStart(t testing.TB, spec Spec, probes ...string) *jailed {
	t.Helper()
	j, err := start(t, spec, probes...)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// failsAt expects the step to fail and its one line to hold the text.
func failsAt(t *testing.T, spec Spec, step, text string) {
	t.Helper()
	_, err := start(t, spec)
	var failed *StepError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want step %s to fail", err, step)
	}
	if failed.Step != step || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %q, want one line of step %s with %q", err, step, text)
	}
}

// newRootfs makes a tiny system: users, a few directories and this binary.
func newRootfs(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"proc", "dev", "etc", "bin", "nfs", "home/app", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nuwsgi:x:1234:2345::/home/app:/bin/sh\n")
	write(t, filepath.Join(root, "etc/group"), "root:x:0:\nuwsgi:x:2345:\nweb:x:3456:uwsgi,other\nlog:x:4567:\n")
	write(t, filepath.Join(root, "inside"), "the rootfs")
	return root
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyBinary(t testing.TB, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
}

// fullSpec is what `namespace = /dir:name` comes to.
func fullSpec(root string) Spec {
	return Spec{
		Namespaces: []Namespace{NSMount, NSPID, NSUTS, NSIPC},
		Hostname:   "mybeautifulhostname",
		Root:       Root{Kind: RootDir, Path: root},
		Creds:      Creds{UID: "uwsgi", GID: "uwsgi"},
	}
}

func hostSpec() Spec {
	return Spec{
		Namespaces: []Namespace{NSMount, NSPID, NSUTS, NSIPC},
		Hostname:   "onthefly",
		Root:       Root{Kind: RootHost},
	}
}
