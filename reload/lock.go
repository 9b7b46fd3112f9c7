package reload

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gowsgi/config"
)

// lockFiles takes the locks of the configuration, those of before or after the asap hooks. They are the parent's for its whole life, and
// the kernel gives them back however it ends; no child has the descriptors.
func (p *parent) lockFiles(locks []config.Lock, late bool) error {
	for _, l := range locks {
		if l.Late != late {
			continue
		}
		f, err := os.Open(l.Path)
		if err != nil {
			return fmt.Errorf("%v: cannot lock %s: %w (the file must exist)", l.Pos, l.Path, err)
		}
		p.locks = append(p.locks, f)
		how := unix.LOCK_EX
		if !l.Wait {
			how |= unix.LOCK_NB
		}
		for {
			if err = unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%v: cannot lock %s: another process has it locked", l.Pos, l.Path)
		}
		if err != nil {
			return fmt.Errorf("%v: cannot lock %s: %w", l.Pos, l.Path, err)
		}
	}
	return nil
}

func lockNames(c *config.Config) string {
	var names []string
	for _, l := range c.Security.Locks {
		names = append(names, l.Path)
	}
	return strings.Join(names, " ")
}
