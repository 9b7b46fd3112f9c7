package jail

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// runHooks runs the hooks of a phase, the first that fails ends it. The mount table and the hostname are compared before the first one:
// afterwards they are what the hooks made of them.
func (e *entry) runHooks(p hook.Phase) error {
	if !e.hooked {
		if err := errors.Join(e.checkMounts(), e.checkHostname()); err != nil {
			return err
		}
		e.hooked = true
	}
	// Hooks have the app's umask, not that of the steps.
	mask := e.mask
	if e.spec.Umask != nil {
		mask = *e.spec.Umask
	}
	defer unix.Umask(unix.Umask(mask))
	for _, h := range e.spec.hooks(p) {
		e.say(h.Announcement())
		if err := hook.Run(h, hook.Context{Shell: e.spec.Shell, Print: e.say}); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) hooksInJail() error   { return e.runHooks(hook.InJail) }
func (e *entry) hooksPostJail() error { return e.runHooks(hook.PostJail) }
func (e *entry) hooksAsRoot() error   { return e.runHooks(hook.AsRoot) }
func (e *entry) hooksAsUser() error   { return e.runHooks(hook.AsUser) }

func (e *entry) chroot() error {
	if err := unix.Chroot(e.spec.Chroot); err != nil {
		return fmt.Errorf("cannot chroot to %q: %w", e.spec.Chroot, err)
	}
	return toRoot()
}

// pivotByPath leaves the old root where the configuration wants it; an as-root hook of its own unmounts it, as with uWSGI.
func (e *entry) pivotByPath() error {
	p := e.spec.PivotRoot
	if err := unix.PivotRoot(p.New, p.Old); err != nil {
		return fmt.Errorf("cannot pivot_root to %q with the old root at %q: %w", p.New, p.Old, err)
	}
	return toRoot()
}

func toRoot() error {
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("cannot enter the new root: %w", err)
	}
	return nil
}
