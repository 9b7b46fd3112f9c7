package config

import (
	"slices"
	"strconv"
	"strings"
)

// Isolation is the jail in pieces: namespaces, a root made by hooks, capabilities, limits.
type Isolation struct {
	Unshare   []string   `json:"unshare,omitempty"` // kinds of namespaces: mount, pid, uts, ipc, net, user, cgroup, time
	Chroot    string     `json:"chroot,omitempty"`
	PivotNew  string     `json:"pivot_new,omitempty"` // becomes "/"
	PivotOld  string     `json:"pivot_old,omitempty"` // where the old root is seen, below PivotNew
	Caps      []string   `json:"caps,omitempty"`      // capabilities that the app keeps
	Hooks     []HookLine `json:"hooks,omitempty"`
	Shell     []string   `json:"shell,omitempty"`      // runs the hooks' commands, tried in order; empty: /bin/sh
	Seccomp   string     `json:"seccomp,omitempty"`    // file that changes the list of refused system calls
	TermStops bool       `json:"term_stops,omitempty"` // hook-master-start = unix_signal:15 ...
	WaitLimit WaitLimits `json:"wait_limit"`
	GuardsOff []string   `json:"guards_off,omitempty"` // doors of the jail that are left open
}

// WaitLimits are the seconds that the wait-for options wait.
type WaitLimits struct {
	Path   int `json:"path,omitempty"` // 0 = 60
	Socket int `json:"socket,omitempty"`
	Net    int `json:"net,omitempty"`
}

// HookLine is one hook as it is written. Whether its action exists is found out by whoever runs it.
type HookLine struct {
	Phase string `json:"phase"`          // of hookPhases
	Kind  string `json:"kind"`           // hook, mount, umount or exec: the order within a phase
	Line  string `json:"line"`           // action:argument
	File  string `json:"file,omitempty"` // whose change runs it (TouchPhase)
	Pos   Pos    `json:"pos"`
}

// hookKinds is the order in which the hooks of a phase run; within a kind it is that of the configuration.
var hookKinds = []string{"hook", "mount", "umount", "exec"}

// fileKind are the files of file-write, which come after all hooks of their phase.
const fileKind = "file"

// hookPhases are the phases in their order, with the kinds of hooks that uWSGI has for them.
var hookPhases = []struct {
	name  string
	kinds []string
}{
	{"asap", hookKinds}, {"pre-jail", hookKinds}, {"post-jail", hookKinds}, {"in-jail", hookKinds}, {"as-root", hookKinds},
	{"as-user", []string{"hook", "exec"}}, {"pre-app", []string{"hook", "exec"}}, {"post-app", []string{"hook", "exec"}},
	{"master-start", []string{"hook"}}, {"as-user-atexit", []string{"hook", "exec"}},
	{"post-fork", []string{"hook"}}, {"accepting", []string{"hook"}}, {"accepting-once", []string{"hook"}},
	{"accepting1", []string{"hook"}}, {"accepting1-once", []string{"hook"}},
	{"as-mule", []string{"hook"}},
}

func (i *Isolation) options() []option {
	list := []option{
		{"unshare", "give the app namespaces of its own: a comma list of fs, ipc, pid, uts, net, user, cgroup, time", i.addUnshare},
		{"unshare2", "as unshare", i.addUnshare},
		{"chroot", "make this directory the root", word(&i.Chroot)},
		{"pivot_root", "make NEW the root and have the old one at OLD, below it: NEW OLD", i.setPivot},
		{"cap", "keep these capabilities, by name or number, and drop all others", i.addCaps},
		{"binsh", "run the commands of hooks with this shell; repeatable, the first that can be executed is taken", words(&i.Shell)},
		{"jail-guard-off", "leave a door of the jail open: a comma list of keyring, proc, dev, caps, no-new-privs, landlock, seccomp, dump", i.openDoors},
		{"jail-dev", "what the rootfs shows at /dev: minimal (the default), or rootfs for its own, device nodes and all", i.setDev},
		{"wait-for-fs", "wait in the phase as-root until this path is there, whatever it is; repeatable", i.addWait("as-root", "wait_for_fs")},
		{"wait-for-interface", "wait in the phase as-root until this network interface is there; repeatable", i.addWait("as-root", "wait_for_interface")},
		{"wait-for-mountpoint", "wait in the phase as-root until something is mounted here; repeatable", i.addWait("as-root", "wait_for_mountpoint")},
		{"wait-for-interface-timeout", "seconds that wait-for-interface waits, 60 when not given", number(&i.WaitLimit.Net, 1, maxSeconds)},
		{"wait-for-socket", "wait in the phase as-user until something listens at this address; repeatable", i.addWait("as-user", "wait_for_socket")},
		{"wait-for-fs-timeout", "seconds that wait-for-fs waits, 60 when not given", number(&i.WaitLimit.Path, 1, maxSeconds)},
		{"wait-for-socket-timeout", "seconds that wait-for-socket waits, 60 when not given", number(&i.WaitLimit.Socket, 1, maxSeconds)},
		{"hook-touch", "FILE ACTION:ARGUMENT runs a hook in the master when the file changes, appears or goes; repeatable", i.addTouchHook},
		{"file-write", "write a line to this file in the phase in-jail, after its hooks: FILE=TEXT; repeatable", i.addFileWrite},
		{"seccomp", "off = no list of refused system calls, default = the built-in one, or the file of a list that changes it", i.setSeccomp},
	}
	for _, phase := range hookPhases {
		for _, kind := range phase.kinds {
			list = append(list, option{kind + "-" + phase.name, hookHelp(kind, phase.name), i.addHook(phase.name, kind)})
		}
	}
	return list
}

