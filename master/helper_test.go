package master

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/worker"
)

// helperWords renders the actions of the helpers shortly.
func helperWords(acts []Action) string {
	var out []string
	for _, a := range acts {
		switch a := a.(type) {
		case StartHelper:
			out = append(out, fmt.Sprintf("start %s %d/%d", a.Kind, a.ID, a.Seq))
		case MarkHelper:
			out = append(out, fmt.Sprintf("mark %d %d", a.Place, a.PID))
		case Kill:
			out = append(out, fmt.Sprintf("%v %d", strings.TrimPrefix(unix.SignalName(a.Signal), "SIG"), a.PID))
		}
	}
	return strings.Join(out, ", ")
}

func startedMsg(kind worker.HelperKind, id int, seq uint64, pid int) Said {
	return Said{worker.Message{Kind: worker.Started, Helper: kind, Slot: id, Seq: seq, PID: pid}, 1}
}

// fakeZygotes is one zygote, 0 = none.
type fakeZygotes struct{ number uint64 }

func (z *fakeZygotes) forker() uint64            { return z.number }
func (z *fakeZygotes) zygoteThere(n uint64) bool { return n == z.number }

// mulesUp is a stack with two mules that run, pids 21 and 22.
var mulesUp = []step{
	{ev: Serving{}, want: "start mule 1/1, start mule 2/2, start spooler 1/3"},
	{ev: startedMsg(worker.Spooler, 1, 3, 23), want: "mark 2 23"},
	{ev: startedMsg(worker.Mule, 2, 2, 22), want: "mark 1 22"},
	{ev: startedMsg(worker.Mule, 1, 1, 21), want: "mark 0 21"},
}

