package config

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Confine says what a jail shows and gives: mounts, id maps, limits, control groups, namespaces of others.
type Confine struct {
	Mounts       []JailMount `json:"mounts,omitempty"`
	Overlay      bool        `json:"overlay,omitempty"`      // writes to the rootfs end with the jail
	OverlaySize  string      `json:"overlay_size,omitempty"` // of the memory for them, as tmpfs(5) writes it
	UIDMap       []IDMap     `json:"uid_map,omitempty"`
	GIDMap       []IDMap     `json:"gid_map,omitempty"`
	Limits       []Limit     `json:"limits,omitempty"`        // of everything in the jail
	WorkerLimits []Limit     `json:"worker_limits,omitempty"` // of the app's processes only
	Veth         *Veth       `json:"veth,omitempty"`          // with a network namespace: a way out of it
	LandlockRO   []string    `json:"landlock_ro,omitempty"`   // reading is allowed below these and LandlockRW only
	LandlockRW   []string    `json:"landlock_rw,omitempty"`   // writing is allowed below these only
	Cgroups      []string    `json:"cgroups,omitempty"`       // directories
	CgroupOpts   []CgroupOpt `json:"cgroup_opts,omitempty"`   // for each of them
	CgroupMode   int         `json:"cgroup_mode,omitempty"`   // of a directory that is made, 0 = 0700
	Setns        string      `json:"setns,omitempty"`         // path of another's setns-socket
	SetnsSocket  string      `json:"setns_socket,omitempty"`
	SetnsSkip    []string    `json:"setns_skip,omitempty"` // entries of /proc/PID/ns that are not given away
}

