package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serveNamespaces answers one connection on a socket at the path.
func serveNamespaces(t *testing.T, path string, pid int, allowed func(uint32) bool) <-chan error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer unix.Close(fd)
		conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			done <- err
			return
		}
		f := os.NewFile(uintptr(conn), "conn")
		defer f.Close()
		done <- GiveNamespaces(f, pid, []string{"time", "time_for_children"}, allowed)
	}()
	return done
}

func anyone(uint32) bool { return true }

func TestJoin(t *testing.T) {
	needRoot(t)
	j := mustStart(t, fullSpec(newRootfs(t)))
	path := filepath.Join(t.TempDir(), "setns")
	served := serveNamespaces(t, path, j.PID, anyone)
	files, err := ReceiveNamespaces(path, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	checkJoined(t, files, "mybeautifulhostname")
}

// checkJoined starts a master in the namespaces and looks whether it is in that jail.
func checkJoined(t *testing.T, files []*os.File, hostname string) {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	before, _ := os.Getwd()
	p, err := Start(Command{Spec: Spec{Creds: Creds{UID: "uwsgi"}}, Role: testRole, Payload: []string{"read /inside", "pid"}, Log: log, Join: files})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		p.Kill()
		_, _ = unix.Wait4(p.PID, nil, 0, nil)
		p.Close()
	}()
	m, err := p.Conn.Recv()
	if err != nil || m.Type != MsgEntered {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("got %+v, %v; log %s", m, err, text)
	}
	if m.Audit.Hostname != hostname || m.Audit.UID != 1234 || m.Audit.Dir != "/" {
		t.Errorf("audit says %+v", m.Audit)
	}
	for _, want := range []string{"the rootfs", ""} {
		got, err := p.Conn.Recv()
		if err != nil || want != "" && got.Cause != want || got.Event == "pid" && (got.Cause == "1" || got.Cause == "0") {
			t.Errorf("%s gives %q, %v", got.Event, got.Cause, err)
		}
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("the starter moved from %s to %s", before, after)
	}
	host, _ := os.Hostname()
	if host == hostname {
		t.Error("the starter is in the jail itself")
	}
}

func TestGiveNamespacesAsksWhoItIs(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "setns")
	served := serveNamespaces(t, path, os.Getpid(), func(uid uint32) bool { return uid != 0 })
	if _, err := ReceiveNamespaces(path, 5*time.Second); err == nil || !strings.Contains(err.Error(), "may not allow") {
		t.Errorf("the client got %v", err)
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), "cannot give namespaces to uid 0") {
		t.Errorf("the server says %v", err)
	}
}

func TestJoinRefusals(t *testing.T) {
	needRoot(t)
	spec := fullSpec(newRootfs(t))
	spec.Namespaces = append(spec.Namespaces, NSUser)
	spec.UIDMap, spec.GIDMap = []IDMap{{0, 100000, 65536}}, []IDMap{{0, 100000, 65536}}
	if err := os.Chmod(filepath.Dir(spec.Root.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	j := mustStart(t, spec)
	files, err := OpenNamespaces(j.PID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for want, files := range map[string][]*os.File{"belongs to a user namespace": files, "not a namespace": {null}} {
		_, err := Start(Command{Role: testRole, Join: files})
		var failed *StepError
		if !errors.As(err, &failed) || failed.Step != "join" || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The wire against the real one: uWSGI joins a jail of ours, and the other way round.
func TestSetnsWithRealUWSGI(t *testing.T) {
	needRoot(t)
	uwsgi, err := exec.LookPath("uwsgi")
	if err != nil {
		t.Skip("uwsgi is not installed")
	}
	t.Run("it joins ours", func(t *testing.T) {
		root := newRootfs(t)
		j := mustStart(t, fullSpec(root))
		path := filepath.Join(t.TempDir(), "setns")
		served := serveNamespaces(t, path, j.PID, anyone)
		out, err := exec.Command(uwsgi, "--setns", path, "--hook-pre-jail", "write:/tmp/joined by uwsgi", "--hook-in-jail", "exit:").CombinedOutput()
		if text, readErr := os.ReadFile(filepath.Join(root, "tmp/joined")); readErr != nil || string(text) != "by uwsgi" {
			t.Errorf("uwsgi wrote %q, %v; it ended with %v\n%s", text, readErr, err, out)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Run("we join its", func(t *testing.T) {
		root := newRootfs(t)
		cmd := exec.Command(uwsgi, "--namespace", root+":realone", "--setns-socket", "/tmp/setns", "--setns-socket-skip", "time", "--setns-socket-skip", "time_for_children", "--master")
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		// In a mount namespace of its own: it makes the whole tree of its starter private.
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
			_ = cmd.Wait()
		}()
		var files []*os.File
		err := errors.New("never asked")
		for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
			files, err = ReceiveNamespaces(filepath.Join(root, "tmp/setns"), 5*time.Second)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		defer closeAll(files)
		checkJoined(t, files, "realone")
	})
}

func FuzzNamespaceMessage(f *testing.F) {
	good := binary.NativeEndian.AppendUint32([]byte(setnsTag), 0)
	f.Add(good, []byte{})
	f.Add([]byte("uwsgi-setns"), []byte{1, 2, 3})
	f.Add(append(bytes.Clone(good), 0), make([]byte, 24))
	f.Fuzz(func(t *testing.T, message, control []byte) {
		// Descriptors only come from the kernel: a rights message here would name ours.
		if parts, err := unix.ParseSocketControlMessage(control); err == nil {
			for _, p := range parts {
				if p.Header.Level == unix.SOL_SOCKET && p.Header.Type == unix.SCM_RIGHTS {
					return
				}
			}
		}
		files, err := namespaceMessage(message, control)
		if err == nil && (len(files) != 0 || !bytes.Equal(message, good)) {
			t.Errorf("%q is taken for %d namespaces", message, len(files))
		}
	})
}
