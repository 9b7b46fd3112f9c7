package reload

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gowsgi/jail"
	"gowsgi/reload/verdict"
)

func TestStatusPage(t *testing.T) {
	s, err := newStatusPage()
	if err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	if err := s.write(Status{Stage: "serving", Asked: 3, Settled: 2, Failed: "app", Cause: strings.Repeat("x", 10000)}); err != nil {
		t.Fatal(err)
	}
	f, err := openStatus(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := readStatus(f)
	if err != nil || st.Stage != "serving" || st.Asked != 3 || st.Settled != 2 || st.Failed != "app" || len(st.Cause) > maxCause+3 {
		t.Errorf("read %+v, %v", st, err)
	}
	// A page in the middle of a write is not taken for a status.
	if _, err := f.Stat(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.file.WriteAt([]byte("7"), 12); err != nil {
		t.Fatal(err)
	}
	if st, err := readStatus(f); err == nil {
		t.Errorf("a torn page is read as %+v", st)
	}
}

// TestStatusIsNeverTorn reads while another goroutine writes.
func TestStatusIsNeverTorn(t *testing.T) {
	s, err := newStatusPage()
	if err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := s.write(Status{Asked: n, Settled: n, Cause: strings.Repeat("y", int(n%900))}); err != nil {
				done <- err
				return
			}
		}
	}()
	page := make([]byte, statusSize)
	good := 0
	for end := time.Now().Add(20 * time.Second); good < 300 && time.Now().Before(end); {
		if n, _ := s.file.ReadAt(page, 0); n != statusSize {
			continue // nothing written yet
		}
		if st, err := parseStatus(page); err == nil {
			good++
			if st.Asked != st.Settled || len(st.Cause) != int(st.Asked%900) {
				t.Fatalf("torn: %d, %d, %d bytes", st.Asked, st.Settled, len(st.Cause))
			}
		}
	}
	close(stop)
	if err := <-done; err != nil || good == 0 {
		t.Errorf("%d pages read, %v", good, err)
	}
}

// TestWorkersReloadSettlesNothing: who waits for the result of a reload still finds it when a workers reload has ended since.
func TestWorkersReloadSettlesNothing(t *testing.T) {
	p := &parent{}
	p.status = &statusPage{}
	p.count(actCount{failed: "config", text: "x", ticket: 3})
	for _, event := range []string{jail.NoteRenewed, jail.NoteNotRenewed} {
		p.noted(&generation{}, jail.Message{Event: event})
		if s := p.status.settled; s.ticket != 3 || s.failed != "config" {
			t.Errorf("after %s: settled %d, %q, want 3, config", event, s.ticket, s.failed)
		}
	}
}

// TestTickets: who asks for a reload learns the result of one that read the configuration after that.
func TestTickets(t *testing.T) {
	hup := evAsked{verdict.ReloadAll}
	type step struct {
		ev      event
		settled uint64 // by the last count of the step, 0 = none
	}
	tests := map[string][]step{
		"a reload":        {{ev: hup}, {ev: evLoaded{}}, {ev: evEnded{1, exit0}}, {ev: evReady{2}, settled: 1}},
		"a broken config": {{ev: hup}, {ev: evLoaded{err: errors.New("x")}, settled: 1}},
		"one more while under way is answered by the next": {{ev: hup}, {ev: evLoaded{}}, {ev: hup}, {ev: hup}, {ev: evEnded{1, exit0}},
			{ev: evReady{2}, settled: 1}, {ev: evLoaded{}}, {ev: evEnded{2, exit0}}, {ev: evReady{3}, settled: 3}},
		"a brutal one hurries what is under way": {{ev: hup}, {ev: evLoaded{}}, {ev: evAsked{verdict.BrutalReload}}, {ev: evEnded{1, exit0}},
			{ev: evReady{2}, settled: 2}},
		"a failing overlap": {{ev: hup}, {ev: evLoaded{overlap: true}}, {ev: hup}, {ev: evFailed{2, true, "x"}, settled: 1},
			{ev: evLoaded{overlap: true}}, {ev: evReady{3}, settled: 2}},
		"a jail that fails": {{ev: hup}, {ev: evLoaded{}}, {ev: evEnded{1, exit0}}, {ev: evFailed{2, false, "x"}}, {ev: evEnded{2, exit1}, settled: 1}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			p := &plan{mercy: func() time.Duration { return time.Minute }, exitOnReload: func() bool { return false }}
			now := time.Unix(1000, 0)
			p.handle(evBoot{}, now)
			p.handle(evReady{1}, now)
			for i, s := range steps {
				var settled uint64
				for _, act := range p.handle(s.ev, now) {
					if c, ok := act.(actCount); ok {
						settled = c.ticket
					}
				}
				if settled != s.settled {
					t.Fatalf("step %d, %T: settled %d, want %d", i+1, s.ev, settled, s.settled)
				}
			}
		})
	}
}
