package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// parseJSON gives the settings of the object named want: strings and numbers as text, true as 1, false and null as 0, an array as a
// repeated key. Objects in it are ignored, and so is what is not a scalar in an array, as in uWSGI.
func parseJSON(data []byte, want string) ([]Entry, bool, error) {
	p := &jsonParser{dec: json.NewDecoder(bytes.NewReader(data)), data: data}
	p.dec.UseNumber()
	found := false
	err := p.object(func(key string) error {
		if key != want {
			return p.skip()
		}
		found = true
		return p.object(p.setting)
	})
	if err == nil {
		if _, extra := p.dec.Token(); extra != io.EOF {
			err = errors.New("text after the object")
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("line %d: %w", p.line(), err)
	}
	return p.list, found, nil
}

type jsonParser struct {
	dec  *json.Decoder
	data []byte
	list []Entry

	counted int // bytes of data whose newlines are in lines
	lines   int
}

// line is the line that was read last.
func (p *jsonParser) line() int {
	at := min(int(p.dec.InputOffset()), len(p.data))
	p.lines += bytes.Count(p.data[p.counted:at], []byte("\n"))
	p.counted = at
	return p.lines + 1
}

// object reads an object and hands over each key; the callback reads the value.
func (p *jsonParser) object(each func(key string) error) error {
	t, err := p.dec.Token()
	if err != nil {
		return endOfText(err)
	}
	if t != json.Delim('{') {
		return errors.New("an object is expected")
	}
	for p.dec.More() {
		t, err := p.dec.Token()
		if err != nil {
			return endOfText(err)
		}
		key, ok := t.(string)
		if !ok {
			return errors.New("a key is expected")
		}
		if err := each(key); err != nil {
			return err
		}
	}
	_, err = p.dec.Token()
	return endOfText(err)
}

func endOfText(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (p *jsonParser) skip() error {
	var ignored json.RawMessage
	return endOfText(p.dec.Decode(&ignored))
}

// setting reads the value of one key of the section.
func (p *jsonParser) setting(key string) error {
	var raw json.RawMessage
	if err := p.dec.Decode(&raw); err != nil {
		return endOfText(err)
	}
	line := p.line()
	var v any
	if err := decodeNumbers(raw, &v); err != nil {
		return err
	}
	items, isArray := v.([]any)
	if !isArray {
		items = []any{v}
	}
	for _, item := range items {
		if s, ok := scalarText(item); ok {
			p.list = append(p.list, Entry{Key: key, Value: s, HasValue: true, Pos: Pos{Line: line}})
		}
	}
	return nil
}

func decodeNumbers(raw []byte, v *any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case nil:
		return "0", true
	}
	return "", false
}
