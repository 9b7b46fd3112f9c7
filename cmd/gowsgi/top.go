package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/metrics"
	"gowsgi/reload/verdict"
)

// Limits of what a stats server may do to whoever watches it.
const (
	statsTimeout = 5 * time.Second
	maxStats     = 64 << 20 // bytes of a document
)

const topUsage = "write: gowsgi top [--once] ADDRESS, the address of stats"

// topKeys are the keys that choose the order of the workers.
var topKeys = map[byte]string{'r': metrics.SortRPS, 'b': metrics.SortBusy, 'm': metrics.SortRSS, 'n': metrics.SortRequests, 'i': metrics.SortID}

const topHelp = "q quit; order by: r rps, b busy, m memory, n requests, i id"

// screen is a terminal that shows a stats server again and again. Only run's goroutine touches it.
type screen struct {
	addr    string
	in, out *os.File
	sort    string
	prev    *metrics.Document
	cur     *metrics.Document
	elapsed time.Duration // between the two
	then    time.Time     // of cur
	trouble error         // of the last try
}

// runTop is `gowsgi top ADDRESS`: it shows a stats server, ours or uWSGI's, once a second until it is told to end, or once with --once
// or when the output is no terminal.
func runTop(args []string, stdin, stdout, stderr *os.File) int {
	once := false
	addr := ""
	for _, arg := range args {
		switch {
		case arg == "--once":
			once = true
		case addr == "" && !strings.HasPrefix(arg, "-"):
			addr = arg
		default:
			fmt.Fprintf(stderr, "cannot use %q (%s)\n", arg, topUsage)
			return verdict.Init
		}
	}
	if addr == "" {
		fmt.Fprintf(stderr, "cannot watch nothing (%s)\n", topUsage)
		return verdict.Init
	}
	s := &screen{addr: addr, in: stdin, out: stdout, sort: metrics.SortRPS}
	if s.fetch(); s.trouble != nil { // an address that never answered is a wrong one
		fmt.Fprintln(stderr, s.trouble)
		return verdict.Init
	}
	width, height, terminal := terminalSize(stdout)
	if once || !terminal {
		lines := metrics.RenderTop(nil, s.cur, metrics.TopOptions{Width: width, Height: height})
		fmt.Fprintln(stdout, strings.Join(lines, "\n"))
		return verdict.OK
	}
	s.run()
	return verdict.OK
}

// run shows the figures until q, Ctrl-C or SIGTERM.
func (s *screen) run() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(ends)
	defer signal.Stop(resized)
	defer s.open()()
	keys := make(chan byte)
	done := make(chan struct{})
	defer close(done)
	go readKeys(s.in, keys, done)
	docs := make(chan struct{}, 1)
	fetched := make(chan answer, 1)
	go fetcher(s.addr, docs, fetched, done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	s.draw()
	for {
		select {
		case <-ends:
			return
		case key := <-keys:
			if key == 'q' || key == 'Q' || key == 3 {
				return
			}
			if order, ok := topKeys[key]; ok {
				s.sort = order
			}
		case <-resized:
		case <-tick.C:
			select {
			case docs <- struct{}{}: // a server that is slow to answer is not asked twice
			default:
			}
			continue
		case a := <-fetched:
			s.take(a)
		}
		s.draw()
	}
}

// answer is what came of asking the server.
type answer struct {
	doc *metrics.Document
	err error
	at  time.Time
}

// fetcher asks the server whenever it is told to; a server that hangs does not hold up the keys.
func fetcher(addr string, ask <-chan struct{}, out chan<- answer, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-ask:
		}
		doc, err := fetchStats(addr)
		select {
		case <-done:
			return
		case out <- answer{doc, err, time.Now()}:
		}
	}
}

// fetch asks the server once, at the start.
func (s *screen) fetch() {
	doc, err := fetchStats(s.addr)
	s.take(answer{doc, err, time.Now()})
}

func (s *screen) take(a answer) {
	s.trouble = a.err
	if a.err != nil {
		return // what was known stays on the screen
	}
	s.prev, s.elapsed = s.cur, a.at.Sub(s.then)
	s.cur, s.then = a.doc, a.at
}

// open turns the terminal into a screen: keys come at once and unseen, what stood there before comes back at the end.
func (s *screen) open() (restore func()) {
	fd := int(s.in.Fd())
	fmt.Fprint(s.out, "\x1b[?1049h\x1b[?25l")
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		raw := *old
		raw.Lflag &^= unix.ICANON | unix.ECHO
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, &raw)
	}
	return func() {
		if err == nil {
			_ = unix.IoctlSetTermios(fd, unix.TCSETS, old)
		}
		fmt.Fprint(s.out, "\x1b[?25h\x1b[?1049l")
	}
}

func (s *screen) draw() {
	width, height, _ := terminalSize(s.out)
	foot := topHelp
	if s.trouble != nil {
		foot = fmt.Sprintf("No answer since %s, trying again: %v", s.then.Format(time.TimeOnly), s.trouble)
	}
	lines := metrics.RenderTop(s.prev, s.cur, metrics.TopOptions{Width: width, Height: max(height-1, 1), Elapsed: s.elapsed, Sort: s.sort})
	lines = append(lines, metrics.CutLine(foot, width))
	// Drawn over line by line: a screen that is cleared first flickers.
	fmt.Fprint(s.out, "\x1b[H"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\x1b[J")
}

// readKeys hands on what is typed. Its read ends with the process.
func readKeys(in *os.File, out chan<- byte, done <-chan struct{}) {
	var buf [1]byte
	for {
		if n, err := in.Read(buf[:]); n == 0 || err != nil {
			return
		}
		select {
		case out <- buf[0]:
		case <-done:
			return
		}
	}
}

// terminalSize asks for the size of the screen; without a terminal the lines are not cut much.
func terminalSize(f *os.File) (width, height int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 200, 1000, false
	}
	return int(size.Col), int(size.Row), true
}

// networkOf tells the path or abstract name of a unix socket from host:port.
func networkOf(addr string) string {
	if strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "@") || !strings.Contains(addr, ":") {
		return "unix"
	}
	return "tcp"
}

// fetchStats reads one document. A server that answers HTTP (stats-http) is understood too.
func fetchStats(addr string) (*metrics.Document, error) {
	c, err := net.DialTimeout(networkOf(addr), addr, statsTimeout)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the stats server: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(statsTimeout)); err != nil {
		return nil, err
	}
	// A plain server does not read it, an HTTP one waits for it.
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return nil, fmt.Errorf("cannot ask the stats server: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(c, maxStats))
	if err != nil && len(text) == 0 {
		return nil, fmt.Errorf("cannot read from the stats server: %w", err)
	}
	if head, body, ok := strings.Cut(string(text), "\r\n\r\n"); ok && strings.HasPrefix(head, "HTTP/") {
		text = []byte(body)
	}
	doc, err := metrics.DecodeStats(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read the statistics of %s: %w", addr, err)
	}
	return doc, nil
}
