package jail

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// QuietFile makes an os.File of a non-blocking descriptor and takes it over. os.NewFile would put it into the runtime's poller, so that
// parent and master would wake up for every connection that a worker accepts. Its mode cannot be changed for that moment instead, because
// the open file description is shared with workers. So the file is made over another descriptor, which is then replaced (dup3(2)).
func QuietFile(fd int, name string) (*os.File, error) {
	place, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make a place for %s: %w", name, err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(place), name)
	if err := unix.Dup3(fd, place, unix.O_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot take over %s: %w", name, err), unix.Close(fd), f.Close())
	}
	return f, unix.Close(fd)
}
