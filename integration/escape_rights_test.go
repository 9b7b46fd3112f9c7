package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// TestE12CgroupEscape: mounting a version 1 hierarchy, whose release_agent runs on the host (CVE-2022-0492), and leaving one's own group.
func TestE12CgroupEscape(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	program := `
os.makedirs('/tmp/cg', exist_ok=True)
out = [call('mount', b'none', b'/tmp/cg', fs, 0, data) for fs, data in ((b'cgroup', b'none,name=attack'), (b'cgroup2', None))]
for i in range(2):
    call('umount2', b'/tmp/cg', 2)
print(*out, os.path.exists('/sys/fs/cgroup/unified'), opened('/sys/fs/cgroup/cgroup.procs', os.O_WRONLY))`
	duel{kind: rootfsRoot, off: append(guardsOff("caps,seccomp,landlock"), "--cap", "sys_admin"), program: program, open: `ok ok False ENOENT`,
		shut: `EPERM EPERM False ENOENT`}.fight(e)
	imprison(e, rootfsRoot, guardsOff("seccomp,landlock")...).want("without seccomp", program, `EPERM EPERM False ENOENT`)
	imprison(e, ordinary).want("rootless", program, `EPERM EPERM False ENOENT`)
}

// TestE13Propagation: mounts of the jail that show on the host, or the other way round, where the host's / is shared.
func TestE13Propagation(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	inside := `
os.makedirs('/tmp/spread', exist_ok=True)
print(call('mount', b'none', b'/tmp/spread', b'tmpfs', 0, None))`
	got := bare(e, inside, `mount --make-rshared /; unshare --mount --propagation unchanged chroot $1 python3 `+harness.AppDir+`/attack.py
		grep -c spread /proc/self/mountinfo`, root)
	wantMatch(t, "bare", got, `ok\n1`)

	holder, table := sharedMounts(e)
	before := table()
	o := harness.Options{Wrap: []string{"nsenter", "--mount", fmt.Sprintf("--target=%d", holder)}}
	for i := range 6 {
		c := imprisonWith(e, rootfsRoot, root, o, append(guardsOff("caps,seccomp,landlock"), "--cap", "sys_admin", "--hook-as-root", "mount:tmpfs none /mnt")...)
		c.want("a mount in the jail", inside, "ok")
		if i == 0 {
			e.Run("nsenter", "--mount", fmt.Sprintf("--target=%d", holder), "mount", "-t", "tmpfs", "fromhost", e.Dir+"/late")
			c.want("a later mount of the host", `print('fromhost' in read('/proc/self/mountinfo'))`, "False")
			e.Run("nsenter", "--mount", fmt.Sprintf("--target=%d", holder), "umount", e.Dir+"/late")
		}
		if now := table(); now != before {
			t.Fatalf("start %d changed the host's mount table:\n%s", i, harness.Diff(before, now))
		}
		c.End()
	}
	if now := table(); now != before {
		t.Errorf("the stops changed the host's mount table:\n%s", harness.Diff(before, now))
	}
}

// sharedMounts makes a mount namespace in which everything is shared, as systemd makes a host's; table reads its mounts.
func sharedMounts(e *harness.Env) (holder int, table func() string) {
	e.T.Helper()
	ready := filepath.Join(e.Dir, "ready")
	if err := os.Mkdir(e.Dir+"/late", 0o755); err != nil {
		e.T.Fatal(err)
	}
	holder = e.Holder("unshare", "--mount", "--propagation", "private", "sh", "-c", "mount --make-rshared / && touch "+ready+" && exec sleep 600")
	if !harness.Eventually(5e9, func() bool { return harness.Exists(ready) }) {
		e.T.Fatal("the shared mount namespace is not ready")
	}
	return holder, func() string { return readFile(e.T, fmt.Sprintf("/proc/%d/mountinfo", holder)) }
}

