package metrics

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clockTicks is the unit of the times in /proc/PID/stat, USER_HZ, which is the same on every machine that this is built for.
const clockTicks = 100

// self writes the figures of the parent itself, under the names that every Prometheus client uses for them (process_*, go_*): they show
// whether the parent leaks. A figure that cannot be read is left out.
func (x *exposition) self() {
	figure := func(t metricType, name, help string, v float64) {
		d := description{name: name, help: help}
		x.head(d, t)
		x.sample(name, "", v)
	}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		figure(counterType, "process_cpu_seconds_total", "Processor time of the parent.", float64(usage.Utime.Nano()+usage.Stime.Nano())/1e9)
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		figure(gaugeType, "process_open_fds", "Open descriptors of the parent.", float64(len(fds)-1)) // the directory that is read is one
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		figure(gaugeType, "process_max_fds", "Descriptors that the parent may have.", float64(limit.Cur))
	}
	if threads, started, vsz, rss, ok := selfStat(); ok {
		figure(gaugeType, "process_resident_memory_bytes", "Resident memory of the parent.", rss)
		figure(gaugeType, "process_virtual_memory_bytes", "Address space of the parent.", vsz)
		figure(gaugeType, "process_start_time_seconds", "Time the parent started.", started)
		figure(gaugeType, "go_threads", "Threads of the parent.", threads)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	figure(gaugeType, "go_goroutines", "Goroutines of the parent.", float64(runtime.NumGoroutine()))
	figure(gaugeType, "go_memstats_alloc_bytes", "Heap of the parent that is in use.", float64(m.Alloc))
	figure(counterType, "go_memstats_alloc_bytes_total", "Heap that the parent ever asked for.", float64(m.TotalAlloc))
	figure(gaugeType, "go_memstats_heap_objects", "Objects in the heap of the parent.", float64(m.HeapObjects))
	figure(gaugeType, "go_memstats_sys_bytes", "Memory that the Go runtime has from the system.", float64(m.Sys))
	figure(gaugeType, "go_memstats_last_gc_time_seconds", "Time of the last garbage collection.", float64(m.LastGC)/1e9)
	info := description{name: "go_info", help: "Always 1; the label holds the version of Go.", labels: []string{"version"}}
	x.head(info, gaugeType)
	x.sample(info.name, info.labelSet([]string{runtime.Version()}), 1)
}

// selfStat reads /proc/self/stat (proc_pid_stat(5)).
func selfStat() (threads, started, vsz, rss float64, ok bool) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, 0, 0, false
	}
	// The second field is the name in parentheses, which may hold anything; the third one follows the last parenthesis.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var now unix.Timespec
	if len(f) < 22 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0, 0, 0, 0, false
	}
	number := func(field int) float64 {
		v, _ := strconv.ParseFloat(f[field-3], 64)
		return v
	}
	age := float64(now.Nano())/1e9 - number(22)/clockTicks
	return number(20), float64(time.Now().UnixMilli())/1e3 - age, number(23), number(24) * float64(os.Getpagesize()), true
}
