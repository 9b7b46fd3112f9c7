package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

// encoder changes a line, which has no newline at its end unless an encoder put one there.
type encoder struct {
	use    string // name of the loggers that it is for, "" = all
	change func(line []byte, now time.Time) []byte
}

// parseEncoder reads NAME[:LOGGER][ ARGUMENT].
func parseEncoder(text string) (encoder, error) {
	word, arg, _ := strings.Cut(text, " ")
	name, use, _ := strings.Cut(word, ":")
	e := encoder{use: use}
	switch name {
	case "prefix":
		e.change = func(line []byte, _ time.Time) []byte { return append([]byte(arg), line...) }
	case "suffix":
		e.change = func(line []byte, _ time.Time) []byte { return append(line, arg...) }
	case "nl":
		e.change = func(line []byte, _ time.Time) []byte { return append(line, '\n') }
	case "format", "json":
		e.change = template(arg, name == "json")
	default:
		return e, fmt.Errorf("cannot use log encoder %q: there is no such encoder", name)
	}
	return e, nil
}

// template compiles text with ${msg}, ${msgnl}, ${unix}, ${micros} and ${strftime:FORMAT}. In JSON the message is escaped.
func template(text string, inJSON bool) func([]byte, time.Time) []byte {
	type part func(out *bytes.Buffer, line []byte, now time.Time)
	var parts []part
	literal := func(s string) {
		if s != "" {
			parts = append(parts, func(out *bytes.Buffer, _ []byte, _ time.Time) { out.WriteString(s) })
		}
	}
	message := func(out *bytes.Buffer, line []byte) {
		if inJSON {
			line = escape(line)
		}
		out.Write(line)
	}
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			literal(text)
			break
		}
		literal(before)
		text = after
		format, isTime := strings.CutPrefix(name, "strftime:")
		switch {
		case name == "msg":
			parts = append(parts, func(out *bytes.Buffer, line []byte, _ time.Time) { message(out, line) })
		case name == "msgnl":
			parts = append(parts, func(out *bytes.Buffer, line []byte, _ time.Time) {
				message(out, line)
				out.WriteByte('\n')
			})
		case name == "unix":
			parts = append(parts, func(out *bytes.Buffer, _ []byte, now time.Time) { out.WriteString(strconv.FormatInt(now.Unix(), 10)) })
		case name == "micros":
			parts = append(parts, func(out *bytes.Buffer, _ []byte, now time.Time) {
				out.WriteString(strconv.FormatInt(now.UnixMicro(), 10))
			})
		case isTime:
			parts = append(parts, func(out *bytes.Buffer, _ []byte, now time.Time) { out.WriteString(strftime.Format(format, now)) })
		}
	}
	return func(line []byte, now time.Time) []byte {
		var out bytes.Buffer
		for _, p := range parts {
			p(&out, line, now)
		}
		return out.Bytes()
	}
}

// escape makes a line what may stand between the quotes of a JSON string.
func escape(line []byte) []byte {
	text, err := json.Marshal(string(line))
	if err != nil {
		return nil
	}
	return text[1 : len(text)-1]
}
