package reload

import (
	"slices"
	"time"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
)

// around is what a generation runs beside its workers, as its master tells it.
type around struct {
	daemons []metrics.DaemonInfo
	crons   []metrics.CronInfo
	alone   bool // the master was told that no other generation is left
}

func newAround(snap *snapshot) around {
	var a around
	for _, d := range snap.cfg.Daemons.List {
		a.daemons = append(a.daemons, metrics.DaemonInfo{Command: d.Command})
	}
	for _, c := range snap.cfg.Crons.List {
		a.crons = append(a.crons, metrics.CronInfo{
			Minute: c.Minute, Hour: c.Hour, Day: c.Day, Month: c.Month, Week: c.Week, Command: c.Command, Unique: c.Unique, PID: -1,
		})
	}
	return a
}

// logPipes is how many processes have a log pipe of their own: workers, mules, spoolers and daemons, in this order.
func logPipes(cfg *config.Config) int {
	n := cfg.Process.Processes + len(cfg.Mules.List) + len(cfg.Daemons.List)
	for _, dir := range cfg.Spooler.Dirs {
		if !dir.External {
			n += cfg.Spooler.Processes
		}
	}
	return n
}

// notedAround takes what a master tells of its daemons and cron jobs. What is not of the configuration is passed over. The lists are
// replaced, never changed, because readers of the figures hold them.
func (p *parent) notedAround(g *generation, m jail.Message) {
	i, a := m.Slot-1, &g.around
	switch {
	case m.Event == "daemon" && i >= 0 && i < len(a.daemons):
		a.daemons = slices.Clone(a.daemons)
		a.daemons[i].PID, a.daemons[i].Respawns = m.PID, uint64(max(m.Count, 0))
	case m.Event == "cron" && i >= 0 && i < len(a.crons):
		a.crons = slices.Clone(a.crons)
		a.crons[i].PID, a.crons[i].Started = m.PID, time.Unix(m.At, 0)
	case m.Event == "cron-minute":
		p.cronAt = min(max(p.cronAt, m.At), time.Now().Unix()) // by our own clock: a jail must not put off the next one's jobs
		return
	default:
		return
	}
	p.publish()
}

// currentGeneration is the one that serves, or starts to; nil between two.
func (p *parent) currentGeneration() *generation {
	if p.plan.current == nil {
		return nil
	}
	return p.gens[p.plan.current.id]
}

// tellAlone tells the only generation that is left that it is: what must not run twice waits for it.
func (p *parent) tellAlone() {
	if len(p.gens) != 1 {
		return
	}
	for _, g := range p.gens {
		if !g.around.alone && g.proc != nil && !g.silent {
			g.around.alone = true
			p.warn(g.proc.Conn.Send(jail.Message{Type: jail.MsgAlone, At: p.cronAt}))
		}
	}
}

// mercy is how long the newest stack may take to leave: its workers, then its daemons and cron commands.
func (p *parent) mercy() time.Duration {
	cfg := p.newest.cfg
	most := 0
	if len(cfg.Daemons.List) > 0 {
		most = cfg.Daemons.Mercy
	}
	for _, d := range cfg.Daemons.List {
		most = max(most, d.StopMercy)
	}
	if len(cfg.Crons.List) > 0 {
		most = max(most, CronMercy(cfg))
	}
	if len(cfg.Mules.List) > 0 {
		most = max(most, cfg.Mules.ReloadMercy)
	}
	if len(cfg.Spooler.Dirs) > 0 {
		most = max(most, SpoolerMercy)
	}
	return time.Duration(cfg.Process.WorkerReloadMercy+most) * time.Second
}

// SpoolerMercy is how many seconds a spooler has to finish its task when its stack leaves.
const SpoolerMercy = 60

// CronMercy is how many seconds a running cron command has when its stack leaves.
func CronMercy(cfg *config.Config) int {
	if cfg.Crons.Mercy < 0 {
		return cfg.Daemons.Mercy
	}
	return cfg.Crons.Mercy
}
