package jail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unsafe"

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

// netlink is a socket to the kernel's network configuration (rtnetlink(7)), of the network namespace it was opened in.
type netlink struct {
	fd  int
	seq uint32
}

func openNetlink() (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot open a netlink socket: %w", err)
	}
	return &netlink{fd: fd}, nil
}

func (n *netlink) close() { unix.Close(n.fd) }

// attr is one attribute: length, type, value, padded to four bytes.
func attr(kind uint16, value []byte) []byte {
	out := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	out = append(binary.NativeEndian.AppendUint16(out, kind), value...)
	return append(out, make([]byte, (4-len(out)%4)%4)...)
}

func attr32(kind uint16, value uint32) []byte {
	return attr(kind, binary.NativeEndian.AppendUint32(nil, value))
}
func attrText(kind uint16, text string) []byte { return attr(kind, append([]byte(text), 0)) }

// do sends one request and waits for the kernel's word on it.
func (n *netlink) do(kind, flags uint16, parts ...[]byte) error {
	body := []byte{}
	for _, p := range parts {
		body = append(body, p...)
	}
	n.seq++
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m = binary.NativeEndian.AppendUint32(m, n.seq)
	m = append(binary.NativeEndian.AppendUint32(m, 0), body...)
	if err := unix.Sendto(n.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 8192)
	for {
		got, _, err := unix.Recvfrom(n.fd, answer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := n.acknowledged(answer[:got]); done {
			return err
		}
	}
}

// acknowledged looks whether the message is the answer to the last request: an error whose number is 0 when all is well.
func (n *netlink) acknowledged(m []byte) (bool, error) {
	if len(m) < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(m[4:]) != unix.NLMSG_ERROR || binary.NativeEndian.Uint32(m[8:]) != n.seq {
		return false, nil
	}
	if code := int32(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr:])); code != 0 {
		return true, unix.Errno(-code)
	}
	return true, nil
}

// bytesOf is a kernel structure as it lies in memory.
func bytesOf[T any](v T) []byte {
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))...)
}

// index finds the number of an interface in the namespace of the calling thread.
func interfaceIndex(name string) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot open a socket: %w", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, fmt.Errorf("cannot find interface %q: %w", name, err)
	}
	return ifr.Uint32(), nil
}

func (n *netlink) up(index uint32) error {
	return n.do(unix.RTM_NEWLINK, 0, bytesOf(unix.IfInfomsg{Index: int32(index), Flags: unix.IFF_UP, Change: unix.IFF_UP}))
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (n *netlink) address(index uint32, a netip.Addr, bits int) error {
	// Detecting duplicates would leave a version 6 address unusable for a second; on a pair there is nobody to have it.
	head := unix.IfAddrmsg{Family: family(a), Prefixlen: uint8(bits), Index: index}
	if !a.Is4() {
		head.Flags = unix.IFA_F_NODAD
	}
	return n.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, bytesOf(head), attr(unix.IFA_LOCAL, a.AsSlice()), attr(unix.IFA_ADDRESS, a.AsSlice()))
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
	n, err := openNetlink()
	if err != nil {
		return 0, err
	}
	defer n.close()
	const vethInfoPeer = 1 // VETH_INFO_PEER of linux/veth.h
	peer := append(bytesOf(unix.IfInfomsg{}), append(attrText(unix.IFLA_IFNAME, vethInside), attr32(unix.IFLA_NET_NS_PID, uint32(pid))...)...)
	info := append(attrText(unix.IFLA_INFO_KIND, "veth"), attr(unix.IFLA_INFO_DATA, attr(vethInfoPeer, peer))...)
	name := v.linkName()
	err = n.do(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, bytesOf(unix.IfInfomsg{}), attrText(unix.IFLA_IFNAME, name), attr(unix.IFLA_LINKINFO, info))
	if errors.Is(err, unix.EEXIST) {
		return 0, fmt.Errorf("cannot make interface %q: there is one: %w", name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot make interface %q: %w", name, err)
	}
	index, err := interfaceIndex(name)
	if err == nil {
		if err = n.setUpHost(index, inside, gateway); err != nil {
			err = fmt.Errorf("cannot set up interface %q: %w", name, err)
		}
	}
	if err != nil {
		removeLink(index)
		return 0, err
	}
	return index, nil
}

// removeLink removes an interface, and its other end with it. That it went away with its namespace is fine.
func removeLink(index uint32) {
	if index == 0 {
		return
	}
	if n, err := openNetlink(); err == nil {
		_ = n.do(unix.RTM_DELLINK, 0, bytesOf(unix.IfInfomsg{Index: int32(index)}))
		n.close()
	}
}

// network is the child half: the jail's end gets its address and the route to everywhere.
func (e *entry) network() error {
	inside, gateway, err := e.spec.Veth.parse()
	if err != nil {
		return err
	}
	n, err := openNetlink()
	if err != nil {
		return err
	}
	defer n.close()
	index, err := interfaceIndex(vethInside)
	if err != nil {
		return err
	}
	if err := n.address(index, inside.Addr(), inside.Bits()); err != nil {
		return fmt.Errorf("cannot give %s its address %s: %w", vethInside, inside, err)
	}
	if err := n.up(index); err != nil {
		return fmt.Errorf("cannot bring %s up: %w", vethInside, err)
	}
	route := unix.RtMsg{Family: family(gateway), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_UNICAST}
	if err := n.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, bytesOf(route), attr(unix.RTA_GATEWAY, gateway.AsSlice()), attr32(unix.RTA_OIF, index)); err != nil {
		return fmt.Errorf("cannot set the route to gateway %s: %w", gateway, err)
	}
	return nil
}
