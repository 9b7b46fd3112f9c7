package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

var (
	startPhases  = []string{"asap", "pre-jail", "post-jail", "in-jail", "as-root", "as-user", "pre-app", "post-app"}
	workerPhases = []string{"post-fork", "accepting1-once", "accepting-once", "accepting1", "accepting"}
)

// hooksIni has two hooks in each phase and, where the phase has it, a command before them in the file: it runs after them all the same.
func hooksIni(e *harness.Env, addr, file string) string {
	e.T.Helper()
	e.CopyApp("attack.py", e.Dir+"/app")
	text := fmt.Sprintf("[uwsgi]\nhttp-socket = %s\nchdir = %s/app\nmodule = attack\nmaster = true\nprocesses = 1\nuid = nobody\ngid = nogroup\nunshare = uts\n", addr, e.Dir)
	for _, phase := range slices.Concat(workerPhases, []string{"master-start", "as-user-atexit"}, startPhases) {
		if phase == "as-user-atexit" || slices.Contains(startPhases, phase) {
			text += fmt.Sprintf("exec-%s = echo %s-exec >> %s\n", phase, phase, file)
		}
		text += fmt.Sprintf("hook-%[1]s = appendn:%[2]s %[1]s\nhook-%[1]s = appendn:%[2]s %[1]s-2\n", phase, file)
	}
	return text
}

// ranHooks starts the program with such a file, stops it once all has run, and gives the lines that the hooks wrote.
func ranHooks(e *harness.Env, name string, program []string) []string {
	e.T.Helper()
	file := filepath.Join(e.Dir, name)
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		e.T.Fatal(err)
	}
	os.Chmod(file, 0o666)
	addr := harness.FreePort(e.T)
	s := startIni(e, program, hooksIni(e, addr, file))
	s.WaitServing("http", addr)
	lines := func() []string { return strings.Fields(readFile(e.T, file)) }
	harness.Eventually(5*time.Second, func() bool {
		return slices.Contains(lines(), "master-start-2") && slices.Contains(lines(), "accepting-2")
	})
	s.Signal(unix.SIGINT)
	s.WaitExit(10 * time.Second)
	return lines()
}

// TestHookOrder: the hooks of every phase in uWSGI's order, which the real one is asked for with the same file.
func TestHookOrder(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	ours, theirs := ranHooks(e, "ours", nil), ranHooks(e, "theirs", []string{"uwsgi", "--plugin", "python3"})
	// The master and the worker run side by side: each keeps its order.
	for what, phases := range map[string][]string{"master": append(slices.Clone(startPhases), "master-start", "as-user-atexit"), "worker": workerPhases} {
		of := func(all []string) []string {
			return slices.DeleteFunc(slices.Clone(all), func(line string) bool {
				return !slices.Contains(phases, strings.TrimSuffix(strings.TrimSuffix(line, "-2"), "-exec"))
			})
		}
		if a, b := of(ours), of(theirs); !slices.Equal(a, b) {
			t.Errorf("%s: the hooks ran as\n%v\nthose of uWSGI as\n%v", what, a, b)
		}
	}
	if len(ours) < 2*(len(startPhases)+len(workerPhases))+len(startPhases) {
		t.Errorf("not all hooks ran: %v", ours)
	}
}

// TestFailingHooks: a hook that fails before the app serves ends the start with 1 and a line that names it, in every phase and kind of jail.
func TestFailingHooks(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	for _, phase := range startPhases {
		for _, kind := range []prison{rootfsUser, noJail} {
			args := append(attackArgs(e, kind, root, harness.FreePort(t)), "--hook-"+phase, "exec:exit 7")
			if kind == noJail {
				args = append(args, "--unshare", "uts")
			}
			refused(e, harness.Options{Args: args}, `Leaving: .*exit 7|`+phase+` phase: .*exit 7`)
		}
	}
	for hook, says := range map[string]string{"nosuch:thing": "nosuch", "without a colon": "(?i)cannot|hook", "call:symbol": "C libraries"} {
		s := e.StartWith(harness.Options{Args: append(attackArgs(e, noJail, "", harness.FreePort(t)), "--hook-as-root", hook)})
		if code := s.WaitExit(5 * time.Second); code != 1 || s.CountLog(says) == 0 {
			t.Errorf("hook-as-root = %s ends with %d and says\n%s", hook, code, s.Log())
		}
	}
}

