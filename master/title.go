package master

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setTitle changes what ps and top show of this process: /proc/self/comm, and the arguments on the stack, whose place
// /proc/self/stat tells (proc(5), fields 48 and 49). What does not fit is cut.
func setTitle(title string) error {
	if err := os.WriteFile("/proc/self/comm", []byte(title), 0); err != nil {
		return fmt.Errorf("cannot set the process name: %w", err)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return fmt.Errorf("cannot set the process name: %w", err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the first of them is field 3
	if len(fields) < 47 {
		return nil // an older kernel
	}
	start, err1 := strconv.ParseUint(string(fields[45]), 10, 63)
	end, err2 := strconv.ParseUint(string(fields[46]), 10, 63)
	if err1 != nil || err2 != nil || start == 0 || end <= start {
		return nil // hidden from us
	}
	text := make([]byte, end-start)
	copy(text[:len(text)-1], title)
	mem, err := os.OpenFile("/proc/self/mem", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot set the process name: %w", err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt(text, int64(start)); err != nil {
		return fmt.Errorf("cannot set the process name: %w", err)
	}
	return nil
}