func TestHelpers(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
	}{
		{"a death is followed by a new start, the second soon one waits", []step{
			{ev: killed(21, unix.SIGSEGV), want: "mark 0 0, start mule 1/4"},
			{ev: startedMsg(worker.Mule, 1, 4, 31), want: "mark 0 31"},
			{ev: exited(31, 1), want: "mark 0 0"},
			{ev: Woke{}},
			{ev: Woke{}, wait: firstBackoff, want: "start mule 1/5"},
		}},
		{"a mule that lived is replaced at once", []step{
			{ev: exited(21, 0), wait: time.Minute, want: "mark 0 0, start mule 1/4"},
			{ev: startedMsg(worker.Mule, 1, 4, 31), want: "mark 0 31"},
			{ev: exited(31, 0), wait: time.Minute, want: "mark 0 0, start mule 1/5"},
		}},
		{"answers to no question", []step{
			{ev: startedMsg(worker.Mule, 1, 1, 99)},
			{ev: startedMsg(worker.Mule, 9, 1, 99)},
			{ev: startedMsg(worker.Spooler, 1, 1, 99)},
			{ev: exited(99, 0)},
		}},
		{"leaving waits for the workers, then for the mules", []step{
			{ev: Leaving{}},
			{ev: WorkersGone{}, want: "HUP 21, HUP 22, HUP 23"},
			{ev: exited(22, 17), want: "mark 1 0"},
			{ev: Woke{}, wait: 8 * time.Second},
			{ev: exited(23, 17), want: "mark 2 0"},
			{ev: Woke{}, wait: 2 * time.Second, want: "KILL 21"},
			{ev: killed(21, unix.SIGKILL), want: "mark 0 0"},
		}},
		{"a brutal end does not wait", []step{
			{ev: Leaving{}},
			{ev: Leaving{Brutal: true}, want: "INT 21, INT 22, INT 23"},
			{ev: WorkersGone{}},
			{ev: Woke{}, wait: brutalMercy, want: "KILL 21, KILL 22, KILL 23"},
		}},
		{"told to leave while one is forked", []step{
			{ev: exited(21, 0), wait: time.Minute, want: "mark 0 0, start mule 1/4"},
			{ev: Leaving{}},
			{ev: WorkersGone{}, want: "HUP 22, HUP 23"},
			{ev: startedMsg(worker.Mule, 1, 4, 31), want: "mark 0 31, HUP 31"},
		}},
		{"told to leave while one waits to come back", []step{
			{ev: exited(21, 1), want: "mark 0 0, start mule 1/4"},
			{ev: startedMsg(worker.Mule, 1, 4, 31), want: "mark 0 31"},
			{ev: exited(31, 1), want: "mark 0 0"},
			{ev: Leaving{}},
			{ev: Woke{}, wait: time.Hour},
		}},
		{"harakiri", []step{
			{ev: HelperSampled{0, 3 * time.Second}},
			{ev: HelperSampled{0, 6 * time.Second}, want: "KILL 21"},
			{ev: HelperSampled{7, 6 * time.Second}},
		}},
		{"a touched file restarts all", []step{
			{ev: HelpersTouched{worker.Mule, "f"}, want: "HUP 21, HUP 22"},
			{ev: HelpersTouched{worker.Mule, "f"}},
			{ev: exited(21, 17), want: "mark 0 0, start mule 1/4"},
			{ev: Woke{}, wait: 10 * time.Second, want: "KILL 22"},
			{ev: killed(22, unix.SIGKILL), want: "mark 1 0, start mule 2/5"},
			{ev: HelpersTouched{worker.Spooler, "f"}, want: "HUP 23"},
		}},
		{"a spooler is replaced after its number of tasks", []step{
			{ev: exited(23, 17), want: "mark 2 0"},
			{ev: Woke{}, wait: recyclePause, want: "start spooler 1/4"},
		}},
		{"a zygote that ends owes nothing, the next is asked", []step{
			{ev: killed(21, unix.SIGKILL), wait: time.Minute, want: "mark 0 0, start mule 1/4"},
			{ev: killed(5, unix.SIGKILL)},
			{ev: killed(22, unix.SIGKILL), want: "mark 1 0"},
			{ev: Woke{}, wait: time.Minute},
			{ev: ZygoteStarted{2, 6}, want: ""},
			{ev: Said{worker.Message{Kind: worker.Loaded, OK: true}, 2}, want: "start mule 1/5, start mule 2/6"},
		}},
		{"a fork that fails is tried again later", []step{
			{ev: killed(21, unix.SIGKILL), wait: time.Minute, want: "mark 0 0, start mule 1/4"},
			{ev: Said{worker.Message{Kind: worker.Unstarted, Helper: worker.Mule, Slot: 1, Seq: 4}, 1}},
			{ev: Woke{}},
			{ev: Woke{}, wait: firstBackoff, want: "start mule 1/5"},
		}},
		{"a zygote that does not answer is asked again", []step{
			{ev: killed(21, unix.SIGKILL), wait: time.Minute, want: "mark 0 0, start mule 1/4"},
			{ev: Woke{}, wait: forkPatience, want: "start mule 1/5"},
			{ev: startedMsg(worker.Mule, 1, 4, 31), want: "HUP 31"},
			{ev: startedMsg(worker.Mule, 1, 5, 32), want: "mark 0 32"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := Settings{Helpers: HelperSettings{MuleMercy: 10 * time.Second, SpoolerMercy: 10 * time.Second, MuleHarakiri: 5 * time.Second}}
			set.Conf.Helpers.Mules = []string{"", "script.py"}
			set.Conf.Helpers.Spool = worker.Spool{Dirs: []worker.SpoolDir{{Path: "/s"}, {Path: "/e", External: true}}, Processes: 1}
			zygotes := &fakeZygotes{1}
			u := newHelpers(&set, zygotes)
			now := time.Unix(1000, 0)
			for i, s := range append(append([]step{}, mulesUp...), tt.steps...) {
				now = now.Add(s.wait)
				switch ev := s.ev.(type) {
				case Exited:
					if ev.PID == 5 {
						zygotes.number = 0
					}
				case ZygoteStarted:
					zygotes.number = ev.Number
				}
				if got := helperWords(u.handle(s.ev, now)); got != s.want {
					t.Fatalf("step %d, %T%+v: %q, want %q", i, s.ev, s.ev, got, s.want)
				}
			}
			running := 0
			for i := range u.list {
				if u.list[i].pid != 0 || u.list[i].state == slotForking {
					running++
				}
			}
			if u.gone() != (running == 0) {
				t.Errorf("gone is %v with %d processes", u.gone(), running)
			}
		})
	}
}

// TestHelpersNext: the unit is woken for what is due, and for nothing else.
func TestHelpersNext(t *testing.T) {
	set := Settings{Helpers: HelperSettings{MuleMercy: time.Minute}}
	set.Conf.Helpers.Mules = []string{""}
	zygotes := &fakeZygotes{}
	u := newHelpers(&set, zygotes)
	now := time.Unix(1000, 0)
	if !u.next().IsZero() {
		t.Error("wants to be woken before there is a zygote")
	}
	zygotes.number = 1
	u.handle(Serving{}, now)
	if got := u.next(); !got.Equal(now.Add(forkPatience)) {
		t.Errorf("while forking: woken at %v", got)
	}
	u.handle(startedMsg(worker.Mule, 1, 1, 21), now)
	if !u.next().IsZero() {
		t.Errorf("while running: woken at %v", u.next())
	}
	u.handle(Leaving{}, now)
	u.handle(WorkersGone{}, now)
	if got := u.next(); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("while leaving: woken at %v", got)
	}
}
