package jail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/jail/mount"
)

// OpenInRoot opens path as a process with that root directory would: "..", absolute paths and symbolic links stay below root, and magic
// links (/proc/PID/fd and the like) are refused with ELOOP (openat2(2) RESOLVE_IN_ROOT, Linux 5.6). flags are those of open(2).
func OpenInRoot(root string, path string, flags uint64) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open root %q: %w", root, err)
	}
	defer unix.Close(dir)
	fd, err := mount.Open(dir, path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q below %q: %w", path, root, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// LookupIDs finds the numbers of the user and the group in /etc/passwd and /etc/group below root ("" is the host's root). What was not asked
// for is -1, which chown(2) takes as unchanged.
func LookupIDs(root string, c Creds) (uid, gid int, err error) {
	if root == "" {
		root = "/"
	}
	i, err := lookup(root, c)
	return i.uid, i.gid, err
}

// ids is what Creds comes to inside a root.
type ids struct {
	uid, gid int    // -1: as it is
	name     string // of the user, for initgroups; "" when it has no passwd entry
	groups   []int  // supplementary
	exact    bool   // whether groups replaces what the process has
}

// id takes a number as it is. The largest one is no id: it means "unchanged" to the kernel.
func id(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < 1<<32-1
}

func lookup(root string, c Creds) (ids, error) {
	out := ids{uid: -1, gid: -1}
	if c.UID != "" {
		if err := out.lookupUser(root, c); err != nil {
			return out, err
		}
	}
	var names []string
	if c.GID != "" {
		names = append(names, c.GID)
	}
	names = append(names, c.AddGIDs...)
	member := ""
	if c.UID != "" && !c.NoInitgroups {
		member = out.name
	}
	found, memberOf, err := lookupGroups(root, names, member)
	if err != nil {
		return out, err
	}
	if c.GID != "" {
		out.gid, found = found[0], found[1:]
	}
	out.exact = c.UID != "" || c.GID != "" || len(c.AddGIDs) > 0
	if member != "" && out.gid >= 0 {
		out.groups = append(out.groups, out.gid) // as initgroups(3)
	}
	out.groups = append(append(out.groups, memberOf...), found...)
	slices.Sort(out.groups)
	out.groups = slices.Compact(out.groups)
	return out, nil
}

func (out *ids) lookupUser(root string, c Creds) error {
	number, isNumber := id(c.UID)
	match := func(f []string) bool { return len(f) >= 4 && (f[0] == c.UID || isNumber && f[2] == c.UID) }
	f, err := findEntry(root, "/etc/passwd", match)
	switch {
	case err == nil:
		uid, ok := id(f[2])
		gid, ok2 := id(f[3])
		if !ok || !ok2 {
			return fmt.Errorf("cannot use user %q: its passwd entry has no valid ids", c.UID)
		}
		out.name, out.uid = f[0], uid
		if c.GID == "" {
			out.gid = gid
		}
	case isNumber && (errors.Is(err, errNoEntry) || errors.Is(err, os.ErrNotExist)):
		out.uid = number
	default:
		return fmt.Errorf("cannot find user %q: %w", c.UID, err)
	}
	return nil
}

var errNoEntry = errors.New("no such entry")

// findEntry gives the fields of the first line that matches.
func findEntry(root, path string, match func(fields []string) bool) ([]string, error) {
	var found []string
	err := eachEntry(root, path, func(f []string) bool {
		if match(f) {
			found = f
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%w in %s", errNoEntry, path)
	}
	return found, err
}

// lookupGroups gives the number of each name, and the groups that list the member.
func lookupGroups(root string, names []string, member string) (found, memberOf []int, err error) {
	found = make([]int, len(names))
	missing := map[string]bool{}
	for i, name := range names {
		n, ok := id(name)
		found[i] = n
		if !ok {
			missing[name] = true
		}
	}
	if len(missing) == 0 && member == "" {
		return found, nil, nil
	}
	err = eachEntry(root, "/etc/group", func(f []string) bool {
		if len(f) < 4 {
			return true
		}
		gid, ok := id(f[2])
		if !ok {
			return true
		}
		if missing[f[0]] {
			delete(missing, f[0])
			for i, name := range names {
				if name == f[0] {
					found[i] = gid
				}
			}
		}
		if member != "" && slices.Contains(strings.Split(f[3], ","), member) {
			memberOf = append(memberOf, gid)
		}
		return true
	})
	if err != nil && (len(missing) > 0 || !errors.Is(err, os.ErrNotExist)) {
		return nil, nil, fmt.Errorf("cannot look up groups: %w", err)
	}
	for _, name := range names {
		if missing[name] {
			return nil, nil, fmt.Errorf("cannot find group %q: %w in /etc/group", name, errNoEntry)
		}
	}
	return found, memberOf, nil
}

// eachEntry calls each with the colon-separated fields of every line of the file below root until it answers false.
func eachEntry(root, path string, each func(fields []string) bool) error {
	f, err := OpenInRoot(root, path, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer f.Close()
	return parseEntries(f, path, each)
}

// The longest line of passwd or group taken, in bytes.
const maxEntry = 1 << 20

func parseEntries(r io.Reader, path string, each func(fields []string) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if !each(strings.Split(line, ":")) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}
