package reload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
	"gowsgi/metrics"
	"gowsgi/reload/logs"
)

// State is what one image of the parent hands to the next. It is a line of text and a JSON object in a sealed memfd:
//
//	gowsgi-state MAJOR.MINOR PID EXE
//
// PID is the process it is for, EXE the descriptor of the binary that wrote it. Fields are only ever added (the minor number tells), and one
// that a program does not know is passed over; what is understood otherwise than before gets another major number, which programs refuse
// that do not know it. Descriptors are numbers: they stay open over the exec.
type State struct {
	Head `json:"-"`

	Program   string              `json:"program"` // version of the program that wrote it
	Args      []string            `json:"args"`    // of the command line, without the program's name
	Config    *config.Config      `json:"config"`
	Plan      planState           `json:"plan"`
	Stack     stackState          `json:"stack"`
	Sockets   []socketState       `json:"sockets"`
	Endpoints []socketState       `json:"endpoints"`
	Fifo      *fifoState          `json:"fifo,omitempty"`
	Notices   *socketState        `json:"notices,omitempty"` // of notify-socket
	Pidfiles  []string            `json:"pidfiles,omitempty"`
	Locks     []int               `json:"locks,omitempty"`
	Lease     *jail.LeaseHandover `json:"lease,omitempty"`
	Status    int                 `json:"status"` // the status page
	CronAt    int64               `json:"cron_at"`
	Drained   bool                `json:"drained"`
	Notified  string              `json:"notified"` // the last message to the service manager
	Metrics   metrics.Handover    `json:"metrics"`
	Logs      logs.Handover       `json:"logs"`
	Files     []int               `json:"files"` // every descriptor that stays open
}

// Head is the first line.
type Head struct{ Major, Minor, PID, Exe int }

// The format that this program writes.
const (
	stateMajor = 1
	stateMinor = 0
	stateName  = "gowsgi-state"
	maxState   = 256 << 20 // bytes
)

type planState struct {
	Last     uint64    `json:"last"`
	Asked    uint64    `json:"asked"`
	Upgrades uint64    `json:"upgrades"` // asked for
	Covered  uint64    `json:"covered"`  // of the upgrade
	Again    bool      `json:"again"`
	Paused   bool      `json:"paused"`
	ReadyAt  time.Time `json:"ready_at"`
	Settled  endState  `json:"settled"`
	Upgraded endState  `json:"upgraded"`
}

// endState is how a reload or an upgrade ended.
type endState struct {
	Failed string `json:"failed,omitempty"`
	Text   string `json:"text,omitempty"`
	Ticket uint64 `json:"ticket"`
}

// stackState is the generation that serves.
type stackState struct {
	Process jail.Handover        `json:"process"`
	Asked   jail.Spec            `json:"asked"` // what the configuration came to; Process has it completed
	Started time.Time            `json:"started"`
	Uses    []int                `json:"uses"`   // index in Sockets
	Intake  int                  `json:"intake"` // index in Logs.Intakes, -1: none
	Dir     string               `json:"dir"`
	Owner   [2]int               `json:"owner"`            // snapshot.uid and gid
	Sockets [2]int               `json:"sockets"`          // who owns unix sockets
	Unread  []jail.Message       `json:"unread,omitempty"` // received and not looked at
	Alone   bool                 `json:"alone"`
	Daemons []metrics.DaemonInfo `json:"daemons,omitempty"`
	Crons   []metrics.CronInfo   `json:"crons,omitempty"`
}

type socketState struct {
	Key    string      `json:"key"`
	Addr   string      `json:"addr"`
	Name   string      `json:"name"`
	Family string      `json:"family"`
	File   int         `json:"file"`
	Full   bool        `json:"full,omitempty"`
	Place  *placeState `json:"place,omitempty"`
}

type placeState struct {
	Dir   int    `json:"dir"`
	Base  string `json:"base"`
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Shown string `json:"shown"`
}

type fifoState struct {
	Dir    int    `json:"dir"`
	Base   string `json:"base"`
	File   int    `json:"file"`
	ID     uint64 `json:"id"`
	Unread []byte `json:"unread,omitempty"`
}

// encode gives the state its form.
func (s *State) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the state: %w", err)
	}
	return append(fmt.Appendf(nil, "%s %d.%d %d %d\n", stateName, s.Major, s.Minor, s.PID, s.Exe), text...), nil
}

