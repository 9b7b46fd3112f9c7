package jail

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Two jails stand side by side in a reload with an overlap. The pair of the second one gets another name, because the first one has it, and takes
// the name when it is free. Both host's ends have the gateway's address: a route to each jail's own address leads to its own end. With one
// address for both the kernel takes the older route, so that the jail that serves keeps its network and the next one has none until then.

// linkName is what the host's end is called now. Rules for NAME+ of a packet filter match both names when NAME is not too long.
func (v *Veth) linkName() string {
	if !v.Temporary {
		return v.Name
	}
	const suffix = "-n"
	return v.Name[:min(len(v.Name), unix.IFNAMSIZ-1-len(suffix))] + suffix
}

// beside is the pair for a jail that has to live beside these processes: with a name that none of them has, and the address too if there are two.
func (v *Veth) beside(others []*Process) *Veth {
	if v == nil {
		return nil
	}
	own := *v
	for _, o := range others {
		there := o.Spec.Veth
		if o.link == 0 || there == nil {
			continue
		}
		own.Temporary = own.Temporary || there.linkName() == v.Name
		if used, err := netip.ParsePrefix(there.Address); err == nil && own.Second != "" && own.hasAddress(used.Addr()) {
			own = own.swapped()
		}
	}
	return &own
}

func (v *Veth) hasAddress(a netip.Addr) bool {
	inside, _, err := v.parse()
	return err == nil && inside.Addr() == a
}

// swapped exchanges the two addresses.
func (v Veth) swapped() Veth {
	if inside, _, err := v.parse(); err == nil {
		second, _ := netip.ParseAddr(v.Second) // parse has looked at it
		v.Address, v.Second = netip.PrefixFrom(second, inside.Bits()).String(), inside.Addr().String()
	}
	return v
}

// TakeName gives the host's end its name once none of the other processes has it.
func (p *Process) TakeName(others []*Process) error {
	v := p.Spec.Veth
	if p.link == 0 || v == nil || !v.Temporary {
		return nil
	}
	for _, o := range others {
		if o != p && o.link != 0 && o.Spec.Veth != nil && o.Spec.Veth.linkName() == v.Name {
			return nil
		}
	}
	if err := renameHost(p.link, v); err != nil {
		return fmt.Errorf("cannot rename interface %q to %q: %w", v.linkName(), v.Name, err)
	}
	own := *v
	own.Temporary = false
	p.Spec.Veth = &own
	return nil
}

// renameHost renames an interface, which an older kernel does only while it is down; that costs it its routes.
func renameHost(index uint32, v *Veth) error {
	rename := func() error { return netlink.LinkSetName(device(index), v.Name) }
	if err := rename(); !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := netlink.LinkSetDown(device(index)); err != nil {
		return err
	}
	renamed := rename()
	inside, gateway, err := v.parse()
	if err == nil {
		err = setUpHost(index, inside, gateway)
	}
	return errors.Join(renamed, err)
}

// setUpHost gives the host's end its address and the route to the jail's; that it has them already is fine.
func setUpHost(index uint32, inside netip.Prefix, gateway netip.Addr) error {
	if err := addAddress(index, gateway, inside.Bits()); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := netlink.LinkSetUp(device(index)); err != nil {
		return err
	}
	a := inside.Addr()
	route := &netlink.Route{Dst: network(a, a.BitLen()), LinkIndex: int(index), Scope: netlink.SCOPE_LINK, Protocol: unix.RTPROT_STATIC}
	// Appended behind that of a jail with the same address, if there is one.
	if err := netlink.RouteAppend(route); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
