package hook

import (
	"fmt"
	"os"
	"testing"
)

// TestAnnouncement: the lines are those of uWSGI 2.0.21, but for the escapes.
func TestAnnouncement(t *testing.T) {
	ids := fmt.Sprintf("(as uid: %d gid: %d) ...", os.Geteuid(), os.Getegid())
	for _, c := range []struct {
		phase            Phase
		kind, line, want string
	}{
		{Asap, "hook", "print:x", `running "print:x" (asap)...`},
		{InJail, "exec", "exec:true", `running "true" (in-jail)...`},
		{AsRoot, "hook", "print:x", `running "print:x" (as root)...`},
		{AsRoot, "mount", "mount:tmpfs none /x", `mounting "tmpfs none /x" (as root)...`},
		{PostJail, "umount", "umount:/x", `un-mounting "/x" (post-jail)...`},
		{AsUser, "exec", "exec:id -u", `running "id -u" ` + ids},
		{AsUser, "hook", "!putenv:A=secret", `running "--- PRIVATE HOOK ---" (as user)...`},
		{"pre-app", "hook", "print:x", `running "print:x" (pre app)...`},
		{"as-user-atexit", "hook", "print:x", `running "print:x" (atexit)...`},
	} {
		h, err := Parse(c.phase, c.line)
		if err != nil {
			t.Fatal(err)
		}
		h.Kind = c.kind
		if got := h.Announcement(); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}
