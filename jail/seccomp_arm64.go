package jail

import "golang.org/x/sys/unix"

const (
	auditArch = unix.AUDIT_ARCH_AARCH64
	// foreignABI: no number is another ABI's here.
	foreignABI = 0xffffffff
)

// refusedHere are calls that other architectures do not have.
var refusedHere = []uintptr{unix.SYS_KEXEC_FILE_LOAD}
