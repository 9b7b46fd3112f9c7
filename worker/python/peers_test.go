package python_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, addr string) {
	t.Helper()
	for range 500 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s", addr)
}

// startNginx puts one nginx server in front of each upstream and returns their addresses.
func startNginx(t *testing.T, dir string, upstreams ...string) []string {
	t.Helper()
	var conf strings.Builder
	fmt.Fprintf(&conf, "worker_processes 1; daemon off; pid %s/pid; error_log stderr error;\nevents { worker_connections 512; }\nhttp { access_log off;\n", dir)
	for _, d := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&conf, "%s_temp_path %s/%s;\n", d, dir, d)
	}
	var addrs []string
	for _, up := range upstreams {
		if strings.HasPrefix(up, "/") {
			os.Chmod(up, 0o666)
			up = "unix:" + up
		}
		addr := freeAddr(t)
		addrs = append(addrs, addr)
		fmt.Fprintf(&conf, "server { listen %s; location / { include /etc/nginx/uwsgi_params; uwsgi_pass %s; } }\n", addr, up)
	}
	conf.WriteString("}\n")
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir != "/" && dir != "/tmp" {
		os.Chmod(dir, 0o755) // nginx's worker is another user and has to reach the unix sockets
		dir = filepath.Dir(dir)
	}
	cmd := exec.Command("nginx", "-c", path)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
	for _, addr := range addrs {
		waitFor(t, addr)
	}
	return addrs
}
