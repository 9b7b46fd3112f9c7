package prom

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gowsgi/metrics"
)

// emit hands out one value with its labels, in the order of the family's label names.
type emit func(v float64, labels ...string)

// family is one metric: its name and type, and how its values come from the figures.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	each func(snap *metrics.Snapshot, info *metrics.Info, out emit)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gowsgi_"+name, help, labels, nil)
}

func counter(name, help string, each func(*metrics.Snapshot, *metrics.Info, emit), labels ...string) family {
	return family{desc: desc(name, help, labels...), kind: prometheus.CounterValue, each: each}
}

func gauge(name, help string, each func(*metrics.Snapshot, *metrics.Info, emit), labels ...string) family {
	return family{desc: desc(name, help, labels...), kind: prometheus.GaugeValue, each: each}
}

// one makes a family's values of a single figure.
func one(v func(*metrics.Snapshot, *metrics.Info) float64) func(*metrics.Snapshot, *metrics.Info, emit) {
	return func(s *metrics.Snapshot, i *metrics.Info, out emit) { out(v(s, i)) }
}

// perWorker makes a counter's values: one of each worker id there ever was, so that the sum never goes back when a
// reload lowers the number of workers.
func perWorker(v func(*metrics.Worker) float64) func(*metrics.Snapshot, *metrics.Info, emit) {
	return func(s *metrics.Snapshot, _ *metrics.Info, out emit) {
		for _, list := range [][]metrics.Worker{s.Workers, s.Gone} {
			for i := range list {
				out(v(&list[i]), strconv.Itoa(list[i].ID))
			}
		}
	}
}

var (
	requestTimeDesc = desc("request_duration_seconds", "Time that requests took, from the call of the app to the end of its answer.")
	jailBuildDesc   = desc("jail_build_seconds", "Time from the clone of a jail until it stood.")
)

