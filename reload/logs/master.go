package logs

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// masterLimit is how much of PID 1's own lines may wait, in bytes.
const masterLimit = 256 << 10

// NewMasterSink is the log of a jail's master, which must not block either: the channel to the parent, or the log itself when there is no
// channel.
func NewMasterSink(log, channel *os.File, notice func(lines uint64) []byte) *Sink {
	var t target = &stream{f: log}
	if channel != nil {
		t = packets{int(channel.Fd())}
	}
	s := newSink("master", t, masterLimit)
	s.notice = notice
	return s
}

// Close writes what waits, within the patience.
func (s *Sink) Close(patience time.Duration) { s.close(patience) }

// packets is the sending end of an Intake's channel.
type packets struct{ fd int }

func (t packets) write(buf []byte, ends []int) error {
	var failed error
	start := 0
	for _, end := range ends {
		packet := append([]byte{byte(Own)}, buf[start:end]...)
		start = end
		if err := unix.Send(t.fd, packet, unix.MSG_NOSIGNAL); err != nil {
			failed = err
		}
	}
	return failed
}

func (t packets) reopen() (string, error) { return "", nil }
func (t packets) rotate() (string, error) { return "", nil }
func (t packets) close() error            { return nil }
