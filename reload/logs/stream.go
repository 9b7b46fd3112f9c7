package logs

import (
	"bytes"
	"iter"
	"os"
)

// stream is a descriptor that lines are appended to.
type stream struct{ f *os.File }

func (t *stream) write(buf []byte, _ []int) error {
	_, err := t.f.Write(buf)
	return err
}

func (t *stream) reopen() (string, error) { return "", nil }
func (t *stream) rotate() (string, error) { return "", nil }
func (t *stream) close() error            { return nil }

// count is the number of lines in a record.
func count(lines []byte) uint64 { return uint64(max(bytes.Count(lines, []byte{'\n'}), 1)) }

// split gives each line without its newline.
func split(lines []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(lines) > 0 {
			line, rest, _ := bytes.Cut(lines, []byte{'\n'})
			if !yield(line) {
				return
			}
			lines = rest
		}
	}
}
