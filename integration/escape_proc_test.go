package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestE04OverwriteBinary: the jail's root overwrites the binary that built the jail, through /proc/PID/exe (CVE-2019-5736). Every guard that
// can be turned off is off: what protects the binary is how it is executed.
func TestE04OverwriteBinary(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	program := `
import time
pid = int(os.environ.get('VICTIM', '1'))
fd = os.open('/proc/%d/exe' % pid, os.O_PATH)
out = [attempt(os.chmod, '/proc/self/fd/%d' % fd, 0o755)]
if pid > 1:
    time.sleep(1)
out.append(opened('/proc/self/fd/%d' % fd, os.O_WRONLY))
print(*out)`
	e.Run("cp", "/bin/sleep", e.Dir+"/victim")
	wantMatch(t, "bare", bare(e, program, `export VICTIM=$$; ("$2" 0.5 & echo $! > $1/tmp/pid); export VICTIM=$(cat $1/tmp/pid); `+chrooted,
		root, e.Dir+"/victim"), "ok ok")

	binary := e.Dir + "/gowsgi"
	e.Run("cp", harness.Binary()[0], binary)
	before := sha256.Sum256([]byte(readFile(t, binary)))
	o := harness.Options{Program: append([]string{binary}, harness.Binary()[1:]...)}
	c := imprisonWith(e, rootfsRoot, root, o, guardsOff("caps,seccomp,landlock,no-new-privs,proc,dump")...)
	c.want("all guards off", program, `EROFS (EROFS|ETXTBSY)`)
	c.End()
	c = imprisonWith(e, rootfsRoot, root, o)
	c.want("default jail", program, `(?s).*(EROFS (EROFS|ETXTBSY)|Permission denied.*)`)
	c.End()
	if sha256.Sum256([]byte(readFile(t, binary))) != before {
		t.Error("the binary has changed")
	}
}

// TestE05TraceTheMaster: the master, and one that joins the jail with setns, must not be traced or read (CVE-2016-9962).
func TestE05TraceTheMaster(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	program := `
SEIZE = 0x4206
out = []
for pid in sorted(int(p) for p in os.listdir('/proc') if p.isdigit()):
    if 'gowsgi' in read('/proc/%d/cmdline' % pid):
        out += [call('ptrace', SEIZE, pid, 0, 0), opened('/proc/%d/mem' % pid, os.O_RDWR)]
print(*out)`
	duel{kind: rootfsRoot, off: guardsOff("dump,seccomp,landlock,caps"), program: program, open: "ok ok", shut: "EPERM EACCES"}.fight(e)
	// The list of system calls is only one of the two: with it off the master is still not to be had.
	imprison(e, rootfsUser, guardsOff("seccomp,landlock")...).want("without seccomp", program, "EPERM EACCES")

	dir := e.Dir + "/ns"
	os.Mkdir(dir, 0o755)
	first := imprison(e, rootfsRoot, "--setns-socket", dir+"/sock")
	addr := harness.FreePort(t)
	joined := e.Start("--http-socket", addr, "--chdir", harness.AppDir, "--module", "attack", "--master", "--setns", dir+"/sock")
	joined.WaitServing("http", addr)
	first.want("a master that joined", program, "EPERM EACCES EPERM EACCES")
}

// knobs opens what root must not reach in /proc, and changes nothing.
const knobs = `
W = os.O_WRONLY
out = {}
for path in ('sys/kernel/core_pattern', 'sys/kernel/modprobe', 'sys/kernel/hostname', 'sys/vm/overcommit_memory', 'sysrq-trigger',
             'irq/default_smp_affinity', 'sys/fs/protected_symlinks', 'sys/kernel/panic'):
    if os.path.exists('/proc/' + path):
        out[path] = opened('/proc/' + path, W)
print(len(out) > 4, *sorted(set(out.values())))
print(*[bool(read('/proc/' + p).strip()) for p in ('keys', 'timer_list')])
print(os.path.exists('/sys/kernel'), os.path.exists('/proc/acpi/wakeup'))`

// TestE10ProcKnobs: uid 0 writes what changes the machine, and reads its memory and keys.
func TestE10ProcKnobs(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	duel{kind: rootfsRoot, off: guardsOff("proc"), program: knobs, open: `True ok\nTrue True\nFalse (True|False)`, shut: `True EROFS\nFalse False\nFalse False`}.fight(e)
	imprison(e, rootfsUser).want("ordinary user of a rootfs", knobs, `True (EACCES|EROFS|EACCES EROFS)\nFalse False\nFalse False`)
	imprison(e, ordinary).want("rootless", knobs, `True (EACCES|EROFS|EACCES EROFS)\nFalse False\nFalse False`)
}

