package reload

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func testEnv(dir string) *socketEnv {
	return &socketEnv{dir: dir, uid: -1, gid: -1, backlog: 16, tuning: tuning{receive: 4, send: 4, noDefer: true}, mask: -1}
}

func mustBind(t *testing.T, addr string, env *socketEnv) *listener {
	t.Helper()
	l, err := bind(addr, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.close(false) })
	return l
}

func TestBindUnix(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		chmod string
		mask  int
		want  os.FileMode
	}{{"660", 0o077, 0o660}, {"666", -1, 0o666}, {"", 0o027, 0o750}, {"", 0, 0o777}}
	for _, tt := range tests {
		env := testEnv(dir)
		env.chmod, env.mask = tt.chmod, tt.mask
		mustBind(t, "app.sock", env)
		st, err := os.Lstat(filepath.Join(dir, "app.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode()&os.ModeSocket == 0 || st.Mode().Perm() != tt.want {
			t.Errorf("chmod %q, umask %o: mode %v, want a socket with %v", tt.chmod, tt.mask, st.Mode(), tt.want)
		}
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("temporary names are left: %v", left)
	}
}

// TestBindUnixReplaces: the path of a live socket is taken over without a moment in which nobody listens there.
func TestBindUnixReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.sock")
	old := mustBind(t, path, testEnv(dir))
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
			}
			c, err := net.Dial("unix", path)
			if err != nil && !strings.Contains(err.Error(), "resource temporarily unavailable") {
				failed <- err
				return
			}
			if c != nil {
				c.Close()
			}
		}
	}()
	var l *listener
	for range 200 {
		l = mustBind(t, path, testEnv(dir))
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Fatalf("connecting while the socket was replaced: %v", err)
	}
	if gone, err := old.place.remove(); gone || err != nil {
		t.Errorf("an older socket's owner removes its successor's path: %v, %v", gone, err)
	}
	if gone, err := l.place.remove(); !gone || err != nil {
		t.Errorf("the owner cannot remove its own socket: %v, %v", gone, err)
	}
}

func TestBindUnixRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		file:                                  "is not a socket",
		filepath.Join(dir, "missing", "sock"): "no such file or directory",
		"127.0.0.1:99999":                     "not a port number",
		"fd://1000":                           "bad file descriptor",
	} {
		_, err := bind(addr, testEnv(dir))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot bind "+addr) {
			t.Errorf("bind(%s) = %v, want an error about %q", addr, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "data" {
		t.Errorf("the file in the way was touched: %q, %v", text, err)
	}
}

// TestBindInRoot: a symlink in a rootfs does not lead outside of it.
func TestBindInRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(root, "run")); err != nil {
		t.Fatal(err)
	}
	env := testEnv("/")
	env.root = root
	if _, err := bind("/run/app.sock", env); err == nil {
		t.Error("a socket was bound through a symlink that leads out of the rootfs")
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("something was made outside the rootfs: %v", left)
	}
	if err := os.Mkdir(filepath.Join(root, "srv"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustBind(t, "/srv/app.sock", env)
	if _, err := os.Lstat(filepath.Join(root, "srv/app.sock")); err != nil {
		t.Error(err)
	}
}

func TestBindInet(t *testing.T) {
	env := testEnv("/")
	env.tuning.noDefer = false
	l := mustBind(t, "127.0.0.1:0", env)
	fd := l.fd()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("the listener blocks: workers of several processes wait on it (%v)", err)
	}
	// Every os.File.Fd of a listener on its way to a jail must leave it so.
	l.file.Fd()
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 {
		t.Error("asking for the descriptor made the listener block")
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*unix.SockaddrInet4).Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil { // TCP_DEFER_ACCEPT
		t.Fatal(err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, 5000); err != nil {
		t.Fatal(err)
	}
	got, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(got)
	// The workers rely on it: what is set on the listener holds for what it accepts.
	tv, err := unix.GetsockoptTimeval(got, unix.SOL_SOCKET, unix.SO_RCVTIMEO)
	if err != nil || tv.Sec != 4 {
		t.Errorf("SO_RCVTIMEO of an accepted connection is %+v (%v), want 4 s", tv, err)
	}
	if n, err := unix.GetsockoptInt(got, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || n == 0 {
		t.Errorf("TCP_NODELAY of an accepted connection is %d (%v), want 1", n, err)
	}
}

func TestAdopt(t *testing.T) {
	l := mustBind(t, "127.0.0.1:0", testEnv("/"))
	again := mustBind(t, "fd://"+strconv.Itoa(l.fd()), testEnv("/"))
	if again.family != "inet" || again.place != nil {
		t.Errorf("adopted %+v, want an inet socket that is not ours to unlink", again)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	if _, err := bind("fd://"+strconv.Itoa(pair[0]), testEnv("/")); err == nil || !strings.Contains(err.Error(), "not a listening socket") {
		t.Errorf("adopting a connected socket: %v, want an error", err)
	}
}
