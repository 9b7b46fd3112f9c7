package jail

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capNames are the capabilities of capabilities(7), by number.
var capNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
	"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
	"sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
	"audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
	"perfmon", "bpf", "checkpoint_restore",
}

// rootCaps are what a jail that stays uid 0 keeps when nothing was said: enough to own files and to change ids, nothing about the machine.
const rootCaps uint64 = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_KILL |
	1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_NET_BIND_SERVICE

// capSet turns names into a set of bits.
func capSet(names []string) (uint64, error) {
	var set uint64
	for _, name := range names {
		bare := strings.TrimPrefix(strings.ToLower(name), "cap_")
		found := false
		for n, known := range capNames {
			if known == bare {
				set |= 1 << n
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("cannot keep capability %q: there is no such capability", name)
		}
	}
	return set, nil
}

// keptCaps are the capabilities after the drop: those asked for, else none with another uid and rootCaps for a jail that stays root.
// They are the master's; one that stays root for itself has more of them than its app.
func (s *Spec) keptCaps() (uint64, error) {
	if len(s.Caps) == 0 && s.staysRoot() {
		return rootCaps, nil
	}
	keep, err := capSet(s.Caps)
	if s.Creds.MasterRoot {
		keep |= masterCaps
	}
	return keep, err
}

// staysRoot tells whether the app will be uid 0 of the jail. In a user namespace a process that is told nothing is uid 0 if that is mapped;
// the user of a host root is mapped to itself.
func (s *Spec) staysRoot() bool {
	if s.Creds.UID != "" {
		return s.Creds.UID == "0" || s.Creds.UID == "root"
	}
	if s.MapsByHelper {
		return s.UIDMap[0].Inside == 0
	}
	return !s.has(NSUser) || mapsInside(s.UIDMap, 0)
}

// setupCaps are the capabilities the steps of entering need.
func setupCaps(s *Spec) []uint {
	caps := []uint{unix.CAP_SYS_ADMIN, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}
	if s.has(NSNet) {
		caps = append(caps, unix.CAP_NET_ADMIN)
	}
	if len(s.Limits) > 0 {
		caps = append(caps, unix.CAP_SYS_RESOURCE)
	}
	if s.Chroot != "" {
		caps = append(caps, unix.CAP_SYS_CHROOT)
	}
	if s.Root.Overlay {
		// An overlay copies files up by the rights of whoever mounted it (overlayfs.rst, "Permission model"), and a copy has to
		// get the owner and mode of the original.
		caps = append(caps, unix.CAP_CHOWN, unix.CAP_FOWNER, unix.CAP_FSETID)
	}
	return caps
}

// capset(2) version 3: two words for each set.
type capHeader struct {
	version uint32
	pid     int32
}
type capData [2]struct{ effective, permitted, inheritable uint32 }

const capVersion3 = 0x20080522

// setCaps sets the effective and permitted set of every thread, and the inheritable one.
func setCaps(permitted, inheritable uint64) error {
	head := &capHeader{version: capVersion3}
	data := capWords(permitted, inheritable)
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(head)), uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 {
		return fmt.Errorf("cannot set capabilities: %w", errno)
	}
	return nil
}

// capWords are the sets as capset(2) takes them; the effective one is the permitted one.
func capWords(permitted, inheritable uint64) (data capData) {
	for i := range data {
		data[i].effective = uint32(permitted >> (32 * i))
		data[i].permitted = data[i].effective
		data[i].inheritable = uint32(inheritable >> (32 * i))
	}
	return data
}

// prctlAll is prctl(2) on every thread.
func prctlAll(option, arg2, arg3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, arg2, arg3, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// capSetMissing gives the first name that is not in the set.
func capSetMissing(names []string, set uint64) string {
	for _, name := range names {
		if one, err := capSet([]string{name}); err != nil || one&^set != 0 {
			return name
		}
	}
	return ""
}
