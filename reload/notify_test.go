package reload

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/reload/verdict"
)

func envOfMap(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestNotifier(t *testing.T) {
	if n := newNotifier(envOfMap(nil)); n.fd >= 0 || n.send("READY=1") != nil {
		t.Errorf("without a socket: %+v", n)
	}
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNotifier(envOfMap(map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": fmt.Sprint(os.Getpid())}))
	defer unix.Close(n.fd)
	if n.every != time.Second {
		t.Errorf("a sign of life every %v, want a third of 3 s", n.every)
	}
	for range 2 { // the second is no news
		if err := n.tell("RELOADING=1", "re\nlo\x1bading"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.tell("READY=1", "ok"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	size, err := l.Read(buf)
	if text := string(buf[:size]); err != nil || !strings.HasPrefix(text, "RELOADING=1\nSTATUS=re lo ading\nMONOTONIC_USEC=") {
		t.Errorf("got %q, %v", text, err)
	}
	if size, err = l.Read(buf); err != nil || string(buf[:size]) != "READY=1\nSTATUS=ok" {
		t.Errorf("got %q, %v", buf[:size], err)
	}
	// The variables of another process are not for us.
	if n := newNotifier(envOfMap(map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"})); n.every != 0 {
		t.Errorf("the watchdog of pid 1 is taken for ours: %v", n.every)
	}
}

// TestNotifyNeverWaits: a manager that does not read does not hold us.
func TestNotifyNeverWaits(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNotifier(envOfMap(map[string]string{"NOTIFY_SOCKET": name}))
	defer unix.Close(n.fd)
	for range 10000 {
		if err = n.send("WATCHDOG=1"); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("10000 messages that nobody reads are no error")
	}
}

func TestSameAddress(t *testing.T) {
	any4, lo4 := &unix.SockaddrInet4{Port: 80}, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}
	any6 := &unix.SockaddrInet6{Port: 80}
	file := &unix.SockaddrUnix{Name: "/run/app.sock"}
	tests := []struct {
		addr string
		sa   unix.Sockaddr
		want bool
	}{
		{":80", any4, true}, {":80", any6, true}, {":81", any4, false}, {":80", lo4, false}, {"127.0.0.1:80", lo4, true},
		{"127.0.0.1:80", any4, false}, {"[::]:80", any6, true}, {"/run/app.sock", file, true}, {"/run/./app.sock", file, true},
		{"/run/other.sock", file, false}, {"@x", &unix.SockaddrUnix{Name: "@x"}, true}, {"@y", &unix.SockaddrUnix{Name: "@x"}, false},
		{"fd://3", any4, false}, {"/run/app.sock", any4, false},
	}
	for _, tt := range tests {
		if got := sameAddress(tt.addr, tt.sa); got != tt.want {
			t.Errorf("%s and %+v: %v", tt.addr, tt.sa, got)
		}
	}
}

func TestActivated(t *testing.T) {
	self := fmt.Sprint(os.Getpid())
	for _, tt := range []struct {
		pid, fds string
		want     int
	}{{self, "x", 0}, {"1", "1", 0}, {self, "0", 0}, {self, "-1", 0}, {self, "100000000", 0}, {"", "1", 0}} {
		if got := Activated(envOfMap(map[string]string{"LISTEN_PID": tt.pid, "LISTEN_FDS": tt.fds})); len(got) != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestAdoptActivated(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	number := fmt.Sprintf("fd://%d", f.Fd())
	cfg := &config.Config{}
	cfg.Sockets.Default = "http"
	cfg.Sockets.List = []config.Socket{{Addr: ":1", Proto: "uwsgi"}, {Addr: l.Addr().String(), Proto: "http11"}}
	if err := Adopt(cfg, []int{int(f.Fd())}); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Sockets.List) != 2 || cfg.Sockets.List[1].Addr != number || cfg.Sockets.List[1].Proto != "http11" {
		t.Errorf("by its address: %+v", cfg.Sockets.List)
	}
	cfg.Sockets.List = nil
	if err := Adopt(cfg, []int{int(f.Fd())}); err != nil || len(cfg.Sockets.List) != 1 || cfg.Sockets.List[0].Proto != "http" {
		t.Errorf("by itself: %+v, %v", cfg.Sockets.List, err)
	}
	if err := Adopt(cfg, []int{1 << 20}); err == nil {
		t.Error("a descriptor that is not there is adopted")
	}
}

func TestStopDelay(t *testing.T) {
	stop, hup, brutal := evAsked{verdict.Stop}, evAsked{verdict.ReloadAll}, evAsked{verdict.BrutalStop}
	boot := []step{{ev: evBoot{}, want: "start 1"}, {ev: evReady{1}, want: "serving"}}
	tests := map[string][]step{
		"serves on": append(boot[:len(boot):len(boot)], step{ev: stop, want: "stopping"}, step{ev: hup}, step{ev: evWoke{}},
			step{ev: evWoke{}, wait: 20 * time.Second, want: "stopping, leave 1"}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"asked again": append(boot[:len(boot):len(boot)], step{ev: stop, want: "stopping"}, step{ev: stop, want: "stopping, leave 1"},
			step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"brutally": append(boot[:len(boot):len(boot)], step{ev: brutal, want: "stopping, leave! 1"}, step{ev: evEnded{1, exit0}, want: "exit 0"}),
		"the stack dies meanwhile and is built again": append(boot[:len(boot):len(boot)], step{ev: stop, want: "stopping"},
			step{ev: evEnded{1, sigkill}}, step{ev: evWoke{}, want: "start 2"}, step{ev: evReady{2}},
			step{ev: evWoke{}, wait: 20 * time.Second, want: "stopping, leave 2"}, step{ev: evEnded{2, exit0}, want: "exit 0"}),
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			p := &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false }}
			p.stopDelay = func() time.Duration { return 20 * time.Second }
			now := time.Unix(1000, 0)
			for i, s := range steps {
				now = now.Add(s.wait)
				acts := p.handle(s.ev, now)
				got := words(acts)
				if len(acts) > 0 && acts[0] == (action)(actStopping{}) {
					got = strings.TrimSuffix("stopping, "+got, ", ")
				}
				if got != s.want {
					t.Fatalf("step %d, %T%+v: %q, want %q (stage %v)", i+1, s.ev, s.ev, got, s.want, p.stage)
				}
				if strings.Contains(got, "stopping") && !strings.Contains(got, "leave") && p.nextWake().IsZero() {
					t.Fatal("nobody wakes at the end of the delay")
				}
			}
		})
	}
}
