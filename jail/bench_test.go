package jail

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// cpuTime is what this process and its ended children have used, in microseconds. On a busy machine it says more than the clock.
func cpuTime(b *testing.B) float64 {
	var total float64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var ru unix.Rusage
		if err := unix.Getrusage(who, &ru); err != nil {
			b.Fatal(err)
		}
		total += float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e3
	}
	return total
}

func reportCPU(b *testing.B, before float64) {
	b.ReportMetric((cpuTime(b)-before)/float64(b.N), "cpu-us/op")
}

// benchmarkStart measures from the start of cloning to `entered`.
func benchmarkStart(b *testing.B, spec Spec) {
	needRoot(b)
	log, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		p, err := Start(Command{Spec: spec, Role: testRole, Payload: []string{}, Log: log})
		if err != nil {
			b.Fatal(err)
		}
		m, err := p.Conn.Recv()
		if err != nil || m.Type != MsgEntered {
			b.Fatalf("got %+v, %v", m, err)
		}
		b.StopTimer()
		p.Kill()
		_, _ = unix.Wait4(p.PID, nil, 0, nil)
		p.Close()
		b.StartTimer()
	}
}

func BenchmarkStartRootDir(b *testing.B)  { benchmarkStart(b, fullSpec(newRootfs(b))) }
func BenchmarkStartRootHost(b *testing.B) { benchmarkStart(b, hostSpec()) }
func BenchmarkStartNoJail(b *testing.B)   { benchmarkStart(b, Spec{}) }

func BenchmarkStartOpen(b *testing.B) {
	spec := fullSpec(newRootfs(b))
	spec.GuardsOff = Guards
	benchmarkStart(b, spec)
}

func BenchmarkStartHostUserNamespace(b *testing.B) {
	spec := hostSpec()
	spec.Namespaces = append(spec.Namespaces, NSUser)
	spec.UIDMap, spec.GIDMap = []IDMap{{0, 0, 1}}, []IDMap{{0, 0, 1}}
	benchmarkStart(b, spec)
}

// BenchmarkBubblewrap is the yardstick: a whole run of true in namespaces of its own.
func BenchmarkBubblewrap(b *testing.B) {
	needRoot(b)
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		b.Skip("bubblewrap is not installed")
	}
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		args := []string{"--unshare-pid", "--unshare-uts", "--unshare-ipc", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
			"--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/usr/bin/true"}
		if out, err := exec.Command(bwrap, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v %s", err, out)
		}
	}
}
