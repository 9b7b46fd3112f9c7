package reload

import (
	"fmt"

	"gowsgi/jail"
	"gowsgi/metrics"
)

// raise has the master of the current stack raise an alarm.
func (p *parent) raise(names []string, text string) {
	g := p.currentGeneration()
	if g == nil || g.proc == nil || g.silent {
		return
	}
	for _, name := range names {
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