var families = []family{
	counter("requests_total", "Requests handled.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.Requests) }), "worker"),
	counter("exceptions_total", "Requests that ended in an exception of the app.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.Exceptions) }), "worker"),
	counter("response_bytes_total", "Bytes of responses sent, headers included.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.TX) }), "worker"),
	counter("request_seconds_total", "Time spent in requests.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.RunningTime) / 1e6 }), "worker"),
	counter("harakiri_total", "Requests that were ended because they ran longer than allowed.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.Harakiri) }), "worker"),
	counter("worker_spawns_total", "Starts of a worker, the first ones included.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.RespawnCount) }), "worker"),
	counter("worker_respawns_total", "Starts of a worker in place of one that ended, reloads excluded.",
		perWorker(func(w *metrics.Worker) float64 { return float64(w.Respawns) }), "worker"),
	counter("write_errors_total", "Responses that could not be sent whole.",
		one(func(s *metrics.Snapshot, _ *metrics.Info) float64 { return float64(s.Totals.WriteErrors) })),
	counter("read_errors_total", "Requests that could not be read whole.",
		one(func(s *metrics.Snapshot, _ *metrics.Info) float64 { return float64(s.Totals.ReadErrors) })),
	counter("signals_total", "uwsgi signals handled by workers.",
		one(func(s *metrics.Snapshot, _ *metrics.Info) float64 { return float64(s.Totals.Signals) })),
	counter("worker_deaths_total", "Ends of worker processes by cause.", eachDeath, "cause"),
	gauge("workers", "Worker processes by state; during an overlapping reload those of both generations.", eachStatus, "state"),
	gauge("workers_wanted", "Workers that should be running now.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return float64(max(i.Wanted, 0)) })),
	gauge("worker_rss_bytes", "Resident memory of a worker, 0 without a process.", func(s *metrics.Snapshot, _ *metrics.Info, out emit) {
		for i := range s.Workers {
			out(float64(s.Workers[i].RSS), strconv.Itoa(s.Workers[i].ID))
		}
	}, "worker"),
	counter("reloads_total", "Reloads by result.", eachReload, "result"),
	counter("reload_failures_total", "Reloads that failed by reason; the old generation served on.", eachReloadFailure, "reason"),
	gauge("last_reload_success_timestamp_seconds", "Time of the last reload that was carried out, 0 when there was none.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return timestamp(i.Reloads.LastOK) })),
	gauge("last_reload_failure_timestamp_seconds", "Time of the last reload that failed, 0 when there was none.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return timestamp(i.Reloads.LastFailed) })),
	counter("upgrades_total", "Replacements of the parent's own binary by result.", func(_ *metrics.Snapshot, i *metrics.Info, out emit) {
		for result, n := range i.Reloads.Upgrades {
			out(float64(n), metrics.UpgradeResult(result).String())
		}
	}, "result"),
	gauge("last_jail_build_seconds", "Time the newest jail took to build.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return i.JailBuilds.Last.Seconds() })),
	counter("master_respawns_total", "Stacks rebuilt because their master ended unasked.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return float64(i.MasterRespawns) })),
	gauge("listen_queue", "Connections that wait to be accepted.",
		eachSocket(func(q metrics.Queue) float64 { return float64(q.Length) }), "socket"),
	gauge("listen_queue_max", "Connections that may wait to be accepted.",
		eachSocket(func(q metrics.Queue) float64 { return float64(q.Max) }), "socket"),
	counter("listen_queue_full_total", "Times a listen queue was found full.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return float64(i.QueueErrors) })),
	counter("log_dropped_total", "Log lines that were lost because whoever reads the log was too slow.",
		func(_ *metrics.Snapshot, i *metrics.Info, out emit) {
			for sink, n := range i.LogDropped {
				out(float64(n), sink)
			}
		}, "sink"),
	gauge("app_metric", "A metric of the option metric, as the app or its collector set it.", func(_ *metrics.Snapshot, i *metrics.Info, out emit) {
		for _, m := range i.Custom {
			out(float64(m.Value), m.Name)
		}
	}, "name"),
	gauge("generation", "Number of the newest generation, 0 while none runs.",
		one(func(s *metrics.Snapshot, _ *metrics.Info) float64 { return float64(s.Generation) })),
	gauge("start_time_seconds", "Time the instance started.",
		one(func(_ *metrics.Snapshot, i *metrics.Info) float64 { return timestamp(i.Start) })),
	gauge("build_info", "Always 1; the label holds the version.",
		func(_ *metrics.Snapshot, i *metrics.Info, out emit) { out(1, i.Version) }, "version"),
}

func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

func eachDeath(s *metrics.Snapshot, _ *metrics.Info, out emit) {
	var other uint64
	for c, n := range s.Totals.Deaths {
		if metrics.Cause(c) < metrics.NumNamedCauses {
			out(float64(n), metrics.Cause(c).String())
			continue
		}
		other = metrics.SatAdd(other, n)
	}
	out(float64(other), metrics.NumNamedCauses.String())
}

func eachStatus(s *metrics.Snapshot, _ *metrics.Info, out emit) {
	for status, n := range s.Processes {
		out(float64(n), metrics.Status(status).String())
	}
}

func eachReload(_ *metrics.Snapshot, i *metrics.Info, out emit) {
	out(float64(i.Reloads.OK), "ok")
	out(float64(i.Reloads.AllFailures()), "failed")
}

func eachReloadFailure(_ *metrics.Snapshot, i *metrics.Info, out emit) {
	for why := range metrics.NumReloadFailures + 1 {
		out(float64(i.Reloads.Failures(why)), why.String())
	}
}

// eachSocket hands out a figure of each measured queue. Sockets of one name (several sockets on one address with
// reuse-port) are added up: two series of the same labels would spoil the whole scrape.
func eachSocket(v func(metrics.Queue) float64) func(*metrics.Snapshot, *metrics.Info, emit) {
	return func(_ *metrics.Snapshot, info *metrics.Info, out emit) {
		sum := map[string]float64{}
		for _, s := range info.Sockets {
			if s.Queue.Max > 0 {
				sum[s.Name] += v(s.Queue)
			}
		}
		for name, n := range sum {
			out(n, name)
		}
	}
}

// ignoreClosed turns the error of a server whose listener was closed into nil.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("cannot serve metrics: %w", err)
}