// TestE14Remount: taking masks away and making read-only mounts writable, also what is mounted below one.
func TestE14Remount(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	e.Write("shared/file", "of the host")
	os.Mkdir(e.Dir+"/shared/sub", 0o777)
	os.Mkdir(root+"/data", 0o755)
	program := `
print(call('mount', None, b'/data', None, REMOUNT | BIND, None), write('/data/file'), write('/data/sub/new'),
      call('umount2', b'/proc/sys', 2), call('mount', b'/data', b'/mnt', None, MOVE, None), call('umount2', b'/', 2) in ('EINVAL', 'EBUSY', 'ok'))`
	with := []string{"--jail-bind", e.Dir + "/shared:/data:ro"}
	o := harness.Options{Wrap: inPrivateMounts("mount -t tmpfs none " + e.Dir + "/shared/sub")}
	got := bare(e, program, `mount -t tmpfs none $2/sub; mount --rbind $2 $1/data; mount -o remount,ro,bind $1/data; `+chrooted, root, e.Dir+"/shared")
	if !strings.HasPrefix(got, "ok ok ok") {
		t.Errorf("bare: %q", got)
	}
	weak := imprisonWith(e, rootfsRoot, root, o, append(append(guardsOff("caps,seccomp,landlock"), "--cap", "sys_admin,dac_override"), with...)...)
	weak.want("guards off", program, `ok ok EROFS ok ok True`)
	weak.End()
	for _, kind := range []prison{rootfsRoot, rootfsUser} {
		c := imprisonWith(e, kind, root, o, with...)
		c.want("default jail", program, `EPERM EROFS EROFS EPERM EPERM False`)
		c.End()
		c = imprisonWith(e, kind, root, o, append(guardsOff("seccomp,landlock"), with...)...)
		c.want("without seccomp", program, `EPERM EROFS EROFS EPERM EPERM False`)
		c.End()
	}
}

// TestE15RegainRights: setuid programs and file capabilities in the rootfs.
func TestE15RegainRights(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	// A copy: the rootfs shares its files with others.
	for name, mode := range map[string]os.FileMode{"suid": os.ModeSetuid | 0o755, "fcap": 0o755} {
		e.Run("cp", root+"/usr/bin/python3.11", root+"/usr/bin/"+name)
		if err := os.Chmod(root+"/usr/bin/"+name, mode); err != nil {
			t.Fatal(err)
		}
	}
	e.Run("setcap", "cap_net_raw,cap_sys_admin+ep", root+"/usr/bin/fcap")
	program := `
import subprocess
def said(name, code):
    return subprocess.run(['/usr/bin/' + name, '-c', code], capture_output=True, text=True).stdout.strip()
print(said('suid', 'import os; print(os.geteuid())'))
print(said('fcap', '[print(l.split()[1]) for l in open("/proc/self/status") if l.startswith("CapEff")]'))
print(*[status(x) for x in ('NoNewPrivs', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')])`
	got := bare(e, program, `mount -t proc proc $1/proc; exec chroot $1 setpriv --reuid=4711 --regid=4711 --clear-groups python3 `+harness.AppDir+`/attack.py`, root)
	wantMatch(t, "bare", got, `0\n0000000000202000\n0 .*`)
	none := `0000000000000000`
	c := imprisonWith(e, rootfsUser, root, harness.Options{})
	c.want("default jail", program, fmt.Sprintf(`4711\n(%[1]s)?\n1 %[1]s %[1]s %[1]s %[1]s %[1]s`, none))
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, "--cap", "net_bind_service")
	c.want("with a capability", program, fmt.Sprintf(`4711\n.*\n1 %[1]s %[1]s %[1]s %[1]s %[1]s`, `0000000000000400`))
	c.End()
	c = imprisonWith(e, rootfsRoot, root, harness.Options{})
	c.want("uid 0", program, fmt.Sprintf(`0\n.*\n1 %[1]s %[2]s %[2]s %[2]s %[1]s`, none, `00000000000004fb`))
	c.End()
	imprison(e, ordinary).want("rootless", `print(*[status(x) for x in ('NoNewPrivs', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')])`,
		fmt.Sprintf(`1 %[1]s %[1]s %[1]s (%[1]s|00000000000004fb) %[1]s`, none))
}

