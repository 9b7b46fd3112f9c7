package reload

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/jail"
	"gowsgi/jail/hook"
)

// runHooks runs the parent's own hooks of a phase, on the host. The first that fails ends it, as in uWSGI.
func (p *parent) runHooks(snap *snapshot, phase hook.Phase, env ...string) error {
	hooks, err := ParseHooks(&snap.cfg.Isolation, phase)
	if err != nil {
		return err
	}
	if len(hooks) == 0 {
		return nil
	}
	out, err := p.setup.Logs.Output()
	if err != nil {
		return err
	}
	stop, heard := stopAsked(phase != hook.PostJail || snap.cfg.Process.DieOnTerm || os.Getpid() == 1)
	defer heard()
	for _, h := range hooks {
		p.log.Info().Msg(h.Announcement())
		context := hook.Context{
			Shell: snap.cfg.Isolation.Shell, Env: append(assignments(snap.cfg.Process.Env), env...), Out: out,
			Print: func(text string) { p.log.Info().Msg(text) }, Stop: stop,
		}
		if err := hook.Run(h, context); err != nil {
			return fmt.Errorf("%s phase: %w", phase, err)
		}
	}
	return nil
}

// stopAsked listens for the signals that end everything while hooks run in the owner, which gets them too if it listens already. Before there is
// a jail SIGTERM is one of them whatever it means later.
func stopAsked(term bool) (stop <-chan struct{}, done func()) {
	signals, asked, over := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT)
	if term {
		signal.Notify(signals, unix.SIGTERM)
	}
	go func() {
		select {
		case <-signals:
			close(asked)
		case <-over:
		}
	}()
	return asked, func() {
		signal.Stop(signals)
		close(over)
	}
}

// assignments are the variables that the configuration sets; a command of a hook has them too.
func assignments(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return !strings.Contains(kv, "=") })
}

// postJail gives the hooks that run outside when a jail was cloned: those of the phase post-jail, when the jail's root is made for
// it (namespace). They know the master by UWSGI_JAIL_PID, and the jail waits for them; uWSGI's does not.
func (p *parent) postJail(snap *snapshot) func(pid int) error {
	if snap.spec.Root.Kind == jail.RootNone || len(snap.cfg.Isolation.PhaseHooks(string(hook.PostJail))) == 0 {
		return nil
	}
	return func(pid int) error {
		return p.runHooks(snap, hook.PostJail, fmt.Sprintf("UWSGI_JAIL_PID=%d", pid))
	}
}
