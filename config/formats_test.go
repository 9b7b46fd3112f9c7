package config

import (
	"strings"
	"testing"
)

// oneLineOf joins entries as "line key=value".
func oneLineOf(list []Entry) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, e.Pos.String()[1:]+" "+e.Key+"="+e.Value)
	}
	return strings.Join(parts, "|")
}

type parser func(data []byte, want string) ([]Entry, bool, error)

// TestFormats reads small texts; a want that begins with "!" is a part of the error.
func TestFormats(t *testing.T) {
	rows := []struct {
		parse parser
		text  string
		want  string
	}{
		{parseINI, "[uwsgi]\na\n\n b = c\n", "2 a=|4 b=c"},
		{parseINI, "a = 1\n[x]\nb = 2\n[uwsgi]\nc = 3", "5 c=3"},
		{parseINI, "a = 1\n[uwsgi\n", "!line 2: a section header without ]"},
		{parseINI, "[]\n", "!line 1: a section without a name"},
		{parseINI, "[uwsgi]\na = \u00a0x\u00a0\n", "2 a=\u00a0x\u00a0"},
		{parseINI, strings.Repeat("[a]\nx\n", 5000), "!too many sections"},

		{parseYAML, "uwsgi:\n  a: 1\n  b:\n    - x\n    - y\n", "2 a=1|4 b=x|5 b=y"},
		{parseYAML, "uwsgi:\n- a\n", "!line 2: a name and a colon are expected"},
		{parseYAML, "uwsgi:\n  a: [b, 'c, d', \"e # f\"] # g\n", "2 a=b|2 a=c, d|2 a=e # f"},
		{parseYAML, "uwsgi:\n  a: {b: c,\n   d: \"}\"}\n  e: 1\n", "2 b=c|2 d=}|4 e=1"},
		{parseYAML, "uwsgi:\n  a: >\n    b\n    c\n\n    d\n     e\n    f\n  g: |-\n    h\n", "2 a=b c\nd\n e\nf\n|9 g=h"},
		{parseYAML, "uwsgi:\n  a: \"b\n    c\"\n  d: 'e''f'\n", "2 a=b c|4 d=e'f"},
		{parseYAML, "uwsgi:\n  a: b\n    c # d\n  e:\n  f: ~\n", "2 a=b c|4 e=|5 f=~"},
		{parseYAML, "other:\n- 1\nuwsgi:\n  a: 1\n---\nuwsgi:\n  b: 1\n", "4 a=1"},
		{parseYAML, "uwsgi:\n  a:\n    b: 1\n    c: 2\n", "3 b=1|4 c=2"},
		{parseYAML, "uwsgi: 5\n", "!line 1: a mapping is expected below uwsgi:"},
		{parseYAML, "uwsgi:\n  a: b: c\n", "!line 2: a colon and a blank"},
		{parseYAML, "uwsgi:\n  a: *b\n", "!line 2: a value cannot begin with '*'"},
		{parseYAML, "uwsgi:\n  a: 1\n   b: 2\n", "!line 3: a colon and a blank in a value"},
		{parseYAML, "uwsgi:\n    a: 1\n  b: 2\n", "!line 3: the indentation differs from line 2"},
		{parseYAML, "uwsgi:\n  \ta: 1\n", "!line 2: a tab in the indentation"},
		{parseYAML, "uwsgi:\n  a: \"b\n", "!line 2: a quote is not closed"},
		{parseYAML, "uwsgi:\n  a: [b\n", "!line 2: '[' is not closed"},
		{parseYAML, "uwsgi:\n  a: [b] c\n", "!line 2: text after a closing bracket"},
		{parseYAML, "uwsgi:\n  a: \"b\" c\n", "!line 2: text after a quoted value"},
		{parseYAML, "uwsgi:\n  a: - b\n", "!line 2: a sequence cannot begin here"},
		{parseYAML, "uwsgi:\n  a:\n  - - b\n", "!line 3: only scalars can stand in a sequence"},
		{parseYAML, "uwsgi:\n  a: [[b], c]\n", "!line 2: text after a closing bracket"},
		{parseYAML, "uwsgi:\n  a: [b, {c]\n", "!line 2: only scalars can stand in brackets"},
		{parseYAML, "uwsgi:\n  a: \"\\q\"\n", "!line 2: unknown escape"},
		{parseYAML, "uwsgi:\n  a: |2\n    b\n", "!line 2: \"|2\" is not supported"},
		{parseYAML, "uwsgi:\n  just words\n", "!line 2: a name and a colon are expected"},
		{parseYAML, "  uwsgi:\n", "!line 1: the first names of the file must not be indented"},

		{parseJSON, "{\n\"uwsgi\": {\"a\": 1,\n \"b\": [true, \"x\"]}}", "2 a=1|3 b=1|3 b=x"},
		{parseJSON, "{\"uwsgi\": {\"a\": {\"b\": 1}, \"c\": null}}", "1 c=0"},
		{parseJSON, "{\"uwsgi\":\n [1]}", "!line 2: an object is expected"},
		{parseJSON, "{\"uwsgi\": {\"a\": 1}} x", "!text after the object"},
		{parseJSON, "{\"uwsgi\": {\"a\": ", "!unexpected EOF"},
		{parseJSON, "", "!unexpected EOF"},

		{parseXML, "<uwsgi>\n<a/>\n<b> c </b></uwsgi>", "2 a=1|3 b=c"},
		{parseXML, "<r><uwsgi id='x'><a/></uwsgi><uwsgi><b/></uwsgi></r>", "1 a=1"},
		{parseXML, "<uwsgi>\n<a><b/></a></uwsgi>", "!line 2: <b> stands in <a>, an option"},
		{parseXML, "<uwsgi>\n<a></uwsgi>", "!line 2: element <a> closed by </uwsgi>"},
		{parseXML, "<uwsgi>\n", "!unexpected EOF"},
	}
	for _, r := range rows {
		list, _, err := r.parse([]byte(r.text), defaultSection)
		if text, isErr := strings.CutPrefix(r.want, "!"); isErr {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%q: error %v, want %q", r.text, err, text)
			}
		} else if err != nil {
			t.Errorf("%q: %v", r.text, err)
		} else if got := oneLineOf(list); got != r.want {
			t.Errorf("%q:\ngot  %q\nwant %q", r.text, got, r.want)
		}
	}
}

// TestMagicOfTheMachine holds the letters whose values differ from run to run.
func TestMagicOfTheMachine(t *testing.T) {
	files := map[string]string{"/etc/passwd": "root:x:0:0::/:/bin/sh\n", "/etc/group": "wheel:x:0:\n",
		"/site/a.ini": "[uwsgi]\nt = %t %T\nb = %b\nv = %v\ng = %g\npart = %0 %1 %9.\ni = %i\ntail = %\nlogdate = %Y-%d\n"}
	c := mustLoad(t, files, "--ini", "a.ini", "--ignore-unsupported")
	want := "t = 1000000 1000000000000\nb = /bin/gowsgi\nv = /site\n"
	if !strings.Contains(c.Show(), want) || !strings.Contains(c.Show(), "part = site a.ini .\ni = 0\ntail = %\nlogdate = %Y-%d\n") {
		t.Errorf("got\n%s", c.Show())
	}
}
