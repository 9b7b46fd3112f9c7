package integration

import (
	"fmt"
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

// The attack suite: TestE01 to TestE32, one named test for each known way out of a jail. Each runs a hostile program (integration/apps/
// attack.py) in an app and shows it twice: where its guard is missing it works, in the default jail it does not. The missing guard is
// jail-guard-off, another option, or a bare unshare(1) and chroot(1) in the jail's place.

// prison is one kind of jail.
type prison int

const (
	rootfsUser prison = iota // namespace = /rootfs as root, the app is the user uwsgi
	rootfsRoot               // the same, the app stays uid 0
	ordinary                 // namespace = @host by an ordinary user
	noJail                   // no namespace; the app is uid 0 as we are
)

// cell is a server with the attack app.
type cell struct {
	*harness.Server
	addr, root string
}

// imprison starts the attack app in a jail; what is to be added to the command line follows.
func imprison(e *harness.Env, kind prison, more ...string) *cell {
	e.T.Helper()
	root := ""
	if kind == rootfsUser || kind == rootfsRoot {
		root = attackRoot(e)
	}
	return imprisonWith(e, kind, root, harness.Options{}, more...)
}

// attackRoot is a rootfs of the test's own with the attack app.
func attackRoot(e *harness.Env) string {
	e.T.Helper()
	root := e.RootfsCopy()
	e.CopyApp("attack.py", root+harness.AppDir)
	return root
}

// imprisonWith is imprison with a rootfs that is there and options of the harness.
func imprisonWith(e *harness.Env, kind prison, root string, o harness.Options, more ...string) *cell {
	e.T.Helper()
	c := &cell{addr: harness.FreePort(e.T), root: root}
	if kind == ordinary && o.UID == 0 && o.Wrap == nil {
		o.UID, _ = harness.NeedUser()
	}
	o.Args = slices.Concat(attackArgs(e, kind, root, c.addr), o.Args, more)
	c.Server = e.StartWith(o)
	c.WaitServing("http", c.addr)
	return c
}

// demoted are the last words of a Wrap that needs root although the server starts as an ordinary user.
func demoted(kind prison) []string {
	if kind != ordinary {
		return nil
	}
	uid, gid := harness.NeedUser()
	return []string{"setpriv", fmt.Sprint("--reuid=", uid), fmt.Sprint("--regid=", gid), "--clear-groups"}
}

func attackArgs(e *harness.Env, kind prison, root, addr string) []string {
	args := []string{"--http-socket", addr, "--module", "attack", "--master", "--processes", "1"}
	switch kind {
	case rootfsUser:
		return append(args, "--chdir", harness.AppDir, "--namespace", root+":jail", "--uid", "uwsgi", "--gid", "uwsgi")
	case rootfsRoot:
		return append(args, "--chdir", harness.AppDir, "--namespace", root+":jail")
	}
	dir := filepath.Join(e.Dir, "app")
	e.CopyApp("attack.py", dir)
	args = append(args, "--chdir", dir)
	if kind == ordinary {
		args = append(args, "--namespace", "@host:jail")
	}
	return args
}

// run has the app run a program and returns what it printed.
func (c *cell) run(program string) string {
	c.T.Helper()
	r, err := harness.FetchRaw(c.addr, fmt.Sprintf("POST /run HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(program), program), 60*time.Second)
	if err != nil {
		c.T.Fatalf("the attack got no answer: %v", err)
	}
	return strings.TrimSpace(r.Body)
}

// reload sends SIGHUP and waits until another jail serves.
func (c *cell) reload() {
	c.T.Helper()
	began := `print(read('/proc/1/stat').rsplit(')', 1)[1].split()[19])` // of the master; inodes of namespaces come back
	before := c.run(began)
	c.Signal(unix.SIGHUP)
	if !harness.Eventually(10*time.Second, func() bool { return c.run(began) != before }) {
		c.T.Fatal("the old jail serves on after SIGHUP")
	}
}

// want has the app run a program whose whole output must match.
func (c *cell) want(what, program, expr string) {
	c.T.Helper()
	wantMatch(c.T, what, c.run(program), expr)
}

func wantMatch(t testing.TB, what, got, expr string) {
	t.Helper()
	if !regexp.MustCompile(`^(?:` + expr + `)$`).MatchString(got) {
		t.Errorf("%s: %q, want %q", what, got, expr)
	}
}

// duel is an attack with one answer where its guard is missing and another one in the default jail.
type duel struct {
	kind       prison
	off        []string // command line of the jail in which it works
	both       []string // command line of either
	program    string
	open, shut string // regular expressions for the whole output
}

func (d duel) fight(e *harness.Env) {
	e.T.Helper()
	root := ""
	if d.kind == rootfsUser || d.kind == rootfsRoot {
		root = attackRoot(e)
	}
	weak := imprisonWith(e, d.kind, root, harness.Options{}, slices.Concat(d.both, d.off)...)
	weak.want("without its guard", d.program, d.open)
	weak.End()
	imprisonWith(e, d.kind, root, harness.Options{}, d.both...).want("in the default jail", d.program, d.shut)
}

func guardsOff(names string) []string { return []string{"--jail-guard-off", names} }

// bare runs a program under unshare(1) with these words before it, in a private mount namespace: what a jail without any care does. The
// shell's script sets things up and ends with what it wants to execute; $1 is the first word, and so on.
func bare(e *harness.Env, program, script string, words ...string) string {
	e.T.Helper()
	args := append([]string{"--mount", "--propagation", "private", "bash", "-ec", script, "bash"}, words...)
	cmd := exec.Command("unshare", args...)
	cmd.Stdin = strings.NewReader(program)
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.T.Fatalf("the bare jail: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// chrooted is the script of a jail made by hand: /proc as mount(8) has it, and chroot(1).
const chrooted = `mount -t proc proc $1/proc; exec chroot $1 python3 ` + harness.AppDir + `/attack.py`

// refused starts the binary and wants it to end with exit code 1 and one line that matches.
func refused(e *harness.Env, o harness.Options, expr string) {
	e.T.Helper()
	s := e.StartWith(o)
	if code := s.WaitExit(20 * time.Second); code != 1 {
		e.T.Errorf("exit code %d, want 1", code)
	}
	if n := s.CountLog(expr); n != 1 {
		e.T.Errorf("%d lines match %q, want 1", n, expr)
	}
}

// sentinel is a file of the host that no jail shows.
func sentinel(e *harness.Env) (path string) {
	e.T.Helper()
	return e.Write("host-secret", "of the host")
}

// tree lists a directory with kinds, modes, owners, sizes and links: two equal lists mean that nothing was made or changed.
func tree(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", "%p %y %m %U %G %s %T@ %l\n").CombinedOutput()
	if err != nil {
		t.Fatalf("find: %v\n%s", err, out)
	}
	return string(out)
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