func hookHelp(kind, phase string) string {
	switch kind {
	case "hook":
		return "run a hook in the phase " + phase + ": action:argument; repeatable"
	case "exec":
		return "run a command in the phase " + phase + "; repeatable"
	}
	return kind + " in the phase " + phase + ", after its hooks; repeatable"
}

func (i *Isolation) addHook(phase, kind string) setter {
	return func(v *value) error {
		line := strings.TrimSpace(v.Value)
		if line == "" {
			return bad("no hook", "write action:argument")
		}
		if fields := strings.Fields(line); phase == "master-start" && fields[0] == "unix_signal:15" && len(fields) > 1 {
			// Files carry it because uWSGI's SIGTERM does not stop, or not gently: the wish is known.
			v.warn("read as die-on-term = true, which is graceful here", "write die-on-term = true")
			i.TermStops = true
			return nil
		}
		if kind != "hook" {
			line = kind + ":" + line
		} else if strings.HasPrefix(line, "call") {
			if action, _, _ := strings.Cut(line, ":"); strings.HasPrefix(action, "call") {
				return bad("symbols of C libraries cannot be called from here", "write exec:COMMAND")
			}
		}
		i.Hooks = append(i.Hooks, HookLine{Phase: phase, Kind: kind, Line: line, Pos: v.Pos})
		return nil
	}
}

// TouchPhase is that of hooks that run when their file changes.
const TouchPhase = "touch"

func (i *Isolation) addTouchHook(v *value) error {
	file, line, _ := strings.Cut(strings.TrimSpace(v.Value), " ")
	if line = strings.TrimSpace(line); line == "" {
		return bad("a file and a hook are expected", "write hook-touch = /etc/app.conf exec:/usr/bin/rebuild")
	}
	v.warnUnresolved()
	i.Hooks = append(i.Hooks, HookLine{Phase: TouchPhase, Kind: "hook", Line: line, File: file, Pos: v.Pos})
	return nil
}

func (i *Isolation) addFileWrite(v *value) error {
	file, text, ok := strings.Cut(strings.TrimSpace(v.Value), "=")
	if !ok || file == "" || strings.ContainsAny(file, " \t") {
		return bad("a file, without blanks in its name, and a text are expected", "write file-write = /run/app/ready=yes")
	}
	i.Hooks = append(i.Hooks, HookLine{Phase: "in-jail", Kind: fileKind, Line: strings.TrimRight("writen:"+file+" "+text, " "), Pos: v.Pos})
	return nil
}

// addWait puts a wait before the hooks of its phase, as uWSGI does.
func (i *Isolation) addWait(phase, action string) setter {
	return func(v *value) error {
		what := v.tidy()
		if what == "" {
			return bad("nothing to wait for", "")
		}
		i.Hooks = append(i.Hooks, HookLine{Phase: phase, Kind: waitKind, Line: action + ":" + what, Pos: v.Pos})
		return nil
	}
}

// waitKind marks the hooks made of wait-for options; they come first in their phase and get their time at the end.
const waitKind = "wait"

func (i *Isolation) timed(h HookLine) HookLine {
	limit := i.WaitLimit.Path
	switch {
	case strings.HasPrefix(h.Line, "wait_for_socket:"):
		limit = i.WaitLimit.Socket
	case strings.HasPrefix(h.Line, "wait_for_interface:"):
		limit = i.WaitLimit.Net
	}
	if h.Kind == waitKind && limit > 0 {
		h.Line += " " + strconv.Itoa(limit)
	}
	return h
}

