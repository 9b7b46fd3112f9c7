package integration

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"gowsgi/integration/harness"
)

// TestVethInAnOverlap: with a second address both jails of a reload with an overlap have their network: the next one reaches the host before it serves,
// and the old one while it does. The interface has its name again when the old one is gone.
func TestVethInAnOverlap(t *testing.T) {
	e := harness.New(t)
	harness.NeedRoot(t)
	link := fmt.Sprintf("gwo%d", os.Getpid()%1000000)
	const gateway = "10.213.83.1"
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	dial := fmt.Sprintf("exec:/usr/bin/python3 -c 'import socket; socket.create_connection((\"%s\", %d), 10).close()'", gateway, port)
	c := imprison(e, rootfsUser, "--jail-net", "veth:"+link+",10.213.83.2/29,"+gateway+",10.213.83.3", "--reload-overlap", "--hook-as-user", dial)
	mine := `s = socket.create_connection(("` + gateway + fmt.Sprintf(`", %d), 10); print(s.getsockname()[0]); s.close()`, port)
	for _, address := range []string{"10.213.83.2", "10.213.83.3", "10.213.83.2"} {
		c.want("the jail's address", mine, address)
		var index int
		if !harness.Eventually(10*time.Second, func() bool {
			i, err := net.InterfaceByName(link)
			if err != nil {
				return false
			}
			index = i.Index
			_, err = net.InterfaceByName(link + "-n")
			return err != nil
		}) {
			t.Fatalf("no interface %s, or two:\n%s", link, c.Log())
		}
		c.reload()
		if !harness.Eventually(10*time.Second, func() bool {
			i, err := net.InterfaceByName(link)
			return err == nil && i.Index != index
		}) {
			t.Fatalf("the next jail's interface has not taken the name %s:\n%s", link, c.Log())
		}
	}
	c.End()
	if !harness.Eventually(5*time.Second, func() bool { _, err := net.InterfaceByName(link); return err != nil }) {
		t.Error("the pair is left over")
	}
}
