package metrics

import (
	"encoding/json"
	"slices"
	"time"
)

// Info is what the parent knows beside the scoreboards. It is handed out by value; slices in it are not changed after
// that.
type Info struct {
	Version        string // of gowsgi
	PID            int    // of the master as uWSGI shows it: inside its pid namespace 1
	UID, GID       int    // of the master
	CWD            string // of the master
	Start          time.Time
	Reloads        Reloads
	JailBuilds     BuildTimes
	MasterRespawns uint64 // stacks rebuilt because the master ended unasked
	Wanted         int    // workers that should be running now
	Paused         bool   // workers are suspended (uWSGI's pause)
	Sockets        []SocketInfo
	Apps           []AppInfo
	Jail           json.RawMessage   // what the newest jail turned out to be, compared with what was asked for; nil: none stands
	QueueErrors    uint64            // times a listen queue was found full
	LogDropped     map[string]uint64 // log lines lost by each sink

	MetricsOn     bool // enable-metrics
	MetricsNoCore bool // metrics-no-cores
	Custom        MetricList

	UserLocks int // how many Locks to ask for
	Locks     []LockInfo
	Daemons   []DaemonInfo
	Mules     []MuleInfo
	Spoolers  []SpoolerInfo
	Crons     []CronInfo
}

// SocketInfo is one listening socket.
type SocketInfo struct {
	Name       string // as configured and bound
	Proto      string // uwsgi, http, http11, ...
	Queue      Queue  // as ListenQueue measured it; zero = not measured
	Shared     bool
	CanOffload bool
}

// AppInfo is one loaded application.
type AppInfo struct {
	ID          int
	Modifier1   int
	Mountpoint  string
	StartupTime int // seconds the import took
	Chdir       string
}

// LockInfo is a lock and the pid that holds it, 0 none.
type LockInfo struct {
	Name string
	PID  int
}

// DaemonInfo is an attached daemon.
type DaemonInfo struct {
	Command  string
	PID      int
	Respawns uint64
}

// MuleInfo is a mule.
type MuleInfo struct {
	Program  string // "" = it waits for messages
	PID      int
	Respawns uint64
	Messages uint64
	Signals  uint64
	Busy     bool
}

// SpoolerInfo is a spooler.
type SpoolerInfo struct {
	Dir      string
	PID      int
	Tasks    uint64
	Respawns uint64
	Running  bool
}

// FillHelpers gives mules and spoolers the figures of their records, which are in this order.
func (info *Info) FillHelpers(records []Helper) {
	info.Mules, info.Spoolers = slices.Clone(info.Mules), slices.Clone(info.Spoolers)
	for i, r := range records {
		respawns := uint64(max(r.Spawns, 1) - 1)
		if i < len(info.Mules) {
			m := &info.Mules[i]
			m.PID, m.Respawns, m.Messages, m.Signals, m.Busy = int(r.PID), respawns, r.Tasks, r.Signals, r.Start != 0
		} else if i -= len(info.Mules); i < len(info.Spoolers) {
			s := &info.Spoolers[i]
			s.PID, s.Tasks, s.Respawns, s.Running = int(r.PID), r.Tasks, respawns, r.Start != 0
		}
	}
}

// CronInfo is a cron command. -1 in a field of its time is every, -n every n.
type CronInfo struct {
	Minute, Hour, Day, Month, Week int

	Command string
	Unique  bool
	Legion  string
	PID     int       // -1 while it does not run
	Started time.Time // zero before the first run
}

// ReloadFailure says why a reload did not happen; the old generation served on.
type ReloadFailure uint8

// The reasons of a failed reload.
const (
	ReloadConfig  ReloadFailure = iota // the new configuration is wrong
	ReloadJail                         // the new jail could not be built or entered
	ReloadApp                          // the app did not load
	ReloadTimeout                      // the new generation did not get ready in time
	ReloadCrash                        // the new generation ended before it was ready
	NumReloadFailures
)

var reloadFailureNames = [NumReloadFailures]string{"config", "jail", "app", "timeout", "crash"}

// String returns the label of the reason, one of a fixed set.
func (r ReloadFailure) String() string {
	if r < NumReloadFailures {
		return reloadFailureNames[r]
	}
	return "other"
}

// Reloads counts reloads and keeps the last failure.
type Reloads struct {
	OK          uint64
	LastOK      time.Time
	LastFailed  time.Time
	LastError   string // one line
	Upgrades    [numUpgradeResults]uint64
	failures    [NumReloadFailures]uint64
	failedOther uint64
}

// Succeeded records a reload that was carried out.
func (r *Reloads) Succeeded(at time.Time) {
	r.OK++
	r.LastOK = at
}

// Failed records a reload that was not, with its cause in one line.
func (r *Reloads) Failed(why ReloadFailure, at time.Time, cause string) {
	if why < NumReloadFailures {
		r.failures[why]++
	} else {
		r.failedOther++
	}
	r.LastFailed = at
	r.LastError = cause
}

// Failures returns how many reloads failed for a reason.
func (r *Reloads) Failures(why ReloadFailure) uint64 {
	if why < NumReloadFailures {
		return r.failures[why]
	}
	return r.failedOther
}

// AllFailures returns how many reloads failed.
func (r *Reloads) AllFailures() uint64 {
	sum := r.failedOther
	for _, n := range r.failures {
		sum += n
	}
	return sum
}

// buildBounds are the upper bounds of the buckets of jail building times, in seconds.
var buildBounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// BuildTimes is a histogram of how long jails took to build: from the clone to the master's word that the jail stands.
type BuildTimes struct {
	Last    time.Duration
	Count   uint64
	Sum     time.Duration
	buckets [len(buildBounds)]uint64 // not cumulative; what is above the last bound is only in Count
}

// Observe records one building time. A negative one (a clock set back) counts as 0.
func (b *BuildTimes) Observe(d time.Duration) {
	d = max(d, 0)
	b.Last = d
	b.Count++
	b.Sum += d
	for i, bound := range buildBounds {
		if d.Seconds() <= bound {
			b.buckets[i]++
			return
		}
	}
}

// Cumulative returns the observations at or below each upper bound in seconds.
func (b *BuildTimes) Cumulative() map[float64]uint64 {
	all := make(map[float64]uint64, len(buildBounds))
	var sum uint64
	for i, bound := range buildBounds {
		sum += b.buckets[i]
		all[bound] = sum
	}
	return all
}

// metrics returns uWSGI's metrics, its own and the configured ones, or none when they are not enabled.
func (i *Info) metrics(snap *Snapshot) MetricList {
	if !i.MetricsOn {
		return nil
	}
	return append(BuiltinMetrics(snap, i, i.MetricsNoCore), i.Custom...)
}