// JailMount is something to be seen in the jail.
type JailMount struct {
	Kind     string `json:"kind"` // bind or tmpfs
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"read_only,omitempty"`
	Size     string `json:"size,omitempty"` // tmpfs: as tmpfs(5) writes it
	Pos      Pos    `json:"pos"`
}

// IDMap maps Size ids from Inside (in the jail) to Outside.
type IDMap struct {
	Inside  int `json:"inside"`
	Outside int `json:"outside"`
	Size    int `json:"size"`
}

// Veth is a pair of interfaces between the host and the jail.
type Veth struct {
	Name    string `json:"name"`    // of the host's end
	Address string `json:"address"` // of the jail's end, ADDRESS/LENGTH
	Gateway string `json:"gateway"` // of the host's end
	Second  string `json:"second"`  // of the jail's end, while another jail has the first
}

// Limit is a resource limit by the name of getrlimit(2) in lower case, without RLIMIT_.
type Limit struct {
	Resource string `json:"resource"`
	Value    uint64 `json:"value"`
}

// CgroupOpt is a value for a file of every control group.
type CgroupOpt struct {
	File  string `json:"file"`
	Value string `json:"value"`
	Pos   Pos    `json:"pos"`
}

// rlimitNames are the resources that can be limited for everything in the jail. Those of address space are for the app only: limit-as.
var rlimitNames = []string{"core", "cpu", "fsize", "memlock", "msgqueue", "nofile", "nproc", "rtprio", "sigpending", "stack"}

func (c *Confine) options() []option {
	list := []option{
		{"namespace-overlay", "lay a throw-away overlay over the rootfs, true or the size of its memory (64m, 10%)", c.setOverlay},
		{"jail-ro", "show a directory of the host read-only at its own path; repeatable", c.addReadOnly},
		{"jail-bind", "show a directory of the host in the jail: source:target[:ro]; repeatable", c.addBind},
		{"jail-tmpfs", "an empty directory in memory: target[:size]; repeatable", c.addTmpfs},
		{"jail-net", "a network of its own with a way out: veth:NAME,ADDRESS/LENGTH,GATEWAY[,ADDRESS2] (host's interface, jail's address, host's address, that of every other jail with reload-overlap)", c.setVeth},
		{"landlock-ro", "let the app read only below these directories, those of landlock-rw, /proc and /dev; repeatable", words(&c.LandlockRO)},
		{"landlock-rw", "let the app write only below these directories and in what was asked for as a writable mount; repeatable", words(&c.LandlockRW)},
		{"uid-map", "map user ids of a user namespace: inside outside size; repeatable", idMap(&c.UIDMap)},
		{"gid-map", "map group ids of a user namespace: inside outside size; repeatable", idMap(&c.GIDMap)},
		{"limit-as", "megabytes of address space that each of the app's processes may have", c.setLimitAS},
		{"limit-nproc", "number of processes of the app's user", c.limit("nproc")},
		{"max-fd", "number of open files of a process", c.limit("nofile")},
		{"cgroup", "put everything in the jail into this control group; repeatable", words(&c.Cgroups)},
		{"cgroup-opt", "write a value to a file of the control groups: file=value; repeatable", c.addCgroupOpt},
		{"cgroup-dir-mode", "octal mode of a control group's directory that is made", octal(&c.CgroupMode)},
		{"setns", "start in the namespaces that another jail's setns-socket gives", word(&c.Setns)},
		{"setns-socket", "give the jail's namespaces to root and to our own user on this unix socket", word(&c.SetnsSocket)},
		{"setns-socket-skip", "do not give the namespace of this name in /proc/PID/ns; repeatable", words(&c.SetnsSkip)},
	}
	for _, name := range rlimitNames {
		list = append(list, option{"rlimit-" + name, "resource limit " + name + " of everything in the jail, a number or unlimited", c.limit(name)})
	}
	return list
}

func (c *Confine) setOverlay(v *value) error {
	if s := v.tidy(); s != "" && s[0] >= '1' && s[0] <= '9' && s != "1" {
		c.Overlay, c.OverlaySize = true, s
		return tmpfsSize(s)
	}
	return boolean(&c.Overlay)(v)
}

// tmpfsSize checks a size as tmpfs(5) writes it.
func tmpfsSize(s string) error {
	if s == "" {
		return nil
	}
	digits := strings.TrimRight(s, "kKmMgG%")
	if n, err := strconv.ParseUint(digits, 10, 40); err != nil || n == 0 || len(s)-len(digits) > 1 {
		return bad("not a size", "write 64m, 1g or 10%")
	}
	return nil
}

func (c *Confine) add(v *value, m JailMount) error {
	for _, p := range []string{m.Source, m.Target} {
		if p != "" && !path.IsAbs(p) {
			return bad("not an absolute path: "+shorten(p), "")
		}
	}
	if m.Target == "" || path.Clean(m.Target) == "/" {
		return bad("no place in the jail", "")
	}
	m.Pos = v.Pos
	c.Mounts = append(c.Mounts, m)
	return nil
}

func (c *Confine) addReadOnly(v *value) error {
	p := v.tidy()
	return c.add(v, JailMount{Kind: "bind", Source: p, Target: p, ReadOnly: true})
}

func (c *Confine) addBind(v *value) error {
	f := strings.Split(v.tidy(), ":")
	switch {
	case len(f) == 2, len(f) == 3 && f[2] == "ro":
		return c.add(v, JailMount{Kind: "bind", Source: f[0], Target: f[1], ReadOnly: len(f) == 3})
	case len(f) == 3 && f[2] == "rw":
		return c.add(v, JailMount{Kind: "bind", Source: f[0], Target: f[1]})
	}
	return bad("source and target are expected", "write jail-bind = /source:/target or /source:/target:ro")
}

func (c *Confine) setVeth(v *value) error {
	rest, ok := strings.CutPrefix(v.tidy(), "veth:")
	f := strings.Split(rest, ",")
	if !ok || len(f) < 3 || len(f) > 4 {
		return bad("a pair of interfaces is expected", "write jail-net = veth:jail0,10.0.0.2/24,10.0.0.1")
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	prefix, err := netip.ParsePrefix(f[1])
	if err != nil {
		return bad("not ADDRESS/LENGTH: "+shorten(f[1]), "write jail-net = veth:jail0,10.0.0.2/24,10.0.0.1")
	}
	if gateway, err := netip.ParseAddr(f[2]); err != nil || !prefix.Contains(gateway) || gateway == prefix.Addr() {
		return bad("the gateway is not another address in the network of "+f[1], "")
	}
	c.Veth = &Veth{Name: f[0], Address: f[1], Gateway: f[2]}
	if len(f) == 4 {
		second, err := netip.ParseAddr(f[3])
		if err != nil || !prefix.Contains(second) || second == prefix.Addr() || second.String() == f[2] {
			return bad("the second address is not another one in the network of "+f[1], "")
		}
		c.Veth.Second = f[3]
	}
	return nil
}

func (c *Confine) addTmpfs(v *value) error {
	target, size, _ := strings.Cut(v.tidy(), ":")
	if err := tmpfsSize(size); err != nil {
		return err
	}
	return c.add(v, JailMount{Kind: "tmpfs", Target: target, Size: size})
}

func idMap(list *[]IDMap) setter {
	return func(v *value) error {
		f := strings.FieldsFunc(v.tidy(), func(r rune) bool { return r == ' ' || r == '\t' || r == ':' })
		var n [3]int
		if len(f) != 3 {
			return bad("three numbers are expected", "write inside outside size: 0 100000 65536")
		}
		for i := range n {
			var err error
			if n[i], err = strconv.Atoi(f[i]); err != nil || n[i] < 0 {
				return bad("not a number: "+shorten(f[i]), "write inside outside size: 0 100000 65536")
			}
		}
		*list = append(*list, IDMap{n[0], n[1], n[2]})
		return nil
	}
}

func (c *Confine) setLimitAS(v *value) error {
	var n int64
	if err := megabytes(&n)(v); err != nil {
		return err
	}
	if n > 0 {
		c.WorkerLimits = append(c.WorkerLimits, Limit{"as", uint64(n)})
	}
	return nil
}

// limit binds a resource limit; the last one of a resource counts.
func (c *Confine) limit(resource string) setter {
	return func(v *value) error {
		l := Limit{Resource: resource, Value: ^uint64(0)}
		if v.tidy() != "unlimited" {
			n, err := v.integer(0, 1<<62)
			if err != nil {
				return err
			}
			l.Value = uint64(n)
		}
		c.Limits = append(slices.DeleteFunc(c.Limits, func(o Limit) bool { return o.Resource == resource }), l)
		return nil
	}
}

func (c *Confine) addCgroupOpt(v *value) error {
	s := v.tidy()
	cut := strings.IndexAny(s, "=:")
	if cut < 1 || cut == len(s)-1 {
		return bad("file and value are expected", "write cgroup-opt = memory.max=256M")
	}
	if strings.Contains(s[:cut], "/") {
		return bad("not a file of a control group", "")
	}
	c.CgroupOpts = append(c.CgroupOpts, CgroupOpt{File: s[:cut], Value: s[cut+1:], Pos: v.Pos})
	return nil
}

func octal(p *int) setter {
	return func(v *value) error {
		n, err := strconv.ParseUint(v.tidy(), 8, 12)
		if err != nil {
			return bad("not an octal mode", "write three digits such as 755")
		}
		*p = int(n)
		return nil
	}
}
