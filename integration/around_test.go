package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gowsgi/integration/harness"
)

// waitFile waits until a file has a line.
func waitFile(t *testing.T, path, line string) {
	t.Helper()
	var text []byte
	if !harness.Eventually(10*time.Second, func() bool {
		text, _ = os.ReadFile(path)
		return strings.Contains(string(text), line+"\n")
	}) {
		t.Errorf("%s has no line %.80q: %.500q", path, line, text)
	}
}

// TestTouchExec: a command runs in the jail, as the app's user, when a file of the jail changes; one that fails is told.
func TestTouchExec(t *testing.T) {
	e := harness.New(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	// In a directory of the app's user, so that the command may write there.
	dir := filepath.Join(root, harness.AppDir)
	s := e.Start(append(jailArgs(root, addr, 1), "--hook-post-jail", "exec:chmod 0777 "+dir,
		"--touch-exec", "touched echo $$ $(id -un) in $(hostname) >> ran", "--touch-exec", harness.AppDir+"/failing exit 7")...)
	s.WaitServing("http", addr)
	e.Write(dir+"/touched", "1")
	s.WaitLog(10*time.Second, `\[uwsgi-touch-exec\] running echo \$\$`)
	s.WaitLog(10*time.Second, `\[uwsgi-touch-exec\] "echo .*" \(pid: \d+\) exited with code 0`)
	text, err := os.ReadFile(dir + "/ran")
	if err != nil || !strings.HasSuffix(string(text), " uwsgi in jail\n") {
		t.Errorf("the command wrote %q (%v)", text, err)
	}
	e.Write(dir+"/failing", "1")
	s.WaitLog(10*time.Second, `\[uwsgi-touch-exec\] "exit 7" \(pid: \d+\) exited with code 7`)
	noZombies(t, s)
}

// TestFSReload: what happens to a file or in a directory of the jail reloads, once for a file that is replaced and once for one that appears.
func TestFSReload(t *testing.T) {
	e := harness.New(t)
	root, addr := e.RootfsCopy(), harness.FreePort(t)
	dir := filepath.Join(root, harness.AppDir)
	watched, single := filepath.Join(dir, "watched"), filepath.Join(dir, "single")
	if err := os.Mkdir(watched, 0o755); err != nil {
		t.Fatal(err)
	}
	e.Write(single, "1")
	s := e.Start(append(jailArgs(root, addr, 1), "--fs-reload", "watched", "--fs-reload", harness.AppDir+"/single",
		"--fs-brutal-reload", harness.AppDir+"/later")...)
	s.WaitServing("http", addr)
	s.WaitLog(time.Second, `cannot watch /[^ ]*/later yet`)
	for i, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return os.WriteFile(watched+"/new", nil, 0o600) }, `detected event on "/[^"]*/watched"`},
		{func() error { return os.Rename(watched+"/new", single) }, `detected event on "/[^"]*/single"`},
		{func() error { return os.WriteFile(single, []byte("2"), 0o600) }, `detected event on "/[^"]*/single"`},
		{func() error { return os.WriteFile(dir+"/later", nil, 0o600) }, `detected event on "/[^"]*/later"`},
	} {
		before, master := s.CountLog("spawned uWSGI master process"), s.Master()
		s.Forget()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		s.WaitLog(10*time.Second, step.want)
		if !harness.Eventually(10*time.Second, func() bool { m := s.Master(); return m != 0 && m != master }) {
			t.Fatalf("step %d: no reload (%d masters were spawned)", i, before)
		}
		s.WaitServing("http", addr)
	}
}

