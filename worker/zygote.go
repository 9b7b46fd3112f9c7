package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"gowsgi/serving"
	"gowsgi/worker/python"
)

// Descriptor numbers in the zygote. 0 is /dev/null, 1 and 2 are the log.
const (
	channelFD       = 3
	boardFD         = 4
	bootFD          = 5
	lifelineFD      = 6
	firstListenerFD = 7
	logChannelFD    = 7 // when there is one; the listeners come after it, and the log pipes after those
)

// interpreterPath is where an interpreter is looked for when none is named: the jail's own directories, never the
// caller's PATH, which speaks of another root.
var interpreterPath = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// Interpreter finds the Python of the jail, seen from inside it: the one named, else home's own (a virtualenv's
// bin/python3 or bin/python), else the first python3 of /usr/local/bin:/usr/bin:/bin.
func Interpreter(named, home string) (string, error) {
	var candidates []string
	switch {
	case named != "":
		candidates = []string{named}
	case home != "":
		candidates = []string{filepath.Join(home, "bin/python3"), filepath.Join(home, "bin/python")}
	default:
		for _, dir := range interpreterPath {
			candidates = append(candidates, filepath.Join(dir, "python3"))
		}
	}
	for _, path := range candidates {
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	hint := "install python3 there, or name one with python = PATH"
	if home != "" {
		hint = "is the virtualenv inside the root that the app sees?"
	}
	return "", fmt.Errorf("cannot find a Python interpreter: none of %q is executable in the jail (%s)", candidates, hint)
}

// ZygoteFiles are the master's ends that the zygote inherits.
type ZygoteFiles struct {
	Channel   *os.File // SOCK_SEQPACKET, the zygote's end
	Board     *os.File
	Lifeline  *os.File // read end
	Listeners []*os.File
	Stdin     *os.File
	Log       *os.File   // becomes 1 and 2
	LogLines  *os.File   // packet socket for the runtime's own lines and request lines, nil: as Log
	Pipes     []*os.File // 1 and 2 of each worker, mule and spooler, nil: as Log
	Queues    Queues
}

// Zygote is everything that an exec of the Python zygote needs, in the form of syscall.ForkExec.
type Zygote struct {
	Path  string
	Argv  []string
	Files []uintptr
	boot  *os.File
}

// NewZygote fills in the descriptor numbers of conf, seals the boot document into a memfd and lays out the descriptors.
// conf.Sockets must be in the order of files.Listeners. Close the result after the exec.
func NewZygote(path string, conf Conf, files ZygoteFiles) (*Zygote, error) {
	if len(conf.Sockets) != len(files.Listeners) {
		return nil, fmt.Errorf("cannot start the Python zygote: %d sockets are configured, %d were handed over", len(conf.Sockets), len(files.Listeners))
	}
	conf.Fds = Fds{Channel: channelFD, Board: boardFD, Lifeline: lifelineFD}
	conf.Sockets = append([]Listener(nil), conf.Sockets...)
	conf.LogFD = 2
	first := firstListenerFD
	if files.LogLines != nil {
		conf.LogFD, conf.LogChannel, first = logChannelFD, true, logChannelFD+1
	}
	for i := range conf.Sockets {
		conf.Sockets[i].FD = first + i
	}
	conf.LogPipes = nil
	for i := range files.Pipes {
		conf.LogPipes = append(conf.LogPipes, first+len(conf.Sockets)+i)
	}
	var queues []uintptr
	conf.Helpers.FDs, queues = files.Queues.layout(first + len(conf.Sockets) + len(files.Pipes))
	document, err := BootDocument(conf)
	if err != nil {
		return nil, err
	}
	boot, err := sealedFile("gowsgi-boot", python.Program(document))
	if err != nil {
		return nil, err
	}
	fds := []uintptr{files.Stdin.Fd(), files.Log.Fd(), files.Log.Fd(), files.Channel.Fd(), files.Board.Fd(), boot.Fd(), files.Lifeline.Fd()}
	if files.LogLines != nil {
		fds = append(fds, files.LogLines.Fd())
	}
	for _, f := range append(slices.Clone(files.Listeners), files.Pipes...) {
		fds = append(fds, f.Fd())
	}
	fds = append(fds, queues...)
	return &Zygote{Path: path, Argv: argv(path, &conf.Apps), Files: fds, boot: boot}, nil
}

// argv starts the interpreter with the options that only its command line has.
func argv(path string, apps *serving.Apps) []string {
	words := []string{path}
	for range apps.Optimize {
		words = append(words, "-O")
	}
	if apps.NoSite {
		words = append(words, "-S")
	}
	return append(words, "-c", python.Bootstrap)
}

// Close drops the master's own reference to the boot document.
func (z *Zygote) Close() error { return z.boot.Close() }

// BootDocument renders what the runtime is told: JSON that is a Python expression as well, given the names true, false
// and null (encoding/json escapes nothing that Python reads otherwise).
func BootDocument(conf Conf) ([]byte, error) {
	text, err := json.Marshal(struct {
		Modules map[string]string `json:"modules"`
		Conf    Conf              `json:"conf"`
	}{python.Modules(), conf})
	if err != nil {
		return nil, fmt.Errorf("cannot render the boot document: %w", err)
	}
	return text, nil
}

// sealedFile puts data into a memfd that nobody can change any more (memfd_create(2), F_ADD_SEALS in fcntl(2)).
func sealedFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot create a memfd for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot fill the memfd %s: %w", name, err), f.Close())
	}
	return f, nil
}
