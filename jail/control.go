package jail

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"time"
)

// MessageType is the kind of a frame on the control socket.
type MessageType string

// Who sends what is told in docs/architecture.md, seam 1.
const (
	MsgBoot       MessageType = "boot"
	MsgStepFailed MessageType = "step_failed"
	MsgEntered    MessageType = "entered"
	MsgReady      MessageType = "ready"
	MsgAppFailed  MessageType = "app_failed"
	MsgAsked      MessageType = "asked"
	MsgNote       MessageType = "note"
	MsgLeave      MessageType = "leave"

	MsgReloadWorkers MessageType = "reload_workers"
	MsgScale         MessageType = "scale"
	MsgAlone         MessageType = "alone"
	MsgAlarm         MessageType = "alarm"
	MsgPause         MessageType = "pause"
	MsgPing          MessageType = "ping"
	MsgPong          MessageType = "pong"
)

var messageTypes = []MessageType{
	MsgBoot, MsgStepFailed, MsgEntered, MsgReady, MsgAppFailed, MsgAsked, MsgNote, MsgLeave,
	MsgReloadWorkers, MsgScale,
	MsgAlone, MsgAlarm,
	MsgPause, MsgPing, MsgPong,
}

// Events of a note that the parent acts on.
const (
	NoteRenewed    = "renewed"     // a workers reload has come to its end
	NoteNotRenewed = "not_renewed" // it was given up; the message says why
)

// Action is what a signal or the app inside the jail asked for (MsgAsked).
type Action string

const (
	AskReload       Action = "reload"
	AskStop         Action = "stop"
	AskBrutalStop   Action = "brutal-stop"
	AskBrutalReload Action = "brutal-reload"
	AskPause        Action = "pause"
)

// Message is one frame. Which fields it has depends on its type.
type Message struct {
	Type MessageType `json:"type"`

	Generation uint64          `json:"generation,omitempty"` // boot
	Spec       *Spec           `json:"spec,omitempty"`       // boot
	Payload    json.RawMessage `json:"payload,omitempty"`    // boot

	Step  string        `json:"step,omitempty"`  // step_failed
	Arg   string        `json:"arg,omitempty"`   // step_failed
	Errno syscall.Errno `json:"errno,omitempty"` // step_failed; 0: no system call failed

	Message string `json:"message,omitempty"` // step_failed, app_failed, note: one line for a person, alarm: what it says

	Audit   *Audit `json:"audit,omitempty"`   // entered
	Workers int    `json:"workers,omitempty"` // ready
	Action  Action `json:"action,omitempty"`  // asked

	Event string `json:"event,omitempty"` // note; alarm: its name
	Slot  int    `json:"slot,omitempty"`  // note
	PID   int    `json:"pid,omitempty"`   // note: as the jail sees it
	Cause string `json:"cause,omitempty"` // note
	Count int    `json:"count,omitempty"` // note
	At    int64  `json:"at,omitempty"`    // note, alone: unix seconds

	Chain bool `json:"chain,omitempty"` // reload_workers: one after the other
	Delta int  `json:"delta,omitempty"` // scale: workers more or less
	Cheap bool `json:"cheap,omitempty"` // scale: no worker until the next connection

	Brutal  bool  `json:"brutal,omitempty"`   // leave, reload_workers
	MercyMS int64 `json:"mercy_ms,omitempty"` // leave: milliseconds
	On      bool  `json:"on,omitempty"`       // pause: take no connection; without it, take them again
}

// The longest frames, in bytes without the length before them.
const (
	maxBoot  = 16 << 20
	maxFrame = 64 << 10
)

// ErrFrame is the root of every error about a frame that breaks the protocol; the connection is of no use afterwards.
var ErrFrame = errors.New("malformed control frame")

// Conn is one end of the control socket. Send may be called from several goroutines, Recv from one. Close ends both.
type Conn struct {
	file  *os.File
	limit int    // of the next frame received
	held  []byte // the beginning of it, when a Recv was interrupted
}

// newConn takes the non-blocking stream socket; expectBoot is for the end whose first frame may be as long as a boot.
func newConn(file *os.File, expectBoot bool) *Conn {
	c := &Conn{file: file, limit: maxFrame}
	if expectBoot {
		c.limit = maxBoot
	}
	return c
}

