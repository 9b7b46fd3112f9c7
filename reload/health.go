package reload

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"gowsgi/metrics/prom"
)

// health is what the probes share with the owner goroutine.
type health struct {
	calls   chan func() // to be run by it
	drained bool        // a client asked for no more requests
}

// healthPatience is how long the owner goroutine may take to answer a probe.
const healthPatience = 2 * time.Second

// serveHealth answers an orchestrator's probes: /live (the parent answers), /ready (requests are wanted), /drain (from now on /ready
// says no, and the workers serve on; DELETE takes it back).
func (p *parent) serveHealth(l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/live", p.probe(func(*http.Request) string { return "" }))
	mux.HandleFunc("/ready", p.probe(func(*http.Request) string { return p.unready() }))
	mux.HandleFunc("/drain", p.probe(func(r *http.Request) string {
		drained := r.Method != http.MethodDelete
		if drained != p.health.drained {
			p.log.Info().Msgf("Asked by a health client: drained %v", drained)
		}
		p.health.drained = drained
		return ""
	}))
	return prom.Serve(l, mux)
}

// probe runs the question in the owner goroutine, so that an answer also shows that it turns.
func (p *parent) probe(question func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan string, 1)
		limit := time.NewTimer(healthPatience)
		defer limit.Stop()
		text := "the parent does not answer"
		select {
		case p.health.calls <- func() { answer <- question(r) }:
			text = <-answer
		case <-limit.C:
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if text != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, text)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// unready says why no request is wanted now, "" when they are.
func (p *parent) unready() string {
	switch {
	case p.health.drained:
		return "drained"
	case !p.plan.stopAt.IsZero():
		return "stopping soon"
	case p.plan.paused:
		return "paused"
	case p.plan.stage == serving || p.plan.stage == overlapping:
		return ""
	}
	return p.plan.stage.String()
}

// openHealth binds the health address.
func (p *parent) openHealth() error {
	addr := p.newest.cfg.Reload.Health
	if addr == "" {
		return nil
	}
	l, name, err := p.endpoint(addr, p.newest.cfg)
	if err != nil {
		return err
	}
	go func() { p.serveFailed("health", p.serveHealth(l)) }()
	p.log.Info().Msgf("Health probes on %s", name)
	return nil
}
