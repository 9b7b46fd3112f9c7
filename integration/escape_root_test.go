package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// findSecret looks for a file of the host by every path that leads out of a careless jail.
func findSecret(path string) string {
	return fmt.Sprintf(`
import glob
found = []
tries = ['', '/..' * 40, '/.old_root', '/old_root', '/proc/1/root', '/proc/self/root/..', '/proc/1/cwd/../../../..']
tries += glob.glob('/proc/[0-9]*/root') + glob.glob('/proc/[0-9]*/cwd/../../..') + glob.glob('/proc/self/fd/*')
tries += [line.split()[4].replace('\\040', ' ') for line in read('/proc/self/mountinfo').splitlines()]
for base in tries:
    if read(base + %[1]q) == 'of the host':
        found.append(base)
print('found' if found else 'nothing')
`, path)
}

// TestE01OldRoot: a root change that leaves the old root somewhere; host mounts that are hard to unmount (a space in the path, a path of
// 1100 bytes, a busy one) must not stay visible either.
func TestE01OldRoot(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, secret := attackRoot(e), sentinel(e)
	os.Mkdir(root+"/.old_root", 0o755)
	program := findSecret(secret)
	wantMatch(t, "old root left in place", bare(e, program,
		`mount --bind $1 $1; cd $1; pivot_root . .old_root; mount -t proc proc /proc; exec python3 `+harness.AppDir+`/attack.py`, root), "found")

	long := e.Dir + strings.Repeat("/"+strings.Repeat("d", 199), 6)
	wrap := inPrivateMounts(fmt.Sprintf(`mkdir -p '%[1]s/a b' %[1]s/busy %[2]s && mount -t tmpfs none '%[1]s/a b' && mount -t tmpfs none %[2]s &&
		mount -t tmpfs none %[1]s/busy && cd %[1]s/busy`, e.Dir, long))
	for _, kind := range []prison{rootfsUser, rootfsRoot, ordinary} {
		c := imprisonWith(e, kind, root, harness.Options{Wrap: append(wrap, demoted(kind)...)})
		c.want("default jail", program, "nothing")
		mounts := c.run(`print(read('/proc/self/mountinfo'))`)
		for _, hidden := range []string{`a\040b`, "dddd", "busy", "old_root"} {
			if strings.Contains(mounts, hidden) {
				t.Errorf("kind %d: a mount of the host is visible (%s):\n%s", kind, hidden, mounts)
			}
		}
		c.End()
	}
}

// leakAll is a launcher that leaves a directory of the host open on every descriptor from 3 to 1000.
func leakAll(dir string) []string {
	return []string{"/usr/bin/python3", "-c", `
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
d = os.open(sys.argv[1], os.O_RDONLY)
for fd in range(3, 1001):
    if fd != d:
        os.dup2(d, fd)
os.set_inheritable(d, True)
os.execvp(sys.argv[2], sys.argv[2:])`, dir}
}

// TestE02InheritedDescriptors: directories that a launcher forgot to close lead out (CVE-2024-21626).
func TestE02InheritedDescriptors(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	sentinel(e)
	program := `
out = []
for pid in [p for p in os.listdir('/proc') if p.isdigit()]:
    fds = []
    try:
        fds = os.listdir('/proc/%s/fd' % pid)
    except OSError:
        pass
    for fd in fds:
        base = '/proc/%s/fd/%s' % (pid, fd)
        if 'of the host' in (read(base + '/host-secret'), read(base + '/../host-secret')):
            out.append(fd)
        try:
            where = os.readlink(base)
        except OSError:
            continue
        if where.startswith('/') and int(fd) > 2 and not where.startswith(('/memfd:', '/proc/')):
            out.append(fd + where)
for fd in range(3, 1024):
    try:
        os.close(os.open('host-secret', os.O_RDONLY, dir_fd=fd))
        out.append(fd)
    except OSError:
        pass
print('found' if out else 'nothing', out[:5])`
	leak := leakAll(e.Dir)
	words := append([]string{root}, append(leak, "chroot", root, "python3", harness.AppDir+"/attack.py")...)
	wantMatch(t, "bare", bare(e, program, `mount -t proc proc $1/proc; shift; exec "$@"`, words...), `found .*`)
	for _, kind := range []prison{rootfsUser, rootfsRoot, ordinary} {
		c := imprisonWith(e, kind, root, harness.Options{Wrap: append(leak, demoted(kind)...)})
		c.want(fmt.Sprint("default jail ", kind), program, `nothing \[\]`)
		c.End()
	}
}

