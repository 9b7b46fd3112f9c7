package config

import (
	"reflect"
	"testing"
)

// TestFrontOptions: what was asked of uWSGI's HTTP router reaches the sockets of http and no others, wherever the lines stand.
func TestFrontOptions(t *testing.T) {
	files := map[string]string{"/site/a.ini": `[uwsgi]
http-timeout = 30
socket = :3031
shared-socket = :80
http = =0
undeferred-shared-socket = :81
http-keepalive = 75
http-headers-timeout = 5
http-socket = =1
http-var = A=b=c
map-socket = 2:1,2
map-socket = 2:3
processes = 3
`}
	c := mustLoad(t, files, "--ini", "a.ini")
	var got []Socket
	for _, s := range c.Sockets.List {
		s.Pos = Pos{}
		got = append(got, s)
	}
	want := []Socket{
		{Addr: ":3031", Proto: ProtoUWSGI},
		{Addr: ":80", Proto: ProtoHTTP11, Front: true, Timeout: 30, Head: 5, Idle: 75},
		{Addr: ":81", Proto: ProtoHTTP, NoDefer: true, Workers: []int{1, 2, 3}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(c.Sockets.FrontVars) != 1 || c.Sockets.FrontVars[0] != "A=b=c" {
		t.Errorf("variables: %q", c.Sockets.FrontVars)
	}
	if len(c.Prints) != 1 || c.Prints[0] != "http = :80: the workers serve it themselves, there is no router process" {
		t.Errorf("the notice: %q", c.Prints)
	}
}
