package metrics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Queue is the state of a socket's listen queue.
type Queue struct {
	Length int // connections completed and not accepted yet
	Max    int // the backlog in force: listen(2)'s, cut to net.core.somaxconn
}

// ListenQueue measures the listen queue of a listening stream socket of family AF_INET, AF_INET6 or AF_UNIX.
func ListenQueue(fd int) (Queue, error) {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return Queue{}, fmt.Errorf("cannot measure listen queue of fd %d: %w", fd, err)
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return Queue{}, fmt.Errorf("cannot measure listen queue of fd %d: %w", fd, err)
	}
	if listening == 0 {
		return Queue{}, fmt.Errorf("cannot measure listen queue of fd %d: not listening", fd)
	}
	var q Queue
	switch family {
	case unix.AF_INET, unix.AF_INET6:
		q, err = inetQueue(fd)
	case unix.AF_UNIX:
		q, err = unixQueue(fd)
	default:
		err = fmt.Errorf("unknown address family %d", family)
	}
	if err != nil {
		return Queue{}, fmt.Errorf("cannot measure listen queue of fd %d: %w", fd, err)
	}
	return q, nil
}

// inetQueue reads TCP_INFO (tcp(7)): for a listening socket the kernel reports the length of the accept queue in
// tcpi_unacked and its maximum in tcpi_sacked (net/ipv4/tcp.c, tcp_get_info).
func inetQueue(fd int) (Queue, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Queue{}, fmt.Errorf("cannot read TCP_INFO: %w", err)
	}
	return Queue{Length: int(info.Unacked), Max: int(info.Sacked)}, nil
}

// What sock_diag(7) and linux/unix_diag.h define and x/sys/unix does not.
const (
	sockDiagByFamily  = 20
	unixDiagReqSize   = 24
	unixDiagMsgSize   = 16
	unixDiagShowRQLen = 0x10
	unixDiagRQLen     = 4
	tcpListenState    = 10
)

// unixQueue asks sock_diag(7) for the one socket by its inode: UNIX_DIAG_RQLEN gives the pending connections and the
// backlog of a listening socket. Only sockets of the caller's network namespace are seen. A kernel without
// CONFIG_UNIX_DIAG answers ENOENT.
func unixQueue(fd int) (Queue, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Queue{}, fmt.Errorf("cannot stat socket: %w", err)
	}
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return Queue{}, fmt.Errorf("cannot open sock_diag socket: %w", err)
	}
	defer unix.Close(nl)
	tv := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(nl, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return Queue{}, fmt.Errorf("cannot limit sock_diag wait: %w", err)
	}
	inode := uint32(st.Ino)
	if err := unix.Sendto(nl, unixDiagRequest(inode), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Queue{}, fmt.Errorf("cannot ask sock_diag: %w", err)
	}
	buf := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(nl, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Queue{}, fmt.Errorf("cannot read from sock_diag: %w", err)
		}
		return parseUnixDiag(buf[:n], inode)
	}
}

// unixDiagRequest builds a netlink message with a struct unix_diag_req for one inode, whatever its cookie.
func unixDiagRequest(inode uint32) []byte {
	ne := binary.NativeEndian
	req := make([]byte, 0, unix.NLMSG_HDRLEN+unixDiagReqSize)
	req = ne.AppendUint32(req, unix.NLMSG_HDRLEN+unixDiagReqSize)
	req = ne.AppendUint16(req, sockDiagByFamily)
	req = ne.AppendUint16(req, unix.NLM_F_REQUEST)
	req = ne.AppendUint32(req, 1) // sequence
	req = ne.AppendUint32(req, 0) // port: the kernel
	req = append(req, unix.AF_UNIX, 0, 0, 0)
	req = ne.AppendUint32(req, 1<<tcpListenState)
	req = ne.AppendUint32(req, inode)
	req = ne.AppendUint32(req, unixDiagShowRQLen)
	req = ne.AppendUint32(req, ^uint32(0)) // no cookie
	return ne.AppendUint32(req, ^uint32(0))
}

// parseUnixDiag reads the answer: one message with a struct unix_diag_msg and attributes, or an error.
func parseUnixDiag(msg []byte, inode uint32) (Queue, error) {
	ne := binary.NativeEndian
	if len(msg) < unix.NLMSG_HDRLEN+4 {
		return Queue{}, fmt.Errorf("answer of sock_diag is cut off at %d bytes", len(msg))
	}
	length, kind := ne.Uint32(msg), ne.Uint16(msg[4:])
	if length < unix.NLMSG_HDRLEN || int64(length) > int64(len(msg)) {
		return Queue{}, fmt.Errorf("answer of sock_diag has a wrong length of %d bytes", length)
	}
	body := msg[unix.NLMSG_HDRLEN:length]
	if kind == unix.NLMSG_ERROR && len(body) >= 4 {
		if errno := -int32(ne.Uint32(body)); errno > 0 {
			return Queue{}, fmt.Errorf("cannot find socket by sock_diag: %w", unix.Errno(errno))
		}
	}
	if kind != sockDiagByFamily || len(body) < unixDiagMsgSize || ne.Uint32(body[4:]) != inode {
		return Queue{}, fmt.Errorf("answer of sock_diag is of type %d, not about the socket", kind)
	}
	for attrs := body[unixDiagMsgSize:]; len(attrs) >= unix.SizeofRtAttr; {
		size, kind := int(ne.Uint16(attrs)), ne.Uint16(attrs[2:])
		if size < unix.SizeofRtAttr || size > len(attrs) {
			break
		}
		if kind == unixDiagRQLen && size >= unix.SizeofRtAttr+8 {
			return Queue{Length: int(ne.Uint32(attrs[4:])), Max: int(ne.Uint32(attrs[8:]))}, nil
		}
		attrs = attrs[min((size+3)&^3, len(attrs)):]
	}
	return Queue{}, errors.New("answer of sock_diag has no queue length")
}
