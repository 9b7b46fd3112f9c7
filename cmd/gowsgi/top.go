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

// runTop is `gowsgi top ADDRESS`: it shows a stats server, ours or uWSGI's, once a second until it is interrupted, or once
// with --once or when the output is no terminal.
func runTop(args []string, stdout, stderr *os.File) int {
	once := false
	addr := ""
	for _, arg := range args {
		switch {
		case arg == "--once":
			once = true
		case addr == "" && !strings.HasPrefix(arg, "-"):
			addr = arg
		default:
			fmt.Fprintf(stderr, "cannot use %q (write: gowsgi top [--once] ADDRESS, the address of stats)\n", arg)
			return verdict.Init
		}
	}
	if addr == "" {
		fmt.Fprintln(stderr, "cannot watch nothing (write: gowsgi top [--once] ADDRESS, the address of stats)")
		return verdict.Init
	}
	width, height, terminal := terminalSize(stdout)
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, unix.SIGINT, unix.SIGTERM)
	var prev *metrics.Document
	var then time.Time
	for {
		cur, err := fetchStats(addr)
		if err != nil {
			fmt.Fprintln(stderr, err)
			return verdict.Init
		}
		now := time.Now()
		lines := metrics.RenderTop(prev, cur, metrics.TopOptions{Width: width, Height: height, Elapsed: now.Sub(then)})
		if terminal && !once {
			fmt.Fprint(stdout, "\x1b[H\x1b[2J")
		}
		fmt.Fprintln(stdout, strings.Join(lines, "\n"))
		if once || !terminal {
			return verdict.OK
		}
		prev, then = cur, now
		select {
		case <-interrupt:
			return verdict.OK
		case <-time.After(time.Second):
			width, height, _ = terminalSize(stdout)
		}
	}
}

// terminalSize asks for the size of the screen; without a terminal the lines are not cut much.
func terminalSize(f *os.File) (width, height int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 200, 1000, false
	}
	return int(size.Col), int(size.Row) - 1, true
}

// fetchStats reads one document. A server that answers HTTP (stats-http) is understood too.
func fetchStats(addr string) (*metrics.Document, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "@") || !strings.Contains(addr, ":") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, addr, statsTimeout)
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
	return metrics.DecodeStats(text)
}
