package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Proc is one process as /proc/PID/stat has it (proc(5)).
type Proc struct {
	PID, PPID    int
	Name         string
	State        byte
	UTime, STime int    // clock ticks, own and not of children
	StartTime    uint64 // clock ticks after boot
}

// ReadProc returns a process, ok false when it is gone.
func ReadProc(pid int) (p Proc, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Proc{}, false
	}
	// The name is in brackets and may hold anything, brackets too.
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < 0 {
		return Proc{}, false
	}
	f := strings.Fields(string(text[end+1:]))
	if len(f) < 20 {
		return Proc{}, false
	}
	p = Proc{PID: pid, Name: string(text[open+1 : end]), State: f[0][0]}
	p.PPID, _ = strconv.Atoi(f[1])
	p.UTime, _ = strconv.Atoi(f[11])
	p.STime, _ = strconv.Atoi(f[12])
	p.StartTime, _ = strconv.ParseUint(f[19], 10, 64)
	return p, true
}

// Cmdline returns the arguments separated by spaces, or the name when there are none.
func (p Proc) Cmdline() string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if len(text) == 0 {
		return p.Name
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " ")
}

// Processes lists everything in /proc.
func Processes() []Proc {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []Proc
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if p, ok := ReadProc(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// Children lists the direct children of a process.
func Children(pid int) []Proc {
	var out []Proc
	for _, p := range Processes() {
		if p.PPID == pid {
			out = append(out, p)
		}
	}
	return out
}

// Tree lists a process and everything below it; the first element is the process itself, with zero times when it is gone.
func Tree(root int) []Proc {
	byParent := map[int][]Proc{}
	self := Proc{PID: root}
	for _, p := range Processes() {
		byParent[p.PPID] = append(byParent[p.PPID], p)
		if p.PID == root {
			self = p
		}
	}
	tree := []Proc{self}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, byParent[tree[i].PID]...)
	}
	return tree
}

// CPUTime returns the time on a processor of a process and everything below it, user and system together. It reads the nanoseconds of
// /proc/PID/task/*/schedstat, the same account as utime+stime of /proc/PID/stat without their rounding to 10 ms.
func CPUTime(root int) time.Duration {
	var sum time.Duration
	for _, p := range Tree(root) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			field, _, _ := strings.Cut(string(text), " ")
			ns, _ := strconv.ParseInt(field, 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// NamespaceInode returns the inode of a namespace of a process, "" when it is gone.
func NamespaceInode(pid int, kind string) string {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return ""
	}
	return link
}

// InPIDNamespace lists the processes of the machine whose pid namespace is the one given (as NamespaceInode writes it).
func InPIDNamespace(ns string) []Proc {
	var out []Proc
	for _, p := range Processes() {
		if NamespaceInode(p.PID, "pid") == ns {
			out = append(out, p)
		}
	}
	return out
}

// StatusField returns a line of /proc/PID/status, such as "Uid" or "NSpid", split at white space; with a thread's id, the thread's.
func StatusField(pid int, name string, thread ...string) []string {
	path := fmt.Sprintf("/proc/%d/status", pid)
	if len(thread) > 0 {
		path = fmt.Sprintf("/proc/%d/task/%s/status", pid, thread[0])
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}