// TestJailPID: a post-jail hook outside knows the master of the jail by UWSGI_JAIL_PID, and the jail waits for it.
func TestJailPID(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	file := e.Dir + "/inode"
	c := imprisonWith(e, rootfsUser, attackRoot(e), harness.Options{}, "--exec-post-jail", "sleep 0.3; readlink /proc/$UWSGI_JAIL_PID/ns/uts > "+file,
		"--hook-in-jail", "print:inside", "--exec-post-jail", "test $(readlink /proc/self/ns/uts) = "+harness.NamespaceInode(os.Getpid(), "uts"))
	c.want("the namespace that the hook saw", `print(os.readlink('/proc/self/ns/uts'))`, strings.NewReplacer("[", `\[`, "]", `\]`).Replace(strings.TrimSpace(readFile(t, file))))
	if log := c.Log(); strings.Index(log, "post-jail") > strings.Index(log, "inside") {
		t.Errorf("the jail did not wait for the hook:\n%s", log)
	}
}

// TestSetnsBothWays: uWSGI joins a jail of ours, we join one of uWSGI's, and we join our own, each serving in the other's namespaces.
func TestSetnsBothWays(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	e.CopyApp("attack.py", e.Dir+"/app")
	uwsgi := []string{"uwsgi", "--plugin", "python3"}
	for _, c := range []struct {
		name          string
		giver, joiner []string
	}{{"uWSGI joins ours", nil, uwsgi}, {"we join uWSGI's", uwsgi, nil}, {"we join ours", nil, nil}} {
		t.Run(c.name, func(t *testing.T) {
			e := e.With(t)
			path := fmt.Sprintf("%s/setns-%d", e.Dir, time.Now().UnixNano())
			common := func(addr string) []string {
				return []string{"--http-socket", addr, "--chdir", e.Dir + "/app", "--module", "attack", "--master"}
			}
			addr := harness.FreePort(t)
			giver := e.StartWith(harness.Options{Program: c.giver, Args: append(common(addr), "--unshare", "uts,ipc", "--exec-as-root", "hostname given",
				"--setns-socket", path, "--setns-socket-skip", "user", "--setns-socket-skip", "pid_for_children", "--setns-socket-skip", "time_for_children",
				"--setns-socket-skip", "time")})
			giver.WaitServing("http", addr)
			harness.Eventually(5*time.Second, func() bool { return harness.Exists(path) })
			of := (&cell{Server: giver, addr: addr}).run(namespacesOf)
			other := harness.FreePort(t)
			joiner := e.StartWith(harness.Options{Program: c.joiner, Args: append(common(other), "--setns", path)})
			joiner.WaitServing("http", other)
			j := &cell{Server: joiner, addr: other}
			if got := j.run(namespacesOf); got != of || strings.Contains(got, "uts="+harness.NamespaceInode(os.Getpid(), "uts")) {
				t.Errorf("the joined namespaces are %s, those that were given %s", got, of)
			}
			j.want("the hostname", `print(socket.gethostname())`, "given")
			joiner.End()
			giver.End()
		})
	}
	refused(e, harness.Options{Args: append(attackArgs(e, noJail, "", harness.FreePort(t)), "--setns", e.Dir+"/nobody")}, `cannot connect to setns socket`)
	liar, err := net.Listen("unix", e.Dir+"/liar")
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	go func() {
		for {
			c, err := liar.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("uwsgi-setns\x05\x00\x00\x00"))
			c.Close()
		}
	}()
	refused(e, harness.Options{Args: append(attackArgs(e, noJail, "", harness.FreePort(t)), "--setns", e.Dir+"/liar")}, `cannot use what setns socket .* sent`)
}

