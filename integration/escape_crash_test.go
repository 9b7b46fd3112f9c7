package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// traces are the places outside of a jail where one could leave something, each with a list of what is there now.
func traces(e *harness.Env, root, cgroup string) map[string]string {
	e.T.Helper()
	names := []string{}
	links, err := net.Interfaces()
	if err != nil {
		e.T.Fatal(err)
	}
	for _, l := range links {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	temp, _ := filepath.Glob(os.TempDir() + "/*gowsgi*")
	groups, _ := filepath.Glob(cgroup + "*/*/")
	return map[string]string{
		"mounts": harness.Mountinfo(e.T), "links": strings.Join(names, "\n"), "rootfs": e.Run("find", root, "-maxdepth", "2", "-printf", "%p %y %m %U %G\n"),
		"temporary files": strings.Join(temp, "\n"), "control groups": strings.Join(groups, "\n"), "run": e.Run("ls", "-A", "/run"),
	}
}

// TestE28LeftoversAfterCrash kills the parent a hundred times, at a random moment of the start or once it serves, in a jail with an overlay, a
// kept mount, a network pair and a control group. Nothing is left, and the next start works.
func TestE28LeftoversAfterCrash(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	e.Write("kept/share", "kept")
	cgroup := fmt.Sprintf("/sys/fs/cgroup/unified/gowsgi-test-%d", os.Getpid())
	if !harness.Exists(filepath.Dir(cgroup)) {
		cgroup = "/sys/fs/cgroup/" + filepath.Base(cgroup)
	}
	link := fmt.Sprintf("gwt%d", os.Getpid()%1000000)
	os.Mkdir(root+"/data", 0o755)
	os.Mkdir(root+"/scratch", 0o755)
	t.Cleanup(func() { _ = os.Remove(cgroup) })
	args := func(addr string) []string {
		return append(attackArgs(e, rootfsUser, root, addr), "--namespace-overlay", "--namespace-keep-mount", e.Dir+"/kept:/data", "--jail-tmpfs", "/scratch:1m",
			"--jail-net", "veth:"+link+",10.213.77.2/30,10.213.77.1", "--cgroup", cgroup)
	}
	before := traces(e, root, cgroup)
	noLink := func() bool { _, err := net.InterfaceByName(link); return err != nil }
	for i := range 100 {
		// The kernel takes a network namespace down after its last process has gone, and the pair with it.
		if !harness.Eventually(5*time.Second, noLink) {
			t.Fatalf("the network pair outlives the jail of start %d", i)
		}
		s := e.StartWith(harness.Options{Args: args(harness.FreePort(t))})
		// A start takes some 150 ms here: most are killed within it, some afterwards.
		time.Sleep(time.Duration(rand.IntN(180000)) * time.Microsecond)
		_ = unix.Kill(s.PID, unix.SIGKILL)
		if code := s.WaitExit(5 * time.Second); code != 128+9 {
			t.Errorf("start %d ended by itself with %d", i, code)
		}
		if i%20 == 19 {
			e.CheckLeftovers()
		}
	}
	e.CheckLeftovers()
	harness.Eventually(5*time.Second, noLink)
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{Args: args(addr)})
	s.WaitServing("http", addr)
	if _, err := net.InterfaceByName(link); err != nil {
		t.Errorf("the jail has no network pair: the comparison is blind: %v", err)
	}
	s.End()
	var now map[string]string
	harness.Eventually(3*time.Second, func() bool {
		now = traces(e, root, cgroup)
		return now["links"] == before["links"] && now["control groups"] == before["control groups"]
	})
	for place, text := range now {
		if place != "temporary files" && text != before[place] {
			t.Errorf("%s:\n%s", place, harness.Diff(before[place], text))
		}
	}
	if a, b := before["temporary files"], now["temporary files"]; a != b {
		t.Errorf("temporary files:\n%s", harness.Diff(a, b))
	}
}

