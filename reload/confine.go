package reload

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/config"
	"gowsgi/jail"
)

// setConfine adds mounts, maps, limits and control groups to the specification.
func setConfine(spec *jail.Spec, c *config.Confine) {
	spec.Root.Overlay, spec.Root.OverlaySize = c.Overlay, c.OverlaySize
	for _, m := range c.Mounts {
		spec.Root.Mounts = append(spec.Root.Mounts, jail.Mount{
			Kind: jail.MountKind(m.Kind), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Size: m.Size,
		})
	}
	for _, m := range c.UIDMap {
		spec.UIDMap = append(spec.UIDMap, jail.IDMap(m))
	}
	for _, m := range c.GIDMap {
		spec.GIDMap = append(spec.GIDMap, jail.IDMap(m))
	}
	if len(spec.UIDMap)+len(spec.GIDMap) > 0 && !slices.Contains(spec.Namespaces, jail.NSUser) {
		spec.Namespaces = append(spec.Namespaces, jail.NSUser)
	}
	if c.Veth != nil {
		spec.Veth = &jail.Veth{Name: c.Veth.Name, Address: c.Veth.Address, Gateway: c.Veth.Gateway, Second: c.Veth.Second}
		if !slices.Contains(spec.Namespaces, jail.NSNet) {
			spec.Namespaces = append(spec.Namespaces, jail.NSNet)
		}
	}
	spec.Landlock = jail.Landlock{RO: c.LandlockRO, RW: c.LandlockRW}
	for _, l := range c.Limits {
		spec.Limits = append(spec.Limits, jail.Limit(l))
	}
	for _, dir := range c.Cgroups {
		group := jail.Cgroup{Dir: dir, Mode: uint32(c.CgroupMode)}
		for _, o := range c.CgroupOpts {
			group.Options = append(group.Options, jail.CgroupOption{File: o.File, Value: o.Value})
		}
		spec.Cgroups = append(spec.Cgroups, group)
	}
}

// joinPatience is how long another's setns-socket may take to answer.
const joinPatience = 30 * time.Second

// joined asks the configured setns-socket for its namespaces. The caller closes the files.
func joined(c *config.Confine) ([]*os.File, error) {
	if c.Setns == "" {
		return nil, nil
	}
	return jail.ReceiveNamespaces(c.Setns, joinPatience)
}

// serveNamespaces answers the setns-socket for as long as the parent lives. Root and our own user may ask: whoever gets the
// namespaces can enter the jail, so the file's mode alone does not decide.
func (p *parent) serveNamespaces(l *os.File, skip []string) error {
	allowed := func(uid uint32) bool { return uid == 0 || int(uid) == p.who.euid }
	for {
		conn, err := acceptFile(l)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept on the setns socket: %w", err)
		}
		pid := int(p.shared.master.Load())
		if pid == 0 {
			err = errors.New("cannot give the namespaces: no jail stands at the moment")
		} else {
			err = jail.GiveNamespaces(conn, pid, skip, allowed)
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			p.log.Warn().Msg(err.Error())
		}
	}
}

// acceptFile waits for a connection on a listener that is an os.File.
func acceptFile(l *os.File) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var acceptErr error
	err = raw.Read(func(n uintptr) bool {
		fd, _, acceptErr = unix.Accept4(int(n), unix.SOCK_CLOEXEC)
		return !errors.Is(acceptErr, unix.EAGAIN) && !errors.Is(acceptErr, unix.EINTR)
	})
	if err != nil {
		return nil, os.ErrClosed // the only way in which waiting ends without an answer
	}
	if acceptErr != nil {
		return nil, acceptErr
	}
	return os.NewFile(uintptr(fd), "setns client"), nil
}