// PhaseHooks gives the hooks of a phase in the order in which they run.
func (i *Isolation) PhaseHooks(phase string) []HookLine {
	var list []HookLine
	for _, kind := range slices.Concat([]string{waitKind}, hookKinds, []string{fileKind}) {
		for _, h := range i.Hooks {
			if h.Phase == phase && h.Kind == kind {
				list = append(list, i.timed(h))
			}
		}
	}
	return list
}

// namespaceNames maps uWSGI's words to the kernel's kinds. "" is a flag of unshare(2) that is no namespace.
var namespaceNames = map[string]string{
	"fs": "mount", "ns": "mount", "mount": "mount", "mnt": "mount", "ipc": "ipc", "net": "net", "pid": "pid", "uts": "uts", "user": "user",
	"cgroup": "cgroup", "time": "time", "files": "", "io": "", "parent": "", "sysvsem": "",
}

func (i *Isolation) addUnshare(v *value) error {
	for name := range strings.SplitSeq(v.tidy(), ",") {
		name = strings.TrimSpace(name)
		kind, known := namespaceNames[name]
		switch {
		case !known:
			return bad("unknown namespace "+shorten(name), "use fs, ipc, pid, uts, net, user, cgroup, time")
		case kind == "":
			v.warn(name+" has no effect: the master is a process of its own anyway", "")
		case !slices.Contains(i.Unshare, kind):
			i.Unshare = append(i.Unshare, kind)
		}
	}
	return nil
}

// unsharesOf tells whether one of these kinds is asked for by unshare.
func (i *Isolation) unsharesOf(kinds ...string) bool {
	return slices.ContainsFunc(i.Unshare, func(kind string) bool { return slices.Contains(kinds, kind) })
}

func (i *Isolation) setPivot(v *value) error {
	f := strings.Fields(v.tidy())
	if len(f) != 2 || !strings.HasPrefix(f[0], "/") || !strings.HasPrefix(f[1], "/") {
		return bad("two absolute paths are expected", "write pivot_root = /ns /ns/.old_root")
	}
	if !strings.HasPrefix(f[1], strings.TrimSuffix(f[0], "/")+"/") {
		return bad("the place of the old root must be below the new one", "write pivot_root = "+f[0]+" "+strings.TrimSuffix(f[0], "/")+"/.old_root")
	}
	i.PivotNew, i.PivotOld = f[0], f[1]
	return nil
}

func (i *Isolation) addCaps(v *value) error {
	for name := range strings.SplitSeq(v.tidy(), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			i.Caps = append(i.Caps, strings.TrimPrefix(name, "cap_"))
		}
	}
	if len(i.Caps) == 0 {
		return bad("no capability", "write cap = net_bind_service")
	}
	return nil
}

// guardNames are the doors that can be left open.
var guardNames = []string{"keyring", "proc", "dev", "caps", "no-new-privs", "landlock", "seccomp", "dump"}

func (i *Isolation) openDoors(v *value) error {
	for name := range strings.SplitSeq(v.tidy(), ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(guardNames, name) {
			return bad("unknown guard "+shorten(name), "one of "+strings.Join(guardNames, ", "))
		}
		if !slices.Contains(i.GuardsOff, name) {
			i.GuardsOff = append(i.GuardsOff, name)
		}
	}
	return nil
}

// setDev is the guard dev by another name, so that what is wanted can be said without a negation.
func (i *Isolation) setDev(v *value) error {
	switch v.tidy() {
	case "minimal":
		i.GuardsOff = slices.DeleteFunc(i.GuardsOff, func(guard string) bool { return guard == "dev" })
	case "rootfs":
		if !slices.Contains(i.GuardsOff, "dev") {
			i.GuardsOff = append(i.GuardsOff, "dev")
		}
	default:
		return bad("not minimal or rootfs", "write jail-dev = minimal")
	}
	return nil
}

func (i *Isolation) setSeccomp(v *value) error {
	switch v.tidy() {
	case "off":
		if !slices.Contains(i.GuardsOff, "seccomp") {
			i.GuardsOff = append(i.GuardsOff, "seccomp")
		}
		return nil
	case "default":
		return nil
	}
	if !strings.HasPrefix(v.tidy(), "/") {
		return bad("not off, default or the absolute path of a list", "a list has a system call's name on each line, with allow before it to let it through")
	}
	i.Seccomp = v.tidy()
	return nil
}
