package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

// bare drops what print-and-reparse cannot keep: the place of a setting.
func bare(list []Entry) []Entry {
	var out []Entry
	for _, e := range list {
		out = append(out, Entry{Key: e.Key, Value: e.Value})
	}
	return out
}

func same(t *testing.T, what string, first, second []Entry) {
	t.Helper()
	if !reflect.DeepEqual(bare(first), bare(second)) {
		t.Fatalf("%s: read %+v, printed and read again %+v", what, bare(first), bare(second))
	}
}

// FuzzINI prints what was read and reads it again.
func FuzzINI(f *testing.F) {
	f.Add([]byte("[uwsgi]\na = b\n\nc\n[x]\nd=\n[uwsgi]\n = e = f\n"))
	f.Add([]byte("\xef\xbb\xbf[ UWSGI ] ; c\r\nk = \"`|v|`\" \\\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := parseINI(data, defaultSection)
		if err != nil {
			return
		}
		var b bytes.Buffer
		b.WriteString("[uwsgi]\n")
		for _, e := range first {
			fmt.Fprintf(&b, "%s = %s\n", e.Key, e.Value)
		}
		second, found, err := parseINI(b.Bytes(), defaultSection)
		if err != nil || !found {
			t.Fatalf("cannot read again what was printed: %v\n%s", err, b.Bytes())
		}
		same(t, "ini", first, second)
	})
}

// yamlQuote writes a text in YAML's double quotes.
func yamlQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(rune(c)))
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\x%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// FuzzYAML prints what was read and reads it again.
func FuzzYAML(f *testing.F) {
	f.Add([]byte("uwsgi:\n  a: b # c\n  'd''e': \"f\\tg\"\n  l:\n  - 1\n  - two\n  m: [x, \"y\"]\n  n: |\n    text\n  o: {p: q}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := parseYAML(data, defaultSection)
		if err != nil {
			return
		}
		var b bytes.Buffer
		b.WriteString("uwsgi:\n")
		for _, e := range first {
			fmt.Fprintf(&b, "  %s: %s\n", yamlQuote(e.Key), yamlQuote(e.Value))
		}
		second, _, err := parseYAML(b.Bytes(), defaultSection)
		if err != nil {
			t.Fatalf("cannot read again what was printed: %v\n%s", err, b.Bytes())
		}
		same(t, "yaml", first, second)
	})
}

// FuzzJSON prints what was read and reads it again.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"x": 1, "uwsgi": {"a": [1, "b", true, null, {"c": 2}], "d": 1e9, "d": "\u00e9\ud800"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := parseJSON(data, defaultSection)
		if err != nil {
			return
		}
		var b bytes.Buffer
		b.WriteString(`{"uwsgi": {`)
		for i, e := range first {
			key, _ := json.Marshal(e.Key)
			v, _ := json.Marshal(e.Value)
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%s: %s", key, v)
		}
		b.WriteString("}}")
		second, _, err := parseJSON(b.Bytes(), defaultSection)
		if err != nil {
			t.Fatalf("cannot read again what was printed: %v\n%s", err, b.Bytes())
		}
		same(t, "json", first, second)
	})
}

// FuzzXML prints what was read and reads it again.
func FuzzXML(f *testing.F) {
	f.Add([]byte("<r><uwsgi id='x'><a/><b>c &amp; d</b><!-- e --></uwsgi></r>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := parseXML(data, defaultSection)
		if err != nil {
			return
		}
		var b bytes.Buffer
		b.WriteString("<uwsgi>")
		for _, e := range first {
			if !isModule(e.Key) {
				return // what followed a prefix, <a:0>, need not be a name by itself
			}
			fmt.Fprintf(&b, "<%s>", e.Key)
			if err := xml.EscapeText(&b, []byte(e.Value)); err != nil {
				t.Fatal(err)
			}
			if e.Value == "" {
				b.WriteByte(' ') // an element with nothing in it is the value 1
			}
			fmt.Fprintf(&b, "</%s>", e.Key)
		}
		b.WriteString("</uwsgi>")
		second, _, err := parseXML(b.Bytes(), defaultSection)
		if err != nil {
			t.Fatalf("cannot read again what was printed: %v\n%s", err, b.Bytes())
		}
		same(t, "xml", first, second)
	})
}

// FuzzExpand expands a text over three settings; a result without anything left to expand must expand to itself.
func FuzzExpand(f *testing.F) {
	f.Add("%(a)/%(b + 1) $(E) @(file) %((2 * %(b)) ++)", "7", "%(a)%(c)")
	f.Add("%(a%(a))", "(((", ")))")
	f.Fuzz(func(t *testing.T, s, a, b string) {
		l := newLoader(Options{Env: []string{"E=env"}, ReadFile: func(string) ([]byte, error) { return []byte("text\n"), nil }})
		l.o.fill()
		for _, e := range []Entry{{Key: "a", Value: a}, {Key: "b", Value: b}, {Key: "c", Value: "3"}} {
			e.resolve = true
			l.append(e)
		}
		out, err := l.expand(s, Entry{})
		if err != nil {
			return
		}
		if len(out) > maxValue {
			t.Fatalf("%d bytes", len(out))
		}
		if strings.Contains(out, "$(") || strings.Contains(out, "@(") || strings.Contains(out, "%(") {
			return
		}
		if again, err := l.expand(out, Entry{}); err != nil || again != out {
			t.Fatalf("%q expands to %q, and that to %q, %v", s, out, again, err)
		}
	})
}

// FuzzLoad loads a whole configuration: it never panics, an error has a position on one line each, and a result survives JSON.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("[uwsgi]\nfor = a b\nif-env = E\nx = %(_)\nendif\nendfor\ninclude = a.ini\nset = y=%(x)\nprocesses = %k\n"), "--master")
	f.Add([]byte("[uwsgi]\ndeclare-option = a=b=$1;c=$2\na = 1 2\nblacklist = z\nz = 1\n"), "-Mp2 --set x=1")
	f.Fuzz(func(t *testing.T, data []byte, args string) {
		if len(data) > 1<<16 {
			return
		}
		c, err := Load(Options{Args: append(strings.Fields(args), "--ini", "a.ini"), Env: []string{"E=env"}, Dir: "/site", Hostname: "box", CPUs: 2, Start: 1,
			Glob: func(string) ([]string, error) { return []string{"/g"}, nil },
			Stat: func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist },
			ReadFile: func(string) ([]byte, error) {
				return data, nil
			}})
		if err != nil {
			all, ok := err.(Diagnostics)
			if !ok || len(all) == 0 {
				t.Fatalf("error %T %v", err, err)
			}
			for _, d := range all {
				if strings.ContainsAny(d.Error(), "\n\r\x1b") || d.Pos.File == "" {
					t.Fatalf("bad line %q", d.Error())
				}
			}
			return
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
		_ = c.Check()
	})
}
