package python_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// driver is one long-lived Python process that runs the parsers (testdata/fuzz_driver.py).
type driver struct {
	t   *testing.F
	in  io.WriteCloser
	out io.Reader
}

func startDriver(f *testing.F) *driver {
	cmd := exec.Command(interpreter(f), "testdata/fuzz_driver.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			f.Errorf("the driver: %v\n%s", err, &errors)
		}
	})
	return &driver{f, in, out}
}

// ask runs one parser; it returns whether the input was accepted, and the strings it was read as.
func (d *driver) ask(t *testing.T, kind byte, data []byte) (ok bool, values []string, raw string) {
	t.Helper()
	frame := binary.LittleEndian.AppendUint32(nil, uint32(len(data)+1))
	frame = append(append(frame, kind), data...)
	if _, err := d.in.Write(frame); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(d.out, size[:]); err != nil {
		t.Fatal(err)
	}
	result := make([]byte, binary.LittleEndian.Uint32(size[:]))
	if _, err := io.ReadFull(d.out, result); err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(result, []byte("raised")) {
		t.Fatalf("input %q: the parser %s", data, result)
	}
	rest, ok := bytes.CutPrefix(result, []byte("ok"))
	for ok && len(rest) > 0 {
		n := binary.LittleEndian.Uint32(rest)
		values = append(values, string(rest[4:4+n]))
		rest = rest[4+n:]
	}
	return ok, values, string(result)
}

// flat is a map as the driver writes it: names and values, sorted by name.
func flat(vars map[string]string) []string {
	var names, out []string
	for name := range vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		out = append(out, name, vars[name])
	}
	return out
}

func equal(a, b []string) bool {
	return len(a) == len(b) && strings.Join(a, "\x00\x00") == strings.Join(b, "\x00\x00")
}

// referencePacket reads the variables of a uwsgi packet the plain way.
func referencePacket(data []byte) (map[string]string, bool) {
	size := int(binary.LittleEndian.Uint16(data[1:]))
	rest := data[4 : 4+size]
	vars := map[string]string{}
	take := func() (string, bool) {
		if len(rest) < 2 {
			return "", false
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < n {
			return "", false
		}
		s := string(rest[:n])
		rest = rest[n:]
		return s, true
	}
	for len(rest) > 0 {
		name, ok := take()
		if !ok || name == "" {
			return nil, false
		}
		value, ok := take()
		if !ok {
			return nil, false
		}
		vars[name] = value
	}
	delete(vars, "HTTP_CONTENT_LENGTH")
	delete(vars, "HTTP_CONTENT_TYPE")
	return vars, true
}

// FuzzPacket compares the packet parser with the reference, on packets that have come whole, with anything behind them.
func FuzzPacket(f *testing.F) {
	d := startDriver(f)
	f.Add(get("/"))
	f.Add(append(get("/a?b=c", "HTTP_COOKIE", "caf\xe9"), "body"...))
	f.Add(packet(0, "", "x"))
	f.Add(append(packet(0, "A", "b"), 0, 0, 0, 0, 9, 9))
	f.Add([]byte{0, 5, 0, 0, 1, 0, 65, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0, 1, 0, 0, 65})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 5 {
			return
		}
		size := int(binary.LittleEndian.Uint16(data[1:]))
		if size == 0 || size > 4096 || len(data) < 4+size {
			return // the caller waits for the rest, or refuses it before it is parsed
		}
		want, accept := referencePacket(data)
		ok, got, raw := d.ask(t, 'p', data)
		delete(want, "wsgi.url_scheme")
		for i := 0; i < len(got); i += 2 {
			if got[i] == "wsgi.url_scheme" { // follows from HTTPS and its kin; not read from the packet
				got = append(got[:i:i], got[i+2:]...)
				break
			}
		}
		if ok != accept || ok && !equal(got, flat(want)) {
			t.Errorf("packet %q: got %q, want %v %q", data, raw, accept, flat(want))
		}
	})
}

const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func isToken(s string) bool { return s != "" && strings.Trim(s, token) == "" }

// referenceHead reads a request head by RFC 9112, accepting nothing that is not exactly right. It returns the length of
// the body ("-1" for chunked) and the header variables.
func referenceHead(text string) (length string, vars map[string]string, ok bool) {
	if strings.Contains(text, "\x00") {
		return "", nil, false
	}
	lines := strings.Split(text, "\r\n")
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			return "", nil, false
		}
	}
	for len(lines) > 1 && lines[0] == "" {
		lines = lines[1:]
	}
	words := strings.Split(lines[0], " ")
	if len(words) != 3 || !isToken(words[0]) || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" {
		return "", nil, false
	}
	vars = map[string]string{}
	seen := map[string]int{}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) {
			return "", nil, false
		}
		if strings.Contains(name, "_") {
			continue
		}
		key := strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		value = strings.Trim(value, " \t")
		if seen[key]++; seen[key] > 1 {
			switch key {
			case "CONTENT_LENGTH", "HOST", "CONTENT_TYPE", "TRANSFER_ENCODING":
				return "", nil, false
			case "COOKIE":
				value = vars[key] + "; " + value
			default:
				value = vars[key] + ", " + value
			}
		}
		vars[key] = value
	}
	length, ok = referenceLength(words[2], vars)
	if expect, has := vars["EXPECT"]; has && strings.ToLower(expect) != "100-continue" {
		ok = false
	}
	if _, host := vars["HOST"]; !host && words[2] == "HTTP/1.1" && strings.HasPrefix(words[1], "/") {
		ok = false
	}
	return length, vars, ok
}

