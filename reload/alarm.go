package reload

import (
	"fmt"
	"strings"

	"gowsgi/jail"
	"gowsgi/metrics"
)

const (
	maxAlarm  = 8 << 10  // bytes of a message
	maxUnread = 64 << 10 // bytes that a master has not read
)

// raise has the master of the current stack raise an alarm.
func (p *parent) raise(names []string, text string) {
	g := p.currentGeneration()
	if g == nil || g.proc == nil || g.silent {
		return
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxAlarm)], "?")
	for _, name := range names {
		if g.proc.Conn.Backlog() > maxUnread {
			return // a master that does not read must not make us wait; the log has the line
		}
		p.warn(g.proc.Conn.Send(jail.Message{Type: jail.MsgAlarm, Event: name, Message: text}))
	}
}

// lookAtQueues tells of listen queues that are full: once, and again when one was not full in between. uWSGI tells it each second.
func (p *parent) lookAtQueues() {
	for _, l := range p.newest.uses {
		full, q := false, metrics.Queue{}
		if raw, err := l.file.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				q, err = metrics.ListenQueue(int(fd))
				full = err == nil && q.Max > 0 && q.Length >= q.Max
			})
		}
		if full && !l.full {
			p.info.QueueErrors++
			text := fmt.Sprintf("*** uWSGI listen queue of socket %q (fd: %d) full !!! (%d/%d) ***", l.addr, l.fd(), q.Length, q.Max)
			p.log.Error().Msg(text)
			p.raise(p.newest.cfg.Alarms.Backlog, text)
			p.publish()
		}
		l.full = full
	}
}
