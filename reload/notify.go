package reload

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
)

// serviceEnv are the variables by which a service manager talks to its own child: nothing of ours hands them on.
var serviceEnv = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// forgetService takes them out of the environment of what we start.
func forgetService() {
	for _, name := range serviceEnv {
		_ = os.Unsetenv(name) // fails for a name with = only
	}
}

// notifier tells a service manager how we are (sd_notify(3)). It never waits: a manager that does not read loses messages.
type notifier struct {
	fd    int // -1 = nobody to tell
	to    unix.Sockaddr
	state string        // of the last message
	every time.Duration // between two signs of life, 0 = none are wanted
	beat  <-chan time.Time
	asked time.Time // when the master was asked whether it is there; zero = it answered
}

// newNotifier reads the environment; a second process with the same variables is not meant by them.
func newNotifier(getenv func(string) string) notifier {
	n := notifier{fd: -1}
	name := getenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return n
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return n
	}
	n.fd, n.to = fd, &unix.SockaddrUnix{Name: name}
	usec, err := strconv.ParseUint(getenv("WATCHDOG_USEC"), 10, 62)
	pid := getenv("WATCHDOG_PID")
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.every = time.Duration(usec) * time.Microsecond / 3
		n.beat = time.NewTicker(max(n.every, time.Millisecond)).C
	}
	return n
}

func (n *notifier) send(lines ...string) error {
	if n.fd < 0 {
		return nil
	}
	if err := unix.Sendto(n.fd, []byte(strings.Join(lines, "\n")), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, n.to); err != nil {
		return fmt.Errorf("cannot tell the service manager %q: %w", lines[0], err)
	}
	return nil
}

// tell reports a change of what we are doing, once.
func (n *notifier) tell(state, status string) error {
	if n.fd < 0 || state+status == n.state {
		return nil
	}
	n.state = state + status
	lines := []string{state, "STATUS=" + printable(status)}
	if state == "RELOADING=1" {
		lines = append(lines, fmt.Sprintf("MONOTONIC_USEC=%d", monotonicUsec()))
	}
	return n.send(lines...)
}

// monotonicUsec is CLOCK_MONOTONIC, by which systemd tells this reload from an earlier one (Type=notify-reload).
func monotonicUsec() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano() / 1000
}

// announce tells what the plan's actions mean to a service manager.
func (p *parent) announce(act action) {
	switch act := act.(type) {
	case actLoad:
		p.warn(p.notify.tell("RELOADING=1", "reloading"))
	case actServing:
		p.warn(p.notify.tell("READY=1", "uWSGI is ready"))
	case actCount:
		status := "uWSGI is ready"
		if act.failed != "" {
			status = "Reload failed (" + act.failed + "): " + act.text
		}
		if len(status) > maxCause {
			status = status[:maxCause]
		}
		p.warn(p.notify.tell("READY=1", status))
	case actStopping:
		p.warn(p.notify.tell("STOPPING=1", "stopping"))
	}
}

// alive gives a sign of life if the master gave one too. While there is none, the parent is about to build one: that it does so is the
// sign of life.
func (p *parent) alive() {
	g := p.currentGeneration()
	if g == nil || g.proc == nil || p.plan.stage != serving {
		p.notify.asked = time.Time{}
		p.warn(p.notify.send("WATCHDOG=1"))
		return
	}
	if p.notify.asked.IsZero() {
		p.notify.asked = time.Now()
		g.send(jail.Message{Type: jail.MsgPing}, p.log)
	}
}

// answered: a master said that it is there.
func (p *parent) answered(g *generation) {
	if g == p.currentGeneration() && !p.notify.asked.IsZero() {
		p.notify.asked = time.Time{}
		p.warn(p.notify.send("WATCHDOG=1"))
	}
}
