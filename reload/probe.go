package reload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/jail/hook"
)

// ProbeRole is the hidden first argument by which a binary is asked whether it could take over.
const ProbeRole = "@probe"

// The probe's descriptors.
const (
	probeState  = 3
	probeAnswer = 4
)

// probeOK begins the answer of one that could. Whatever else a program says, or that it says nothing, is a no.
const probeOK = "gowsgi-probe ok "

// probeRefused begins the answer of one that could not; the cause follows.
const probeRefused = "gowsgi-probe no "

const (
	probePatience = 5 * time.Second
	maxAnswer     = 4 << 10
)

// tryBinary starts the new binary as a child with a copy of the state; its answer becomes an event. The child is reaped like every other.
func (p *parent) tryBinary() error {
	state, err := p.state(nil)
	if err != nil {
		return err
	}
	memory, err := state.seal()
	if err != nil {
		return err
	}
	defer memory.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	pidfd := -1
	path := p.setup.Binary()
	_, err = hook.Fork(path, []string{os.Args[0], ProbeRole}, &syscall.ProcAttr{
		Env:   p.imageEnv(),
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), probeState: memory.Fd(), probeAnswer: w.Fd()},
		Sys:   &syscall.SysProcAttr{PidFD: &pidfd, Setpgid: true},
	})
	if err != nil {
		r.Close()
		return fmt.Errorf("cannot execute %s: %w", path, err)
	}
	p.log.Info().Msgf("Upgrade: trying %s", path)
	go func() {
		err := readAnswer(r, probePatience)
		if pidfd >= 0 {
			_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			unix.Close(pidfd)
		}
		if err != nil {
			err = fmt.Errorf("cannot use %s: %w", path, err)
		}
		p.upgrading.answers <- err
	}()
	return nil
}

// readAnswer waits for what a probe says, and closes the file.
func readAnswer(r *os.File, patience time.Duration) error {
	defer r.Close()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxAnswer))
	answer := strings.TrimSpace(string(text))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it gives no answer in %v", patience)
	case err != nil:
		return err
	case strings.HasPrefix(answer, probeRefused):
		return errors.New(printable(strings.TrimPrefix(answer, probeRefused)))
	case !strings.HasPrefix(answer, probeOK):
		return fmt.Errorf("it does not say that it can take over (%.40q)", answer)
	}
	return nil
}

// Probe is the other side, in the new binary: check is told the state and says what is wrong with it. It returns the exit code.
func Probe(version string, check func(*State) error) int {
	out := os.NewFile(probeAnswer, "answer")
	err := func() (err error) {
		defer func() {
			if fault := recover(); fault != nil {
				err = fmt.Errorf("a fault of the program: %v", fault)
			}
		}()
		data, err := readSealed(probeState)
		if err != nil {
			return err
		}
		s, err := DecodeState(data)
		if err != nil {
			return err
		}
		return check(s)
	}()
	if err != nil {
		fmt.Fprintf(out, "%s%s\n", probeRefused, strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	fmt.Fprintf(out, "%s%s\n", probeOK, version)
	return 0
}
