package jail

import (
	"slices"

	"gowsgi/jail/hook"
)

// RootKind says what the jail sees as "/".
type RootKind string

const (
	RootNone RootKind = ""       // the host's root stays
	RootDir  RootKind = "rootfs" // a directory of the host with a whole system in it (namespace = /dir)
	RootHost RootKind = "host"   // built on the fly from the host's /usr and /etc (namespace = @host)
)

// Root is the jail's "/".
type Root struct {
	Kind       RootKind    `json:"kind,omitempty"`
	Path       string      `json:"path,omitempty"`        // RootDir: the directory, absolute
	KeepMounts []KeepMount `json:"keep_mounts,omitempty"` // bound into the jail, in order
	AppDirs    []string    `json:"app_dirs,omitempty"`    // RootHost: seen read-only at their own path, absolute
	Mounts     []Mount     `json:"mounts,omitempty"`      // in order, after /proc and /dev

	Overlay     bool   `json:"overlay,omitempty"`      // RootDir: writes go to memory and end with the jail
	OverlaySize string `json:"overlay_size,omitempty"` // as Mount.Size
}

// MountKind says what a Mount shows.
type MountKind string

const (
	MountBind  MountKind = "bind"  // a path of the host, with all that is mounted below it
	MountTmpfs MountKind = "tmpfs" // an empty filesystem in memory
)

// Mount is something to be seen in the jail. Where the jail's root is its own to write (a host root, an overlay) the target is made;
// in a bare rootfs it must exist.
type Mount struct {
	Kind     MountKind `json:"kind"`
	Source   string    `json:"source,omitempty"` // MountBind: absolute, on the host
	Target   string    `json:"target"`           // absolute, in the jail
	ReadOnly bool      `json:"read_only,omitempty"`
	Size     string    `json:"size,omitempty"` // MountTmpfs: as tmpfs(5) writes it: "64m", "10%"; empty: half of the memory
}

// KeepMount is a path of the host that is seen in the jail, without what is mounted below it (in a user namespace of its own: with it,
// because the kernel does not let mounts be taken apart there).
type KeepMount struct {
	Source string `json:"source"`           // on the host, absolute
	Target string `json:"target,omitempty"` // in the jail, absolute and existing; empty: Source without the path of the rootfs before it
}

// IDMap maps Size user or group ids from Inside (in the jail) to Outside, as a line of /proc/PID/uid_map (user_namespaces(7)).
type IDMap struct {
	Inside  int `json:"inside"`
	Outside int `json:"outside"`
	Size    int `json:"size"`
}

// Creds is who the master becomes. Numbers or names; names are looked up in /etc/passwd and /etc/group inside the jail.
type Creds struct {
	UID          string   `json:"uid,omitempty"`
	GID          string   `json:"gid,omitempty"`           // empty with a UID: the primary group of its passwd entry
	AddGIDs      []string `json:"add_gids,omitempty"`      // supplementary groups beside those of /etc/group
	NoInitgroups bool     `json:"no_initgroups,omitempty"` // no supplementary groups from /etc/group
	MasterRoot   bool     `json:"master_root,omitempty"`   // only the processes that the master starts for the app become it (Dropped); the master stays uid 0
	AfterImport  bool     `json:"after_import,omitempty"`  // with MasterRoot: and only once the app is imported, by themselves
}

// Guard names one of the closed doors of a jail with its own root. All are shut unless Spec.GuardsOff names them.
type Guard string

const (
	GuardNoNewPrivs Guard = "no-new-privs" // no setuid or file capability takes effect (prctl(2) PR_SET_NO_NEW_PRIVS)
	GuardCaps       Guard = "caps"         // inheritable, ambient and bounding capabilities are what Spec.Caps says
	GuardKeyring    Guard = "keyring"      // a session keyring of its own
	GuardProc       Guard = "proc"         // the parts of /proc that are the host's are hidden or read-only
	GuardDev        Guard = "dev"          // a minimal /dev; no device nodes elsewhere
	GuardSeccomp    Guard = "seccomp"      // the list of refused system calls
	GuardLandlock   Guard = "landlock"     // Landlock: write rules with RootHost, scopes where the kernel can (ABI 8)
	GuardDump       Guard = "dump"         // the master is not dumpable: no ptrace, /proc/PID/mem or core of it
)

