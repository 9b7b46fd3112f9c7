package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is a control group for everything in the jail. With version 2 (cgroups(7)) the options are set on Dir and each generation lives in
// a leaf of its own below it, which it is cloned into and which can be killed as one. With version 1 the master is moved into Dir itself
// before it does anything.
type Cgroup struct {
	Dir     string         `json:"dir"`            // absolute, below a cgroup filesystem; made when it is not there
	Mode    uint32         `json:"mode,omitempty"` // of the directory when it is made; 0: 0700
	Options []CgroupOption `json:"options,omitempty"`
}

// CgroupOption is a value for a file of the group. Names of version 1 are taken for version 2 too, where there is the same thing.
type CgroupOption struct {
	File  string `json:"file"`
	Value string `json:"value"`
}

// leafPrefix marks the leaves that gowsgi makes, so that those of a killed parent can be told and removed.
const leafPrefix = "gowsgi-"

// cgroupVersion of the filesystem that holds the directory or what of its path exists: 1 or 2.
func cgroupVersion(dir string) (int, error) {
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		switch {
		case err != nil:
			return 0, fmt.Errorf("cannot use cgroup %q: %w", dir, err)
		case st.Type == unix.CGROUP2_SUPER_MAGIC:
			return 2, nil
		case st.Type == unix.CGROUP_SUPER_MAGIC:
			return 1, nil
		}
		return 0, fmt.Errorf("cannot use cgroup %q: it is not in a cgroup filesystem", dir)
	}
}

// cgroupLeaf is the group of version 2 that a process is cloned into; the zero value is none.
type cgroupLeaf struct {
	dir *os.File
}

func (l *cgroupLeaf) fd() (int, bool) {
	if l.dir == nil {
		return -1, false
	}
	return int(rawFD(l.dir)), true
}

// kill kills all that lives in the leaf, whatever namespace it is in (cgroup.kill, Linux 5.14).
func (l *cgroupLeaf) kill() {
	if l.dir != nil {
		_ = os.WriteFile(l.dir.Name()+"/cgroup.kill", []byte("1"), 0)
	}
}

// remove removes the leaf. What was killed takes a moment to leave it, so for a short time it is tried again.
func (l *cgroupLeaf) remove() {
	if l.dir == nil {
		return
	}
	defer l.dir.Close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for tries := 0; tries < 100; tries++ {
		if err := unix.Rmdir(l.dir.Name()); !errors.Is(err, unix.EBUSY) {
			return
		}
		<-tick.C
	}
}

// prepareCgroups makes the directories, sets the options and makes the leaf of this generation (at most one version 2 group can be asked
// for: a process is in one). It is the parent half before the clone.
func prepareCgroups(groups []Cgroup, generation uint64) (cgroupLeaf, error) {
	var leaf cgroupLeaf
	for _, g := range groups {
		version, err := cgroupVersion(g.Dir)
		if err == nil {
			err = g.make(version)
		}
		if err == nil && version == 2 {
			if leaf.dir != nil {
				err = fmt.Errorf("cannot use cgroup %q: a process is in one group of version 2", g.Dir)
			} else {
				leaf.dir, err = g.makeLeaf(generation)
			}
		}
		if err != nil {
			leaf.remove()
			return cgroupLeaf{}, err
		}
	}
	return leaf, nil
}

func (g *Cgroup) make(version int) error {
	mode := g.Mode
	if mode == 0 {
		mode = 0o700
	}
	if err := unix.Mkdir(g.Dir, mode); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot make cgroup %q: %w", g.Dir, err)
	}
	for _, o := range g.Options {
		if strings.Contains(o.File, "/") {
			return fmt.Errorf("cannot set %q of cgroup %q: not the name of a file in it", o.File, g.Dir)
		}
		if version == 2 {
			var err error
			if o, err = o.forVersion2(); err != nil {
				return fmt.Errorf("cannot set %s of cgroup %q: %w", o.File, g.Dir, err)
			}
			g.enable(o.File)
		}
		// Not created: in a cgroup filesystem nothing can be, and elsewhere nothing should.
		f, err := os.OpenFile(filepath.Join(g.Dir, o.File), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(o.Value)
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("cannot set %s of cgroup %q to %q: %w", o.File, g.Dir, o.Value, err)
		}
	}
	return nil
}

