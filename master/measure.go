package master

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
)

// measure writes the memory use of every worker to the scoreboard: the parent cannot, as it may not see into the jail's
// /proc, and the pids there are others.
func (l *loop) measure() {
	tick := Ticked{Workers: make([]Load, len(l.machine.slots)), Queue: l.waiting()}
	for i := range l.machine.slots {
		s := &l.machine.slots[i]
		tick.Workers[i] = l.loadOf(i)
		if s.pid == 0 {
			continue
		}
		rss, vsz, ok := memoryOf(s.pid)
		if !ok {
			continue
		}
		l.board.SetMemory(i, rss, vsz)
		tick.Workers[i].RSS = rss
		sample := l.longestRequest(i)
		sample.Slot, sample.RSS, sample.VSZ = s.id, rss, vsz
		if l.set.Limits.ReloadUSS > 0 || l.set.Limits.ReloadPSS > 0 {
			sample.USS, sample.PSS = ownMemory(s.pid)
		}
		l.feed(sample)
	}
	l.oomKills = oomKills()
	l.feed(tick)
}

// loadOf reads what a worker did from the scoreboard. Requests that run count up to now.
func (l *loop) loadOf(slot int) Load {
	var w Load
	for core := range max(l.set.Conf.Threads, 1) {
		c := l.board.Core(slot, core)
		w.Requests += c.Requests
		w.BusyTime += time.Duration(min(c.RunningTime, 1<<53)) * time.Microsecond
		if c.InRequest && c.Start != 0 {
			w.Busy = true
			w.BusyTime += max(time.Duration(monotonic()-int64(c.Start)), 0)
		}
	}
	return w
}

// waiting counts the connections in the listen queues, when something depends on it.
func (l *loop) waiting() int {
	if l.set.Cheaper.Min == 0 && l.set.Sleep.Idle == 0 && l.set.Limits.HarakiriQueue == 0 {
		return 0
	}
	sum := 0
	for _, f := range l.res.Listeners {
		q, err := metrics.ListenQueue(int(f.Fd()))
		if err != nil && !l.queueWarned {
			l.queueWarned = true
			l.log.Warn().Msgf("Taking the listen queue for empty: %v", err)
		}
		sum += q.Length
	}
	return sum
}

// watchSockets waits for a connection on any socket.
func (l *loop) watchSockets() {
	polled := make([]unix.PollFd, 0, len(l.res.Listeners))
	for _, f := range l.res.Listeners {
		polled = append(polled, unix.PollFd{Fd: int32(f.Fd()), Events: unix.POLLIN})
	}
	for {
		if n, err := unix.Poll(polled, -1); n > 0 || (err != nil && err != unix.EINTR) {
			l.knocks <- Knocked{}
			return
		}
	}
}

// longestRequest finds the request of a worker that runs for the longest time, by the scoreboard. Each core has its own
// start time, so that one request does not hide another's age.
func (l *loop) longestRequest(slot int) Sampled {
	var longest Sampled
	for core := range max(l.set.Conf.Threads, 1) {
		c := l.board.Core(slot, core)
		if !c.InRequest || c.Start == 0 {
			continue
		}
		age := time.Duration(monotonic() - int64(c.Start))
		if age <= l.set.Limits.Harakiri {
			longest.Others++
		}
		if age > longest.Busy {
			longest.Busy, longest.What = age, fmt.Sprintf("[core %d]", core)
		}
	}
	return longest
}

// monotonic is CLOCK_MONOTONIC in nanoseconds, the clock that the workers write their start times by.
func monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// memoryOf reads resident and virtual size, in bytes, from /proc/PID/statm (proc(5): pages).
func memoryOf(pid int) (rss, vsz uint64, ok bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, 0, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return 0, 0, false
	}
	var size, resident uint64
	if _, err := fmt.Sscanf(string(text), "%d %d", &size, &resident); err != nil {
		return 0, 0, false
	}
	page := uint64(os.Getpagesize())
	return resident * page, size * page, true
}

// ownMemory reads what only this process holds (unique set size) and its share of what it holds with others (proportional set
// size), in bytes, from /proc/PID/smaps_rollup (proc(5), Linux 4.14). 0 means not known.
func ownMemory(pid int) (uss, pss uint64) {
	for name, kb := range procTable(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) {
		switch name {
		case "Private_Clean:", "Private_Dirty:", "Private_Hugetlb:":
			uss += kb << 10
		case "Pss:":
			pss = kb << 10
		}
	}
	return uss, pss
}

// oomKills counts what the kernel has killed on this machine for want of memory, of a control group's too (oom_kill of
// /proc/vmstat, Linux 4.13). It is not the jail's alone, so that it only tells in the second of an end by SIGKILL.
func oomKills() uint64 { return procTable("/proc/vmstat")["oom_kill"] }

// procTable reads lines of a name and a number.
func procTable(name string) map[string]uint64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	table := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 {
			if n, err := strconv.ParseUint(words[1], 10, 64); err == nil {
				table[words[0]] = n
			}
		}
	}
	return table
}
