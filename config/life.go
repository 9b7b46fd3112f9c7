package config

import "fmt"

// Life says when a worker is replaced although its process is well. 0 means no limit.
type Life struct {
	Harakiri         int   `json:"harakiri,omitempty"` // seconds that a request may take
	HarakiriVerbose  bool  `json:"harakiri_verbose,omitempty"`
	HarakiriGraceful int   `json:"harakiri_graceful,omitempty"` // seconds from a signal that asks to the one that kills
	HarakiriSignal   int   `json:"harakiri_signal"`             // that asks
	HarakiriQueue    int   `json:"harakiri_queue,omitempty"`    // connections that must wait
	MaxRequests      int64 `json:"max_requests,omitempty"`
	MaxRequestsDelta int64 `json:"max_requests_delta,omitempty"` // times (worker id - 1) is added to MaxRequests
	MinLifetime      int   `json:"min_lifetime"`                 // seconds before which no limit but harakiri and evil-reload counts
	MaxLifetime      int   `json:"max_lifetime,omitempty"`       // seconds
	LifetimeDelta    int   `json:"lifetime_delta,omitempty"`     // seconds, times (worker id - 1)
	ReloadOnRSS      int64 `json:"reload_on_rss,omitempty"`      // bytes, looked at between requests
	ReloadOnAS       int64 `json:"reload_on_as,omitempty"`
	ReloadOnUSS      int64 `json:"reload_on_uss,omitempty"`
	ReloadOnPSS      int64 `json:"reload_on_pss,omitempty"`
	EvilRSS          int64 `json:"evil_rss,omitempty"` // bytes, the worker is killed
	EvilAS           int64 `json:"evil_as,omitempty"`
}

// defaultMinLifetime is what uWSGI does; its help says 60.
const defaultMinLifetime = 10

func (l *Life) options() []option {
	return []option{
		{"harakiri", "seconds that a request may take before its worker is killed", number(&l.Harakiri, 0, maxSeconds)},
		{"harakiri-verbose", "write the Python stacks of a worker to the log before harakiri kills it", boolean(&l.HarakiriVerbose)},
		{"harakiri-graceful-timeout", "ask a worker with harakiri-graceful-signal first, and kill it after this many seconds", number(&l.HarakiriGraceful, 0, maxSeconds)},
		{"harakiri-graceful-signal", "the signal that asks, by its number", number(&l.HarakiriSignal, 1, 31)},
		{"harakiri-queue-threshold", "no harakiri unless more connections than this wait", number(&l.HarakiriQueue, 0, 1<<20)},
		{"max-requests", "replace a worker after this many requests", number64(&l.MaxRequests, 0, 1<<60)},
		{"max-requests-delta", "added to max-requests for each worker but the first, so that they do not end together", number64(&l.MaxRequestsDelta, 0, 1<<40)},
		{"min-worker-lifetime", "seconds that a worker lives at least before it is replaced", number(&l.MinLifetime, 0, maxSeconds)},
		{"max-worker-lifetime", "replace a worker after this many seconds", number(&l.MaxLifetime, 0, maxSeconds)},
		{"max-worker-lifetime-delta", "seconds added to max-worker-lifetime for each worker but the first", number(&l.LifetimeDelta, 0, maxSeconds)},
		{"reload-on-rss", "replace a worker whose resident memory is above this many megabytes", megabytes(&l.ReloadOnRSS)},
		{"reload-on-as", "replace a worker whose address space is above this many megabytes", megabytes(&l.ReloadOnAS)},
		{"reload-on-uss", "replace a worker that alone holds more than this many megabytes", megabytes(&l.ReloadOnUSS)},
		{"reload-on-pss", "replace a worker that holds more than this many megabytes, what it shares counted in parts", megabytes(&l.ReloadOnPSS)},
		{"evil-reload-on-rss", "kill a worker whose resident memory is above this many megabytes", megabytes(&l.EvilRSS)},
		{"evil-reload-on-as", "kill a worker whose address space is above this many megabytes", megabytes(&l.EvilAS)},
	}
}

// megabytes binds a size that uWSGI counts in megabytes, as bytes. With a unit (2G, 512M) it is what the unit says; uWSGI ignores the unit
// and reads 2 MB.
func megabytes(p *int64) setter {
	return func(v *value) error {
		s := v.tidy()
		if n, ok := withSuffix(s); s != "" && ok {
			v.warn(fmt.Sprintf("read as %d bytes", n), fmt.Sprintf("write %d: the number is in megabytes", n>>20))
			*p = n
			return nil
		}
		n, err := v.integer(0, 1<<33)
		if err == nil {
			*p = n << 20
		}
		return err
	}
}
