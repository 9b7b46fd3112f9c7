package reload

import (
	"time"

	"gowsgi/jail"
	"gowsgi/metrics"
)

// around is what a generation runs beside its workers, as its master tells it.
type around struct {
	daemons []metrics.DaemonInfo
	alone   bool // the master was told that no other generation is left
}

func newAround(snap *snapshot) around {
	var a around
	for _, d := range snap.cfg.Daemons.List {
		a.daemons = append(a.daemons, metrics.DaemonInfo{Command: d.Command})
	}
	return a
}

// notedAround takes what a master tells of its daemons. What is not of the configuration is passed over. The lists are replaced, never
// changed, because readers of the figures hold them.
func (p *parent) notedAround(g *generation, m jail.Message) {
	i := m.Slot - 1
	if m.Event == "daemon" && i >= 0 && i < len(g.around.daemons) {
		list := append([]metrics.DaemonInfo(nil), g.around.daemons...)
		list[i].PID, list[i].Respawns = m.PID, uint64(max(m.Count, 0))
		g.around.daemons = list
		p.publish()
	}
}

// tellAlone tells the only generation that is left that it is: what must not run twice waits for it.
func (p *parent) tellAlone() {
	if len(p.gens) != 1 {
		return
	}
	for _, g := range p.gens {
		if !g.around.alone && g.proc != nil && !g.silent {
			g.around.alone = true
			p.warn(g.proc.Conn.Send(jail.Message{Type: jail.MsgAlone}))
		}
	}
}

// mercy is how long the newest stack may take to leave: its workers, then its daemons.
func (p *parent) mercy() time.Duration {
	cfg := p.newest.cfg
	most := 0
	if len(cfg.Daemons.List) > 0 {
		most = cfg.Daemons.Mercy
	}
	for _, d := range cfg.Daemons.List {
		most = max(most, d.StopMercy)
	}
	return time.Duration(cfg.Process.WorkerReloadMercy+most) * time.Second
}