// TestE03DirectoryOutside: a working directory that no path leads to is a foot outside (CVE-2024-21626).
func TestE03DirectoryOutside(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	sentinel(e)
	program := `
os.chdir('/proc/self/fd/7')
print(read('host-secret'))`
	wantMatch(t, "bare", bare(e, program, `exec 7<"$2"; `+chrooted, root, e.Dir), "of the host")
	leak := []string{"bash", "-c", `dir=$1; shift; exec 7<"$dir"; exec "$@"`, "bash", e.Dir}
	for _, dir := range []string{"/proc/self/fd/7", "/proc/1/fd/7", "/proc/self/cwd", "/proc/1/root"} {
		args := append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), "--chdir", dir)
		refused(e, harness.Options{Args: args, Wrap: leak}, `Leaving: step chdir .*`+dir)
	}
	c := imprisonWith(e, rootfsUser, root, harness.Options{Wrap: leak})
	c.want("default jail", `print(os.getcwd())`, harness.AppDir)
	c.want("default jail", program, `(?s).*(No such file|Not a directory).*`)
}

// TestE06LinkedTargets: the tenant owns the rootfs and made its mount targets links to the outside (CVE-2019-19921, CVE-2021-30465,
// CVE-2024-45310). Either the start is refused or the mount is inside; outside nothing is made or mounted.
func TestE06LinkedTargets(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	outside := filepath.Join(e.Dir, "outside")
	e.Write("outside/dir/mine", "of the host")
	e.Write("kept/share", "kept")
	root := attackRoot(e)
	os.Remove(root + "/proc")
	os.Symlink("../../../../.."+outside, root+"/proc")
	got := bare(e, "", `mount -t proc proc $1/proc; cut -d" " -f5 /proc/self/mountinfo`, root)
	if !strings.Contains(got, outside) {
		t.Errorf("a bare mount does not follow the link:\n%s", got)
	}
	os.Remove(root + "/proc")
	os.Mkdir(root+"/proc", 0o755)
	for _, c := range []struct {
		target, says string
		more         []string
	}{
		{"proc", `proc`, nil},
		{"dev", `dev`, nil},
		{"data", `keep-mounts`, []string{"--namespace-keep-mount", e.Dir + "/kept:/data"}},
		{"data", `mounts`, []string{"--jail-bind", e.Dir + "/kept:/data"}},
		{"data", `mounts`, []string{"--jail-tmpfs", "/data"}},
	} {
		for _, link := range []string{outside, "../../../../../../.." + outside + "/dir", "/proc/1/root" + outside} {
			path, before := filepath.Join(root, c.target), tree(t, outside)
			os.RemoveAll(path)
			if err := os.Symlink(link, path); err != nil {
				t.Fatal(err)
			}
			args := append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), c.more...)
			refused(e, harness.Options{Args: args}, `Leaving: step `+c.says+` .*cannot `)
			if now := tree(t, outside); now != before {
				t.Errorf("%s %v changed the outside:\n%s", c.target, c.more, harness.Diff(before, now))
			}
			os.Remove(path)
			os.Mkdir(path, 0o755)
		}
	}
}