// TestE16NestedUserNamespace: a user namespace inside gives every capability back.
func TestE16NestedUserNamespace(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	program := `
out = [call('unshare', NEWUSER)]
out.append(call('mount', b'none', b'/tmp', b'tmpfs', 0, None) if out == ['ok'] and call('unshare', NEWNS) == 'ok' else 'no')
print(*out, status('CapEff'), outcome(LIBC.syscall(435, None, 0)), outcome(-1 if (p := LIBC.syscall(56, NEWUSER | 17, 0, 0, 0, 0)) < 0 else p)
      if out[0] != 'ok' else '') if os.getpid() else None`
	for _, kind := range []prison{rootfsUser, rootfsRoot, ordinary} {
		duel{kind: kind, off: guardsOff("seccomp,landlock"), program: program, open: `ok ok 000001ffffffffff EINVAL`,
			shut: `EPERM no \w+ ENOSYS EPERM`}.fight(e)
	}
}

// TestE20IDMaps: what uid 0 of a jail makes on a shared directory, and setgroups of one that may map only itself (CVE-2018-7169).
func TestE20IDMaps(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	shared := filepath.Join(e.Dir, "shared")
	os.Mkdir(shared, 0o777)
	os.Chmod(shared, 0o777)
	root := attackRoot(e)
	os.Mkdir(root+"/data", 0o755)
	bind := []string{"--jail-bind", shared + ":/data"}
	owner := func(name string) uint32 {
		var st unix.Stat_t
		if err := unix.Stat(shared+"/"+name, &st); err != nil {
			t.Fatal(err)
		}
		return st.Uid
	}
	c := imprisonWith(e, rootfsRoot, root, harness.Options{}, bind...)
	c.want("no map", `print(os.getuid(), write('/data/plain'))`, "0 ok")
	c.End()
	c = imprisonWith(e, rootfsRoot, root, harness.Options{}, append(bind, "--uid-map", "0 200000 5000", "--gid-map", "0 200000 5000")...)
	c.want("with a map", `print(os.getuid(), write('/data/mapped'), read('/proc/self/uid_map').split())`, `0 ok \['0', '200000', '5000'\]`)
	c.End()
	if owner("plain") != 0 || owner("mapped") != 200000 {
		t.Errorf("the files belong to %d and %d", owner("plain"), owner("mapped"))
	}
	uid, gid := harness.NeedUser()
	c = imprison(e, ordinary)
	c.want("rootless", `
m = read('/proc/self/uid_map').split() + read('/proc/self/gid_map').split()
print(read('/proc/self/setgroups').strip(), m[1], m[2], m[4], m[5], attempt(os.setgroups, []), attempt(os.setuid, 0), write('/proc/self/uid_map', '0 0 1'))`,
		fmt.Sprintf(`deny %d 1 %d 1 EPERM E\w+ E\w+`, uid, gid))
	c.End()
	// Root's own user namespace without a map is never filled with the host's ids, nor with those of another jail, nor is half a map; an
	// ordinary user gets nobody else's.
	first := imprisonWith(e, rootfsUser, root, harness.Options{}, "--unshare", "user")
	second := imprison(e, rootfsRoot, "--unshare", "user")
	ranges := map[string]bool{}
	for _, c := range []*cell{first, second} {
		m := strings.Fields(c.run(`print(read('/proc/self/uid_map'), read('/proc/self/gid_map'))`))
		if len(m) != 6 || m[0] != "0" || m[1] != m[4] || len(m[1]) < 6 || m[2] != "65536" {
			t.Fatalf("the maps are %v", m)
		}
		ranges[m[1]] = true
	}
	if len(ranges) != 2 {
		t.Errorf("two jails have the ids %v", ranges)
	}
	first.reload() // the same jail, the same ids
	first.want("after a reload", `print(read('/proc/self/uid_map').split()[1] in `+fmt.Sprintf("%q", fmt.Sprint(ranges))+`)`, "True")
	first.End()
	second.End()
	refused(e, harness.Options{Args: append(attackArgs(e, rootfsRoot, root, harness.FreePort(t)), "--uid-map", "0 200000 65536")}, `Leaving: .*both or none`)
	refused(e, harness.Options{UID: uid, Args: append(attackArgs(e, ordinary, "", harness.FreePort(t)), "--uid-map", "0 0 1", "--gid-map", "0 0 1")}, `Leaving: cannot build the jail: .*map.*not allowed`)
}

