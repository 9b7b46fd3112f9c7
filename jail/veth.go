package jail

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth is a pair of interfaces between the host and the jail's network namespace (veth(4)). The pair ends with the namespace, or with
// Process.Close.
type Veth struct {
	Name    string `json:"name"`    // of the host's end
	Address string `json:"address"` // of the jail's end, with its prefix length: 10.0.0.2/24
	Gateway string `json:"gateway"` // of the host's end, in the same network; the jail's default route

	Second    string `json:"second,omitempty"`    // the jail's address while another one has the first
	Temporary bool   `json:"temporary,omitempty"` // the host's end has its temporary name still
}

// vethInside is what the jail's end is called.
const vethInside = "eth0"

func (v *Veth) parse() (inside netip.Prefix, gateway netip.Addr, err error) {
	if v.Name == "" || len(v.Name) >= unix.IFNAMSIZ || strings.ContainsAny(v.Name, "/: \t") {
		return inside, gateway, fmt.Errorf("cannot make interface %q: not a name of 1 to %d bytes", v.Name, unix.IFNAMSIZ-1)
	}
	if inside, err = netip.ParsePrefix(v.Address); err != nil {
		return inside, gateway, fmt.Errorf("cannot use address %q: not ADDRESS/LENGTH", v.Address)
	}
	if gateway, err = netip.ParseAddr(v.Gateway); err != nil || !inside.Contains(gateway) || gateway == inside.Addr() {
		return inside, gateway, fmt.Errorf("cannot use gateway %q: not another address in the network of %s", v.Gateway, v.Address)
	}
	if v.Second != "" {
		second, err := netip.ParseAddr(v.Second)
		if err != nil || !inside.Contains(second) || second == gateway {
			return inside, gateway, fmt.Errorf("cannot use the second address %q: not another address in the network of %s", v.Second, v.Address)
		}
	}
	return inside, gateway, nil
}

// device is an interface by its number, for the library.
func device(index uint32) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: int(index)}}
}

// interfaceIndex finds the number of an interface in the network namespace of the calling thread.
func interfaceIndex(name string) (uint32, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("cannot find interface %q: %w", name, err)
	}
	return uint32(link.Attrs().Index), nil
}

// network is the addresses that share the first bits with this one.
func network(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

func addAddress(index uint32, a netip.Addr, bits int) error {
	address := &netlink.Addr{IPNet: network(a, bits)}
	if !a.Is4() {
		// Detecting duplicates would leave the address unusable for a second; on a pair there is nobody to have it.
		address.Flags = unix.IFA_F_NODAD
	}
	return netlink.AddrAdd(device(index), address)
}

// createIn waits for a pair of the same name to go, as that of a jail whose parent was killed a moment ago does.
func (v *Veth) createIn(pid int, patience time.Duration) (uint32, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		link, err := v.create(pid)
		if !errors.Is(err, unix.EEXIST) || time.Now().After(deadline) {
			return link, err
		}
	}
}

// create is the parent half: it makes the pair with one end in the child's network namespace and gives the host's end its address. The
// index of the host's end is what remove takes.
func (v *Veth) create(pid int) (uint32, error) {
	inside, gateway, err := v.parse()
	if err != nil {
		return 0, err
	}
	name := v.linkName()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: vethInside, PeerNamespace: netlink.NsPid(pid)}
	err = netlink.LinkAdd(pair)
	if errors.Is(err, unix.EEXIST) {
		return 0, fmt.Errorf("cannot make interface %q: there is one: %w", name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot make interface %q: %w", name, err)
	}
	index := uint32(pair.Index)
	if err = setUpHost(index, inside, gateway); err != nil {
		removeLink(index)
		return 0, fmt.Errorf("cannot set up interface %q: %w", name, err)
	}
	return index, nil
}

// removeLink removes an interface, and its other end with it. That it went away with its namespace is fine.
func removeLink(index uint32) {
	if index == 0 {
		return
	}
	_ = netlink.LinkDel(device(index))
}

// network is the child half: the jail's end gets its address and the route to everywhere.
func (e *entry) network() error {
	inside, gateway, err := e.spec.Veth.parse()
	if err != nil {
		return err
	}
	index, err := interfaceIndex(vethInside)
	if err != nil {
		return err
	}
	if err := addAddress(index, inside.Addr(), inside.Bits()); err != nil {
		return fmt.Errorf("cannot give %s its address %s: %w", vethInside, inside, err)
	}
	if err := netlink.LinkSetUp(device(index)); err != nil {
		return fmt.Errorf("cannot bring %s up: %w", vethInside, err)
	}
	route := &netlink.Route{Gw: gateway.AsSlice(), LinkIndex: int(index), Protocol: unix.RTPROT_STATIC}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("cannot set the route to gateway %s: %w", gateway, err)
	}
	return nil
}
