package config

import (
	"bytes"
	"fmt"
)

// injection lists the files whose text is put around that of each file read later.
type injection struct {
	before, after []string
}

// piece is a run of lines of a text that was put together, and the file that they come from.
type piece struct {
	file string // "" = the file that was asked for
	line int    // number of its first line in the whole, from 1
}

// surround puts the texts of inject-before and inject-after around that of s. Magic letters in them speak of s.
func (l *loader) surround(s *source) error {
	if l.inject.before == nil && l.inject.after == nil {
		return nil
	}
	var whole []byte
	add := func(file string, data []byte) {
		s.pieces = append(s.pieces, piece{file, 1 + bytes.Count(whole, []byte("\n"))})
		whole = append(whole, bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))...)
		if n := len(whole); n > 0 && whole[n-1] != '\n' {
			whole = append(whole, '\n') // the last line of one file is not to run into the first of the next
		}
	}
	inject := func(names []string) error {
		for _, name := range names {
			data, err := l.fetch(name)
			if err != nil {
				return err
			}
			add(name, data)
		}
		return nil
	}
	if err := inject(l.inject.before); err != nil {
		return fmt.Errorf("inject-before: %w", err)
	}
	add("", s.data)
	if err := inject(l.inject.after); err != nil {
		return fmt.Errorf("inject-after: %w", err)
	}
	s.data = whole
	return nil
}

// place turns a line of the text that was read into a line of the file that it comes from.
func (s *source) place(p Pos, shown string) Pos {
	p.File = shown
	for i := len(s.pieces) - 1; i >= 0 && p.Line > 0; i-- {
		if at := s.pieces[i]; p.Line >= at.line {
			p.Line -= at.line - 1
			if at.file != "" {
				p.File = at.file
			}
			break
		}
	}
	return p
}
