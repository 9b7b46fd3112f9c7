package reload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Status is what the parent shows to whoever may look into it: root and its own user, by the kernel's rule for
// /proc/PID/fd (PTRACE_MODE_READ_FSCREDS in proc(5)). So there is no socket that anybody could write to, and nothing in a jail sees it.
type Status struct {
	Version string `json:"version"`
	Stage   string `json:"stage"`
	Asked   uint64 `json:"asked"`   // reloads that were asked for
	Settled uint64 `json:"settled"` // the newest of them whose result is known
	Failed  string `json:"failed,omitempty"`
	Cause   string `json:"cause,omitempty"`   // of Failed
	Leaving string `json:"leaving,omitempty"` // why the whole ends
	Paused  bool   `json:"paused,omitempty"`
	Old     int    `json:"old,omitempty"` // stacks that were told to leave and have not ended

	Upgrades *UpgradeStatus `json:"upgrades,omitempty"` // nil: a parent that knows none
}

// UpgradeStatus is what became of upgrades of the parent's binary, in the words of Status.
type UpgradeStatus struct {
	Asked   uint64 `json:"asked"`
	Settled uint64 `json:"settled"`
	Failed  string `json:"failed,omitempty"`
	Cause   string `json:"cause,omitempty"`
}

const (
	statusName = "gowsgi-status"
	statusSize = 4096
	maxCause   = 1500 // bytes of a cause that are shown
	maxReason  = 400  // the same of an upgrade
)

// statusPage is the memory that the status is written to: a checksum, one JSON object, zeros. A reader that meets a
// write sees a wrong checksum and reads again.
type statusPage struct {
	file     *os.File
	last     []byte
	settled  actCount    // how the last reload ended
	upgraded actUpgraded // and the last upgrade
}

func newStatusPage() (*statusPage, error) {
	fd, err := unix.MemfdCreate(statusName, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make the status page: %w", err)
	}
	return &statusPage{file: os.NewFile(uintptr(fd), statusName)}, nil
}

func (s *statusPage) write(st Status) error {
	if len(st.Cause) > maxCause {
		st.Cause = st.Cause[:maxCause] + "..."
	}
	if u := st.Upgrades; u != nil && len(u.Cause) > maxReason {
		u.Cause = u.Cause[:maxReason] + "..."
	}
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("cannot encode the status: %w", err)
	}
	if bytes.Equal(text, s.last) {
		return nil
	}
	page := make([]byte, statusSize)
	if copy(page, fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE(text), text)) == statusSize {
		return fmt.Errorf("cannot show the status: %d bytes are too many", len(text))
	}
	if _, err := s.file.WriteAt(page, 0); err != nil {
		return fmt.Errorf("cannot write the status: %w", err)
	}
	s.last = text
	return nil
}

func parseStatus(page []byte) (Status, error) {
	line, _, whole := strings.Cut(string(page), "\n")
	sum, text, _ := strings.Cut(line, " ")
	if !whole || sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) {
		return Status{}, errors.New("cannot read the status: it is being written")
	}
	var st Status
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return Status{}, fmt.Errorf("cannot read the status: %w", err)
	}
	return st, nil
}

// errNoStatus: the process is no parent of ours.
var errNoStatus = errors.New("the process shows no status")

// openStatus finds the status page of a running parent.
func openStatus(pid int) (*os.File, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot look into pid %d: %w", pid, err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		link, err := os.Readlink(name)
		if err != nil || !strings.HasPrefix(link, "/memfd:"+statusName) {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the status of pid %d: %w", pid, err)
		}
		return f, nil
	}
	return nil, errNoStatus
}

// readStatus reads the page, again when it meets a write.
func readStatus(f *os.File) (Status, error) {
	page := make([]byte, statusSize)
	for try := 0; ; try++ {
		n, err := f.ReadAt(page, 0)
		if n < statusSize {
			return Status{}, fmt.Errorf("cannot read the status: %d bytes: %w", n, err)
		}
		st, err := parseStatus(page)
		if err == nil || try == 100 {
			return st, err
		}
	}
}
