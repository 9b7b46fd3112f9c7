package config

import (
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// uwsgiVersion is what %V gives and uwsgi.version says: apps and files compare with it.
const uwsgiVersion = "2.0.21"

// magic replaces %-letters in a file's text: facts about the file, the process and the machine.
type magic struct {
	l     *loader
	file  string // as given
	path  string // absolute
	sect  string
	parts []string // elements of the path, from the root
}

func newMagic(l *loader, s *source) *magic {
	m := &magic{l: l, file: s.name, path: l.o.abs(s.name), sect: s.section}
	m.parts = strings.Split(strings.TrimPrefix(m.path, "/"), "/")
	return m
}

// strftimeOptions take a strftime(3) format, in which no letter after % means anything about the file.
var strftimeOptions = map[string]bool{"logdate": true}

// replace substitutes the letters in s. A letter that means nothing is kept and returned in odd; uWSGI deletes it together with the
// percent sign, which breaks formats of dates. %% is one percent sign, %( is left for the placeholders.
func (m *magic) replace(s, key string) (out, odd string) {
	if !strings.Contains(s, "%") {
		return s, ""
	}
	var b, unknown strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		c := s[i+1]
		i++
		if c == '%' {
			b.WriteByte('%')
			continue
		}
		v, known := "", false
		if !strftimeOptions[key] && c != '(' {
			v, known = m.letter(c)
		}
		switch {
		case known:
			b.WriteString(v)
		case c == '(' || strftimeOptions[key]:
			b.WriteString(s[i-1 : i+1])
		default:
			b.WriteString(s[i-1 : i+1])
			unknown.WriteString(string(rune(c)))
		}
	}
	return b.String(), unknown.String()
}

// letter gives the value of one letter.
func (m *magic) letter(c byte) (string, bool) {
	o := &m.l.o
	switch c {
	case 'v':
		return o.Dir, true
	case 'h':
		return o.Hostname, true
	case 't':
		return strconv.FormatInt(o.Start/1e6, 10), true
	case 'T':
		return strconv.FormatInt(o.Start, 10), true
	case 'V':
		return uwsgiVersion, true
	case 'k':
		return strconv.Itoa(o.CPUs), true
	case 'u':
		return strconv.Itoa(os.Getuid()), true
	case 'U':
		return m.l.nameOf("/etc/passwd", os.Getuid()), true
	case 'g':
		return strconv.Itoa(os.Getgid()), true
	case 'G':
		return m.l.nameOf("/etc/group", os.Getgid()), true
	case '[':
		return "\x1b", true
	case 'b':
		return o.Binary, true
	}
	if c >= '0' && c <= '9' {
		return m.part(int(c - '0')), true
	}
	// Upper case asks the same of the first file. uWSGI leaves these empty when that file is a positional word; nobody wants that.
	if strings.IndexByte("OSPDCENXIJ", c) >= 0 {
		first := &magic{l: m.l, file: m.l.firstFile, path: o.abs(m.l.firstFile), sect: m.sect}
		return first.letter(c + 'a' - 'A')
	}
	return m.fileLetter(c)
}

func (m *magic) fileLetter(c byte) (string, bool) {
	base := filepath.Base(m.path)
	dir := filepath.Dir(m.path)
	switch c {
	case 'o':
		return m.file, true
	case 's':
		return base, true
	case 'p':
		return m.path, true
	case 'd':
		return strings.TrimSuffix(dir, "/") + "/", true
	case 'c':
		return filepath.Base(dir), true
	case 'e':
		return strings.TrimPrefix(filepath.Ext(base), "."), true
	case 'n':
		return strings.TrimSuffix(base, filepath.Ext(base)), true
	case 'x':
		return m.section(), true
	case 'i':
		return m.inode(), true
	case 'j':
		return djb33x([]byte(m.path)), true
	}
	return "", false
}

// section is the name that was asked for, nothing for the default.
func (m *magic) section() string {
	if m.sect == defaultSection {
		return ""
	}
	return m.sect
}

func (m *magic) part(n int) string {
	if n < len(m.parts) {
		return m.parts[n]
	}
	return ""
}

func (m *magic) inode() string {
	fi, err := m.l.o.Stat(m.path)
	if err != nil {
		return "0"
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "0"
	}
	return strconv.FormatUint(st.Ino, 10)
}

// djb33x is Bernstein's hash in the form that xors (hash*33 ^ byte, from 5381), printed as uWSGI does: its bytes in memory, in capitals.
func djb33x(data []byte) string {
	h := uint32(5381)
	for _, c := range data {
		h = h*33 ^ uint32(c)
	}
	return fmt.Sprintf("%08X", bits.ReverseBytes32(h))
}

// nameOf finds the name of a uid in passwd(5) or a gid in group(5); the number itself stands for an unknown one.
func (l *loader) nameOf(file string, id int) string {
	want := strconv.Itoa(id)
	data, err := l.o.ReadFile(file)
	if err == nil {
		for _, line := range strings.Split(string(data), "\n") {
			if f := strings.Split(line, ":"); len(f) > 2 && f[2] == want {
				return f[0]
			}
		}
	}
	return want
}