// enable asks the group above for the option's controller. When that is not possible, opening the option's file says so.
func (g *Cgroup) enable(file string) {
	controller, _, _ := strings.Cut(file, ".")
	if _, err := os.Stat(filepath.Join(g.Dir, file)); err == nil || controller == "cgroup" {
		return
	}
	_ = os.WriteFile(filepath.Join(filepath.Dir(g.Dir), "cgroup.subtree_control"), []byte("+"+controller), 0)
}

// version2 names: what is called otherwise than in version 1, with a conversion of the value where it counts otherwise.
var version2 = map[string]struct {
	file    string
	convert func(string) (string, error)
}{
	"memory.limit_in_bytes":      {"memory.max", unlimited},
	"memory.soft_limit_in_bytes": {"memory.high", unlimited},
	"cpu.shares":                 {"cpu.weight", weightOfShares},
	"cpu.cfs_quota_us":           {"cpu.max", unlimited},
}

// Files of version 1 that have nothing like them in version 2.
var notInVersion2 = []string{"memory.memsw.limit_in_bytes", "memory.kmem.limit_in_bytes", "memory.swappiness", "memory.oom_control", "cpu.cfs_period_us",
	"blkio.weight", "net_cls.classid", "net_prio.ifpriomap", "devices.allow", "devices.deny", "freezer.state", "tasks"}

func (o CgroupOption) forVersion2() (CgroupOption, error) {
	for _, name := range notInVersion2 {
		if o.File == name {
			return o, errors.New("version 2 has nothing like it")
		}
	}
	to, ok := version2[o.File]
	if !ok {
		return o, nil
	}
	value, err := to.convert(o.Value)
	return CgroupOption{File: to.file, Value: value}, err
}

// unlimited: -1 is version 1's word for "max".
func unlimited(v string) (string, error) {
	if v == "-1" {
		return "max", nil
	}
	return v, nil
}

// weightOfShares maps 2...262144 (1024 by default) onto 1...10000 (100 by default) as the kernel's documentation of the conversion in
// container runtimes has it: linear between the ends.
func weightOfShares(v string) (string, error) {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n < 2 || n > 262144 {
		return "", fmt.Errorf("%q is not between 2 and 262144", v)
	}
	return strconv.FormatUint(1+(n-2)*9999/262142, 10), nil
}

func (g *Cgroup) makeLeaf(generation uint64) (*os.File, error) {
	// Leaves without a process in them are those of parents that were killed: an occupied one answers EBUSY.
	old, err := filepath.Glob(filepath.Join(g.Dir, leafPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		_ = unix.Rmdir(dir)
	}
	dir := filepath.Join(g.Dir, fmt.Sprintf("%s%d-%d", leafPrefix, os.Getpid(), generation))
	if err := unix.Mkdir(dir, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("cannot make cgroup %q: %w", dir, err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open cgroup %q: %w", dir, err)
	}
	return f, nil
}

// joinVersion1 moves the process into the groups of version 1, after the clone and before it is told anything.
func joinVersion1(groups []Cgroup, pid int) error {
	for _, g := range groups {
		version, err := cgroupVersion(g.Dir)
		if err != nil {
			return err
		}
		if version != 1 {
			continue
		}
		// cgroup.procs moves all threads; uWSGI, which has one, writes to tasks.
		if err := os.WriteFile(filepath.Join(g.Dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("cannot move the master into cgroup %q: %w", g.Dir, err)
		}
	}
	return nil
}
