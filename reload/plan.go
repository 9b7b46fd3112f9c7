package reload

import (
	"fmt"
	"syscall"
	"time"

	"gowsgi/reload/verdict"
)

// event is what happens to the parent.
type event interface{ event() }

type (
	evBoot  struct{}
	evAsked struct{ action verdict.Action }
	// evLoaded answers actLoad: the configuration was read again, checked, and its sockets are bound.
	evLoaded struct {
		err     error
		overlap bool
	}
	// evNotStarted answers actStart when the jail could not even be cloned.
	evNotStarted struct {
		gen uint64
		err error
	}
	evEntered struct{ gen uint64 }
	evFailed  struct { // a step of the jail, or the app's import
		gen  uint64
		app  bool
		text string
	}
	evReady struct{ gen uint64 }
	evEnded struct {
		gen    uint64
		status syscall.WaitStatus
	}
	evWoke struct{}
)

func (evBoot) event()       {}
func (evAsked) event()      {}
func (evLoaded) event()     {}
func (evNotStarted) event() {}
func (evEntered) event()    {}
func (evFailed) event()     {}
func (evReady) event()      {}
func (evEnded) event()      {}
func (evWoke) event()       {}

// action is what the parent has to do.
type action interface{ action() }

type (
	actLoad  struct{}             // read the configuration again; answer evLoaded
	actStart struct{ gen uint64 } // build a generation from the newest good configuration
	actLeave struct {
		gen    uint64
		brutal bool
	}
	actRenew struct { // new code for the workers of a generation
		gen           uint64
		chain, brutal bool
	}
	actKill   struct{ gen uint64 }
	actRevert struct{} // forget the configuration that was loaded last, go back to the one that serves
	actCount  struct { // a reload came to its end
		failed string // "" = it worked, else the label: config, app, jail, timeout
		text   string
		ticket uint64 // the newest wish that this was the answer to
	}
	actPause struct {
		gen uint64
		on  bool
	}
	actServing  struct{} // the first generation is ready
	actStopping struct{} // the end has begun, at once or after stop-delay
	actLog      struct {
		bad  bool
		text string
	}
	actExit struct{ code int }
)

func (actLoad) action()     {}
func (actStart) action()    {}
func (actLeave) action()    {}
func (actRenew) action()    {}
func (actKill) action()     {}
func (actRevert) action()   {}
func (actCount) action()    {}
func (actPause) action()    {}
func (actServing) action()  {}
func (actStopping) action() {}
func (actLog) action()      {}
func (actExit) action()     {}

// stage is where the parent stands.
type stage uint8

const (
	starting    stage = iota // the current generation is not ready yet
	serving                  // the current generation is ready
	draining                 // it was told to leave, the next is built when it has gone
	overlapping              // the next one is being built beside it
	waiting                  // nothing runs: the back-off before the stack is built again
	stopping
	finished
)

func (s stage) String() string {
	return [...]string{"starting", "serving", "draining", "overlapping", "waiting", "stopping", "finished"}[s]
}

// Patience.
const (
	leaveGrace      = 5 * time.Second  // beyond the mercy, for the master itself to go
	overlapPatience = 5 * time.Minute  // for a generation beside the old one to become ready
	startPatience   = 30 * time.Second // a reload that is asked for during a start waits so long for its end
	steady          = 10 * time.Second
	firstPause      = time.Second
	maxPause        = 60 * time.Second
)

// gen is what the plan knows of a generation.
type gen struct {
	id             uint64
	entered, ready bool // the jail stands; the workers accept
	readyAt        time.Time
	appError       string
	failure        string // text of the step that failed
	started        time.Time
	deadline       time.Time // leaving: kill then; overlapping: give up then
}

