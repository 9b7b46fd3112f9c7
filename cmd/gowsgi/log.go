package main

import (
	"os"

	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// isTerminal asks for the terminal attributes, as isatty(3) does.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// direct tells whether the processes of the jail may write to the log by themselves: it is a file or a terminal, which take
// every line whole and at once, and nothing is to be done with the lines.
func direct(f *os.File, c *config.Log) bool {
	files := &c.Files
	if c.JSON || c.Sort.Treats() || files.Master || files.Reopen || files.MaxSize > 0 || len(files.TouchRotate)+len(files.TouchReopen) > 0 ||
		files.To2 != "" || c.Daemon.Late {
		return false
	}
	st, err := f.Stat()
	if err != nil {
		return false
	}
	mode := st.Mode()
	return mode.IsRegular() || mode&os.ModeCharDevice != 0
}
