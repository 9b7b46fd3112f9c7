package jail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// Audit is what the jail turned out to be, read back from the kernel after the last step.
type Audit struct {
	Namespaces   map[Namespace]uint64 `json:"namespaces"` // own inodes of /proc/self/ns
	Hostname     string               `json:"hostname"`
	Mounts       []string             `json:"mounts,omitempty"` // mount points of a jail with its own root
	UID          int                  `json:"uid"`
	GID          int                  `json:"gid"`
	Groups       []int                `json:"groups,omitempty"`
	Dir          string               `json:"dir"` // the working directory
	Capabilities uint64               `json:"capabilities"`
	Bounding     uint64               `json:"bounding"`
	NoNewPrivs   bool                 `json:"no_new_privs"`
	Seccomp      bool                 `json:"seccomp"`
	GuardsOff    []Guard              `json:"guards_off,omitempty"` // turned off by the spec
	Missing      []string             `json:"missing,omitempty"`    // not to be had on this machine, and why
	App          *Dropped             `json:"app,omitempty"`        // what the app's processes become when the master stays root
}

// The audit goes into one frame, so the mount points listed in it have this many bytes at most; all are compared.
const maxAuditMounts = 32 << 10

// checkAll compares the process with the spec. Whatever the steps believe to have done, only what the kernel says counts here.
func (e *entry) checkAll() error {
	e.audit.GuardsOff, e.audit.Missing = e.spec.GuardsOff, e.spec.Missing
	for _, check := range []func() error{e.checkNamespaces, e.checkHostname, e.checkThreads, e.checkMounts, e.checkDescriptors, e.checkDir} {
		if err := check(); err != nil {
			return err
		}
	}
	var err error
	e.audit.App, err = e.dropped()
	return err
}

func (e *entry) checkNamespaces() error {
	if e.spec.Outside == nil {
		return fmt.Errorf("cannot compare namespaces: the boot does not say which the parent is in")
	}
	own, err := e.proc.namespaceInodes()
	if err != nil {
		return err
	}
	e.audit.Namespaces = own
	for _, n := range namespaceTable {
		inside, outside := own[n.kind], e.spec.Outside[n.kind]
		if e.spec.has(n.kind) && (inside == 0 || inside == outside) {
			return fmt.Errorf("cannot trust the jail: the %s namespace is the host's", n.kind)
		}
		if !e.spec.has(n.kind) && inside != outside {
			return fmt.Errorf("cannot trust the jail: the %s namespace is not the one it was started in", n.kind)
		}
	}
	return nil
}

func (e *entry) checkHostname() error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("cannot read the hostname: %w", err)
	}
	e.audit.Hostname = name
	if e.spec.Hostname != "" && name != e.spec.Hostname && !e.hooked {
		return fmt.Errorf("cannot trust the jail: the hostname is %q, not %q", name, e.spec.Hostname)
	}
	return nil
}

// status is what /proc/PID/status says of a thread.
type status struct {
	uids, gids                              []int // real, effective, saved, filesystem
	groups                                  []int
	inheritable, permitted, effective       uint64
	bounding, ambient                       uint64
	noNewPrivs, seccomp, noNewPrivsReported bool
}

// threadStatus reads the status of one thread of this process ("self": the process's).
func (e *entry) threadStatus(thread string) (status, error) {
	file := "status"
	if thread != "self" {
		file = "task/" + thread + "/status"
	}
	text, err := e.proc.read(file)
	if err != nil {
		return status{}, err
	}
	return parseStatus(text), nil
}

func parseStatus(text string) status {
	var s status
	numbers := func(value string) (out []int) {
		for _, word := range strings.Fields(value) {
			if n, err := strconv.Atoi(word); err == nil {
				out = append(out, n)
			}
		}
		return out
	}
	sets := map[string]*uint64{"CapInh": &s.inheritable, "CapPrm": &s.permitted, "CapEff": &s.effective, "CapBnd": &s.bounding, "CapAmb": &s.ambient}
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Uid":
			s.uids = numbers(value)
		case "Gid":
			s.gids = numbers(value)
		case "Groups":
			s.groups = numbers(value)
		case "NoNewPrivs":
			s.noNewPrivs, s.noNewPrivsReported = value == "1", true
		case "Seccomp":
			s.seccomp = value == "2"
		}
		if set := sets[key]; set != nil {
			*set, _ = strconv.ParseUint(value, 16, 64)
		}
	}
	return s
}

// checkThreads: each thread has its own credentials, so each is looked at.
func (e *entry) checkThreads() error {
	tasks, err := e.proc.list("task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		s, err := e.threadStatus(task)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return err
		}
		if err := e.checkThread(s); err != nil {
			return fmt.Errorf("cannot trust the jail: thread %s %w", task, err)
		}
		e.audit.UID, e.audit.GID, e.audit.Groups = s.uids[1], s.gids[1], s.groups
		e.audit.Capabilities, e.audit.Bounding = s.effective, s.bounding
		e.audit.NoNewPrivs, e.audit.Seccomp = s.noNewPrivs, s.seccomp
	}
	return nil
}