// TestE28FaultAtEachStep builds a binary that fails, or dies, at a step of the jail that an environment variable names, and tries every step
// that --explain-jail tells of the master's half: one line and exit 1, nothing left, and without the variable it starts.
func TestE28FaultAtEachStep(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	binary := e.Dir + "/gowsgi-fault"
	build := exec.Command("go", "build", "-trimpath", "-tags", "fault", "-o", binary, "./cmd/gowsgi")
	build.Dir, build.Env = harness.Repo(), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the binary with faults: %v\n%s", err, out)
	}
	root := attackRoot(e)
	os.Mkdir(root+"/data", 0o755)
	more := []string{"--namespace-overlay", "--jail-tmpfs", "/data", "--umask", "022", "--rlimit-core", "0", "--hook-in-jail", "print:in", "--hook-as-root", "print:root",
		"--hook-as-user", "print:user", "--namespace-net", "x"}
	// A new port each time: a killed master holds the listening socket until it is gone.
	args := func() []string { return append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), more...) }
	plan := e.Run(binary, append(args(), "--explain-jail")...)
	_, plan, _ = strings.Cut(plan, "clone ")
	before := traces(e, root, "/none")
	steps := regexp.MustCompile(`(?m)^  ([a-z][a-z-]+)(?:  | *$)`).FindAllStringSubmatch(plan, -1)
	if len(steps) < 20 {
		t.Fatalf("only %d steps in\n%s", len(steps), plan)
	}
	for _, step := range steps {
		o := harness.Options{Program: []string{binary}, Args: args(), Env: []string{"GOWSGI_FAULT=" + step[1]}}
		refused(e, o, `Leaving: step `+step[1]+`\b.*fault injected`)
		o.Args, o.Env = args(), []string{"GOWSGI_FAULT=" + step[1] + "!"}
		s := e.StartWith(o)
		s.WaitLog(10*time.Second, `The stack ended \(the master exited with code 137\)`)
		s.Signal(unix.SIGKILL)
		s.WaitExit(5 * time.Second)
	}
	e.CheckLeftovers()
	now := traces(e, root, "/none")
	for place, text := range now {
		if text != before[place] {
			t.Errorf("%s:\n%s", place, harness.Diff(before[place], text))
		}
	}
	c := imprisonWith(e, rootfsUser, root, harness.Options{Program: []string{binary}}, more...)
	c.want("without a fault", `print(1)`, "1")
}

// TestE30ChangedMeanwhile: the rootfs and the configuration change between two readings. Options that are for tenants' own files (emperor,
// tyrant) are not there: refused, not ignored.
func TestE30ChangedMeanwhile(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, addr := attackRoot(e), harness.FreePort(t)
	outside := filepath.Join(e.Dir, "outside")
	e.Write("outside/mine", "of the host")
	ini := func(hostname string) string {
		return e.Write("site.ini", fmt.Sprintf("[uwsgi]\nhttp-socket = %s\nchdir = %s\nmodule = attack\nmaster = true\nuid = uwsgi\ngid = uwsgi\nnamespace = %s:%s\n%s",
			addr, harness.AppDir, root, hostname, "umask = 027\n"))
	}
	s := e.Start("--ini", ini("first"))
	s.WaitServing("http", addr)
	c := &cell{Server: s, addr: addr, root: root}
	before := tree(t, outside)
	// The tenant swaps /proc of the rootfs for a link while the app serves. A bare mount follows it, as TestE06LinkedTargets shows.
	os.Rename(root+"/proc", root+"/proc.was")
	os.Symlink("../../../.."+outside, root+"/proc")
	ini("second")
	s.Signal(unix.SIGHUP)
	s.WaitLog(10*time.Second, `cannot open mount target "/proc"`)
	if now := tree(t, outside); now != before {
		t.Errorf("the outside changed:\n%s", harness.Diff(before, now))
	}
	os.Remove(root + "/proc")
	os.Rename(root+"/proc.was", root+"/proc")
	// With the trap gone the server, which never left, gets its jail, whole.
	if !harness.Eventually(20*time.Second, func() bool {
		r, err := harness.Fetch("http", addr, "/", time.Second)
		return err == nil && r.Status == 200
	}) {
		t.Fatal("the server does not come back")
	}
	c.want("the jail after the trap", `print(socket.gethostname() in ('first', 'second'), status('NoNewPrivs'), status('CapEff'), len(os.listdir('/proc')) > 10)`,
		`True 1 0000000000000000 True`)
	for _, option := range []string{"--emperor", "--emperor-tyrant"} {
		refused(e, harness.Options{Args: append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), option, e.Dir)}, `not supported yet: `+option[2:])
	}
}

