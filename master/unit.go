package master

import "time"

// unit is a part of the master beside the workers, a pure machine of its own: daemons, cron jobs, mules and the like. Each
// sees every event after the workers' machine has; it tells by its actions what is to be done, and never touches anything
// outside itself.
type unit interface {
	// handle takes one event. Serving and Leaving say when the unit may start processes and when it has to end them.
	handle(ev Event, now time.Time) []Action
	// next is when the unit wants a Woke, zero when nothing is pending.
	next() time.Time
	// gone tells that no process of the unit is left; the master does not end before.
	gone() bool
}

// Events that the machine itself makes for its units.
type (
	// Serving comes once, when the app is loaded and the first workers are about to be forked.
	Serving struct{}
	// Leaving comes with the parent's order to leave, and again when it becomes brutal.
	Leaving struct{ Brutal bool }
)

func (Serving) event() {}
func (Leaving) event() {}

// dispatch gives one event to the workers' machine and then to the units; what it returns is to be carried out in order.
func (m *machine) dispatch(ev Event, now time.Time) []Action {
	before, brutal := m.phase, m.brutal
	acts := m.handle(ev, now)
	if m.phase == ended || len(m.units) == 0 {
		return acts
	}
	events := []Event{ev}
	if before == loading && m.phase == serving {
		events = append(events, Serving{})
	}
	if m.phase == leaving && (before != leaving || m.brutal != brutal) {
		events = append(events, Leaving{m.brutal})
	}
	if m.phase == leaving && m.workersGone() {
		events = append(events, WorkersGone{})
	}
	for _, u := range m.units {
		for _, ev := range events {
			acts = append(acts, u.handle(ev, now)...)
		}
	}
	return append(acts, m.maybeGone(now)...)
}

func (m *machine) workersGone() bool {
	for i := range m.slots {
		if m.slots[i].alive() {
			return false
		}
	}
	return true
}

func (m *machine) unitsGone() bool {
	for _, u := range m.units {
		if !u.gone() {
			return false
		}
	}
	return true
}

// unitsOf makes the units that the settings ask for.
func unitsOf(m *machine, set *Settings, warn func(error)) []unit {
	alive := func(id int) bool { return id >= 1 && id <= len(m.slots) && m.slots[id-1].alive() }
	units := []unit{newSignals(set, alive)}
	if u := newHelpers(set, m); len(u.list) > 0 {
		units = append(units, u)
	}
	if len(set.Alarms.List) > 0 {
		units = append(units, newAlarms(&set.Alarms))
	}
	if len(set.TouchExec) > 0 {
		units = append(units, newTouchExecs(set.TouchExec))
	}
	if len(set.Crons) > 0 {
		where, err := location(set.Env)
		warn(err)
		units = append(units, newCrons(set.Crons, where, set.CronMercy))
	}
	if len(set.Daemons) > 0 {
		units = append(units, newDaemons(set.Daemons))
	}
	return units
}