// TestE11ProcFlags: /proc is nosuid, nodev, noexec, and nobody inside can change that.
func TestE11ProcFlags(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	program := `
flags = [l.split()[5] for l in read('/proc/self/mountinfo').splitlines() if l.split()[4] == '/proc'][-1]
again = call('mount', None, b'/proc', None, REMOUNT | BIND, None)
print(','.join(sorted(flags.split(','))), again)`
	wantMatch(t, "bare", bare(e, program, chrooted, root), `relatime,rw ok`)
	for _, kind := range []prison{rootfsUser, rootfsRoot, ordinary} {
		c := imprisonWith(e, kind, root, harness.Options{})
		c.want("default jail", program, `nodev,noexec,nosuid,relatime,rw EPERM`)
		c.End()
	}
}

// TestE25Sysctl: the host's network settings belong to the host when its network is shared, and nothing of kernel.* is anybody else's.
func TestE25Sysctl(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	program := `
print(*[opened('/proc/sys/' + p, os.O_WRONLY) for p in ('net/ipv4/ip_forward', 'net/core/somaxconn', 'kernel/threads-max')])`
	duel{kind: rootfsRoot, off: guardsOff("proc"), program: program, open: "ok ok ok", shut: "EROFS EROFS EROFS"}.fight(e)
	imprison(e, rootfsRoot, "--namespace-net", "x").want("own network", program, "EROFS EROFS EROFS")
	imprison(e, ordinary).want("rootless", program, "(EROFS|EACCES) (EROFS|EACCES) (EROFS|EACCES)")
}

// TestE27Secrets: what the parent and the master know, and programs of the rootfs that somebody else would execute.
func TestE27Secrets(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	o := harness.Options{Env: []string{"LAUNCHER_SECRET=hidden"}}
	program := `
out = []
for pid in [p for p in os.listdir('/proc') if p.isdigit() and 'gowsgi' in read('/proc/%s/cmdline' % p)]:
    out.append(read('/proc/%s/environ' % pid)[:0] or read('/proc/%s/environ' % pid))
print(len(out), ['readable' if len(x) > 8 or x == '' else x for x in out])`
	c := imprisonWith(e, rootfsRoot, root, o, guardsOff("dump,caps,seccomp,landlock")...)
	c.want("guard off", program, `1 \['readable'\]`)
	c.End()
	c = imprisonWith(e, rootfsRoot, root, o)
	c.want("default jail", program, `1 \['EACCES'\]`)
	c.End()

	// The tenant's shell and libraries: nothing executes them in a start, and the parent's hooks run the host's.
	trap := "#!/usr/bin/python3\nopen('/tmp/trapped', 'a').write('x')\n"
	for _, name := range []string{"bin/dash", "usr/bin/env", "bin/true"} {
		os.Remove(filepath.Join(root, name))
		e.Write(filepath.Join(root, name), trap)
		os.Chmod(filepath.Join(root, name), 0o755)
	}
	bare(e, "", `chroot $1 /bin/sh -c true; rm $1/tmp/trapped`, root) // set -e: fails when the trap does not work
	for _, kind := range []prison{rootfsUser, rootfsRoot} {
		c = imprisonWith(e, kind, root, harness.Options{Env: []string{"PATH=" + root + "/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=" + root + "/tmp"}}, "--exec-pre-jail",
			"touch "+e.Dir+"/pre", "--exec-post-jail", "touch "+e.Dir+"/post")
		c.End()
		if !harness.Exists(e.Dir+"/pre") || !harness.Exists(e.Dir+"/post") || harness.Exists(root+"/tmp/trapped") {
			t.Errorf("kind %d: the hooks of the parent ran a program of the rootfs, or did not run", kind)
		}
	}
	// A hook that is executed inside runs the tenant's shell, because the configuration names it: the trap shows that.
	imprisonWith(e, rootfsUser, root, harness.Options{}, "--exec-as-user", "true").End()
	if !harness.Exists(root + "/tmp/trapped") {
		t.Error("a hook inside the jail did not run the shell of the rootfs: the trap is blind")
	}
}

// TestE19Signals: what the app can do to others by signals. With a pid namespace, as every jail has it, nobody else can be named.
func TestE19Signals(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	uid, _ := harness.NeedUser()
	victim := e.Holder("setpriv", fmt.Sprint("--reuid=", uid), fmt.Sprint("--regid=", uid), "--clear-groups", "sleep", "600")
	harness.Eventually(5*time.Second, func() bool { return harness.StatusField(victim, "Uid")[0] == fmt.Sprint(uid) })
	program := fmt.Sprintf(`
print(attempt(os.kill, %d, 0), os.path.exists('/proc/%d/status'), attempt(os.kill, 1, 9), attempt(os.kill, 1, 19))`, victim, victim)
	dir := filepath.Join(e.Dir, "app")
	e.CopyApp("attack.py", dir)
	addr := harness.FreePort(t)
	s := e.StartWith(harness.Options{UID: uid, Args: []string{"--http-socket", addr, "--module", "attack", "--chdir", dir, "--master"}})
	s.WaitServing("http", addr)
	(&cell{Server: s, addr: addr}).want("no namespace", program, `ok True EPERM EPERM`)
	c := imprison(e, ordinary)
	master := c.Master()
	c.want("rootless", program, "ESRCH False ok ok")
	// PID 1 of a pid namespace does not get the signals of those inside that it has no handler for (pid_namespaces(7)).
	c.want("the master lives on", `print(status('State', 1)[:1] in 'SR')`, "True")
	if c.Master() != master {
		t.Error("the master was replaced")
	}
	for _, kind := range []prison{rootfsUser, rootfsRoot} {
		imprison(e, kind).want("default jail", program, "ESRCH False (ok|EPERM) (ok|EPERM)")
	}
}

