// Package prom shows the figures to Prometheus. The master, which only writes figures, does not depend on it.
package prom

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gowsgi/metrics"
)

// Collector shows the figures to Prometheus; docs/md lists the names. It keeps no figures itself: each scrape
// takes one snapshot, so that one scrape's figures belong together. Every label's values are bounded: workers and
// sockets by the configuration, the others by fixed sets.
type Collector struct {
	source func() (metrics.Snapshot, metrics.Info)
}

// NewCollector returns a collector over a source of figures, which may be called concurrently.
func NewCollector(source func() (metrics.Snapshot, metrics.Info)) *Collector {
	return &Collector{source: source}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
	ch <- requestTimeDesc
	ch <- jailBuildDesc
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	snap, info := c.source()
	for _, f := range families {
		f.each(&snap, &info, func(v float64, labels ...string) {
			for i := range labels {
				labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
			}
			m, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...)
			if err != nil {
				m = prometheus.NewInvalidMetric(f.desc, err)
			}
			ch <- m
		})
	}
	count, bounds := requestTimes(&snap.Totals.Buckets)
	ch <- histogram(requestTimeDesc, count, float64(snap.Totals.RunningTime)/1e6, bounds)
	b := &info.JailBuilds
	ch <- histogram(jailBuildDesc, b.Count, b.Sum.Seconds(), b.Cumulative())
}

func histogram(desc *prometheus.Desc, count uint64, sum float64, bounds map[float64]uint64) prometheus.Metric {
	m, err := prometheus.NewConstHistogram(desc, count, sum, bounds)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// requestTimes returns the requests in all buckets, and those at or below each upper bound in seconds. The last bucket
// has no bound.
func requestTimes(buckets *[metrics.NumBuckets]uint64) (count uint64, bounds map[float64]uint64) {
	bounds = make(map[float64]uint64, metrics.NumBuckets-1)
	for i, n := range buckets {
		count = metrics.SatAdd(count, n)
		if i < metrics.NumBuckets-1 {
			bounds[float64(uint64(1)<<(i+metrics.BucketShift))/1e6] = count
		}
	}
	return count, bounds
}

// NewRegistry returns a registry of its own with the collector and client_golang's collectors of the process and the
// Go runtime. Those two (process_*, go_*) describe the parent only, never a worker: they show whether the parent itself
// leaks.
func NewRegistry(c *Collector) (*prometheus.Registry, error) {
	reg := prometheus.NewRegistry()
	for _, one := range []prometheus.Collector{
		c,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(one); err != nil {
			return nil, err
		}
	}
	return reg, nil
}

// Handler serves a registry in the formats of Prometheus and OpenMetrics at /metrics, and a pointer to it at /.
func Handler(reg *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // one bad figure does not hide the others
		MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>gowsgi</title><a href=\"/metrics\">metrics</a>\n"))
	})
	return mux
}

const (
	clients  = 32              // connections of scrapers that are open at a time
	patience = 4 * time.Second // for the head of a request
	headSize = 8 << 10         // bytes of it
)

// Serve serves the handler until the listener is closed and returns nil then. Clients that are slow, idle or
// many cost a bounded time and number of descriptors.
func Serve(l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: patience,
		ReadTimeout:       2 * patience,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute, // a scraper comes back every 15 to 60 seconds
		MaxHeaderBytes:    headSize,
	}
	return ignoreClosed(srv.Serve(metrics.LimitListener(l, clients)))
}