// plan decides. Its zero value with mercy and exitOnReload set is the parent before the first start.
type plan struct {
	mercy        func() time.Duration // worker-reload-mercy of the newest configuration
	exitOnReload func() bool
	stopDelay    func() time.Duration // how long to serve on after a graceful stop was asked for; nil = not at all
	stopAt       time.Time            // when it is over
	stage        stage
	last         uint64 // id of the newest generation
	current      *gen
	next         *gen   // overlapping
	old          []*gen // told to leave, the current one serves already
	again        bool   // a reload was asked for while one was under way
	asked        uint64 // reloads asked for so far
	covered      uint64 // how many of them the newest reading of the configuration answers
	leaving      string // why the whole ends, for whoever asks
	reloading    bool   // the generation that starts does so for a reload
	served       bool   // some generation has been ready
	brutal       bool   // stopping
	paused       bool   // the current generation takes no connection
	code         int
	pauses       int
	resumeAt     time.Time
	upgrade      upgrade
}

func (p *plan) decide(ev event, now time.Time) []action {
	if p.stage == finished {
		return nil
	}
	switch ev := ev.(type) {
	case evBoot:
		if p.last > 0 {
			return nil
		}
		return p.start(now)
	case evAsked:
		return p.wish(ev.action, now)
	case evLoaded:
		return p.loaded(ev, now)
	case evNotStarted:
		return p.notStarted(ev, now)
	case evFailed:
		return p.failed(ev)
	case evEntered:
		p.entered(ev.gen)
	case evReady:
		return p.ready(ev.gen, now)
	case evEnded:
		return p.ended(ev, now)
	case evWoke:
		return p.woke(now)
	}
	return p.upgradeEvent(ev)
}

func (p *plan) start(now time.Time) []action {
	p.last++
	p.current = &gen{id: p.last, started: now}
	p.stage, p.paused = starting, false
	return []action{actStart{p.last}}
}

func (p *plan) wish(a verdict.Action, now time.Time) []action {
	switch a {
	case verdict.Stop, verdict.BrutalStop:
		return p.stopSoon(a == verdict.BrutalStop, now)
	case verdict.ReloadAll, verdict.BrutalReload:
		return p.reload(a == verdict.BrutalReload, now)
	case verdict.ReloadWorkers, verdict.BrutalReloadWorkers, verdict.ChainReload:
		return p.renew(a)
	case verdict.Pause:
		return p.togglePause()
	}
	return nil
}

// renew hands on a wish for new code to the masters that are there. A stack that is yet to be built has the new code anyway.
func (p *plan) renew(a verdict.Action) []action {
	var acts []action
	if p.stage == starting || p.stage == serving || p.stage == overlapping {
		for _, g := range []*gen{p.current, p.next} {
			if g != nil {
				acts = append(acts, actRenew{g.id, a == verdict.ChainReload, a == verdict.BrutalReloadWorkers})
			}
		}
	}
	return acts
}

// reload asked for: while a stack is being built or torn down it is remembered, so that what changed since is picked up
// and reloads that come faster than the app starts cannot keep it from ever starting. An app that hangs while it is
// imported must not make the reload wait for ever: see woke.
func (p *plan) reload(brutal bool, now time.Time) []action {
	if p.stage == stopping || !p.stopAt.IsZero() {
		return nil
	}
	p.asked++
	switch p.stage {
	case serving:
		if p.upgrade.phase == probing || p.upgrade.phase == replacing {
			p.again = true
			return []action{actLog{text: "Reload asked for during an upgrade: it follows"}}
		}
	case starting:
		if p.current == nil || now.Sub(p.current.started) < startPatience {
			p.again = true
			return []action{actLog{text: "Reload asked for while the stack starts: it follows"}}
		}
	case draining, overlapping:
		if brutal && p.stage == draining {
			p.covered = p.asked // it only hurries what is under way
			return p.leave(p.current, true, now)
		}
		p.again = true
		return []action{actLog{text: "Reload asked for while one is under way: it follows"}}
	}
	if p.exitOnReload() {
		p.leaving = exitOnReload
		return append([]action{actLog{text: "exit-on-reload: leaving instead of reloading"}}, p.stop(brutal, now)...)
	}
	p.brutal = brutal
	return p.load()
}

// exitOnReload is the reason to leave that counts as a reload done.
const exitOnReload = "exit-on-reload"

