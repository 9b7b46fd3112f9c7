package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// BenchmarkJailBuild: building the jail alone, without an app's import. gowsgi's is the parent's own measure, from the clone until the jail was
// compared with what was asked for; those of the others are a whole run of true, and for uWSGI from exec to its first hook in the jail.
func BenchmarkJailBuild(b *testing.B) {
	e := harness.New(b)
	root := e.RootfsCopy()
	e.CopyApp("hello.py", root+harness.AppDir)
	type builder struct {
		name  string
		build func() (time.Duration, error)
	}
	builders := []builder{
		{"gowsgi", func() (time.Duration, error) { return gowsgiBuild(b, e, root) }},
		{"bwrap true", timed("bwrap", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true")},
		{"unshare chroot true", timed("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "chroot", root, "/bin/true")},
		{"uwsgi --namespace", func() (time.Duration, error) { return uwsgiBuild(b, e, root) }},
	}
	for _, name := range []string{"crun", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			fmt.Printf("\n%s is not installed\n", name)
			continue
		}
		run, err := bundle(e, name, root)
		if err == nil {
			_, err = run()
		}
		if err != nil {
			fmt.Printf("\n%s does not run here: %s\n", name, strings.TrimSpace(err.Error()))
			continue
		}
		builders = append(builders, builder{name + " run true", run})
	}
	took := make([][]float64, len(builders))
	for range 2*rounds + 1 {
		for i, c := range builders {
			d, err := c.build()
			if err != nil {
				b.Fatalf("%s: %v", c.name, err)
			}
			took[i] = append(took[i], float64(d.Microseconds())/1000)
		}
	}
	fmt.Printf("\nbuilding a jail, median of %d, and gowsgi's as a ratio of it\n", 2*rounds+1)
	for i, c := range builders {
		fmt.Printf("  %-20s %7.2f ms   %5.2f\n", c.name, median(took[i]), median(took[0])/median(took[i]))
	}
	b.ReportMetric(median(took[0])/median(took[1]), "bwrap-ratio")
}

// timed measures a program from exec to its end.
func timed(words ...string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		began := time.Now()
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		return time.Since(began), nil
	}
}

func gowsgiBuild(b *testing.B, e *harness.Env, root string) (time.Duration, error) {
	addr, stats := harness.FreePort(b), harness.FreePort(b)
	s := e.StartWith(harness.Options{Args: []string{"--http-socket", addr, "--stats", stats, "--chdir", harness.AppDir, "--uid", "uwsgi", "--gid", "uwsgi",
		"--module", "hello", "--master", "--processes", "1", "--disable-logging", "--namespace", root + ":jail"}})
	s.WaitServing("http", addr)
	text, err := harness.Exchange(stats, "", false, 5*time.Second)
	s.End()
	if err != nil {
		return 0, err
	}
	var all struct {
		Gowsgi struct {
			Seconds float64 `json:"jail_build_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return 0, err
	}
	return time.Duration(all.Gowsgi.Seconds * float64(time.Second)), nil
}

// uwsgiBuild runs uWSGI in a mount namespace of its own, because it makes the tree of its starter private.
func uwsgiBuild(b *testing.B, e *harness.Env, root string) (time.Duration, error) {
	_ = os.Remove(root + "/.uwsgi_ns_tmp_mountpoint") // of the one before, which was killed
	s := e.StartWith(harness.Options{Program: uwsgi, Wrap: []string{"unshare", "--mount", "--propagation", "private"},
		Args: []string{"--http-socket", harness.FreePort(b), "--master", "--namespace", root + ":jail", "--hook-in-jail", "print:stands"}})
	began := time.Now()
	for !strings.Contains(s.Log(), "stands") {
		if time.Since(began) > 10*time.Second {
			return 0, fmt.Errorf("no jail:\n%s", s.Log())
		}
		time.Sleep(100 * time.Microsecond)
	}
	took := time.Since(began)
	for _, p := range harness.Tree(s.PID) {
		_ = unix.Kill(p.PID, unix.SIGKILL)
	}
	s.WaitExit(5 * time.Second)
	return took, nil
}

// bundle makes an OCI bundle (config.json of the runtime's own `spec`) of the rootfs that runs true.
func bundle(e *harness.Env, runtime, root string) (func() (time.Duration, error), error) {
	dir := e.Dir + "/" + runtime
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	spec := exec.Command(runtime, "spec")
	spec.Dir = dir
	if out, err := spec.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	text, err := os.ReadFile(dir + "/config.json")
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	process, _ := config["process"].(map[string]any)
	process["args"], process["terminal"] = []string{"/bin/true"}, false
	config["root"] = map[string]any{"path": root, "readonly": false}
	if text, err = json.Marshal(config); err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/config.json", text, 0o644); err != nil {
		return nil, err
	}
	number := 0
	return func() (time.Duration, error) {
		number++
		return timed("timeout", "10", runtime, "--root", dir+"/state", "run", "--bundle", dir, fmt.Sprintf("gowsgi-bench-%d-%d", os.Getpid(), number))()
	}, nil
}
