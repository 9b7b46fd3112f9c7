package metrics

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenOn makes a listening socket with a backlog of its own (net.Listen takes the system's).
func listenOn(t *testing.T, family int, addr unix.Sockaddr, backlog int) int {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("no such address family here")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, addr); errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Skip("no such loopback address here")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestListenQueueIsReal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct {
		name    string
		family  int
		addr    unix.Sockaddr
		backlog int
	}{
		{"inet", unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, 5},
		{"inet6", unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}, 7},
		{"unix", unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, 6},
		{"abstract", unix.AF_UNIX, &unix.SockaddrUnix{Name: "@gowsgi-test-" + path}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			fd := listenOn(t, c.family, c.addr, c.backlog)
			look := func(want int) {
				t.Helper()
				// A TCP connection is in the queue when the last packet of its handshake was handled, which
				// may be just after connect(2) returned.
				var q Queue
				for range 200 {
					var err error
					if q, err = ListenQueue(fd); err != nil {
						t.Fatal(err)
					}
					if q.Length == want {
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				if q != (Queue{Length: want, Max: c.backlog}) {
					t.Fatalf("queue is %+v, want %d of %d", q, want, c.backlog)
				}
			}
			look(0)
			bound, err := unix.Getsockname(fd)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.backlog {
				client, err := unix.Socket(c.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(client)
				if err := unix.Connect(client, bound); err != nil {
					t.Fatal(err)
				}
				look(i + 1)
			}
			taken, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(taken)
			look(c.backlog - 1)
		})
	}
}

func TestListenQueueOfOthers(t *testing.T) {
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(idle)
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, fd := range map[string]int{"not listening": idle, "no socket": int(null.Fd()), "closed": 1 << 20} {
		if q, err := ListenQueue(fd); err == nil || !strings.HasPrefix(err.Error(), "cannot measure listen queue") {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

func TestListenQueueOfGoListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if q, err := ListenQueue(int(fd)); err != nil || q.Max < 1 || q.Length != 0 {
			t.Errorf("queue is %+v, %v", q, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseUnixDiag(f *testing.F) {
	good := unixDiagRequest(77) // header and family, filled up to an answer below
	answer := append([]byte(nil), good[:unix.NLMSG_HDRLEN]...)
	answer[0] = unix.NLMSG_HDRLEN + unixDiagMsgSize + 12
	answer = append(answer, unix.AF_UNIX, unix.SOCK_STREAM, tcpListenState, 0, 77, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
	answer = append(answer, 12, 0, unixDiagRQLen, 0, 3, 0, 0, 0, 9, 0, 0, 0)
	if q, err := parseUnixDiag(answer, 77); err != nil || q != (Queue{Length: 3, Max: 9}) {
		f.Fatalf("the seed gives %+v, %v", q, err)
	}
	f.Add(answer)
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, msg []byte) {
		if q, err := parseUnixDiag(msg, 77); err != nil && q != (Queue{}) {
			t.Errorf("an error came with %+v", q)
		}
	})
}
