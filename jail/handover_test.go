package jail

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An interrupted Recv keeps what it has read of a frame, whatever byte it stops at, and another Conn goes on from there.
func TestInterruptedFrameGoesOn(t *testing.T) {
	frame, err := encodeFrame(Message{Type: MsgNote, Event: "spawned", Slot: 7, Message: "héllo"})
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(frame) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := newConn(os.NewFile(uintptr(pair[0]), "parent"), false)
		other := os.NewFile(uintptr(pair[1]), "master")
		done := make(chan error, 1)
		if _, err := other.Write(frame[:cut]); err != nil {
			t.Fatal(err)
		}
		go func() { _, err := c.Recv(); done <- err }()
		for n := 1; n > 0; { // until all of it was read
			if n, err = unix.IoctlGetInt(pair[0], unix.TIOCINQ); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Interrupt(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		h := (&Process{PID: 42, Generation: 3, Conn: c, pidfd: -1}).Handover()
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var back Handover
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if back.Control, err = unix.Dup(back.Control); err != nil { // the old image's file is closed by the exec, not by this process
			t.Fatal(err)
		}
		c.Close()
		p, err := Adopt(back)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Write(frame[cut:]); err != nil {
			t.Fatal(err)
		}
		m, err := p.Conn.Recv()
		if err != nil || m.Slot != 7 || m.Message != "héllo" || p.PID != 42 || p.Generation != 3 {
			t.Fatalf("cut at %d: %+v, %v", cut, m, err)
		}
		p.Close()
		other.Close()
	}
}

func TestContinueAfterInterrupt(t *testing.T) {
	a, b := newPair(t)
	if err := b.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if err := a.SendSoon(Message{Type: MsgPong}, time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("what comes later waits too: %v", err)
	}
	if err := b.Continue(); err != nil {
		t.Fatal(err)
	}
	if m, err := b.Recv(); err != nil || m.Type != MsgPong {
		t.Fatalf("%+v, %v", m, err)
	}
}

// An interrupt in the long first frame of the master's end keeps its limit.
func TestInterruptKeepsTheBootsLimit(t *testing.T) {
	a, b := newPair(t)
	var head [4]byte
	binary.LittleEndian.PutUint32(head[:], maxFrame+1)
	if _, err := a.file.Write(head[:]); err != nil {
		t.Fatal(err)
	}
	if err := b.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if b.limit != maxBoot {
		t.Errorf("the limit is %d", b.limit)
	}
}

func TestLeaseHandover(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "ids")
	if err != nil {
		t.Fatal(err)
	}
	h := (&Lease{UID: 1 << 20, GID: 2 << 20, Size: 65536, file: f}).Handover()
	if h.File, err = unix.Dup(h.File); err != nil {
		t.Fatal(err)
	}
	l, err := AdoptLease(h)
	if err != nil || l.UID != 1<<20 || l.GID != 2<<20 || l.Size != 65536 {
		t.Fatalf("%+v, %v", l, err)
	}
	l.Close()
	if l, err := AdoptLease((*Lease)(nil).Handover()); l != nil || err != nil {
		t.Errorf("no lease became %+v, %v", l, err)
	}
	if _, err := AdoptLease(&LeaseHandover{File: h.File}); err == nil {
		t.Error("a range of no ids was taken")
	}
}
