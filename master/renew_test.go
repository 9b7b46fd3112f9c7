package master

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

func unforkedMsg(slot int, seq uint64) Said {
	return Said{worker.Message{Kind: worker.Unforked, Slot: slot, Seq: seq}, 1}
}

// budget: table, a row for each course of a renewal.
func TestRenewal(t *testing.T) {
	chain, all := Renew{Chain: true}, Renew{}
	const s = time.Second
	tests := map[string]struct {
		set   Settings
		steps []step
	}{
		"chain": {steps: after(
			step{ev: chain, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, HUP 11"},
			step{ev: exited(5, 0)}, step{ev: exited(11, 17), want: "died reload, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: readyMsg(1, 13, true), want: "HUP 12"}, step{ev: exited(12, 17), want: "died reload, fork 2/4"},
			step{ev: forkedMsg(2, 4, 14)}, step{ev: readyMsg(2, 14, true), want: "renewed"})},
		"all at once": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, HUP 11, HUP 12"},
			step{ev: exited(12, 17), want: "died reload, fork 2/3"}, step{ev: exited(11, 17), want: "died reload, fork 1/4"},
			step{ev: forkedMsg(1, 4, 14)}, step{ev: forkedMsg(2, 3, 13)}, step{ev: readyMsg(2, 13, true)},
			step{ev: readyMsg(1, 14, true), want: "renewed"})},
		"brutally": {steps: after(
			step{ev: Renew{Brutal: true}, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, INT 11, INT 12"},
			step{ev: Woke{}, wait: 3 * s, want: "KILL 5, KILL 11, KILL 12"}, step{ev: killed(11, unix.SIGKILL), want: "died reload, fork 1/3"})},
		"code that does not import touches nothing": {steps: after(
			step{ev: chain, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, false), want: "quit, not_renewed"},
			step{ev: exited(6, 0)}, step{ev: exited(11, 1), wait: s, want: "died exit, fork 1/3"})},
		"need-app does not make broken new code the end": {set: Settings{NeedApp: true}, steps: after(
			step{ev: chain, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, false), want: "quit, not_renewed"})},
		"code that kills its interpreter": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: killed(6, unix.SIGSEGV), want: "not_renewed"})},
		"no interpreter any more": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteFailed{2, errors.New("x")}, want: "not_renewed"})},
		"asked for while the app loads": {steps: []step{
			{ev: Booted{}, want: "pre-app, zygote"}, {ev: ZygoteStarted{1, 5}}, {ev: all},
			{ev: loadedMsg(true), want: "post-app, master-start, fork 1/1, fork 2/2, zygote"}}},
		"asked for while one is under way": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: chain, wait: s},
			step{ev: loadedBy(2, true), want: "quit, HUP 11, HUP 12, zygote"})},
		"asked for while an import hangs": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: all, wait: importPatience, want: "KILL 6, zygote"},
			step{ev: ZygoteStarted{3, 7}}, step{ev: killed(6, 9)}, step{ev: loadedBy(2, true)},
			step{ev: loadedBy(3, true), want: "quit, HUP 11, HUP 12"})},
		"asked for while there is no zygote": {steps: after(
			step{ev: killed(5, 9)}, step{ev: all}, step{ev: Woke{}, wait: 2 * s, want: "zygote"},
			step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "zygote"})},
		"a worker dies meanwhile": {steps: after(
			step{ev: chain, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: killed(12, 9), wait: s, want: "died killed, fork 2/3"},
			step{ev: loadedBy(2, true), want: "quit"}, step{ev: forkedMsg(2, 3, 13)}, step{ev: readyMsg(2, 13, true), want: "HUP 11"},
			step{ev: exited(11, 17), want: "died reload, fork 1/4"}, step{ev: forkedMsg(1, 4, 14)}, step{ev: readyMsg(1, 14, true), want: "HUP 13"})},
		"the first zygote leaves a fork undone": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: killed(12, 9), wait: s, want: "died killed, fork 2/3"},
			step{ev: loadedBy(2, true), want: "quit, HUP 11"}, step{ev: exited(5, 0), want: "fork 2/4"})},
		"a worker in a long back-off is tried at once": {steps: after(
			step{ev: exited(11, 1), want: "died exit, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)}, step{ev: exited(13, 1), want: "died exit"},
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, fork 1/4, HUP 12"})},
		"lazy-apps": {set: Settings{Conf: worker.Conf{LazyApps: true}}, steps: after(
			step{ev: chain, want: "HUP 11"}, step{ev: exited(11, 17), want: "died reload, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: readyMsg(1, 13, true), want: "HUP 12"})},
		"lazy-apps, the code does not import": {set: Settings{Conf: worker.Conf{LazyApps: true}}, steps: after(
			step{ev: chain, want: "HUP 11"}, step{ev: exited(11, 17), want: "died reload, fork 1/3"}, step{ev: forkedMsg(1, 3, 13)},
			step{ev: readyMsg(1, 13, false), want: "tell app_failed, not_renewed"})},
		"leaving while the new code loads": {steps: after(
			step{ev: all, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: Leave{}, want: "quit, KILL 6, HUP 11, HUP 12"},
			step{ev: Renew{}}, step{ev: exited(11, 17), want: "died reload"}, step{ev: exited(12, 17), want: "died reload"},
			step{ev: exited(5, 0)}, step{ev: killed(6, 9), want: "exit 0"})},
		"leaving in the middle of a chain": {steps: after(
			step{ev: chain, want: "zygote"}, step{ev: ZygoteStarted{2, 6}}, step{ev: loadedBy(2, true), want: "quit, HUP 11"},
			step{ev: Leave{}, want: "quit, HUP 11, HUP 12"}, step{ev: exited(5, 0)}, step{ev: exited(6, 0)},
			step{ev: exited(11, 17), want: "died reload"}, step{ev: exited(12, 17), want: "died reload, exit 0"})},
		"a fork that fails is tried again": {steps: after(
			step{ev: exited(11, 1), wait: s, want: "died exit, fork 1/3"}, step{ev: unforkedMsg(1, 9)}, step{ev: unforkedMsg(1, 3)},
			step{ev: Woke{}, wait: s}, step{ev: Woke{}, wait: s, want: "fork 1/4"})},
		"a fork that fails while leaving": {steps: after(
			step{ev: exited(11, 1), wait: s, want: "died exit, fork 1/3"}, step{ev: Leave{}, want: "quit, HUP 12"}, step{ev: unforkedMsg(1, 3)},
			step{ev: exited(12, 17), want: "died reload"}, step{ev: exited(5, 0), want: "exit 0"})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { drive(t, tt.set, tt.steps) })
	}
}