// TestE07RacedTargets: another jail that shares a volume swaps a mount target for a link while this one starts (CVE-2021-30465).
func TestE07RacedTargets(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	e.Write("kept/share", "kept")
	os.MkdirAll(e.Dir+"/outside", 0o755)
	os.Symlink("../../../.."+e.Dir+"/outside", root+"/link")
	race := e.Holder("python3", "-c", `
import ctypes, sys, time
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)
    time.sleep(0.0001)`, root+"/nfs", root+"/link")
	_ = race
	followed, tries := 0, 0
	for ; followed == 0 && tries < 500; tries++ { // when the two meet is the scheduler's to say
		got := bare(e, "", `mount --bind $2 $1/nfs; cut -d" " -f5 /proc/self/mountinfo`, root, e.Dir+"/kept")
		if strings.Contains(got, e.Dir+"/outside") {
			followed++
		}
	}
	if followed == 0 {
		t.Error("a bare mount never followed the link: the race shows nothing")
	}
	stood, before := 0, tree(t, e.Dir+"/outside")
	for range 8 {
		addr := harness.FreePort(t)
		s := e.StartWith(harness.Options{Args: append(attackArgs(e, rootfsUser, root, addr), "--namespace-keep-mount", e.Dir+"/kept:/nfs")})
		served := harness.Eventually(20*time.Second, func() bool {
			_, err := harness.Fetch("http", addr, "/", time.Second)
			return err == nil || !s.Running()
		})
		if !served {
			t.Fatal("the server neither serves nor ends")
		}
		if !s.Running() {
			if s.CountLog(`Leaving: step `) != 1 {
				t.Errorf("not one line says why the start was refused")
			}
			continue
		}
		stood++
		c := &cell{Server: s, addr: addr, root: root}
		c.want("place of the mount", `print(sorted(l.split()[4] for l in read('/proc/self/mountinfo').splitlines() if '/kept' in l))`, `\['/(nfs|link)'\]`)
		s.End()
	}
	if now := tree(t, e.Dir+"/outside"); now != before {
		t.Errorf("the outside changed:\n%s", harness.Diff(before, now))
	}
	t.Logf("%d of 8 jails stood; a bare mount followed the link at try %d", stood, tries)
}

// TestE08MaskSource: /dev/null of the rootfs is a link, so that a mask made with it shows what it should hide (CVE-2025-31133).
func TestE08MaskSource(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	os.Remove(root + "/dev/null")
	e.Write(root+"/trap", "trap")
	os.Symlink("/trap", root+"/dev/null")
	look := `
import stat
st = os.stat('/dev/null')
print(stat.S_ISCHR(st.st_mode), os.major(st.st_rdev), os.minor(st.st_rdev), read('/proc/timer_list')[:4])`
	wantMatch(t, "bare", bare(e, look, `mount -t proc proc $1/proc; mount --bind $1/trap $1/proc/timer_list; exec chroot $1 python3 `+harness.AppDir+
		`/attack.py`, root), "False 0 0 trap")
	c := imprisonWith(e, rootfsRoot, root, harness.Options{})
	c.want("default jail", look, `True 1 3`)
	c.want("what hides files", `
import stat
for path in [p for p in ('/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/kmsg') if os.path.exists(p)]:
    st = os.stat(path)
    print(stat.S_ISCHR(st.st_mode), os.major(st.st_rdev), os.minor(st.st_rdev))`, `True 1 3(\nTrue 1 3)+`)
	if got := readFile(t, root+"/trap"); got != "trap" {
		t.Errorf("the trap was written: %q", got)
	}
}

// TestE09FalseProc: the rootfs brings files where /proc has knobs, to catch or redirect what a set-up writes (CVE-2025-52881).
func TestE09FalseProc(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	for _, name := range []string{"self/attr/exec", "self/attr/current", "self/setgroups", "self/uid_map", "thread-self/attr/exec", "sys/kernel/hostname"} {
		e.Write(root+"/proc/"+name, "trap")
	}
	before := tree(t, root+"/proc")
	bare(e, "", `chroot $1 sh -c 'cat /etc/hostname > /proc/self/attr/exec'; cp $1/proc/self/attr/exec /dev/null`, root)
	if now := tree(t, root+"/proc"); now == before {
		t.Error("a write to the false /proc does not show: the comparison is blind")
	}
	e.Write(root+"/proc/self/attr/exec", "trap")
	before = tree(t, root+"/proc")
	c := imprisonWith(e, rootfsUser, root, harness.Options{})
	c.want("file system of /proc", `print([l.split(' - ')[1].split()[0] for l in read('/proc/self/mountinfo').splitlines() if l.split()[4] == '/proc'], read('/proc/self/attr/exec') == 'trap')`,
		`\['proc'\] False`)
	if now := tree(t, root+"/proc"); now != before {
		t.Errorf("something was written to the false /proc:\n%s", harness.Diff(before, now))
	}
}