// TestE22SessionKeyring: the keys of whoever started the server.
func TestE22SessionKeyring(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	// A session keyring of its own, where uid and gid 4711 may do all: 1 = join, 5 = set permissions.
	launcher := []string{"/usr/bin/python3", "-c", `
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(250, 1, None) > 0
key = call(248, b'user', b'launcher-secret', b'hidden', 6, ctypes.c_long(-3))
assert key > 0, ctypes.get_errno()
assert call(250, 5, ctypes.c_long(-3), ctypes.c_long(0x3f3f3f3f)) == 0
assert call(250, 5, key, ctypes.c_long(0x3f3f3f3f)) == 0
os.execvp(sys.argv[1], sys.argv[1:])`}
	program := `
key = LIBC.syscall(250, 10, ctypes.c_long(-3), b'user', b'launcher-secret', 0)
text = ctypes.create_string_buffer(16)
print(text.value.decode() if key > 0 and LIBC.syscall(250, 11, key, text, 16) > 0 else outcome(key))`
	for _, c := range []struct{ off, want string }{
		{"keyring,seccomp,landlock", "hidden"}, {"seccomp,landlock", "ENOKEY"}, {"", "EPERM"},
	} {
		var more []string
		if c.off != "" {
			more = guardsOff(c.off)
		}
		s := imprisonWith(e, rootfsRoot, root, harness.Options{Wrap: launcher}, more...)
		s.want("guards off: "+c.off, program, c.want)
		s.End()
	}
	uid, _ := harness.NeedUser()
	_ = unix.Chmod(e.Dir, 0o755)
	o := harness.Options{UID: uid, Wrap: launcher}
	imprisonWith(e, ordinary, "", o, guardsOff("seccomp,landlock")...).want("rootless", program, "ENOKEY")
}

// startedFromTerminal runs words with a terminal of their own as controlling terminal, stdin and stderr; the log goes to stdout.
var startedFromTerminal = []string{"/usr/bin/python3", "-c", `
import os, pty, sys, threading
log = os.dup(1)
pid, master = pty.fork()
if pid == 0:
    os.dup2(log, 1)
    os.execvp(sys.argv[1], sys.argv[1:])
def drain():
    try:
        while os.read(master, 4096):
            pass
    except OSError:
        pass
threading.Thread(target=drain, daemon=True).start()
import signal
for s in (signal.SIGINT, signal.SIGTERM):
    signal.signal(s, lambda n, f: os.kill(pid, n))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`}

// TestE23TerminalInput: pushing characters into the terminal the server was started from (CVE-2017-5226), also with high bits set in the
// request (CVE-2019-7303).
func TestE23TerminalInput(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	program := `
TIOCSTI = 0x5412
c = ctypes.create_string_buffer(b'#')
fds = [fd for fd in (0, 1, 2) if os.isatty(fd)]
out = [call('ioctl', fd, r, c) for fd in fds for r in (TIOCSTI, TIOCSTI | 1 << 32, 0x541c)]
print(len(fds), attempt(os.open, '/dev/tty', os.O_RDWR), *out)`
	words := append([]string{root}, startedFromTerminal...)
	out := bare(e, "", `mkdir -p $1/dev && mount --bind /dev $1/dev && mount -t proc proc $1/proc; r=$1; shift; cat > $r/tmp/program <<'X'
`+program+`
X
exec "$@" sh -c 'exec chroot '$r' sh -c "python3 `+harness.AppDir+`/attack.py < /tmp/program"'`, words...)
	wantMatch(t, "bare", out, `1 ok ok ok E\w+`)
	for _, kind := range []prison{rootfsUser, rootfsRoot} {
		c := imprisonWith(e, kind, root, harness.Options{Wrap: startedFromTerminal})
		c.want("default jail", program, `2 (ENXIO|ENODEV)( EPERM){6}`)
		c.End()
		c = imprisonWith(e, kind, root, harness.Options{Wrap: startedFromTerminal}, guardsOff("seccomp,landlock")...)
		c.want("without seccomp: it is not its controlling terminal", program, `2 (ENXIO|ENODEV)( (EPERM|EIO) (EPERM|EIO) E\w+){2}`)
		c.End()
	}
	if strings.TrimSpace(readFile(t, "/proc/sys/dev/tty/legacy_tiocsti")) != "1" {
		t.Log("dev.tty.legacy_tiocsti is 0: without CAP_SYS_ADMIN the kernel refuses by itself")
	}
}
