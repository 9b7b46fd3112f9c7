package inner

import (
	"bytes"
	"io"
	"time"

	"github.com/ncruces/go-strftime"
	"github.com/rs/zerolog"
)

// NewLogger writes JSON objects, one a line, or readable lines: the bare message, so that what people grep for in
// uWSGI's log stands at the start of the line. On a terminal warnings and errors are coloured.
func NewLogger(out io.Writer, json, terminal bool) zerolog.Logger {
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

// Dated puts the date before each line that is written to it.
func Dated(out io.Writer, format string, json bool) io.Writer {
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

// JSONLine makes a JSON object of a line of the app's, so that a JSON log holds nothing else.
func JSONLine(line []byte) []byte {
	var out bytes.Buffer
	log := NewLogger(&out, true, false)
	// Msg would leave an empty message out, and an empty line is what the app wrote.
	log.Info().Str("stream", "app").Str(zerolog.MessageFieldName, string(bytes.TrimSuffix(line, []byte("\r")))).Send()
	return out.Bytes()
}

// DroppedLine tells that lines were lost.
func DroppedLine(json bool) func(lines uint64) []byte {
	return func(lines uint64) []byte {
		var out bytes.Buffer
		log := NewLogger(&out, json, false)
		log.Warn().Msgf("*** %d log lines were dropped: the log was not read fast enough ***", lines)
		return out.Bytes()
	}
}