// Guards lists all of them, in the order in which they are shut.
var Guards = []Guard{GuardKeyring, GuardProc, GuardDev, GuardCaps, GuardNoNewPrivs, GuardLandlock, GuardSeccomp, GuardDump}

// Spec is a jail as data. It can be written as JSON, and nothing else decides what Enter does.
type Spec struct {
	Namespaces []Namespace `json:"namespaces,omitempty"`
	Hostname   string      `json:"hostname,omitempty"`
	Root       Root        `json:"root"`
	UIDMap     []IDMap     `json:"uid_map,omitempty"`
	GIDMap     []IDMap     `json:"gid_map,omitempty"`
	Creds      Creds       `json:"creds"`
	Chdir      string      `json:"chdir,omitempty"` // inside the jail, after the uid is dropped
	Umask      *int        `json:"umask,omitempty"`
	Caps       []string    `json:"caps,omitempty"`       // capabilities kept, by name without CAP_ ("net_bind_service")
	GuardsOff  []Guard     `json:"guards_off,omitempty"` // doors left open

	Veth     *Veth    `json:"veth,omitempty"` // with NSNet: a way out of it
	Seccomp  Seccomp  `json:"seccomp"`
	Landlock Landlock `json:"landlock"`
	Limits   []Limit  `json:"limits,omitempty"`  // of the master and all below it
	Cgroups  []Cgroup `json:"cgroups,omitempty"` // of everything in the jail

	// A root that the configuration makes itself, with hooks, instead of Root.
	Hooks     []hook.Hook `json:"hooks,omitempty"`      // of the phases in-jail, post-jail (without Root), as-root and as-user, in order
	Shell     []string    `json:"shell,omitempty"`      // runs the hooks' commands; empty: /bin/sh
	Chroot    string      `json:"chroot,omitempty"`     // after the post-jail hooks
	PivotRoot *Pivot      `json:"pivot_root,omitempty"` // after Chroot

	// The rest is filled in by Start.
	Outside         map[Namespace]uint64 `json:"outside,omitempty"`          // the parent's namespaces: inodes of /proc/self/ns
	Joined          []Namespace          `json:"joined,omitempty"`           // namespaces of another jail it starts in
	MapsByHelper    bool                 `json:"maps_by_helper,omitempty"`   // newuidmap and newgidmap write the maps
	SetgroupsDenied bool                 `json:"setgroups_denied,omitempty"` // an unprivileged gid map: setgroups(2) is refused by the kernel
	Missing         []string             `json:"missing,omitempty"`          // guards this kernel does not have, and why
	Fault           string               `json:"fault,omitempty"`            // tests: the step that fails ("NAME") or kills the process ("NAME!")
}

// Landlock narrows what the jail's mounts let the app do with files, by paths inside (landlock(7)).
type Landlock struct {
	RW []string `json:"rw,omitempty"` // writing is allowed below these only (and, in a host root, in the places made for it)
	RO []string `json:"ro,omitempty"` // reading is allowed below these and RW only, and in /proc and /dev
}

// Pivot is a pivot_root(2) by path: New is a mount point and becomes "/", the old root is seen at Old, a directory below New.
type Pivot struct {
	New string `json:"new"`
	Old string `json:"old"`
}

// ownRoot tells whether the jail sees another "/" than the host's.
func (s *Spec) ownRoot() bool { return s.Root.Kind != RootNone || s.Chroot != "" || s.PivotRoot != nil }

// guarded tells whether the door is shut: the jail has its own root and the guard was not turned off. What is mounted in a root that the
// configuration makes itself is the configuration's business.
func (s *Spec) guarded(g Guard) bool {
	if s.Root.Kind == RootNone && (g == GuardProc || g == GuardDev) {
		return false
	}
	return s.ownRoot() && !slices.Contains(s.GuardsOff, g)
}

func (s *Spec) hooks(p hook.Phase) []hook.Hook {
	var of []hook.Hook
	for _, h := range s.Hooks {
		if h.Phase == p {
			of = append(of, h)
		}
	}
	return of
}