func (e *entry) checkThread(s status) error {
	want := e.masterIDs()
	if len(s.uids) != 4 || len(s.gids) != 4 {
		return fmt.Errorf("has no ids in its status")
	}
	for _, uid := range s.uids {
		if want.uid >= 0 && uid != want.uid {
			return fmt.Errorf("has uid %d, not %d", uid, want.uid)
		}
	}
	for _, gid := range s.gids {
		if want.gid >= 0 && gid != want.gid {
			return fmt.Errorf("has gid %d, not %d", gid, want.gid)
		}
	}
	slices.Sort(s.groups)
	if !e.spec.SetgroupsDenied && (want.exact || e.spec.ownRoot()) && !slices.Equal(s.groups, want.groups) {
		return fmt.Errorf("has groups %v, not %v", s.groups, want.groups)
	}
	if e.spec.guarded(GuardCaps) {
		keep, err := e.spec.keptCaps()
		if err != nil {
			return err
		}
		for name, set := range map[string]uint64{"permitted": s.permitted, "effective": s.effective, "bounding": s.bounding,
			"inheritable": s.inheritable, "ambient": s.ambient} {
			if set&^keep != 0 {
				return fmt.Errorf("has %s capabilities %#x beyond %#x", name, set, keep)
			}
		}
	}
	if e.spec.guarded(GuardNoNewPrivs) && s.noNewPrivsReported && !s.noNewPrivs {
		return fmt.Errorf("may gain privileges")
	}
	if e.spec.guarded(GuardSeccomp) && auditArch != 0 && !s.seccomp {
		return fmt.Errorf("has no seccomp filter")
	}
	return nil
}

// checkMounts: the jail's mount table is what was mounted on purpose, with the attributes it was mounted with.
func (e *entry) checkMounts() error {
	if e.spec.Root.Kind == RootNone || e.hooked {
		return nil
	}
	if err := e.checkRoot(); err != nil {
		return err
	}
	f, err := e.proc.open("mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	there, err := mount.ReadInfo(f)
	if err != nil {
		return err
	}
	left := slices.Clone(e.mounted)
	e.audit.Mounts = nil
	listed := 0
	for _, m := range there {
		if listed += len(m.Point); listed < maxAuditMounts {
			e.audit.Mounts = append(e.audit.Mounts, m.Point)
		}
		if len(m.Optional) > 0 {
			return fmt.Errorf("cannot trust the jail: the mount at %q propagates (%s)", m.Point, strings.Join(m.Optional, " "))
		}
		want, i := findExpected(e.mounted, left, m.Point)
		if want == nil {
			return fmt.Errorf("cannot trust the jail: nobody asked for the mount at %q", m.Point)
		}
		if !m.Has(want.attr) {
			return fmt.Errorf("cannot trust the jail: the mount at %q has %s, not %s", m.Point, strings.Join(m.Options, ","), want.attr)
		}
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("cannot trust the jail: nothing is mounted at %q", left[0].point)
	}
	return nil
}

// checkRoot: "/" is the directory that was made to be it.
func (e *entry) checkRoot() error {
	var want, got unix.Stat_t
	if err := unix.Fstat(e.root.Fd(), &want); err != nil {
		return fmt.Errorf("cannot stat the new root: %w", err)
	}
	if err := unix.Stat("/", &got); err != nil {
		return fmt.Errorf("cannot stat the root: %w", err)
	}
	if want.Dev != got.Dev || want.Ino != got.Ino {
		return errors.New("cannot trust the jail: its root is another directory than the one that was made")
	}
	return nil
}

// findExpected gives the mount that explains one at point: one asked for there that is not found yet (and its place in left), or one that came
// along below a recursive one (-1).
func findExpected(all, left []expected, point string) (*expected, int) {
	for i := range left {
		if left[i].point == point {
			return &left[i], i
		}
	}
	for i := range all {
		if all[i].recursive && all[i].point != point && below(point, all[i].point) {
			return &all[i], -1
		}
	}
	return nil, -1
}

// checkDescriptors: no descriptor leads to a directory, which would be a way out of the root (CVE-2024-21626).
func (e *entry) checkDescriptors() error {
	names, err := e.proc.list("fd")
	e.close()
	if err != nil || !e.spec.ownRoot() {
		return err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		var st unix.Stat_t
		if err != nil || unix.Fstat(fd, &st) != nil {
			continue // closed since, as the directory that was listed
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("cannot trust the jail: descriptor %d is a directory", fd)
		}
	}
	return nil
}

func (e *entry) checkDir() error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("cannot read the working directory: %w", err)
	}
	e.audit.Dir = dir
	if !e.spec.ownRoot() {
		return nil
	}
	return insideRoot()
}