// Close closes the socket; a Recv that waits returns os.ErrClosed.
func (c *Conn) Close() error { return c.file.Close() }

// SendSoon is Send for a side that must not wait: a peer that does not read for so long has broken the stream, and the connection is of no use.
func (c *Conn) SendSoon(m Message, patience time.Duration) error {
	if err := c.file.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("cannot limit the time to send %s: %w", m.Type, err)
	}
	err := c.Send(m)
	return errors.Join(err, c.file.SetWriteDeadline(time.Time{}))
}

// Send writes one frame whole.
func (c *Conn) Send(m Message) error {
	frame, err := encodeFrame(m)
	if err != nil {
		return err
	}
	// One Write call: os.File keeps it in one piece against another goroutine's.
	if _, err := c.file.Write(frame); err != nil {
		return fmt.Errorf("cannot send %s: %w", m.Type, err)
	}
	return nil
}

// Backlog is how many bytes were sent that the other side has not read. A frame that is sent while it is small does not wait, also
// when the other side has stopped.
func (c *Conn) Backlog() int {
	n := maxFrame
	raw, err := c.file.SyscallConn()
	if err != nil {
		return n
	}
	_ = raw.Control(func(fd uintptr) {
		if got, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil { // SIOCOUTQ, unix(7)
			n = got
		}
	})
	return n
}

// Recv waits for the next frame. io.EOF means that the other side is gone, in the middle of a frame or not. After Interrupt it returns
// os.ErrDeadlineExceeded, and what it has read so far is kept for the next call.
func (c *Conn) Recv() (Message, error) {
	m, err := c.recv(c.file)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.held, c.limit = nil, maxFrame
	}
	return m, err
}

// Interrupt ends a Recv that waits, and every later one until Continue; nothing is lost by it.
func (c *Conn) Interrupt() error { return c.file.SetReadDeadline(time.Unix(1, 0)) }

// Continue undoes Interrupt.
func (c *Conn) Continue() error { return c.file.SetReadDeadline(time.Time{}) }

func (c *Conn) recv(from io.Reader) (m Message, err error) {
	if err := fill(from, &c.held, frameHead); err != nil {
		return m, gone(err)
	}
	size := binary.LittleEndian.Uint32(c.held)
	if uint64(size) > uint64(c.limit) {
		return m, fmt.Errorf("cannot receive a frame of %d bytes, the limit is %d: %w", size, c.limit, ErrFrame)
	}
	if err := fill(from, &c.held, frameHead+int(size)); err != nil {
		return m, gone(err)
	}
	return decodeFrame(c.held[frameHead:])
}

// frameHead is the length before each frame, in bytes.
const frameHead = 4

// fill reads on until there are so many bytes. It grows as they come in: a length costs nothing that was not sent.
func fill(r io.Reader, held *[]byte, want int) error {
	for have := len(*held); have < want; have = len(*held) {
		buf := slices.Grow(*held, min(want-have, 16<<10))
		n, err := r.Read(buf[have:min(want, cap(buf))])
		*held = buf[:have+n]
		if err != nil && have+n < want {
			return err
		}
	}
	return nil
}

func encodeFrame(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %s: %w", m.Type, err)
	}
	limit := maxFrame
	if m.Type == MsgBoot {
		limit = maxBoot
	}
	if len(body) > limit {
		return nil, fmt.Errorf("cannot send %s: %d bytes, the limit is %d: %w", m.Type, len(body), limit, ErrFrame)
	}
	frame := make([]byte, 4, 4+len(body))
	binary.LittleEndian.PutUint32(frame, uint32(len(body)))
	return append(frame, body...), nil
}

func decodeFrame(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return Message{}, fmt.Errorf("cannot decode a frame: %w: %v", ErrFrame, err)
	}
	if !slices.Contains(messageTypes, m.Type) {
		return Message{}, fmt.Errorf("cannot use a frame of type %q: %w", m.Type, ErrFrame)
	}
	return m, nil
}

// gone makes io.EOF of the ways in which a stream ends: a peer that closed with bytes unread is ECONNRESET (unix(7)).
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return io.EOF
	}
	return fmt.Errorf("cannot receive: %w", err)
}