// TestE32WeakerThanAsked: nobody gets less of a jail than was asked for: an ordinary user, UWSGI_RELOADS in the environment, a kernel that
// refuses a namespace. uWSGI starts in the first two, without the jail.
// budget: table, a case for each way of asking.
func TestE32WeakerThanAsked(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	uid, _ := harness.NeedUser()
	dir := filepath.Join(e.Dir, "app")
	e.CopyApp("attack.py", dir)
	uwsgi := []string{"uwsgi", "--plugin", "python3"}
	ns := `print(os.readlink('/proc/self/ns/uts'))`
	own := regexp.QuoteMeta(harness.NamespaceInode(os.Getpid(), "uts"))
	args := func(addr string) []string {
		return []string{"--http-socket", addr, "--chdir", dir, "--module", "attack", "--master", "--unshare", "uts,ipc"}
	}
	for _, o := range []harness.Options{{UID: uid}, {Env: []string{"UWSGI_RELOADS=1"}}} {
		addr := harness.FreePort(t)
		o.Program, o.Args = uwsgi, args(addr)
		if o.UID == 0 {
			o.Args = append(o.Args, "--uid", fmt.Sprint(uid))
		}
		c := &cell{Server: e.StartWith(o), addr: addr}
		c.WaitServing("http", addr)
		c.want("uWSGI", ns, own)
		c.Signal(unix.SIGINT)
		c.WaitExit(10 * time.Second)
		o.Program = nil
		s := e.StartWith(o)
		served := harness.Eventually(10*time.Second, func() bool {
			_, err := harness.Fetch("http", addr, "/", time.Second)
			return err == nil || !s.Running()
		})
		if c = (&cell{Server: s, addr: addr}); served && s.Running() {
			if got := c.run(ns); got == harness.NamespaceInode(os.Getpid(), "uts") {
				t.Error("the app runs without the namespace")
			}
			s.End()
		} else if code := s.WaitExit(time.Second); code != 1 {
			t.Errorf("exit code %d", code)
		}
	}
	// An ordinary user gets all of the jail, in a user namespace, or nothing.
	addr := harness.FreePort(t)
	rootless := &cell{addr: addr, Server: e.StartWith(harness.Options{UID: uid, Args: attackArgs(e, rootfsRoot, root, addr)})}
	rootless.WaitServing("http", addr)
	if got := rootless.run(ns); got == harness.NamespaceInode(os.Getpid(), "uts") || got == "" {
		t.Errorf("the app of an ordinary user runs in the uts namespace %q", got)
	}
	rootless.want("its users", `print(os.readlink('/proc/self/ns/user') == '`+harness.NamespaceInode(os.Getpid(), "user")+`', read('/proc/self/uid_map').split()[1:])`,
		fmt.Sprintf(`False \['%d', '1'\]`, uid))
	rootless.End()
	refused(e, harness.Options{UID: uid, Args: append(attackArgs(e, ordinary, root, harness.FreePort(t)), "--uid", "uwsgi")}, `(?i)cannot set uid`)
	// A kernel without user namespaces, as user.max_user_namespaces = 0 makes one: in a user namespace of ours, so that the host's stays.
	none := []string{"unshare", "--user", "--map-root-user", "sh", "-c", `echo 0 > /proc/sys/user/max_uts_namespaces && exec "$@"`, "sh"}
	refused(e, harness.Options{Wrap: none, Args: attackArgs(e, ordinary, "", harness.FreePort(t))}, `Leaving: .*(clone|namespaces).*no space left`)

	// What stands is what was asked for, and the stats say so.
	stats := harness.FreePort(t)
	c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--stats", stats, "--cap", "net_bind_service")
	record := jailRecord(t, stats)
	var seen map[string]string
	if err := json.Unmarshal([]byte(c.run(`
import json
print(json.dumps({k: os.readlink('/proc/self/ns/' + f).split('[')[1][:-1] for k, f in (('mount', 'mnt'), ('pid', 'pid'), ('uts', 'uts'), ('ipc', 'ipc'), ('net', 'net'))}))`)),
		&seen); err != nil {
		t.Fatal(err)
	}
	for kind, inode := range seen {
		if got := fmt.Sprintf("%.0f", record.Namespaces[kind]); got != inode {
			t.Errorf("the %s namespace is %s in the stats, %s in the app", kind, got, inode)
		}
	}
	if record.Hostname != "jail" || record.UID != harness.RootfsUID || record.GID != harness.RootfsUID || record.Bounding != 1<<10 || !record.NoNewPrivs || !record.Seccomp {
		t.Errorf("the record is %+v", record)
	}
}

// auditRecord is what the stats tell of the jail.
type auditRecord struct {
	Namespaces         map[string]float64
	Hostname, Dir      string
	Mounts, Missing    []string
	UID, GID, Bounding int
	Capabilities       int
	NoNewPrivs         bool `json:"no_new_privs"`
	Seccomp            bool
}

func jailRecord(t *testing.T, stats string) auditRecord {
	t.Helper()
	text, err := harness.Exchange(stats, "", false, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Gowsgi struct{ Jail auditRecord } }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return all.Gowsgi.Jail
}
