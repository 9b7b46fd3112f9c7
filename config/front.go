package config

import (
	"fmt"
	"strings"
)

// front is what was asked of uWSGI's HTTP router. There is none here: the workers serve its addresses themselves.
type front struct {
	timeout, head int
	keep          int // seconds for which an idle connection is kept; 1 = as long as the timeout, 0 = connections are not kept
	proxy         bool
	first         string // address of the first one, for the notice
}

func (f *front) options(s *Sockets) []option {
	return []option{
		{"http", "listen here with HTTP, served by the workers themselves; repeatable", func(v *value) error {
			addr, err := listenAddress(v)
			if err == nil {
				s.List = append(s.List, Socket{Addr: addr, Proto: ProtoHTTP, Front: true, Pos: v.Pos})
			}
			return err
		}},
		{"http-timeout", "seconds a client of http may stay silent within a request; default is socket-timeout", number(&f.timeout, 0, maxSeconds)},
		{"http-headers-timeout", "seconds that the headers of a request to http may take; default is http-timeout", number(&f.head, 0, maxSeconds)},
		{"http-keepalive", "keep the connections of http, idle ones for so many seconds; 1 = as http-timeout says", number(&f.keep, 0, maxSeconds)},
		{"http-enable-proxy-protocol", "let connections to http begin with a PROXY line (version 1) that names the client", boolean(&f.proxy)},
		{"http-var", "set a variable in the environ of requests to http: NAME=value; repeatable", s.setVar},
	}
}

func (s *Sockets) setVar(v *value) error {
	name, _, ok := strings.Cut(v.Value, "=")
	if !ok || name == "" || strings.Contains(name, ".") {
		return bad("not NAME=value", "")
	}
	s.FrontVars = append(s.FrontVars, v.Value)
	return nil
}

// apply gives a socket that was asked for as http what the options say.
func (f *front) apply(k *Socket) {
	k.Timeout, k.Head, k.Proxy = f.timeout, f.head, f.proxy
	if f.keep > 0 {
		k.Proto = ProtoHTTP11
	}
	if f.keep > 1 {
		k.Idle = f.keep
	}
	if f.first == "" {
		f.first = k.Addr
	}
}

// notice says once who serves http.
func (s *Sockets) notice() []string {
	if s.front.first == "" {
		return nil
	}
	return []string{fmt.Sprintf("http = %s: the workers serve it themselves, there is no router process", s.front.first)}
}
