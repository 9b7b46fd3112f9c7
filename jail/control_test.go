package jail

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func newPair(t *testing.T) (a, b *Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = newConn(os.NewFile(uintptr(fds[0]), "a"), false), newConn(os.NewFile(uintptr(fds[1]), "b"), true)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestConnCarriesMessages(t *testing.T) {
	a, b := newPair(t)
	umask := 0o22
	sent := []Message{
		{Type: MsgBoot, Generation: 3, Spec: &Spec{Hostname: "h", Umask: &umask, Namespaces: []Namespace{NSPID}}, Payload: json.RawMessage(`{"a":1}`)},
		{Type: MsgLeave, Brutal: true, MercyMS: 60000},
		{Type: MsgPause, On: true},
		{Type: MsgNote, Event: "died", Slot: 2, PID: 17, Cause: "harakiri"},
	}
	go func() {
		for _, m := range sent {
			_ = a.Send(m)
		}
		a.Close()
	}()
	for _, want := range sent {
		got, err := b.Recv()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := b.Recv(); err != io.EOF {
		t.Errorf("after the other side left: %v, want io.EOF", err)
	}
}

func TestConnLimits(t *testing.T) {
	big := strings.Repeat("x", maxFrame)
	a, b := newPair(t)
	if err := a.Send(Message{Type: MsgNote, Cause: big}); !errors.Is(err, ErrFrame) {
		t.Errorf("a note of 64 KiB is sent: %v", err)
	}
	payload, _ := json.Marshal(big)
	go func() {
		_ = a.Send(Message{Type: MsgBoot, Payload: payload})
		// A second frame of that size is too long, boot or not.
		_ = a.Send(Message{Type: MsgBoot, Payload: payload})
	}()
	if m, err := b.Recv(); err != nil || len(m.Payload) != len(payload) {
		t.Errorf("a boot of %d bytes: %v", len(payload), err)
	}
	if _, err := b.Recv(); !errors.Is(err, ErrFrame) {
		t.Errorf("a second long frame: %v, want ErrFrame", err)
	}
}

func TestRecvRefusesGarbage(t *testing.T) {
	frame := func(body string) string {
		var head [4]byte
		binary.LittleEndian.PutUint32(head[:], uint32(len(body)))
		return string(head[:]) + body
	}
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", io.EOF},
		{"\x01\x00", io.EOF},
		{"\x08\x00\x00\x00{}", io.EOF},
		{"\xff\xff\xff\xff", ErrFrame},
		{frame("{"), ErrFrame},
		{frame("null"), ErrFrame},
		{frame(`{"type":"mystery"}`), ErrFrame},
		{frame(`{"type":7}`), ErrFrame},
		{frame(`{"type":"note","slot":"x"}`), ErrFrame},
		{frame(`{"type":"note"}`), nil},
	} {
		if _, err := (&Conn{limit: maxFrame}).recv(strings.NewReader(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%q gives %v, want %v", c.in, err, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, m := range []Message{{Type: MsgLeave, Brutal: true}, {Type: MsgEntered, Audit: &Audit{UID: 33}}, {Type: MsgStepFailed, Step: "proc", Errno: 2}} {
		frame, err := encodeFrame(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := (&Conn{limit: maxFrame}).recv(bytes.NewReader(in))
		if err != nil {
			return
		}
		// What was taken can be sent again, and is the same then.
		frame, err := encodeFrame(m)
		if errors.Is(err, ErrFrame) {
			return // JSON escapes made it longer than a frame
		}
		if err != nil {
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		again, err := (&Conn{limit: maxFrame}).recv(bytes.NewReader(frame))
		if err != nil {
			t.Fatalf("cannot decode what was encoded: %v", err)
		}
		one, _ := json.Marshal(m)
		two, _ := json.Marshal(again)
		if !bytes.Equal(one, two) {
			t.Fatalf("%s became %s", one, two)
		}
	})
}