// TestLimits: the limits of the configuration as the app has them.
func TestLimits(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	c := imprison(e, rootfsUser, "--rlimit-core", "0", "--rlimit-fsize", "1000000", "--max-fd", "200", "--limit-nproc", "64", "--limit-as", "900", "--umask", "027")
	c.want("limits", `
import resource as r
print(*[r.getrlimit(x)[1] for x in (r.RLIMIT_CORE, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_NPROC)], r.getrlimit(r.RLIMIT_AS)[0] >> 20, oct(os.umask(0)))`,
		`0 1000000 200 64 900 0o27`)
	c.want("memory", `
try:
    b'x' * (1 << 30)
    print('got it')
except MemoryError:
    print('no')`, "no")
}

// TestCgroups: version 1 with a fork bomb that stops, version 2 with a leaf for each generation and nothing left.
func TestCgroups(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	bomb := `
n = 0
pids = []
try:
    while n < 500:
        pid = os.fork()
        if pid == 0:
            import time
            time.sleep(20)
            os._exit(0)
        pids.append(pid)
        n += 1
except OSError as e:
    print(errno.errorcode[e.errno])
for pid in pids:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
print(n < 60)`
	v1 := fmt.Sprintf("/sys/fs/cgroup/pids/gowsgi-test-%d", os.Getpid())
	t.Cleanup(func() { _ = os.Remove(v1) })
	c := imprison(e, rootfsUser, "--cgroup", v1, "--cgroup-opt", "pids.max=60")
	c.want("a fork bomb", bomb, `EAGAIN\nTrue`)
	if tasks := strings.Fields(readFile(t, v1+"/tasks")); len(tasks) < 3 {
		t.Errorf("the group has the tasks %v", tasks)
	}
	c.End()
	out, err := exec.Command("findmnt", "-n", "-t", "cgroup2", "-o", "TARGET").Output()
	at, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || at == "" {
		t.Fatalf("no cgroup version 2 is mounted: %v", err)
	}
	v2 := fmt.Sprintf("%s/gowsgi-test-%d", at, os.Getpid())
	t.Cleanup(func() { _ = os.Remove(v2) })
	c = imprison(e, rootfsUser, "--cgroup", v2)
	leaf := readFile(t, fmt.Sprintf("/proc/%d/cgroup", c.Master()))
	if !strings.Contains(leaf, filepath.Base(v2)+"/gowsgi-") {
		t.Errorf("the master is in\n%s", leaf)
	}
	c.reload()
	if now := readFile(t, fmt.Sprintf("/proc/%d/cgroup", c.Master())); now == leaf {
		t.Error("the next generation is in the same leaf")
	}
	c.End()
	if left, _ := filepath.Glob(v2 + "/*/"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	// Controllers are at most in one of the two versions: an option that this one lacks is refused by name.
	refused(e, harness.Options{Args: append(attackArgs(e, noJail, "", harness.FreePort(t)), "--cgroup", v2, "--cgroup-opt", "nosuch.max=1")}, `Leaving: .*nosuch.max`)
}

// TestVethIsGone: the pair of jail-net is there while the jail is, both ends work, and nothing is left.
func TestVethIsGone(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	link := fmt.Sprintf("gwv%d", os.Getpid()%1000000)
	there := func() bool { _, err := net.InterfaceByName(link); return err == nil }
	c := imprison(e, rootfsUser, "--jail-net", "veth:"+link+",10.213.78.2/30,10.213.78.1")
	l, err := net.Listen("tcp", "10.213.78.1:0")
	if err != nil {
		t.Fatalf("the host's end has no address: %v", err)
	}
	defer l.Close()
	c.want("the way out", fmt.Sprintf(`print(connect(('10.213.78.1', %d)), connect(('127.0.0.1', 9)))`, l.Addr().(*net.TCPAddr).Port), "ok ECONNREFUSED")
	c.reload()
	if !there() {
		t.Error("no pair after a reload")
	}
	c.End()
	if !harness.Eventually(5*time.Second, func() bool { return !there() }) {
		t.Error("the pair is left over")
	}
}