// TestNotifySocket: datagrams are lines of the log, whatever they hold, and cannot flood it.
func TestNotifySocket(t *testing.T) {
	e := harness.New(t)
	s, _ := plain(e, 1, "--notify-socket", e.Dir+"/notify")
	conn, err := net.Dial("unixgram", e.Dir+"/notify")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send := func(text string) {
		t.Helper()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send("deployed\n")
	s.WaitLog(10*time.Second, `\[notify-socket\] deployed$`)
	send("two\nlines \x1b[31mred\xff")
	s.WaitLog(10*time.Second, `\[notify-socket\] two lines  \[31mred\?$`)
	for i := range 2000 {
		send(fmt.Sprintf("flood %d", i))
	}
	if !harness.Eventually(10*time.Second, func() bool {
		send("end")
		return s.CountLog(`\[notify-socket\] \d+ datagrams more than 100 in a second were dropped`) > 0
	}) {
		t.Error("nothing says that datagrams were dropped")
	}
	if n := s.CountLog(`\[notify-socket\] flood`); n > 1000 {
		t.Errorf("%d lines of a flood", n)
	}
}

// TestAlarmTargets: alarms reach a uwsgi signal and a mule; a metric that reaches its threshold raises one.
func TestAlarmTargets(t *testing.T) {
	a := startAside(t, "muleapp", "--mules", "2", "--alarm", "mule mule:2", "--alarm", "signal signal:17", "--alarm", "page log:page",
		"--metric", "orders", "--metric-alarm", "key=orders,value=3,alarm=page;mule,msg=too many orders,rate=60",
		"--metric-alarm", "key=worker.1.requests,value=1000000,alarm=page,msg=never")
	a.want(`uwsgi.alarm("mule", "to the mule")`, "None")
	if ev := a.waitEvent("hook", "to the mule"); ev["mule"] != 2.0 {
		t.Errorf("the message came to %v", ev)
	}
	a.want(`(uwsgi.register_signal(17, "mule1", lambda n: note(signal=n)), uwsgi.alarm("signal", "x"))`, "(None, None)")
	a.WaitLog(10*time.Second, `error managing signal 17 on mule 1: it has no handler there`) // it was registered in a worker only
	a.want(`uwsgi.metric_set("orders", 2)`, "True")
	a.want(`uwsgi.metric_inc("orders")`, "True")
	a.WaitLog(10*time.Second, `^ALARM: page too many orders$`)
	a.waitEvent("hook", "too many orders")
	if n := a.CountLog("ALARM: page"); n != 1 {
		t.Errorf("%d alarms", n)
	}
}

// TestBadAround: what cannot work is said at the start, with where it stands.
func TestBadAround(t *testing.T) {
	e := harness.New(t)
	for _, row := range [][2]string{
		{"alarm = a signal:256", `"256" is no number of a signal: 0 to 255`},
		{"alarm = a mule:1", `there is no mule 1`},
		{"alarm-fd = a 5", `alarm-fd.*the jail gets no descriptor of the caller's`},
		{"touch-exec = /file", `no file and command`},
		{"metric-alarm = key=a,value=1", `there is no alarm in it`},
		{"metric-alarm = key=a,value=b,alarm=c", `value is not a whole number: b`},
		{"metric-alarm = key=a,value=1,alarm=c", `there is no alarm "c"`},
		{"alarm = a log:\nmetric-alarm = key=a,value=1,alarm=a", `cannot watch metric a: there is no such metric`},
		{"notify-socket = /etc/hosts", `cannot bind notify-socket /etc/hosts: the path exists and is not a socket`},
	} {
		ini := e.Write("bad.ini", "[uwsgi]\nhttp-socket = "+harness.FreePort(t)+"\nchdir = "+appDir(e)+"\nmodule = probe\n"+row[0]+"\n")
		s := e.Start("--ini", ini)
		if code := s.WaitExit(10 * time.Second); code != 1 {
			t.Errorf("%s: exit code %d", row[0], code)
		}
		s.WaitLog(time.Second, row[1])
	}
}

// hangingDir is a directory of a file system that never answers. It returns the function that takes it away again.
func hangingDir(t *testing.T, dir string) (end func()) {
	t.Helper()
	harness.NeedRoot(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no file system can be made to hang: %v", err)
	}
	if err := unix.Mount("hanging", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse.Fd())); err != nil {
		fuse.Close()
		t.Skipf("no file system can be made to hang: %v", err)
	}
	return func() {
		if err := errors.Join(unix.Unmount(dir, unix.MNT_DETACH), fuse.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestFilesThatHang: a file system that does not answer holds up neither the master nor the parent, but only those who look at its files.
func TestFilesThatHang(t *testing.T) {
	e := harness.New(t)
	dir := e.Dir + "/hangs"
	for i := range 3 { // one for each who looks: the kernel lets nobody else into such a directory, not even to be killed
		defer hangingDir(t, fmt.Sprint(dir, i))()
	}
	stats, touched := harness.FreePort(t), e.Write("touched", "")
	s, addr := plain(e, 1, "--attach-daemon2", "cmd=sleep 1040,chdir="+dir+"0,mercy=1", "--touch-exec", dir+"1/a echo", "--touch-signal", touched+" 1",
		"--fs-signal", dir+"1/b 2", "--stats", stats, "--touch-reload", dir+"2/c", "--fs-reload", dir+"2/d", "--attach-daemon", "sleep 1041")
	waitNamed(t, s, "sleep 1041", 1)
	worker := getBody(t, "http", addr, "/pid")
	if pid, err := strconv.Atoi(worker); err != nil || unix.Kill(pid, unix.SIGKILL) != nil {
		t.Fatalf("cannot kill worker %q", worker)
	}
	if !harness.Eventually(10*time.Second, func() bool {
		r, err := harness.Fetch("http", addr, "/pid", 2*time.Second)
		return err == nil && r.Body != worker
	}) {
		t.Error("the master does not replace a worker")
	}
	readStats(t, stats)
	below := harness.Tree(s.PID)[1:]
	s.Signal(unix.SIGINT)
	if code := s.WaitExit(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, "after the stop", below)
}

// TestDaemonEnds: each daemon gets its own signal and its own time to end.
func TestDaemonEnds(t *testing.T) {
	e := harness.New(t)
	told := e.Dir + "/told"
	script := func(name, text string) string {
		return "sh " + e.Write(name, text)
	}
	traps := func(name string) string {
		return script(name, fmt.Sprintf("for s in INT TERM USR1; do trap \"echo %s $s >> %s; exit\" $s; done\n"+
			"echo %[1]s ready >> %[2]s\nwhile :; do sleep 0.1; done\n", name, told))
	}
	late := script("late", "trap 'sleep 2; echo late >> "+told+"; exit' TERM\necho late ready >> "+told+"\nwhile :; do sleep 0.1; done\n")
	deaf := script("deaf", "trap '' TERM\necho deaf ready >> "+told+"\nwhile :; do sleep 0.1; done\n")
	s, _ := plain(e, 1, "--attach-daemon2", "cmd="+traps("one")+",stopsignal=2", "--attach-daemon2", "cmd="+traps("two")+",stopsignal=USR1",
		"--attach-daemon", traps("three"), "--attach-daemon2", "cmd="+late+",mercy=30", "--attach-daemon2", "cmd="+deaf+",mercy=1", "--reload-mercy", "20")
	for _, name := range []string{"one", "two", "three", "late", "deaf"} {
		waitFile(t, told, name+" ready")
	}
	s.Signal(unix.SIGHUP)
	for _, line := range []string{"one INT", "two USR1", "three TERM", "late"} {
		waitFile(t, told, line)
	}
	s.WaitLog(10*time.Second, `daemon did not die in time, killing .*: sh \S+/deaf`)
	if n := s.CountLog(`daemon did not die in time`); n != 1 {
		t.Errorf("%d daemons were killed", n)
	}
}

// TestLogNotTornAround: long lines of mules, spoolers and daemons come out whole when the log is a pipe.
func TestLogNotTornAround(t *testing.T) {
	e := harness.New(t)
	const shout = "import os\nfor n in range(30):\n    data = b'%c' * 20000 + b'\\n'\n    while data:\n        data = data[os.write(1, data):]\nprint('%c is done', flush=True)\n"
	shouter := func(letter byte) string { return e.Write(string(letter)+".py", fmt.Sprintf(shout, letter, letter)) }
	mule := func(letter byte) string {
		return e.Write("mule"+string(letter)+".py", fmt.Sprintf("exec(open(%q).read())\nimport time\ntime.sleep(1000)\n", shouter(letter)))
	}
	daemon := func(letter byte) string { return "python3 " + shouter(letter) + "; exec sleep 1050" }
	spooling := "import uwsgi\ndef work(task):\n    exec(open(" + fmt.Sprintf("%q", shouter('S')) + ").read())\n    return uwsgi.SPOOL_OK\n" +
		"uwsgi.spooler = work\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    uwsgi.spool(a='b')\n    return [b'ok']\n"
	e.Write("app/spooling.py", spooling)
	reader, wrap := logPipe(e)
	log := collect(reader)
	addr := harness.FreePort(t)
	e.StartWith(harness.Options{Wrap: wrap, Args: []string{"--http-socket", addr, "--chdir", e.Dir + "/app", "--module", "spooling", "--disable-logging",
		"--mule=" + mule('M'), "--mule=" + mule('N'), "--attach-daemon", daemon('D'), "--attach-daemon", daemon('E'), "--spooler", e.Dir + "/spool"}})
	log.wait(t, "spawned uWSGI worker 1")
	getBody(t, "http", addr, "/")
	for _, letter := range "MNDES" {
		log.wait(t, string(letter)+" is done")
	}
	whole, dropped := map[byte]int{}, 0
	for _, line := range log.all() {
		if m := droppedNotice.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			dropped += n
		}
		if len(line) < 3 || strings.Count(line, line[:1]) < len(line)/2 {
			continue
		}
		if len(line) != 20000 || strings.Count(line, line[:1]) != len(line) {
			t.Errorf("a torn line of %d bytes: %.20q...%q", len(line), line, line[max(0, len(line)-20):])
		}
		whole[line[0]]++
	}
	sum := dropped
	for _, n := range whole {
		sum += n
	}
	if sum < 5*30 || len(whole) != 5 {
		t.Errorf("whole lines %v and %d dropped, want 30 of each", whole, dropped)
	}
}

// TestSpoolerSignalAsTask: signals count towards spooler-max-tasks.
func TestSpoolerSignalAsTask(t *testing.T) {
	a := startSide(harness.New(t), t, "--spooler", "spool", "--spooler-signal-as-task", "--spooler-max-tasks", "2")
	a.WaitLog(15*time.Second, `\.\.\.The work of spooler 1 \(pid: \d+\) is done`)
}
