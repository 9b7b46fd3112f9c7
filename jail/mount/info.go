package mount

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Info is one line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
type Info struct {
	ID, Parent int
	Root       string   // what of the filesystem is mounted here
	Point      string   // where, relative to the process's root
	Options    []string // per-mount options: rw, nosuid ...
	Optional   []string // propagation: shared:N, master:N ...; none for a private mount
	FSType     string
	Source     string
}

// Has tells whether all these attributes are set on the mount.
func (i Info) Has(attr Attr) bool {
	for _, name := range attr.Names() {
		found := false
		for _, o := range i.Options {
			found = found || o == name
		}
		if !found {
			return false
		}
	}
	return true
}

// ReadInfo reads a mountinfo file to its end. The kernel's octal escapes (\040 for a space) are undone.
func ReadInfo(r io.Reader) ([]Info, error) {
	var all []Info
	lines := bufio.NewScanner(r)
	// A path may have PATH_MAX bytes, each of which the kernel may write as four.
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	for lines.Scan() {
		info, err := parseInfo(lines.Text())
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read mountinfo: %w", err)
	}
	return all, nil
}

func parseInfo(line string) (Info, error) {
	bad := func(why string) (Info, error) {
		return Info{}, fmt.Errorf("cannot parse mountinfo line %q: %s", line, why)
	}
	left, right, ok := strings.Cut(line, " - ")
	if !ok {
		return bad("no separator")
	}
	f := strings.Split(left, " ")
	after := strings.Split(right, " ")
	if len(f) < 6 || len(after) < 2 {
		return bad("too few fields")
	}
	id, err := strconv.Atoi(f[0])
	if err != nil {
		return bad("mount id is not a number")
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return bad("parent id is not a number")
	}
	return Info{
		ID: id, Parent: parent,
		Root:     unescape(f[3]),
		Point:    unescape(f[4]),
		Options:  strings.Split(f[5], ","),
		Optional: f[6:],
		FSType:   unescape(after[0]),
		Source:   unescape(after[1]),
	}, nil
}

// unescape turns \ooo (three octal digits) into the byte; anything else stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