// decodeHead reads the first line, which every version can.
func decodeHead(data []byte) (h Head, body []byte, err error) {
	line, body, whole := bytes.Cut(data, []byte{'\n'})
	if !whole || len(line) > 100 {
		return h, nil, errors.New("cannot read the state: it has no first line")
	}
	n, err := fmt.Sscanf(string(line), stateName+" %d.%d %d %d", &h.Major, &h.Minor, &h.PID, &h.Exe)
	if err != nil || n != 4 || h.Major < 1 || h.Minor < 0 || h.PID < 1 || h.Exe < 0 {
		return Head{}, nil, fmt.Errorf("cannot read the state: its first line is %.40q", line)
	}
	return h, body, nil
}

// DecodeState reads a state. What it gives can be taken over as far as that can be told without the descriptors.
func DecodeState(data []byte) (*State, error) {
	h, body, err := decodeHead(data)
	if err != nil {
		return nil, err
	}
	if h.Major != stateMajor {
		return nil, fmt.Errorf("cannot read the state: it has version %d.%d, this program knows %d", h.Major, h.Minor, stateMajor)
	}
	s := &State{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fmt.Errorf("cannot read the state: %w", err)
	}
	s.Head = h
	return s, s.check()
}

func (s *State) check() error {
	bad := func(what string) error { return fmt.Errorf("cannot use the state: %s", what) }
	if s.Config == nil {
		return bad("it has no configuration")
	}
	st := &s.Stack
	switch {
	case st.Process.PID < 1 || st.Process.Generation < 1 || st.Process.Generation > s.Plan.Last:
		return bad("it has no stack")
	case len(st.Uses) != len(s.Config.Sockets.List):
		return bad("the stack has not the sockets of the configuration")
	case st.Intake < -1 || st.Intake >= len(s.Logs.Intakes):
		return bad("the stack has no such log")
	case len(s.Metrics.Boards) != 1 || s.Metrics.Boards[0].Generation != st.Process.Generation:
		return bad("the stack has no scoreboard")
	}
	for _, i := range st.Uses {
		if i < 0 || i >= len(s.Sockets) {
			return bad("the stack uses a socket that is not there")
		}
	}
	return nil
}

// seal writes the state into memory that nobody can change any more.
func (s *State) seal() (*os.File, error) {
	data, err := s.encode()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate(stateName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make memory for the state: %w", err)
	}
	f := os.NewFile(uintptr(fd), stateName)
	_, err = f.Write(data)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write the state: %w", err), f.Close())
	}
	return f, nil
}

// readSealed reads the memory that a descriptor stands for; anything but a sealed memfd is an error.
func readSealed(fd int) ([]byte, error) {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_WRITE == 0 {
		return nil, fmt.Errorf("cannot read the state: descriptor %d is no sealed memory", fd)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("cannot read the state: %w", err)
	}
	if st.Size > maxState {
		return nil, fmt.Errorf("cannot read the state: %d bytes are too many", st.Size)
	}
	data := make([]byte, st.Size)
	for n := 0; n < len(data); {
		more, err := unix.Pread(fd, data[n:], int64(n))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("cannot read the state: %w", err)
		}
		if more == 0 && err == nil {
			return nil, errors.New("cannot read the state: it ends early")
		}
		n += max(more, 0)
	}
	return data, nil
}

// files collects every descriptor of the state, each once.
func (s *State) files(more ...int) []int {
	list := append(s.Stack.Process.Files(), s.Logs.Files()...)
	list = append(list, more...)
	list = append(append(list, s.Locks...), s.Status, s.Exe)
	sockets := slices.Concat(s.Sockets, s.Endpoints)
	if s.Notices != nil {
		sockets = append(sockets, *s.Notices)
	}
	for _, l := range sockets {
		list = append(list, l.File)
		if l.Place != nil {
			list = append(list, l.Place.Dir)
		}
	}
	if s.Fifo != nil {
		list = append(list, s.Fifo.Dir, s.Fifo.File)
	}
	if s.Lease != nil {
		list = append(list, s.Lease.File)
	}
	for _, b := range s.Metrics.Boards {
		list = append(list, b.File)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(fd int) bool { return fd < 3 })
}

// keep has the descriptors stay open over an exec, or not.
func (s *State) keep(on bool) error {
	flag := unix.FD_CLOEXEC
	if on {
		flag = 0
	}
	for _, fd := range s.Files {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag); err != nil {
			return fmt.Errorf("cannot hand over descriptor %d: %w", fd, err)
		}
	}
	return nil
}
