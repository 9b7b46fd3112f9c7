package jail

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Finding is one thing a jail may need of the machine.
type Finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Is   string `json:"is"`            // what was found
	Fix  string `json:"fix,omitempty"` // how to have it, when it is not there
}

// Probe looks at what this machine allows, by reading: nothing is made or changed. The order is that of Guards and namespaces: what is
// needed before what is good to have.
func Probe() []Finding {
	return []Finding{probeMounts(), probeUser(), probeSysctl("kernel/apparmor_restrict_unprivileged_userns", "AppArmor and user namespaces", "0"),
		probeSysctl("kernel/unprivileged_userns_clone", "user namespaces of ordinary users", "1"), probeMapper(), probeOverlay(), probeCgroup(),
		probeSeccomp(), probeLandlock(), probeKeyring()}
}

func probeMounts() Finding {
	f := Finding{What: "mount calls by descriptor", Fix: "use Linux 5.12 or later; inside a container, allow mount_setattr in its seccomp profile"}
	// EBADF: the call is there and looked at the descriptor.
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	f.OK = err == unix.EBADF || err == unix.EPERM
	return f.because("mount_setattr answers " + unix.ErrnoName(errnoOf(err)))
}

func errnoOf(err error) unix.Errno {
	errno, _ := err.(unix.Errno)
	return errno
}

func (f Finding) because(is string) Finding {
	f.Is = is
	if f.OK {
		f.Fix = ""
	}
	return f
}

func readSysctl(name string) (string, bool) {
	text, err := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(text)), err == nil
}

func probeUser() Finding {
	f := Finding{What: "user namespaces", Fix: "sysctl user.max_user_namespaces=10000 (and a kernel with CONFIG_USER_NS)"}
	text, there := readSysctl("user/max_user_namespaces")
	n, err := strconv.Atoi(text)
	f.OK = there && err == nil && n > 0
	if !there {
		return f.because("not in this kernel")
	}
	return f.because("at most " + text)
}

// probeSysctl: a switch that only some distributions have; without it nothing is restricted.
func probeSysctl(name, what, want string) Finding {
	f := Finding{What: what, Fix: "sysctl " + strings.ReplaceAll(name, "/", ".") + "=" + want + ", or start as root"}
	value, there := readSysctl(name)
	f.OK = !there || value == want
	if !there {
		return f.because("no such switch here")
	}
	return f.because(strings.ReplaceAll(name, "/", ".") + " is " + value)
}

func probeMapper() Finding {
	f := Finding{What: "maps of many ids for ordinary users", Fix: "install newuidmap and newgidmap (package uidmap) and fill /etc/subuid and /etc/subgid"}
	_, u := findMapper("newuidmap")
	_, g := findMapper("newgidmap")
	f.OK = u && g
	if f.OK {
		return f.because("newuidmap and newgidmap are installed")
	}
	return f.because("newuidmap or newgidmap is missing: one id only")
}

func probeOverlay() Finding {
	f := Finding{What: "overlay filesystem", Fix: "modprobe overlay, or leave namespace-overlay out"}
	text, err := os.ReadFile("/proc/filesystems")
	f.OK = err == nil && strings.Contains(string(text), "\toverlay\n")
	if f.OK {
		return f.because("in this kernel")
	}
	return f.because("not registered (it may be a module that is not loaded)")
}

func probeCgroup() Finding {
	f := Finding{What: "cgroup version 2", Fix: "boot with systemd.unified_cgroup_hierarchy=1, or name a directory of version 1"}
	version, err := cgroupVersion("/sys/fs/cgroup")
	if err != nil {
		if version, err = cgroupVersion("/sys/fs/cgroup/unified"); err == nil && version == 2 {
			f.OK = true
			return f.because("mounted at /sys/fs/cgroup/unified, beside version 1")
		}
		return f.because(err.Error())
	}
	f.OK = version == 2
	return f.because(fmt.Sprintf("/sys/fs/cgroup is version %d", version))
}

func probeSeccomp() Finding {
	f := Finding{What: "seccomp filters", Fix: "use a kernel with CONFIG_SECCOMP_FILTER, or turn the guard seccomp off"}
	actions, there := readSysctl("kernel/seccomp/actions_avail")
	f.OK = there && strings.Contains(actions, "errno") && auditArch != 0
	if auditArch == 0 {
		return f.because("no list of calls for this architecture")
	}
	return f.because("actions: " + actions)
}

func probeLandlock() Finding {
	f := Finding{What: "Landlock", Fix: "boot with lsm=landlock,... (CONFIG_SECURITY_LANDLOCK)"}
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	f.OK = errno == 0
	if errno != 0 {
		return f.because("answers " + unix.ErrnoName(errno))
	}
	if abi < abiAllThreads {
		return f.because(fmt.Sprintf("ABI %d: write rules, no scopes", abi))
	}
	return f.because(fmt.Sprintf("ABI %d", abi))
}

func probeKeyring() Finding {
	f := Finding{What: "session keyrings", Fix: "use a kernel with CONFIG_KEYS; inside a container, allow keyctl in its seccomp profile"}
	_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
	f.OK = err != unix.ENOSYS && err != unix.EPERM
	if err != nil {
		return f.because("keyctl answers " + unix.ErrnoName(errnoOf(err)))
	}
	return f.because("there")
}
