package reload

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/jail/hook"
)

// who is the process that is about to build jails.
type who struct {
	euid, egid int
	dir        string // its working directory
}

// specOf turns the configuration into the jail's specification.
func specOf(cfg *config.Config, w who) (jail.Spec, error) {
	spec := jail.Spec{
		Chdir: cfg.Process.Chdir,
		Umask: cfg.Security.Umask,
		Creds: jail.Creds{
			UID: cfg.Security.UID, GID: cfg.Security.GID,
			AddGIDs: cfg.Security.AddGIDs, NoInitgroups: cfg.Security.NoInitgroups,
		},
	}
	if cfg.Jail.Namespace != "" {
		setRoot(&spec, cfg, w)
	}
	spec.Creds.MasterRoot = (cfg.Security.MasterRoot || cfg.Security.DropAfter) && cfg.Security.UID != ""
	spec.Creds.AfterImport = spec.Creds.MasterRoot && cfg.Security.DropAfter
	if err := setIsolation(&spec, &cfg.Isolation); err != nil {
		return jail.Spec{}, err
	}
	setConfine(&spec, &cfg.Confine)
	if w.euid != 0 {
		if err := asUser(&spec, w); err != nil {
			return jail.Spec{}, err
		}
	}
	return spec, spec.Validate()
}

func setRoot(spec *jail.Spec, cfg *config.Config, w who) {
	spec.Namespaces = []jail.Namespace{jail.NSMount, jail.NSPID, jail.NSUTS, jail.NSIPC}
	if cfg.Jail.Net {
		spec.Namespaces = append(spec.Namespaces, jail.NSNet)
	}
	spec.Hostname = cfg.Jail.Hostname
	for _, k := range cfg.Jail.KeepMounts {
		spec.Root.KeepMounts = append(spec.Root.KeepMounts, jail.KeepMount{Source: k.Source, Target: k.Target})
	}
	if !cfg.Jail.Host {
		spec.Root.Kind, spec.Root.Path = jail.RootDir, cfg.Jail.Rootfs
		return
	}
	spec.Root.Kind = jail.RootHost
	if spec.Chdir == "" {
		spec.Chdir = w.dir
	} else if !path.IsAbs(spec.Chdir) {
		spec.Chdir = path.Join(w.dir, spec.Chdir)
	}
	spec.Root.AppDirs = prune(append(appDirs(&cfg.Python, spec.Chdir), servedDirs(cfg, spec.Chdir)...))
}

// setIsolation adds what is asked for piece by piece. The hooks of the phases before the clone are the parent's and not in the
// specification; with a root of namespace those of post-jail are too.
func setIsolation(spec *jail.Spec, iso *config.Isolation) error {
	for _, kind := range iso.Unshare {
		if ns := jail.Namespace(kind); !slices.Contains(spec.Namespaces, ns) {
			spec.Namespaces = append(spec.Namespaces, ns)
		}
	}
	spec.Chroot, spec.Caps, spec.Shell = iso.Chroot, iso.Caps, iso.Shell
	if iso.PivotNew != "" {
		spec.PivotRoot = &jail.Pivot{New: iso.PivotNew, Old: iso.PivotOld}
	}
	if iso.Seccomp != "" {
		f, err := os.Open(iso.Seccomp)
		if err != nil {
			return fmt.Errorf("cannot open the seccomp list: %w", err)
		}
		defer f.Close()
		if spec.Seccomp, err = jail.ParseSeccomp(f); err != nil {
			return fmt.Errorf("%s: %w", iso.Seccomp, err)
		}
	}
	for _, guard := range iso.GuardsOff {
		spec.GuardsOff = append(spec.GuardsOff, jail.Guard(guard))
	}
	for _, phase := range []hook.Phase{hook.PostJail, hook.InJail, hook.AsRoot, hook.AsUser} {
		hooks, err := ParseHooks(iso, phase)
		if err != nil {
			return err
		}
		if phase == hook.PostJail && spec.Root.Kind != jail.RootNone || phase == hook.AsUser && spec.Creds.MasterRoot {
			continue // the parent's, or later the master's
		}
		spec.Hooks = append(spec.Hooks, hooks...)
	}
	return nil
}

// ParseHooks gives the hooks of a phase in their order; the error names the line of the configuration.
func ParseHooks(iso *config.Isolation, phase hook.Phase) ([]hook.Hook, error) {
	var list []hook.Hook
	for _, line := range iso.PhaseHooks(string(phase)) {
		h, err := hook.Parse(phase, line.Line)
		if err != nil {
			return nil, fmt.Errorf("%v: %s-%s: %w", line.Pos, line.Kind, line.Phase, err)
		}
		h.Kind = line.Kind
		list = append(list, h)
	}
	return list, nil
}

