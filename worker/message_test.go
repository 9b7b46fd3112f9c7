package worker

import (
	"testing"
)

func TestParseMessage(t *testing.T) {
	tests := []struct {
		packet string
		want   Message
		bad    bool
	}{
		{packet: "loaded 1 250000", want: Message{Kind: Loaded, OK: true, Usec: 250000}},
		{packet: "loaded 0 12", want: Message{Kind: Loaded, Usec: 12}},
		{packet: "forked 3 17 4242", want: Message{Kind: Forked, Slot: 3, Seq: 17, PID: 4242}},
		{packet: "unforked 2 5", want: Message{Kind: Unforked, Slot: 2, Seq: 5}},
		{packet: "unforked 0 5", bad: true},
		{packet: "ready 1 2 1", want: Message{Kind: Ready, Slot: 1, PID: 2, OK: true}},
		{packet: "served 2 44", want: Message{Kind: Served, Slot: 2, PID: 44}},
		{packet: "served 2", bad: true},
		{packet: "monitored 2 44", want: Message{Kind: Monitored, Slot: 2, PID: 44}},
		{packet: "reload", want: Message{Kind: Reload}},
		{packet: "stop", want: Message{Kind: Stop}},
		{packet: "started mule 2 9 44", want: Message{Kind: Started, Helper: Mule, Slot: 2, Seq: 9, PID: 44}},
		{packet: "started spooler 1 9 44", want: Message{Kind: Started, Helper: Spooler, Slot: 1, Seq: 9, PID: 44}},
		{packet: "unstarted mule 2 9", want: Message{Kind: Unstarted, Helper: Mule, Slot: 2, Seq: 9}},
		{packet: "started worker 1 9 44", bad: true},
		{packet: "started mule 1 9", bad: true},
		{packet: "signal 17", want: Message{Kind: Signal, Signal: 17}},
		{packet: "signal 256", bad: true},
		{packet: "signal 1 2", bad: true},
		{packet: "register 3 ", want: Message{Kind: Register, Signal: 3}},
		{packet: "register 3 farm_a b", want: Message{Kind: Register, Signal: 3, Text: "farm_a b"}},
		{packet: "timer 3 1000000 0", want: Message{Kind: Timer, Signal: 3, Usec: 1000000}},
		{packet: "timer 3 0 0", bad: true},
		{packet: "timer 3 1", bad: true},
		{packet: "sigcron 3 -1 -5 31 12 7", want: Message{Kind: SigCron, Signal: 3, Cron: [5]int{-1, -5, 31, 12, 7}}},
		{packet: "sigcron 3 -1 -5 31 12", bad: true},
		{packet: "sigcron 3 -1 --5 31 12 1", bad: true},
		{packet: "sigcron 3 99 1 1 1 1", bad: true},
		{packet: "filemon 3 /a b", want: Message{Kind: FileMon, Signal: 3, Text: "/a b"}},
		{packet: "filemon 3", bad: true},
		{packet: "filemon 3 /a\x00b", bad: true},
		{packet: "", bad: true},
		{packet: "loaded", bad: true},
		{packet: "loaded 2 1", bad: true},
		{packet: "forked 0 1 2", bad: true},
		{packet: "forked 1 1 0", bad: true},
		{packet: "forked 1 1 99999999999", bad: true},
		{packet: "forked -1 1 2", bad: true},
		{packet: "ready 1 2 1 extra", bad: true},
		{packet: "ready  1 2 1", bad: true},
		{packet: "reload now", bad: true},
		{packet: "exec /bin/sh", bad: true},
	}
	for _, tt := range tests {
		got, err := ParseMessage([]byte(tt.packet))
		if (err != nil) != tt.bad {
			t.Errorf("ParseMessage(%q) error = %v, want an error: %v", tt.packet, err, tt.bad)
			continue
		}
		if err == nil && got != tt.want {
			t.Errorf("ParseMessage(%q) = %+v, want %+v", tt.packet, got, tt.want)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{"loaded 1 250000", "forked 3 17 4242", "ready 1 2 0", "stop", "forked 1 1", "ready 1 2 1 \xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := ParseMessage(packet)
		if err != nil {
			return
		}
		switch m.Kind {
		case Forked, Ready, Served, Started:
			if m.Slot < 1 || m.PID < 1 {
				t.Fatalf("ParseMessage(%q) = %+v: slot and pid must be positive", packet, m)
			}
		}
	})
}
