package integration

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// landlockABI is what the kernel has, 0 when nothing.
func landlockABI() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// TestE17AbstractSockets: services of the host that listen on abstract unix sockets (CVE-2020-15257).
func TestE17AbstractSockets(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	name := fmt.Sprintf("gowsgi-test-%d", os.Getpid())
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	program := fmt.Sprintf(`print(connect('\0%s', socket.AF_UNIX))`, name)
	before := strings.Count(readFile(t, "/proc/net/unix"), "@")
	shared := imprison(e, rootfsUser)
	if now := strings.Count(readFile(t, "/proc/net/unix"), "@"); now != before {
		t.Errorf("a start opens %d abstract sockets", now-before)
	}
	if abi := landlockABI(); abi < 8 {
		// Below ABI 8 a scope would part the threads of the master from each other, so none is set: docs/jail.md says so, and that a network
		// namespace is the guard then.
		shared.want(fmt.Sprintf("network shared, Landlock ABI %d", abi), program, "ok")
	} else {
		shared.want("network shared", program, "EPERM")
		imprison(e, rootfsUser, guardsOff("landlock")...).want("guard off", program, "ok")
	}
	imprison(e, rootfsUser, "--namespace-net", "x").want("own network", program, "ECONNREFUSED")
}

// TestE18SetnsSocket: the app sees the setns-socket and asks it for the namespaces of another jail.
func TestE18SetnsSocket(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root, dir := attackRoot(e), e.Dir+"/ns"
	os.Mkdir(dir, 0o777)
	os.Mkdir(root+"/ns", 0o755)
	program := `
try:
    print(len(received('/ns/sock')) > 3)
except OSError as e:
    print(errno.errorcode[e.errno])`
	with := []string{"--jail-bind", dir + ":/ns", "--setns-socket", dir + "/sock"}
	c := imprisonWith(e, rootfsRoot, root, harness.Options{}, with...)
	c.want("uid 0, who may ask", program, "True")
	c.End()
	c = imprisonWith(e, rootfsUser, root, harness.Options{}, with...)
	c.want("the mode of the file", program, "EACCES|False|ECONNRESET")
	if err := os.Chmod(dir+"/sock", 0o777); err != nil {
		t.Fatal(err)
	}
	c.want("SO_PEERCRED", program, "False|ECONNRESET")
	if n := c.CountLog(`cannot give namespaces to uid 4711`); n == 0 {
		t.Error("the log does not say that somebody asked")
	}
	c.want("it serves on", `print(1)`, "1")
}

// TestE26Network: with a network of its own the app reaches nothing, and is reached through the socket it was given.
func TestE26Network(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	program := fmt.Sprintf(`
def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
print(connect(('127.0.0.1', %d)), connect(('169.254.169.254', 80)) in ('ENETUNREACH',), attempt(raw),
      ' '.join(sorted(l.split(':')[0].strip() for l in read('/proc/net/dev').splitlines()[2:] if not l.strip().startswith(('tun', 'sit', 'gre', 'ip', 'erspan')))))`,
		l.Addr().(*net.TCPAddr).Port)
	imprison(e, rootfsRoot, append(guardsOff("caps"), "--cap", "net_raw")...).want("network shared", program, `ok (True|False) ok .*lo.*`)
	imprison(e, rootfsRoot, "--namespace-net", "x").want("own network", program, "ECONNREFUSED True EPERM lo")
	imprison(e, rootfsUser, "--namespace-net", "x").want("own network", program, "ECONNREFUSED True EPERM lo")
	imprison(e, ordinary, "--namespace-net", "x").want("rootless", program, "ECONNREFUSED True EPERM lo")
}

// calls are refused in the default jail. Without the list they answer something else, given arguments that make no sense.
const calls = `
for name, args in (('bpf', (99, 0, 0)), ('userfaultfd', (0xffff,)), ('io_uring_setup', (0, 0)), ('keyctl', (9999,)), ('kexec_load', (0, 99, 0, 0)),
                   ('perf_event_open', (0, 0, -1, -1, 0)), ('mount', (None, None, None, 0, None)), ('open_by_handle_at', (-1, 0, 0)),
                   ('ptrace', (0x4206, 0, 0, 0)), ('process_vm_readv', (0, 0, 0, 0, 0, 1)), ('setns', (-1, 0)), ('init_module', (0, 0, 0)),
                   ('add_key', (0, 0, 0, 0, 0)), ('fsopen', (0, 0)), ('open_tree', (-1, 0, 0))):
    print(name, call(name, *args))
print('x32', call(0x40000000 | 39))
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# push rbx; mov eax, 20 (getpid of the 32-bit ABI); int 0x80; pop rbx; ret
code.write(bytes.fromhex('53b814000000cd805bc3'))
child = os.fork()
if child == 0:
    got = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    os._exit(0 if got == os.getpid() else -got)
end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print('i386', 'ok' if end == 0 else errno.errorcode[end] if end > 0 else 'killed')`

