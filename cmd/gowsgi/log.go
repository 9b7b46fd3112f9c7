package main

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/ncruces/go-strftime"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"gowsgi/config"
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

// dated puts the date before each line that is written to it.
func dated(out io.Writer, format string, json bool) io.Writer {
	if format == "" || json {
		return out
	}
	return writer(func(line []byte) (int, error) {
		whole := append([]byte(strftime.Format(format, time.Now())+" - "), line...)
		if _, err := out.Write(whole); err != nil {
			return 0, err
		}
		return len(line), nil
	})
}

type writer func(line []byte) (int, error)

func (w writer) Write(line []byte) (int, error) { return w(line) }

// isTerminal asks for the terminal attributes, as isatty(3) does.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// direct tells whether the processes of the jail may write to the log by themselves: it is a file or a terminal, which take
// every line whole and at once, and nothing is to be done with the lines.
func direct(f *os.File, c *config.Log) bool {
	files := &c.Files
	if c.JSON || c.Sort.Treats() || files.Master || files.Reopen || files.MaxSize > 0 || len(files.TouchRotate)+len(files.TouchReopen) > 0 ||
		files.To2 != "" || c.Daemon.Late {
		return false
	}
	st, err := f.Stat()
	if err != nil {
		return false
	}
	mode := st.Mode()
	return mode.IsRegular() || mode&os.ModeCharDevice != 0
}

// jsonLine makes a JSON object of a line of the app's, so that a JSON log holds nothing else.
func jsonLine(line []byte) []byte {
	var out bytes.Buffer
	log := newLogger(&out, true, false)
	// Msg would leave an empty message out, and an empty line is what the app wrote.
	log.Info().Str("stream", "app").Str(zerolog.MessageFieldName, string(bytes.TrimSuffix(line, []byte("\r")))).Send()
	return out.Bytes()
}

// droppedLine tells that lines were lost.
func droppedLine(json bool) func(lines uint64) []byte {
	return func(lines uint64) []byte {
		var out bytes.Buffer
		log := newLogger(&out, json, false)
		log.Warn().Msgf("*** %d log lines were dropped: the log was not read fast enough ***", lines)
		return out.Bytes()
	}
}
