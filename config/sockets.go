package config

import (
	"slices"
	"strconv"
	"strings"
)

// Sockets says where the app listens.
type Sockets struct {
	List          []Socket `json:"list,omitempty"`
	Chmod         string   `json:"chmod,omitempty"` // octal mode of unix sockets, 3 or 4 digits; "" = leave it to the umask
	Chown         string   `json:"chown,omitempty"` // user[:group] of unix sockets, "" = leave it
	Listen        int      `json:"listen"`          // length of the listen queue; 0 = the system's maximum (net.core.somaxconn)
	Timeout       int      `json:"timeout"`         // seconds a client may stay silent within a request
	Default       string   `json:"default"`         // protocol of sockets that do not say theirs
	ReusePort     bool     `json:"reuse_port,omitempty"`
	NoDeferAccept bool     `json:"no_defer_accept,omitempty"` // true: no TCP_DEFER_ACCEPT (tcp(7)) on the sockets
	BindInJail    bool     `json:"bind_in_jail,omitempty"`    // the master binds in the jail, not the parent outside
	SendTimeout   int      `json:"send_timeout,omitempty"`    // seconds that a client may take no data; 0 = Timeout
	KeepAlive     bool     `json:"keep_alive,omitempty"`      // SO_KEEPALIVE
	FreeBind      bool     `json:"free_bind,omitempty"`       // IP_FREEBIND: the address need not be there yet
	FastOpen      int      `json:"fast_open,omitempty"`       // queue of TCP_FASTOPEN, 0 = off
	SendBuffer    int      `json:"send_buffer,omitempty"`     // SO_SNDBUF, 0 = the system's
	FrontVars     []string `json:"front_vars,omitempty"`      // NAME=value, for the environ of requests to http
	ReceiveBuffer int      `json:"receive_buffer,omitempty"`  // SO_RCVBUF, 0 = the system's

	abstract bool
	proxy    bool        // enable-proxy-protocol
	shared   []Socket    // what =N refers to
	maps     []socketMap // of map-socket
	front    front
}

// Socket is one listening socket.
type Socket struct {
	Addr  string `json:"addr"`  // host:port, :port, /path, @abstract, fd://N
	Proto string `json:"proto"` // uwsgi, http or http11
	Pos   Pos    `json:"pos"`

	Front   bool  `json:"front,omitempty"`    // asked for as http: the app is told what uWSGI's router would tell it
	Timeout int   `json:"timeout,omitempty"`  // seconds, instead of Sockets.Timeout; 0 = that one
	Idle    int   `json:"idle,omitempty"`     // seconds that a kept connection may wait for its next request; 0 = the timeout
	Head    int   `json:"head,omitempty"`     // seconds that the head of a request may take; 0 = the timeout
	Proxy   bool  `json:"proxy,omitempty"`    // connections may begin with a PROXY line
	NoDefer bool  `json:"no_defer,omitempty"` // no TCP_DEFER_ACCEPT on this one
	Workers []int `json:"workers,omitempty"`  // the workers that serve it, nil = all
}

// Protocol names of Socket.Proto.
const (
	ProtoUWSGI  = "uwsgi"
	ProtoHTTP   = "http"
	ProtoHTTP11 = "http11"
)