// TestE31KernelSurface: system calls that no app needs, by each of the ABIs.
func TestE31KernelSurface(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	answers := func(c *cell) map[string]string {
		m := map[string]string{}
		for line := range strings.Lines(c.run(calls)) {
			name, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
			m[name] = answer
		}
		if len(m) != 17 {
			t.Errorf("the answers are not those of 17 calls: %v", m)
		}
		return m
	}
	open := answers(imprison(e, rootfsRoot, append(guardsOff("seccomp,landlock"), "--cap",
		"sys_admin,sys_boot,sys_module,sys_ptrace,perfmon,bpf,dac_read_search")...))
	for name, answer := range open {
		if answer == "EPERM" && name != "x32" {
			t.Errorf("without the list %s is refused: the arguments show nothing", name)
		}
	}
	// A kernel without the 32-bit ABI, or with ia32_emulation=off, ends a process that tries it; then that holds in every jail.
	if open["i386"] != "ok" && open["i386"] != "killed" {
		t.Errorf("without the list a 32-bit call gives %s", open["i386"])
	}
	// A kernel without CONFIG_X86_X32_ABI has no x32 calls: then the two answers are the same.
	if open["x32"] != "ok" && open["x32"] != "ENOSYS" {
		t.Errorf("without the list an x32 call gives %s", open["x32"])
	}
	caps := []string{"--cap", "sys_admin,sys_boot,sys_module,sys_ptrace,perfmon,bpf,dac_read_search"}
	for what, c := range map[string]*cell{"all these capabilities": imprison(e, rootfsRoot, caps...), "default": imprison(e, rootfsUser), "rootless": imprison(e, ordinary)} {
		for name, answer := range answers(c) {
			want := "EPERM"
			if name == "x32" || name == "i386" {
				want = "ENOSYS"
			}
			if name == "i386" && open[name] == "killed" {
				want = "killed"
			}
			if answer != want {
				t.Errorf("%s: %s gives %s, want %s", what, name, answer, want)
			}
		}
	}
}

// TestE31OpenByHandle: a file of the host by its number (CVE-2014-3519), when the rootfs is on the same filesystem.
func TestE31OpenByHandle(t *testing.T) {
	e := harness.New(t)
	root := attackRoot(e)
	secret := filepath.Join(filepath.Dir(root), fmt.Sprintf("secret-%d", os.Getpid()))
	if err := os.WriteFile(secret, []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(secret)
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, secret, 0)
	if err != nil {
		t.Fatalf("this filesystem has no handles: %v", err)
	}
	raw := binary.NativeEndian.AppendUint32(nil, uint32(handle.Size()))
	raw = binary.NativeEndian.AppendUint32(raw, uint32(handle.Type()))
	raw = append(raw, handle.Bytes()...)
	program := fmt.Sprintf(`
handle = ctypes.create_string_buffer(bytes.fromhex('%s'))
fd = LIBC.syscall(304, os.open('/', os.O_RDONLY), handle, os.O_RDONLY)
print(os.read(fd, 100).decode() if fd >= 0 else outcome(fd))`, hex.EncodeToString(raw))
	c := imprisonWith(e, rootfsRoot, root, harness.Options{}, append(guardsOff("seccomp,landlock"), "--cap", "dac_read_search")...)
	c.want("without the list", program, "of the host")
	c.End()
	c = imprisonWith(e, rootfsRoot, root, harness.Options{}, "--cap", "dac_read_search")
	c.want("the capability alone", program, "EPERM")
	c.End()
	imprisonWith(e, rootfsRoot, root, harness.Options{}).want("default jail", program, "EPERM")
}

