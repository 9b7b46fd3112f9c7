package hook

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// action is one row: how many words the argument has at least, how it is written, what checks it before anything runs, and what it does.
type action struct {
	words int
	usage string
	check func(arg string) error
	run   func(arg string, c Context) error
}

var actions = map[string]action{
	"cd":                  {1, "DIR", nil, onPath("change to", unix.Chdir)},
	"chdir":               {1, "DIR", nil, onPath("change to", unix.Chdir)},
	"mkdir":               {1, "DIR", nil, onPath("make directory", func(p string) error { return unix.Mkdir(p, 0o777) })},
	"unlink":              {1, "FILE", nil, onPath("unlink", unix.Unlink)},
	"sticky":              {1, "FILE", nil, onPath("set the sticky bit of", sticky)},
	"create":              {1, "FILE", nil, onPath("create", create)},
	"creat":               {1, "FILE", nil, onPath("create", create)},
	"putenv":              {1, "NAME=VALUE", checkAssignment, putenv},
	"chmod":               {2, "FILE MODE", checkMode, chmod},
	"chown":               {3, "FILE USER GROUP", nil, chown},
	"chown2":              {3, "FILE UID GID", checkNumbers, chown2},
	"exec":                {1, "COMMAND", nil, func(arg string, c Context) error { return c.command(arg) }},
	"safeexec":            {1, "COMMAND", nil, safeExec},
	"write":               {2, "FILE TEXT", nil, writer(unix.O_TRUNC, "")},
	"writen":              {1, "FILE TEXT", nil, writer(unix.O_TRUNC, "\n")},
	"append":              {2, "FILE TEXT", nil, writer(unix.O_APPEND, "")},
	"appendn":             {1, "FILE TEXT", nil, writer(unix.O_APPEND, "\n")},
	"writefifo":           {2, "FIFO TEXT", nil, writeFifo},
	"spinningfifo":        {2, "FIFO TEXT", nil, spinFifo},
	"mount":               {3, "FSTYPE WHAT WHERE [FLAGS [DATA]]", checkMount, doMount},
	"umount":              {1, "WHERE [FLAGS]", checkUmount, doUmount},
	"hostname":            {1, "NAME", nil, func(arg string, _ Context) error { return unix.Sethostname([]byte(arg)) }},
	"wait_for_fs":         {1, "PATH [SECONDS]", checkWait, waitFor("anything", func(os.FileMode) bool { return true })},
	"wait_for_file":       {1, "FILE [SECONDS]", checkWait, waitFor("a file", os.FileMode.IsRegular)},
	"wait_for_dir":        {1, "DIR [SECONDS]", checkWait, waitFor("a directory", os.FileMode.IsDir)},
	"wait_for_interface":  {1, "NAME [SECONDS]", checkWait, waitForInterface},
	"wait_for_mountpoint": {1, "DIR [SECONDS]", checkWait, waitForMountpoint},
	"wait_for_socket":     {1, "ADDRESS [SECONDS]", checkWaitSocket, waitForSocket},
	"alarm":               {2, "ALARM MESSAGE", nil, doAlarm},
	"exit":                {0, "[CODE]", checkExit, doExit},
	"print":               {0, "TEXT", nil, doPrint},
	"log":                 {0, "TEXT", nil, doPrint},
}

// refused are uWSGI's actions that cannot be here, each with its reason.
var refused = map[string]string{
	"call":        "it calls a C function of the uwsgi binary, and this is not that binary",
	"callret":     "it calls a C function of the uwsgi binary, and this is not that binary",
	"callint":     "it calls a C function of the uwsgi binary, and this is not that binary",
	"callintret":  "it calls a C function of the uwsgi binary, and this is not that binary",
	"unix_signal": "it installs a C function of the uwsgi binary as a signal handler, and this is not that binary",
	"rpc":         "the functions to be called are in the workers, and hooks run outside of them",
	"retryrpc":    "the functions to be called are in the workers, and hooks run outside of them",
}

func onPath(verb string, do func(string) error) func(string, Context) error {
	return func(arg string, _ Context) error {
		if err := do(arg); err != nil {
			return fmt.Errorf("cannot %s %q: %w", verb, arg, err)
		}
		return nil
	}
}

func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}

func sticky(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, st.Mode()|os.ModeSticky)
}

func checkAssignment(arg string) error {
	if name, _, ok := strings.Cut(arg, "="); !ok || name == "" {
		return fmt.Errorf("not NAME=VALUE")
	}
	return nil
}

func putenv(arg string, _ Context) error {
	name, value, _ := strings.Cut(arg, "=")
	return os.Setenv(name, value)
}

