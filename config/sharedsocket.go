package config

import (
	"slices"
	"strconv"
	"strings"
)

// maxBuffer is the most that the kernel would grant for the buffer of a socket.
const maxBuffer = 1<<31 - 1

// tuning lists the options that set something on the sockets.
func (s *Sockets) tuning() []option {
	return []option{
		{"so-send-timeout", "seconds that a client may take no data; default is socket-timeout", number(&s.SendTimeout, 0, maxSeconds)},
		{"so-keepalive", "set SO_KEEPALIVE on the sockets", boolean(&s.KeepAlive)},
		{"freebind", "bind addresses that the machine does not have yet (IP_FREEBIND)", boolean(&s.FreeBind)},
		{"tcp-fast-open", "take data with the first packet (TCP_FASTOPEN), with a queue of this length", number(&s.FastOpen, 0, 1<<16)},
		{"socket-sndbuf", "bytes of the sockets' send buffer (SO_SNDBUF)", number(&s.SendBuffer, 0, maxBuffer)},
		{"socket-rcvbuf", "bytes of the sockets' receive buffer (SO_RCVBUF)", number(&s.ReceiveBuffer, 0, maxBuffer)},
		{"abstract-socket", "take the paths of unix sockets for names in the abstract space", boolean(&s.abstract)},
	}
}

// share keeps an address for those who refer to it by number.
func (s *Sockets) share(undeferred bool) setter {
	return func(v *value) error {
		addr, err := address(v)
		if err == nil {
			s.shared = append(s.shared, Socket{Addr: addr, NoDefer: undeferred, Pos: v.Pos})
		}
		return err
	}
}

// listenAddress is address, or the number of a shared socket: =N.
func listenAddress(v *value) (string, error) {
	addr := v.tidy()
	if number, ok := strings.CutPrefix(addr, "="); ok {
		if !isNumber(number) {
			return "", bad("not the number of a shared-socket", "write =0 for the first one")
		}
		return addr, nil
	}
	return address(v)
}

// socketMap is one map-socket.
type socketMap struct {
	socket  int
	workers []int
	at      Entry
}

func (s *Sockets) setMap(v *value) error {
	socket, workers, ok := strings.Cut(v.tidy(), ":")
	n, err := strconv.Atoi(socket)
	if !ok || err != nil || n < 0 {
		return bad("not socket:worker,worker", "write 0:1,2 for the first socket and the workers 1 and 2")
	}
	m := socketMap{socket: n, at: v.Entry}
	for _, word := range strings.Split(workers, ",") {
		id, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || id < 1 || id > maxWorkers {
			return bad("not the number of a worker: "+shorten(word), "workers count from 1")
		}
		m.workers = append(m.workers, id)
	}
	s.maps = append(s.maps, m)
	return nil
}

// finishSockets does what needs all options: the default protocol, shared sockets, options that speak of other sockets.
func (l *loader) finishSockets(c *Config, protocol string) {
	s := &c.Sockets
	if protocol == "" {
		protocol = ProtoUWSGI
	}
	s.Default = protocol
	used := map[int]bool{}
	for i := range s.List {
		k := &s.List[i]
		if k.Proto == "" {
			k.Proto = protocol
		}
		if number, ok := strings.CutPrefix(k.Addr, "="); ok {
			n, _ := strconv.Atoi(number)
			if n >= len(s.shared) {
				l.fail(Entry{Key: "socket", Value: k.Addr, Pos: k.Pos}, bad("there is no shared-socket with this number", "they count from 0"))
				continue
			}
			k.Addr, k.NoDefer, used[n] = s.shared[n].Addr, s.shared[n].NoDefer, true
		}
		if s.abstract && isPath(k.Addr) {
			k.Addr = "@" + k.Addr
		}
		k.Proxy = s.proxy && k.Proto != ProtoUWSGI
		if k.Front {
			s.front.apply(k)
		}
	}
	for i, k := range s.shared {
		if !used[i] {
			l.report.add(SeverityWarning, Entry{Key: "shared-socket", Value: k.Addr, Pos: k.Pos}, "no socket uses it: not bound", "write socket = ="+strconv.Itoa(i))
		}
	}
	for _, m := range s.maps {
		if m.socket >= len(s.List) {
			l.fail(m.at, bad("there is no socket with this number", "they count from 0"))
			continue
		}
		if high := slices.Max(m.workers); high > c.Process.Processes {
			l.fail(m.at, bad("there is no worker "+strconv.Itoa(high), ""))
		}
		k := &s.List[m.socket]
		k.Workers = append(k.Workers, m.workers...)
	}
}

// isPath tells a unix socket with a path from other addresses.
func isPath(addr string) bool {
	return !strings.HasPrefix(addr, "@") && !strings.HasPrefix(addr, "fd://") && (strings.HasPrefix(addr, "/") || !strings.Contains(addr, ":"))
}
