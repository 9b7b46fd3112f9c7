package metrics

import (
	"net"
	"net/http"
	"time"
)

// Collector shows the figures to Prometheus; docs/metrics.md lists the names. It keeps no figures itself: each scrape
// takes one snapshot, so that one scrape's figures belong together. Every label's values are bounded: workers and
// sockets by the configuration, the others by fixed sets.
type Collector struct {
	source func() (Snapshot, Info)
}

// NewCollector returns a collector over a source of figures, which may be called concurrently.
func NewCollector(source func() (Snapshot, Info)) *Collector { return &Collector{source: source} }

// exposition is one scrape's figures.
func (c *Collector) exposition() *exposition {
	snap, info := c.source()
	x := &exposition{}
	for _, f := range families {
		x.family(f, &snap, &info)
	}
	count, bounds := requestTimes(&snap.Totals.Buckets)
	x.histogram(requestTimeDesc, count, float64(snap.Totals.RunningTime)/1e6, bounds)
	b := &info.JailBuilds
	x.histogram(jailBuildDesc, b.Count, b.Sum.Seconds(), b.Cumulative())
	return x
}

// requestTimes returns the requests in all buckets, and those at or below each upper bound in seconds. The last bucket
// has no bound.
func requestTimes(buckets *[NumBuckets]uint64) (count uint64, bounds map[float64]uint64) {
	bounds = make(map[float64]uint64, NumBuckets-1)
	for i, n := range buckets {
		count = satAdd(count, n)
		if i < NumBuckets-1 {
			bounds[float64(uint64(1)<<(i+bucketShift))/1e6] = count
		}
	}
	return count, bounds
}

// promScrapes is how many scrapes are answered at the same time.
const promScrapes = 4

// Handler serves the figures, and those of the parent's own process, at /metrics, and a pointer to it at /.
func Handler(c *Collector) http.Handler {
	mux := http.NewServeMux()
	busy := make(chan struct{}, promScrapes)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
			return
		}
		x := c.exposition()
		x.self()
		w.Header().Set("Content-Type", textFormat)
		_ = x.writeTo(w) // a scraper that went away
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>gowsgi</title><a href=\"/metrics\">metrics</a>\n"))
	})
	return mux
}

// promClients is how many connections of scrapers are open at a time.
const promClients = 32

// ServePrometheus serves the handler until the listener is closed and returns nil then. Clients that are slow, idle or
// many cost a bounded time and number of descriptors.
func ServePrometheus(l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: statsTimeout,
		ReadTimeout:       2 * statsTimeout,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute, // a scraper comes back every 15 to 60 seconds
		MaxHeaderBytes:    statsRequest,
	}
	return ignoreClosed(srv.Serve(LimitListener(l, promClients)))
}
