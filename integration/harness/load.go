package harness

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Target is what one client asks.
type Target struct {
	Proto, Addr, Path string // Proto "http" or "uwsgi"
}

// Result counts what happened to the requests of all clients.
type Result struct {
	OK, Refused, Reset, Short, Timeout, Other, Status, Wrong int
	Samples                                                  []string // the first few troubles, with the time since the start
}

// Failed counts the requests that got no whole answer with status 200.
func (r Result) Failed() int {
	return r.Refused + r.Reset + r.Short + r.Timeout + r.Other + r.Status
}

func (r Result) String() string {
	return fmt.Sprintf("%d ok, %d refused, %d reset, %d short, %d timed out, %d other, %d not 200, %d wrong", r.OK, r.Refused, r.Reset, r.Short,
		r.Timeout, r.Other, r.Status, r.Wrong)
}

// Load is a set of clients that connect anew for each request, without pause.
type Load struct {
	mu    sync.Mutex
	sum   Result
	began time.Time
	stop  chan struct{}
	wg    sync.WaitGroup
}

// StartLoad starts one client for each target; right judges the body of an answer.
func StartLoad(targets []Target, right func(body string) bool) *Load {
	l := &Load{began: time.Now(), stop: make(chan struct{})}
	for _, target := range targets {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				r, err := Fetch(target.Proto, target.Addr, target.Path, 20*time.Second)
				l.count(target, r, err, right)
			}
		})
	}
	return l
}

func (l *Load) count(target Target, r *Response, err error, right func(string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ne net.Error
	switch {
	case err == nil && r.Status == 200 && right(r.Body):
		l.sum.OK++
		return
	case err == nil && r.Status == 200:
		l.sum.Wrong++
		err = fmt.Errorf("wrong body %.200q", r.Body)
	case err == nil:
		l.sum.Status++
		err = fmt.Errorf("status %d", r.Status)
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist):
		l.sum.Refused++
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		l.sum.Reset++
	case errors.Is(err, ErrShort) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		l.sum.Short++
	case errors.As(err, &ne) && ne.Timeout():
		l.sum.Timeout++
	default:
		l.sum.Other++
	}
	if len(l.sum.Samples) < 10 {
		l.sum.Samples = append(l.sum.Samples, fmt.Sprintf("%.3fs %s %s: %v", time.Since(l.began).Seconds(), target.Proto, target.Addr, err))
	}
}

// Now returns the counts so far.
func (l *Load) Now() Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sum
}

// Stop ends the clients after their running request and returns the counts.
func (l *Load) Stop() Result {
	close(l.stop)
	l.wg.Wait()
	return l.Now()
}