func referenceLength(version string, vars map[string]string) (string, bool) {
	digits, has := vars["CONTENT_LENGTH"]
	if coding, chunked := vars["TRANSFER_ENCODING"]; chunked {
		return "-1", !has && version == "HTTP/1.1" && strings.EqualFold(coding, "chunked")
	}
	if !has {
		return "0", true
	}
	n, err := strconv.ParseUint(digits, 10, 60)
	if err != nil || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return strconv.FormatUint(n, 10), true
}

// FuzzHead compares what is accepted, and how long the body is, with the reference: a request that two parsers read
// differently is how requests are smuggled.
func FuzzHead(f *testing.F) {
	d := startDriver(f)
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x", "\r\nGET /a?b HTTP/1.0", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", "GET / HTTP/1.1\r\nHost: x\r\nCookie: a\r\nCookie: b\r\nX_y: z\r\nX-Y: z\r\nX-y: z",
		"GET / HTTP/1.1\r\nHost : x", "GET / HTTP/1.1\r\nHost: x\r\n folded", "GET http://h/p HTTP/1.1", "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue", "GET / HTTP/1.1\nHost: x",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2", "GET /%zz/../%41 HTTP/1.1\r\nHost: x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		length, vars, accept := referenceHead(text)
		ok, got, raw := d.ask(t, 'h', []byte(text))
		if ok && !accept {
			t.Fatalf("%q was read as %q, the reference refuses it", text, got)
		}
		if !ok {
			// The target is not the reference's matter: with an ordinary one, what it accepts must be accepted.
			words := strings.Split(strings.TrimLeft(text, "\r\n"), " ")
			if accept && words[1] == "/" {
				t.Fatalf("%q was %s, the reference accepts it", text, raw)
			}
			return
		}
		if got[0] != length {
			t.Errorf("%q: a body of %s bytes, want %s", text, got[0], length)
		}
		read := map[string]string{}
		for i := 2; i < len(got); i += 2 {
			read[got[i]] = got[i+1]
		}
		for name, value := range vars {
			key := "HTTP_" + name
			if name == "CONTENT_TYPE" || name == "CONTENT_LENGTH" {
				key = name
			}
			if have, has := read[key]; (!has || have != value) && (name != "HOST" || strings.HasPrefix(read["REQUEST_URI"], "/")) {
				t.Errorf("%q: %s is %q, want %q", text, key, have, value)
			}
		}
		if !strings.HasPrefix(read["PATH_INFO"], "/") && read["PATH_INFO"] != "" {
			t.Errorf("%q: PATH_INFO %q", text, read["PATH_INFO"])
		}
	})
}

// referenceChunks decodes a chunked body strictly; rest is what follows it.
func referenceChunks(data string) (body, rest string, ok bool) {
	for {
		line, after, found := strings.Cut(data, "\r\n")
		digits, _, _ := strings.Cut(line, ";")
		digits = strings.TrimRight(digits, " \t")
		if !found || strings.ContainsAny(line, "\r\n") || digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
			return "", "", false
		}
		size, err := strconv.ParseUint(digits, 16, 62)
		if err != nil {
			return "", "", false
		}
		data = after
		if size == 0 {
			break
		}
		if uint64(len(data)) < size+2 || data[size:size+2] != "\r\n" {
			return "", "", false
		}
		body += data[:size]
		data = data[size+2:]
	}
	for {
		line, after, found := strings.Cut(data, "\r\n")
		if !found || strings.ContainsAny(line, "\r\n") {
			return "", "", false
		}
		if data = after; line == "" {
			return body, data, true
		}
	}
}

// FuzzChunks compares the chunk decoder with the reference, with the bytes coming in pieces of any size.
func FuzzChunks(f *testing.F) {
	d := startDriver(f)
	for _, seed := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1", "0\r\n\r\n", "A \r\n0123456789\r\n00\r\n\r\n",
		"5\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "-1\r\n\r\n", "1;\r=\r\na\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "5\r\nhel",
	} {
		for _, step := range []byte{0, 1, 6, 255} {
			f.Add(step, seed)
		}
	}
	f.Fuzz(func(t *testing.T, step byte, data string) {
		if len(data) > 3000 {
			return // beyond are the limits on lines and trailers, which the reference does not have
		}
		body, rest, accept := referenceChunks(data)
		ok, got, raw := d.ask(t, 'c', append([]byte{step}, data...))
		if ok != accept || ok && (got[0] != body || got[1] != rest) {
			t.Errorf("%q in pieces of %d: got %q, want %v %q and %q left", data, int(step)+1, raw, accept, body, rest)
		}
	})
}
