package config

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// parseXML gives the settings of a <uwsgi> element: the first one, or the one whose id is want. An empty element is the value 1. Blanks
// around a value are taken off; uWSGI keeps them, and then cannot bind " :80 ".
func parseXML(data []byte, want string) (list []Entry, found bool, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		t, err := d.Token()
		if err == io.EOF {
			return list, found, nil
		}
		if err != nil {
			return nil, false, atLine(d, err)
		}
		start, ok := t.(xml.StartElement)
		if !ok || start.Name.Local != defaultSection || found || !hasID(start, want) {
			continue
		}
		found = true
		if list, err = xmlSettings(d); err != nil {
			return nil, false, atLine(d, err)
		}
	}
}

func atLine(d *xml.Decoder, err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %s", syntax.Line, syntax.Msg)
	}
	line, _ := d.InputPos()
	return fmt.Errorf("line %d: %w", line, err)
}

func hasID(e xml.StartElement, want string) bool {
	if want == defaultSection {
		return true
	}
	for _, a := range e.Attr {
		if a.Name.Local == "id" && a.Value == want {
			return true
		}
	}
	return false
}

// xmlSettings reads up to the end of the <uwsgi> element that was opened.
func xmlSettings(d *xml.Decoder) ([]Entry, error) {
	var list []Entry
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return list, nil
		case xml.StartElement:
			line, _ := d.InputPos()
			v, err := xmlText(d, t.Name.Local)
			if err != nil {
				return nil, err
			}
			list = append(list, Entry{Key: t.Name.Local, Value: v, HasValue: true, Pos: Pos{Line: line}})
		}
	}
}

func xmlText(d *xml.Decoder, name string) (string, error) {
	var b strings.Builder
	empty := true
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			empty = false
			b.Write(t)
		case xml.StartElement:
			return "", fmt.Errorf("<%s> stands in <%s>, an option", t.Name.Local, name)
		case xml.EndElement:
			if empty {
				return "1", nil
			}
			return strings.TrimSpace(b.String()), nil
		}
	}
}