// TestE29Resources: an app that takes all it can get. What holds without limits is the server: it serves on.
func TestE29Resources(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	program := `
import time
pids, said = [], 'all'
for i in range(120):
    try:
        pid = os.fork()
    except OSError as e:
        said = errno.errorcode[e.errno]
        break
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    pids.append(pid)
fds = []
try:
    while len(fds) < 1500:
        fds.append(os.open('/dev/null', os.O_RDONLY))
except OSError as e:
    said += ' ' + errno.errorcode[e.errno]
for fd in fds:
    os.close(fd)
try:
    with open('/data/fill', 'wb', buffering=0) as f:
        for i in range(64):
            if f.write(b'x' * (1 << 20)) < 1 << 20:
                raise OSError(errno.ENOSPC, 'full')
except OSError as e:
    said += ' ' + errno.errorcode[e.errno]
for pid in pids:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
print(said)`
	root := attackRoot(e)
	os.Mkdir(root+"/data", 0o777)
	c := imprisonWith(e, rootfsRoot, root, harness.Options{}, "--jail-tmpfs", "/data:80m", "--max-fd", "4096")
	c.want("no limits", program, "all")
	c.End()
	cgroup := "/sys/fs/cgroup/pids/gowsgi-test-e29"
	if !harness.Exists("/sys/fs/cgroup/pids") {
		t.Fatal("this machine has no hierarchy of version 1 for pids")
	}
	t.Cleanup(func() { _ = os.Remove(cgroup) })
	c = imprisonWith(e, rootfsRoot, root, harness.Options{}, "--jail-tmpfs", "/data:8m", "--max-fd", "300", "--cgroup", cgroup, "--cgroup-opt", "pids.max=40")
	c.want("limits", program, "EAGAIN EMFILE ENOSPC")
	c.want("it serves on", `print(1)`, "1")

	// uid 4711 of the jail is uid 4711 of the host: what limit-nproc counts.
	u := imprisonWith(e, rootfsUser, root, harness.Options{}, "--limit-nproc", "60", "--max-fd", "300")
	u.want("limit-nproc", program, "EAGAIN EMFILE EACCES")
}

// TestE29StuckLog: nobody reads the log and the app writes without end. Nobody waits for the log: the worker that writes, the others, the
// parent and PID 1 go on, a reload works, what is lost is counted, and SIGINT stops the server although the log is never read.
func TestE29StuckLog(t *testing.T) {
	e := harness.New(t)
	reader, wrap := logPipe(e)
	metrics := harness.FreePort(t)
	c := imprisonWith(e, ordinary, "", harness.Options{Wrap: append(wrap, demoted(ordinary)...)}, "--processes", "2", "--prometheus", metrics)
	full := func() bool {
		fd, err := unix.Open(reader.Name(), unix.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		_, err = unix.Write(fd, make([]byte, 4096)) // a smaller one may find room in the last page
		return err == unix.EAGAIN
	}
	c.want("12 MB of log lines", `
for i in range(12000): os.write(2, b'x' * 999 + b'\n')
print('written')`, "written")
	if !full() {
		t.Fatal("the log's pipe is not full")
	}
	dropped := regexp.MustCompile(`(?m)^gowsgi_log_dropped_total\{sink="stderr"\} (\S+)$`)
	lost := 0.0
	if !harness.Eventually(5*time.Second, func() bool {
		if m := dropped.FindStringSubmatch(getBody(t, "http", metrics, "/metrics")); m != nil {
			lost, _ = strconv.ParseFloat(m[1], 64)
		}
		return lost > 1000
	}) {
		t.Errorf("%v lines are counted as lost", lost)
	}
	go func() { // the answer never comes, and the worker writes on
		_, _ = harness.FetchRaw(c.addr, "POST /run HTTP/1.0\r\nHost: x\r\nContent-Length: 38\r\n\r\nwhile True: os.write(2, b'x'*999+b'\\n')", 20*time.Second)
	}()
	for range 20 {
		if got := getBody(t, "http", c.addr, "/"); got != "served" {
			t.Errorf("the other worker answers %q", got)
		}
	}
	c.Signal(unix.SIGINT)
	if code := c.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d while the log is not read", code)
	}
}

// TestE29LogReadAgain: once a log that was not read is read again, it says how much is missing.
func TestE29LogReadAgain(t *testing.T) {
	e := harness.New(t)
	reader, wrap := logPipe(e)
	c := imprisonWith(e, ordinary, "", harness.Options{Wrap: append(wrap, demoted(ordinary)...)}, "--processes", "2")
	c.want("12 MB of log lines", `
for i in range(12000): os.write(2, b'x' * 999 + b'\n')
print('written')`, "written")
	c.reload()
	log := collect(reader)
	log.wait(t, "log lines were dropped")
	getBody(t, "http", c.addr, "/after")
	log.wait(t, "GET /after => generated")
}
