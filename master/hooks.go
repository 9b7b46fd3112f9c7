package master

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"gowsgi/jail/hook"
)

// The phases of hooks that are the master's own. Those of a worker (post-fork, accepting...) are run by the runtime.
const (
	PreApp       hook.Phase = "pre-app" // before the app is imported; a changed directory and environment are the app's too
	PostApp      hook.Phase = "post-app"
	MasterStart  hook.Phase = "master-start"
	AsUserAtexit hook.Phase = "as-user-atexit"
	AsUserLate   hook.Phase = "as-user, after the app" // with drop-after-apps
)

// Phases lists the master's phases in their order. A master that stays root has those of as-user too.
var Phases = []hook.Phase{PreApp, PostApp, MasterStart, AsUserAtexit}

// asUser are the hooks of as-user in a master that stays root, before or after the app is imported.
func (m *machine) asUser(afterApp bool) []Action {
	phase := hook.AsUser
	if afterApp {
		phase = AsUserLate
	}
	if !slices.ContainsFunc(m.set.Hooks, func(h hook.Hook) bool { return h.Phase == phase }) {
		return nil
	}
	return []Action{RunHooks{phase}}
}

// runHooks runs the hooks of a phase; the first that fails ends it. What putenv sets goes to the app: the environment of this
// process is not the app's, so it is lent for the time.
func (l *loop) runHooks(phase hook.Phase) error {
	var hooks []hook.Hook
	for _, h := range l.set.Hooks {
		if h.Phase == phase {
			hooks = append(hooks, h)
		}
	}
	if len(hooks) == 0 {
		return nil
	}
	os.Clearenv()
	for _, kv := range l.set.Env {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("cannot set %s for the hooks of %s: %w", name, phase, err)
		}
	}
	defer func() { l.set.Env = os.Environ() }()
	if l.res.App != nil && (phase == hook.AsUser || phase == AsUserLate || phase == AsUserAtexit) { // this process is not the user
		return l.res.App.Do(func() error { return l.each(phase, hooks) })
	}
	return l.each(phase, hooks)
}

func (l *loop) each(phase hook.Phase, hooks []hook.Hook) error {
	context := hook.Context{Shell: l.set.Shell, Out: l.res.AppLog, Print: func(text string) { l.log.Info().Msg(text) },
		Alarm: func(name, text string) { l.pending = append(l.pending, Alert{name, text}) }}
	if phase != AsUserAtexit { // which runs because everything is to end
		context.Stop = l.leaving
	}
	for _, h := range hooks {
		l.log.Info().Msg(h.Announcement())
		if err := hook.Run(h, context); err != nil {
			return fmt.Errorf("%s phase: %w", phase, err)
		}
	}
	return nil
}

// touchHook runs a hook of hook-touch beside the owner, as the app's user. It has no command (those are the crew's), so that it needs no child, and
// it may wait; a stop ends that.
func (l *loop) touchHook(n int) {
	h := *l.set.TouchExec[n].Hook
	context := hook.Context{Out: l.res.AppLog, Stop: l.leaving,
		Print: func(text string) { l.control <- TouchHookSaid{text} },
		Alarm: func(name, text string) { l.control <- Alert{name, text} }}
	run := func() error { return hook.Run(h, context) }
	var err error
	if l.res.App != nil {
		err = l.res.App.Do(run)
	} else {
		err = run()
	}
	l.control <- TouchHookDone{n, err}
}
