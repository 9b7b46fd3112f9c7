package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestHookTouch: a touch runs a command or another action in the jail, as the app's user, again at each touch; what would change the master is refused.
func TestHookTouch(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	root := attackRoot(e)
	e.Run("chmod", "1777", root+"/tmp")
	c := imprisonWith(e, rootfsUser, root, harness.Options{}, "--hook-touch", "/tmp/one exec:id -u >> /tmp/ids", "--hook-touch", "/tmp/two appendn:/tmp/lines text of two",
		"--hook-touch", "/tmp/two print:two was touched", "--hook-touch", "/tmp/three wait_for_file:/nosuchfile 100")
	touch := func(name, file, want string) {
		t.Helper()
		e.Run("sh", "-c", "echo x >> "+root+"/tmp/"+name)
		var text []byte
		if !harness.Eventually(10*time.Second, func() bool {
			text, _ = os.ReadFile(filepath.Join(root, "tmp", file))
			return string(text) == want
		}) {
			t.Fatalf("a touch of %s gives %q, want %q\n%s", name, text, want, c.Log())
		}
	}
	touch("one", "ids", "4711\n")
	touch("two", "lines", "text of two\n")
	touch("two", "lines", "text of two\ntext of two\n")
	touch("one", "ids", "4711\n4711\n")
	c.WaitLog(5*time.Second, "two was touched")
	e.Run("touch", root+"/tmp/three")
	c.WaitLog(10*time.Second, `running "wait_for_file:`)
	c.want("the app while a hook waits", `print("here")`, "here")
	c.End() // within its five seconds, although the hook waits for a hundred
	for hook, why := range map[string]string{"/tmp/a putenv:A=b": "change the master", "/tmp/a nosuch:x": "no such action", "/tmp/a": "a file and a hook"} {
		refused(e, harness.Options{Args: append(attackArgs(e, rootfsUser, root, harness.FreePort(t)), "--hook-touch", hook)}, why)
	}
}

// TestHookAsMule: each mule runs the hooks before its program or first message, in its own process; one whose hook fails does not run.
func TestHookAsMule(t *testing.T) {
	e := harness.New(t)
	a := startAsideIn(e, t, "muleapp", "--mules", "2", "--hook-as-mule", "putenv:OF_MULE=yes")
	a.want(`uwsgi.mule_msg(b"x", 1)`, "True")
	a.waitEvent("hook", "x")
	if !harness.Eventually(10*time.Second, func() bool { return a.CountLog(`running "putenv:OF_MULE=yes" \(as-mule\)`) == 2 }) {
		t.Errorf("the hook did not run twice\n%s", a.Log())
	}
	a.want(`__import__("os").environ.get("OF_MULE", "no")`, "'no'")
	a.End()
	b := startAsideIn(e, t, "muleapp", "--mules", "1", "--hook-as-mule", "exec:exit 3")
	b.WaitLog(10*time.Second, `FATAL hook failed, destroying mule: .*exit code 3`)
	b.want(`1 + 1`, "2")
	if strings.Contains(b.Log(), "Traceback") {
		t.Errorf("a traceback:\n%s", b.Log())
	}
}