// load reads everything again, which answers every wish so far.
func (p *plan) load() []action {
	p.covered = p.asked
	return []action{actLoad{}}
}

func (p *plan) count(failed, text string) action { return actCount{failed, text, p.covered} }

func (p *plan) loaded(ev evLoaded, now time.Time) []action {
	if ev.err != nil {
		return []action{p.count("config", ev.err.Error())}
	}
	switch p.stage {
	case stopping, draining: // which goes on; what is built after it has this configuration
		return nil
	case overlapping:
		p.again = true
		return nil
	}
	p.reloading = true
	switch {
	case p.stage == waiting || p.current == nil:
		return p.start(now)
	case ev.overlap && !p.brutal && p.stage == serving:
		p.last++
		p.next = &gen{id: p.last, deadline: now.Add(overlapPatience)}
		p.stage = overlapping
		return []action{actStart{p.last}}
	}
	p.stage = draining
	text := "...gracefully killing workers..."
	if p.brutal {
		text = "...brutally killing workers..."
	}
	return append([]action{actLog{text: text}}, p.leave(p.current, p.brutal, now)...)
}

func (p *plan) leave(g *gen, brutal bool, now time.Time) []action {
	g.deadline = now.Add(p.mercy() + leaveGrace)
	if brutal {
		g.deadline = now.Add(2 * leaveGrace)
	}
	return []action{actLeave{g.id, brutal}}
}

// failed: a step of entering, or the import, did not work. With an overlap that is the end of the new generation and the
// old one serves on; otherwise the end of the master, which follows, decides.
func (p *plan) failed(ev evFailed) []action {
	if g := p.next; g != nil && g.id == ev.gen {
		reason := "jail"
		if ev.app {
			reason = "app"
		}
		return p.giveUp(reason, ev.text)
	}
	if g := p.current; g != nil && g.id == ev.gen {
		if ev.app {
			g.appError = ev.text
		} else {
			g.failure = ev.text
		}
	}
	return nil
}

// giveUp ends an overlap: the new generation goes, the old one never knew.
func (p *plan) giveUp(reason, text string) []action {
	g := p.next
	p.next = nil
	p.old = append(p.old, g) // until it has ended
	p.stage = serving
	p.reloading = false
	acts := []action{
		p.count(reason, text),
		actLog{bad: true, text: fmt.Sprintf("Reload abandoned, the old stack serves on: %s", text)},
		actKill{g.id}, actRevert{},
	}
	return append(acts, p.followUp()...)
}

func (p *plan) followUp() []action {
	if !p.again {
		return nil
	}
	p.again = false
	p.brutal = false
	return p.load()
}

func (p *plan) ready(id uint64, now time.Time) []action {
	var acts []action
	switch {
	case p.next != nil && p.next.id == id:
		acts = append(acts, p.leave(p.current, false, now)...)
		p.old = append(p.old, p.current)
		p.current, p.next, p.paused = p.next, nil, false
	case p.current != nil && p.current.id == id && p.stage == starting:
	default:
		return nil
	}
	g := p.current
	g.ready, g.readyAt, g.deadline = true, now, time.Time{}
	p.stage = serving
	if !p.served {
		p.served = true
		acts = append(acts, actServing{})
	}
	if p.reloading {
		p.reloading = false
		reason := ""
		if g.appError != "" {
			reason = "app"
		}
		acts = append(acts, p.count(reason, g.appError))
	}
	return append(acts, p.followUp()...)
}

// notStarted: nothing could be cloned. Its own event, since no master exists whose end could be waited for.
func (p *plan) notStarted(ev evNotStarted, now time.Time) []action {
	if p.next != nil && p.next.id == ev.gen {
		acts := p.giveUp("jail", ev.err.Error())
		p.forget(ev.gen)
		return acts
	}
	if p.current == nil || p.current.id != ev.gen || p.stage != starting {
		return nil
	}
	p.current.failure = ev.err.Error()
	return p.lost(verdict.Verdict{Exit: !p.served, Code: verdict.Init, Rebuild: p.served, Why: ev.err.Error()}, now)
}
