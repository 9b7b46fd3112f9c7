package logs

import "bytes"

// maxLine is the longest line that stays in one piece, in bytes.
const maxLine = 256 << 10

// assembler makes whole lines of what one writer writes.
type assembler struct {
	held []byte // the beginning of a line
}

// take hands out the whole lines in what was held and data, each with its newline, in one piece. out must not keep it.
func (a *assembler) take(data []byte, out func(lines []byte)) {
	last := bytes.LastIndexByte(data, '\n')
	if last < 0 {
		a.hold(data, out)
		return
	}
	if len(a.held) > 0 {
		first := bytes.IndexByte(data, '\n')
		a.held = append(a.held, data[:first+1]...)
		out(a.held)
		a.held = a.held[:0]
		data, last = data[first+1:], last-first-1
	}
	if last >= 0 {
		out(data[:last+1])
	}
	a.hold(data[last+1:], out)
}

// hold keeps the beginning of a line; one that is too long is cut.
func (a *assembler) hold(data []byte, out func([]byte)) {
	for len(a.held)+len(data) >= maxLine {
		n := maxLine - len(a.held)
		a.held = append(a.held, data[:n]...)
		data = data[n:]
		a.flush(out)
	}
	a.held = append(a.held, data...)
}

// flush hands out the beginning of a line as a line.
func (a *assembler) flush(out func([]byte)) {
	if len(a.held) == 0 {
		return
	}
	out(append(a.held, '\n'))
	a.held = a.held[:0]
	if cap(a.held) > 16<<10 {
		a.held = nil
	}
}