// asUser: without root only what a user namespace allows is done; whatever else was asked for is refused rather than
// skipped, because an app that runs less confined than its configuration says is worse than one that does not run.
func asUser(spec *jail.Spec, w who) error {
	if spec.Creds.MasterRoot {
		return errors.New("cannot keep the master root: it was not started as root (leave out master-as-root and drop-after-apps, or start as root)")
	}
	if spec.Root.Kind == jail.RootDir && !slices.Contains(spec.Namespaces, jail.NSUser) {
		spec.Namespaces = append(spec.Namespaces, jail.NSUser)
	}
	if spec.UIDMap != nil || spec.WantsLease(w.euid) {
		return nil // other ids than our own are mapped: the jail finds out which
	}
	self := func(what, id string, own int) error {
		if id == "" || id == fmt.Sprint(own) || (what == "uid" && id == userName(own)) || (what == "gid" && id == groupName(own)) {
			return nil
		}
		return fmt.Errorf("cannot set %s to %s: only root can become another user (start as root, leave %s out, or have ids in /etc/subuid and newuidmap for a rootfs)", what, id, what)
	}
	if err := self("uid", spec.Creds.UID, w.euid); err != nil {
		return err
	}
	if err := self("gid", spec.Creds.GID, w.egid); err != nil {
		return err
	}
	if len(spec.Creds.AddGIDs) > 0 {
		return fmt.Errorf("cannot add the groups %q: only root can", spec.Creds.AddGIDs)
	}
	spec.Creds = jail.Creds{}
	return nil
}

func userName(uid int) string  { return idName("/etc/passwd", uid) }
func groupName(gid int) string { return idName("/etc/group", gid) }

// idName finds the name of a number in passwd(5) or group(5), "" when there is none.
func idName(file string, id int) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Split(lines.Text(), ":"); len(fields) > 2 && fields[2] == fmt.Sprint(id) {
			return fields[0]
		}
	}
	return ""
}

// systemDirs are in an @host jail anyway.
var systemDirs = []string{"/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64"}

// appDirs lists what an @host jail has to see beside the system: the app's own directories and a Python that is
// installed outside of /usr. Directories inside another one of the list are left out.
func appDirs(py *config.Python, chdir string) []string {
	var dirs []string
	add := func(dir string) {
		if dir == "" || dir == "." {
			return
		}
		if !path.IsAbs(dir) {
			dir = path.Join(chdir, dir)
		}
		dir = path.Clean(dir)
		if dir != "/" && !slices.ContainsFunc(systemDirs, func(sys string) bool { return within(dir, sys) }) {
			dirs = append(dirs, dir)
		}
	}
	add(chdir)
	if py.WSGIFile != "" {
		add(path.Join(chdir, path.Dir(py.WSGIFile)))
		if path.IsAbs(py.WSGIFile) {
			add(path.Dir(py.WSGIFile))
		}
	}
	for _, p := range py.Path {
		if found, err := filepath.Glob(p); err == nil && path.IsAbs(p) {
			for _, dir := range found {
				add(dir)
			}
			continue
		}
		add(p)
	}
	add(py.Home)
	add(basePython(py.Home, chdir))
	if py.Interpreter != "" {
		if real, err := filepath.EvalSymlinks(py.Interpreter); err == nil {
			add(path.Dir(path.Dir(real)))
		}
	}
	return prune(dirs)
}

// servedDirs lists what an @host jail has to see because it is served or loaded from.
func servedDirs(cfg *config.Config, chdir string) []string {
	var dirs []string
	add := func(name string, isFile bool) {
		if !path.IsAbs(name) {
			name = path.Join(chdir, name)
		}
		if info, err := os.Stat(name); isFile || err == nil && !info.IsDir() {
			name = path.Dir(name)
		}
		if name = path.Clean(name); name != "/" && !slices.ContainsFunc(systemDirs, func(sys string) bool { return within(name, sys) }) {
			dirs = append(dirs, name)
		}
	}
	if cfg.Static.On() {
		for _, dir := range cfg.Static.Dirs() {
			add(dir, false)
		}
	}
	for _, files := range cfg.Serve.ErrorPages {
		for _, file := range files {
			add(file, true)
		}
	}
	for _, m := range cfg.Apps.Mounts {
		if file, _, _ := strings.Cut(m[1], ":"); strings.HasPrefix(file, "/") {
			add(file, true)
		}
	}
	if file, ok := strings.CutPrefix(cfg.Apps.Paste, "config:"); ok {
		add(file, true)
	}
	return dirs
}

// basePython is the installation that a virtualenv borrows its interpreter from, by "home" of its pyvenv.cfg (PEP 405).
func basePython(home, chdir string) string {
	if home == "" {
		return ""
	}
	if !path.IsAbs(home) {
		home = path.Join(chdir, home)
	}
	f, err := os.Open(path.Join(home, "pyvenv.cfg"))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if ok && strings.TrimSpace(key) == "home" {
			return path.Dir(strings.TrimSpace(value))
		}
	}
	return ""
}

func within(dir, outer string) bool { return dir == outer || strings.HasPrefix(dir, outer+"/") }

// prune drops what is inside something else of the list, and repeats; the order stays.
func prune(dirs []string) []string {
	var kept []string
	for i, dir := range dirs {
		inside := func(other string) bool { return within(dir, other) }
		if !slices.ContainsFunc(dirs[:i], inside) && !slices.ContainsFunc(dirs[i+1:], func(o string) bool { return o != dir && inside(o) }) {
			kept = append(kept, dir)
		}
	}
	return kept
}