func (s *Sockets) options(protocol *string) []option {
	listen := func(proto string) setter {
		return func(v *value) error {
			addr, err := listenAddress(v)
			if err == nil {
				s.List = append(s.List, Socket{Addr: addr, Proto: proto, Pos: v.Pos})
			}
			return err
		}
	}
	return slices.Concat(s.tuning(), s.front.options(s), []option{
		{"socket", "listen here with the default protocol (see protocol): host:port, :port, /path, @abstract or fd://N; repeatable", listen("")},
		{"uwsgi-socket", "listen here with the uwsgi protocol; repeatable", listen(ProtoUWSGI)},
		{"http-socket", "listen here with HTTP, one request a connection; repeatable", listen(ProtoHTTP)},
		{"http11-socket", "listen here with HTTP/1.1 and keep-alive; repeatable", listen(ProtoHTTP11)},
		{"protocol", "default protocol of socket: uwsgi, http or http11", protocolName(protocol)},
		{"chmod-socket", "octal mode of the unix sockets, 666 without a value", mode(&s.Chmod)},
		{"chown-socket", "owner of the unix sockets: user[:group]", word(&s.Chown)},
		{"listen", "length of the listen queue; default is the system's maximum", number(&s.Listen, 0, 1<<31-1)},
		{"socket-timeout", "seconds a client may stay silent within a request", number(&s.Timeout, 0, maxSeconds)},
		{"reuse-port", "set SO_REUSEPORT on the sockets", boolean(&s.ReusePort)},
		{"no-defer-accept", "do not wait for the first byte in the kernel (TCP_DEFER_ACCEPT)", boolean(&s.NoDeferAccept)},
		{"bind-in-jail", "let the master bind the sockets inside the jail", boolean(&s.BindInJail)},
		{"enable-proxy-protocol", "let connections to HTTP sockets begin with a PROXY line (version 1) that names the client", boolean(&s.proxy)},
		{"shared-socket", "an address for the sockets that are given as =N, N counting from 0; repeatable", s.share(false)},
		{"undeferred-shared-socket", "as shared-socket, without TCP_DEFER_ACCEPT", s.share(true)},
		{"map-socket", "let only some workers serve a socket: number of the socket from 0, colon, numbers of workers with commas; repeatable", s.setMap},
	})
}

// address checks the form of a socket address without looking anything up.
func address(v *value) (string, error) {
	addr := v.tidy()
	switch {
	case addr == "":
		return "", bad("no address", "write host:port, :port, /path or @abstract")
	case unresolved(addr) != nil:
		return "", unresolved(addr)
	case strings.HasPrefix(addr, "="):
		return "", bad("a socket of shared-socket cannot be used here", "write an address")
	case strings.HasPrefix(addr, "/"), strings.HasPrefix(addr, "@"):
		return addr, nil
	case strings.HasPrefix(addr, "fd://"):
		if n, err := strconv.Atoi(addr[len("fd://"):]); err != nil || n < 0 {
			return "", bad("not a descriptor number", "write fd://3")
		}
		return addr, nil
	}
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		if _, err := strconv.Atoi(addr); err == nil {
			v.warn("a unix socket of this name in the current directory", "for a TCP port write :"+addr)
		}
		return addr, nil // a unix socket with a relative path
	}
	host, port := strings.TrimSpace(addr[:colon]), strings.TrimSpace(addr[colon+1:])
	if tight := host + ":" + port; tight != addr {
		v.warn("read as "+tight, "write it without blanks")
		addr = tight
	}
	if n, err := strconv.Atoi(port); err == nil && n > 65535 {
		return "", bad("no port has the number "+port, "the highest is 65535")
	} else if err != nil || n < 0 {
		return "", bad("no port number after the last colon", "write host:port, or ./ before the path of a unix socket")
	}
	return addr, nil
}

// protocolName keeps to what workers speak; uWSGI takes an unknown name for uwsgi.
func protocolName(p *string) setter {
	return func(v *value) error {
		switch name := v.tidy(); name {
		case ProtoUWSGI, ProtoHTTP, ProtoHTTP11:
			*p = name
			return nil
		case "fastcgi", "fastcgi-nph", "scgi", "scgi-nph", "raw", "puwsgi", "suwsgi", "https":
			return bad("not supported yet: the protocol "+name, "use uwsgi, http or http11")
		}
		return bad("unknown protocol", "use uwsgi, http or http11")
	}
}

// mode reads a file mode of 3 or 4 octal digits; a flag without a value, 1 and true mean 666.
func mode(p *string) setter {
	return func(v *value) error {
		m := v.tidy()
		switch m {
		case "", "1":
			m = "666"
		case "true":
			v.warn("read as 666", "write the mode")
			m = "666"
		}
		if _, err := strconv.ParseUint(m, 8, 12); err != nil || len(m) < 3 || len(m) > 4 {
			return bad("not an octal mode", "write three digits such as 660")
		}
		*p = m
		return nil
	}
}