// lastWords cuts n words off the end; what is before them is a path, which may hold blanks.
func lastWords(arg string, n int) (path string, words []string) {
	for ; n > 0; n-- {
		arg = strings.TrimRight(arg, " ")
		i := strings.LastIndexByte(arg, ' ')
		words = append([]string{arg[i+1:]}, words...)
		arg = arg[:max(i, 0)]
	}
	return strings.TrimRight(arg, " "), words
}

// checkMode wants octal digits. uWSGI passes over the first of four; here all four count, so 1777 has the sticky bit.
func checkMode(arg string) error {
	_, words := lastWords(arg, 1)
	if n, err := strconv.ParseUint(words[0], 8, 32); err != nil || n > 0o7777 || len(words[0]) < 3 {
		return fmt.Errorf("%q is not three or four octal digits", words[0])
	}
	return nil
}

func chmod(arg string, _ Context) error {
	path, words := lastWords(arg, 1)
	mode, err := strconv.ParseUint(words[0], 8, 32)
	if err != nil {
		return err
	}
	if err := unix.Chmod(path, uint32(mode)); err != nil {
		return fmt.Errorf("cannot change the mode of %q: %w", path, err)
	}
	return nil
}

func chown(arg string, c Context) error {
	path, words := lastWords(arg, 2)
	uid, err := lookup("/etc/passwd", words[0])
	if err != nil {
		return err
	}
	gid, err := lookup("/etc/group", words[1])
	if err != nil {
		return err
	}
	return changeOwner(path, uid, gid)
}

func checkNumbers(arg string) error {
	_, words := lastWords(arg, 2)
	for _, w := range words {
		if _, err := strconv.ParseUint(w, 10, 31); err != nil {
			return fmt.Errorf("%q is not a number (chown takes names)", w)
		}
	}
	return nil
}

func chown2(arg string, _ Context) error {
	path, words := lastWords(arg, 2)
	uid, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	return changeOwner(path, uid, gid)
}

func changeOwner(path string, uid, gid int) error {
	if err := unix.Chown(path, uid, gid); err != nil {
		return fmt.Errorf("cannot change the owner of %q: %w", path, err)
	}
	return nil
}

// lookup finds the number of a name in passwd(5) or group(5).
func lookup(file, name string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", file, err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Split(line, ":"); len(f) > 2 && f[0] == name {
			return strconv.Atoi(f[2])
		}
	}
	return 0, fmt.Errorf("cannot find %q in %s", name, file)
}

func safeExec(arg string, c Context) error {
	err := c.command(arg)
	if errors.Is(err, ErrStopped) {
		return err
	}
	if err != nil {
		fmt.Fprintf(c.out(), "Hook safeexec:%s: %v\n", arg, err)
	}
	return nil
}

func writer(flag int, end string) func(string, Context) error {
	return func(arg string, _ Context) error {
		path, text, _ := strings.Cut(arg, " ")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o666)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(text + end); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
}

// writeFifo writes to whoever reads; that nobody does is fine.
func writeFifo(arg string, _ Context) error {
	path, text, _ := strings.Cut(arg, " ")
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// spinFifo waits until the fifo has a reader. Unlike uWSGI's it writes into nothing but a fifo.
func spinFifo(arg string, c Context) error {
	path, text, _ := strings.Cut(arg, " ")
	for {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
				return fmt.Errorf("cannot write to %q: not a fifo", path)
			}
			_, err = unix.Write(fd, []byte(text))
			return err
		}
		if !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot open %q: %w", path, err)
		}
		select {
		case <-c.Stop:
			return ErrStopped
		case <-time.After(time.Second):
		}
	}
}

func checkExit(arg string) error {
	if n, err := strconv.ParseUint(arg, 10, 8); arg != "" && (err != nil || n > 255) {
		return fmt.Errorf("%q is not an exit code", arg)
	}
	return nil
}

func doExit(arg string, _ Context) error {
	code, err := strconv.Atoi(arg)
	if err != nil {
		code = 0
	}
	return ExitError{Code: code}
}

// doPrint writes the text as it is: uWSGI takes it for a printf format.
func doPrint(arg string, c Context) error {
	if c.Print != nil {
		c.Print(arg)
		return nil
	}
	_, err := fmt.Fprintln(c.out(), arg)
	return err
}

func doAlarm(arg string, c Context) error {
	if c.Alarm == nil {
		return errors.New("alarms can only be raised once the master runs: from the phase pre-app on")
	}
	name, text, _ := strings.Cut(arg, " ")
	c.Alarm(name, strings.TrimLeft(text, " "))
	return nil
}
