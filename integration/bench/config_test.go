package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// bigSite writes an ini file of 1,000 lines that includes 50 others, and gives its path.
func bigSite(b *testing.B, dir string) string {
	write := func(name string, lines []string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		return name
	}
	lines := []string{"[uwsgi]", "base = /srv"}
	for i := range 50 {
		part := []string{"[uwsgi]", fmt.Sprintf("root%d = %%(base)/part%d", i, i), fmt.Sprintf("env = PART%d=%%(root%d)/x", i, i)}
		lines = append(lines, "include = "+write(fmt.Sprintf("part%d.ini", i), part))
	}
	for i := len(lines); i < 999; i++ {
		lines = append(lines, [...]string{
			fmt.Sprintf("env = KEY%d=%%(base)/value%d", i, i),
			fmt.Sprintf("pythonpath = /srv/lib%d", i),
			fmt.Sprintf("; a comment, line %d", i),
			fmt.Sprintf("placeholder%d = $(HOME)/%d", i, i),
		}[i%4])
	}
	return write("main.ini", append(lines, "last = %(base)/end"))
}

// BenchmarkConfigLoad: from exec until one setting of a file of 1,000 lines with 50 includes is printed, beside --version alone. What lies
// between the two is the load; what a user waits for is the whole.
func BenchmarkConfigLoad(b *testing.B) {
	site := bigSite(b, b.TempDir())
	version, whole := []string{"--version"}, []string{"--ini", site, "--get", "last"}
	programs := [][]string{harness.Binary(), uwsgi[:1]} // without the plugin, whose loading is no part of this
	var wall, cpu [2][2][]float64                       // of each program: version, whole
	n := 6*rounds + 1
	for i := range n {
		for k := range programs {
			k = (k + i) % 2
			for j, args := range [][]string{version, whole} {
				cmd := exec.Command(programs[k][0], append(programs[k][1:len(programs[k]):len(programs[k])], args...)...)
				began := time.Now()
				out, err := cmd.CombinedOutput()
				took := time.Since(began)
				if err != nil || j == 1 && !strings.Contains(string(out), "/srv/end\n") {
					b.Fatalf("%v: %v: %s", cmd.Args, err, out)
				}
				wall[k][j] = append(wall[k][j], float64(took.Microseconds())/1000)
				used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				cpu[k][j] = append(cpu[k][j], float64(used.Microseconds())/1000)
			}
		}
	}
	fmt.Printf("\nan ini file of 1,000 lines with 50 includes, median of %d: --version, --get, and the load between them\n", n)
	for k, name := range []string{"gowsgi", "uWSGI"} {
		for i, took := range [][2][]float64{wall[k], cpu[k]} {
			start, all := median(took[0]), median(took[1])
			fmt.Printf("  %-6s %-4s  %6.1f ms  %6.1f ms  %6.1f ms\n", name, [...]string{"wall", "CPU"}[i], start, all, all-start)
		}
	}
	ratio := func(f func([2][]float64) float64) float64 { return f(wall[0]) / f(wall[1]) }
	b.ReportMetric(ratio(func(took [2][]float64) float64 { return median(took[1]) }), "whole-ratio")
	b.ReportMetric(ratio(func(took [2][]float64) float64 { return median(took[1]) - median(took[0]) }), "load-ratio")
}
