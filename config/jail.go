package config

import (
	"path"
	"strings"
)

// hostRoot is the namespace value that asks for a root made on the fly from the machine's own /usr.
const hostRoot = "@host"

// Jail says what the app is shut in.
type Jail struct {
	Namespace  string      `json:"namespace,omitempty"` // as written; "" = no jail
	Rootfs     string      `json:"rootfs,omitempty"`
	Hostname   string      `json:"hostname,omitempty"`
	Host       bool        `json:"host,omitempty"` // @host: no rootfs, a root made on the fly
	KeepMounts []KeepMount `json:"keep_mounts,omitempty"`
	Net        bool        `json:"net,omitempty"` // a network namespace of its own
}

// KeepMount is one directory of the host that stays visible in the jail.
type KeepMount struct {
	Source string `json:"source"` // path on the host
	Target string `json:"target"` // path in the jail
	Pos    Pos    `json:"pos"`
}

func (j *Jail) options() []option {
	return []option{
		{"namespace", "jail the app: /rootfs[:hostname], or @host[:hostname] for a root made from the machine's own /usr", j.setNamespace},
		{"namespace-keep-mount", "keep a directory of the host visible in the jail: /source[:/target]; repeatable", j.addKeepMount},
		{"namespace-net", "give the jail a network of its own (any value but false)", boolean(&j.Net)},
	}
}

func (j *Jail) setNamespace(v *value) error {
	s := v.tidy()
	root, host, named := strings.Cut(s, ":")
	switch {
	case s == "":
		return bad("no rootfs", "write /rootfs:hostname or @host:hostname")
	case strings.HasPrefix(s, "@") && root != hostRoot:
		return bad("unknown root", "write @host:hostname or the path of a rootfs")
	case root != hostRoot && !strings.HasPrefix(root, "/"):
		return bad("the rootfs is not an absolute path", "write /rootfs:hostname")
	case named && (host == "" || len(host) > maxHostname || strings.ContainsAny(host, "/ \t")):
		return bad("not a host name", "at most 64 bytes, without blanks")
	}
	*j = Jail{Namespace: s, Hostname: host, Host: root == hostRoot, KeepMounts: j.KeepMounts, Net: j.Net}
	if !j.Host {
		j.Rootfs = path.Clean(root)
	}
	return nil
}

// maxHostname is __NEW_UTS_LEN of the kernel, see sethostname(2).
const maxHostname = 64

// addKeepMount leaves Target open without ":target": it depends on the rootfs, which may be named later.
func (j *Jail) addKeepMount(v *value) error {
	source, target, named := strings.Cut(v.tidy(), ":")
	if !strings.HasPrefix(source, "/") || named && !strings.HasPrefix(target, "/") {
		return bad("a keep mount needs absolute paths", "write /source or /source:/target")
	}
	k := KeepMount{Source: path.Clean(source), Pos: v.Pos}
	if named {
		k.Target = path.Clean(target)
	}
	j.KeepMounts = append(j.KeepMounts, k)
	return nil
}

// setTargets gives the keep mounts without a target the path that the jail sees: the source without the rootfs in front of it, or the
// source itself when it is not below the rootfs.
func (j *Jail) setTargets() {
	for i := range j.KeepMounts {
		k := &j.KeepMounts[i]
		if k.Target != "" {
			continue
		}
		k.Target = k.Source
		if below, ok := strings.CutPrefix(k.Source, strings.TrimSuffix(j.Rootfs, "/")+"/"); ok && j.Rootfs != "" {
			k.Target = "/" + below
		}
	}
}
