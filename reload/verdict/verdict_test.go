package verdict

import (
	"syscall"
	"testing"
)

func TestOfSignal(t *testing.T) {
	tests := []struct {
		sig             syscall.Signal
		plain, die, ini Action // default, die-on-term, PID 1 of a container
	}{
		{syscall.SIGHUP, ReloadAll, ReloadAll, ReloadAll},
		{syscall.SIGINT, BrutalStop, BrutalStop, BrutalStop},
		{syscall.SIGQUIT, BrutalStop, BrutalReload, BrutalStop},
		{syscall.SIGTERM, BrutalReload, Stop, Stop},
		{syscall.SIGTSTP, Pause, Pause, Pause},
		{syscall.SIGWINCH, None, None, None},
	}
	for _, tt := range tests {
		if got := OfSignal(tt.sig, false, false); got != tt.plain {
			t.Errorf("%v: %q, want %q", tt.sig, got, tt.plain)
		}
		if got := OfSignal(tt.sig, true, false); got != tt.die {
			t.Errorf("%v with die-on-term: %q, want %q", tt.sig, got, tt.die)
		}
		if got := OfSignal(tt.sig, false, true); got != tt.ini {
			t.Errorf("%v as container init: %q, want %q", tt.sig, got, tt.ini)
		}
	}
}

func exited(code int) syscall.WaitStatus           { return syscall.WaitStatus(code << 8) }
func killed(sig syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(sig) }

func TestOfMaster(t *testing.T) {
	tests := []struct {
		name    string
		status  syscall.WaitStatus
		served  bool
		exit    bool
		code    int
		rebuild bool
	}{
		{"step failed at the start", exited(1), false, true, 1, false},
		{"init error after service", exited(1), true, false, 0, true},
		{"need-app at the start", exited(22), false, true, 22, false},
		{"need-app later", exited(22), true, true, 22, false},
		{"killed in service", killed(syscall.SIGKILL), true, false, 0, true},
		{"killed while starting", killed(syscall.SIGKILL), false, false, 0, true},
		{"unasked clean exit", exited(0), true, false, 0, true},
	}
	for _, tt := range tests {
		v := OfMaster(tt.status, tt.served)
		if v.Exit != tt.exit || v.Code != tt.code || v.Rebuild != tt.rebuild {
			t.Errorf("%s: %+v, want exit=%v code=%d rebuild=%v", tt.name, v, tt.exit, tt.code, tt.rebuild)
		}
		if v.Why == "" {
			t.Errorf("%s: no reason given", tt.name)
		}
	}
}

func TestValid(t *testing.T) {
	for _, a := range []Action{ReloadAll, BrutalReload, Stop, BrutalStop} {
		if !a.Valid() {
			t.Errorf("%q is not valid", a)
		}
	}
	for _, a := range []Action{None, "rm -rf", "Reload"} {
		if a.Valid() {
			t.Errorf("%q is valid", a)
		}
	}
}
