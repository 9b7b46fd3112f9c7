package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// newLogger writes JSON objects, one a line, or readable lines: the bare message, so that what people grep for in
// uWSGI's log stands at the start of the line. On a terminal warnings and errors are coloured.
func newLogger(out io.Writer, json, terminal bool) zerolog.Logger {
	if json {
		return zerolog.New(out).With().Timestamp().Logger()
	}
	w := zerolog.ConsoleWriter{Out: out, NoColor: true, PartsOrder: []string{zerolog.MessageFieldName}}
	if terminal {
		w.NoColor = false
		w.PartsOrder = []string{zerolog.LevelFieldName, zerolog.MessageFieldName}
		w.FormatLevel = func(level any) string {
			switch level {
			case zerolog.LevelWarnValue:
				return "\x1b[33m!\x1b[0m"
			case zerolog.LevelErrorValue:
				return "\x1b[31m!\x1b[0m"
			}
			return ""
		}
	}
	return zerolog.New(w)
}

// isTerminal asks for the terminal attributes, as isatty(3) does.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// maxLine is the longest line of an app, in bytes, that stays in one piece in a JSON log.
const maxLine = 64 << 10

// wrapLines gives the app a pipe for its standard output and error, and makes a JSON object of each line, so that a
// JSON log holds nothing else.
func wrapLines(log zerolog.Logger) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make the log pipe: %w", err)
	}
	go func() {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 4096), maxLine)
		lines.Split(splitLines)
		for lines.Scan() {
			// Msg would leave an empty message out, and an empty line is what the app wrote.
			log.Info().Str("stream", "app").Str(zerolog.MessageFieldName, lines.Text()).Send()
		}
	}()
	return w, nil
}

// splitLines is bufio.ScanLines that cuts a line which is too long instead of giving up.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, bytes.TrimSuffix(data[:i], []byte("\r")), nil
	}
	if len(data) >= maxLine/2 || (atEOF && len(data) > 0) {
		return len(data), data, nil
	}
	return 0, nil, nil
}