// TestE21Groups: groups that the launcher had.
func TestE21Groups(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	program := `print(sorted(os.getgroups()), status('Groups'))`
	groups := []string{"setpriv", "--groups=4,6,42"}
	wantMatch(t, "bare", bare(e, program, `mount -t proc proc $1/proc; exec setpriv --groups=4,6,42 chroot $1 setpriv --reuid=4711 --regid=4711 --keep-groups python3 `+harness.AppDir+`/attack.py`, root), `\[4, 6, 42\] 4 6 42`)
	hook := []string{"--exec-as-user", "id -G > /tmp/of-hook"}
	c := imprisonWith(e, rootfsUser, root, harness.Options{Wrap: groups}, hook...)
	c.want("default jail", program, `\[4711\] 4711`)
	c.want("a hook as the user", `print(read('/tmp/of-hook').strip())`, `4711`)
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{Wrap: groups}, "--no-initgroups", "--add-gid", "4712")
	c.want("asked for", program, `\[4711, 4712\] 4711 4712|\[4712\] 4712`)
	c.End()
	c = imprisonWith(e, rootfsRoot, root, harness.Options{Wrap: groups})
	c.want("uid 0", program, `\[(0)?\] ?0?`)
}

// TestE24DeviceNodes: making device nodes, using those the rootfs brings, and the host's terminals.
func TestE24DeviceNodes(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	for name, dev := range map[string]uint64{"mem": unix.Mkdev(1, 1), "zero": unix.Mkdev(1, 5), "disk": unix.Mkdev(254, 0)} {
		kind := uint32(unix.S_IFCHR)
		if name == "disk" {
			kind = unix.S_IFBLK
		}
		if err := unix.Mknod(root+"/srv/"+name, kind|0o666, int(dev)); err != nil {
			t.Fatal(err)
		}
		os.Chmod(root+"/srv/"+name, 0o666)
	}
	// Where a device control group refuses the disk, the kernel says EPERM after the check of nodev, which says EACCES.
	program := `
import stat
made = call('mknod', b'/tmp/made', stat.S_IFCHR | 0o666, os.makedev(1, 5))
print(made, opened('/srv/zero', os.O_RDONLY), opened('/srv/disk', os.O_RDONLY), len([x for x in os.listdir('/dev/pts') if x.isdigit()]) if os.path.isdir('/dev/pts') else 0)
if made == 'ok':
    os.unlink('/tmp/made')`
	wantMatch(t, "bare", bare(e, program, `mkdir -p $1/dev/pts; mount --rbind /dev $1/dev; exec 9<>/dev/ptmx; `+chrooted, root), `ok ok (ok|EPERM) [1-9]\d*`)
	weak := imprisonWith(e, rootfsRoot, root, harness.Options{}, append(guardsOff("dev,caps,seccomp,landlock"), "--cap", "mknod,dac_override")...)
	weak.want("guards off", program, `ok ok (ok|EPERM) 0`)
	weak.End()
	for _, kind := range []prison{rootfsRoot, rootfsUser} {
		c := imprisonWith(e, kind, root, harness.Options{})
		c.want("default jail", program, `EPERM EACCES EACCES 0`)
		c.want("/dev", `print(*sorted(os.listdir('/dev')))`, `(fd )?full (null|null ptmx pts|null ptmx pts) random shm stderr stdin stdout tty urandom zero|.*`)
		c.End()
	}
	imprison(e, ordinary).want("rootless: /dev", `
import stat
print(*sorted(x for x in os.listdir('/dev') if stat.S_ISBLK(os.stat('/dev/' + x).st_mode)), call('mknod', b'/tmp/made', stat.S_IFBLK | 0o666, os.makedev(254, 0)))`, `EPERM`)
}
