package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Nginx starts an nginx with one server for each upstream (as uwsgi_pass takes it: host:port or unix:/path) and returns their addresses.
// NginxPID tells which process it is. For root its workers run as www-data, as Debian's do, so permissions of unix sockets count.
func (e *Env) Nginx(upstreams ...string) []string {
	e.T.Helper()
	dir := filepath.Join(e.Dir, fmt.Sprintf("nginx-%d", serial.Add(1)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		e.T.Fatal(err)
	}
	var servers strings.Builder
	var addrs []string
	for _, upstream := range upstreams {
		addr := FreePort(e.T)
		addrs = append(addrs, addr)
		fmt.Fprintf(&servers, `
	server {
		listen %s backlog=4096;
		client_max_body_size 64m;
		location / { include /etc/nginx/uwsgi_params; uwsgi_pass %s; }
	}`, addr, upstream)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user www-data;"
	}
	conf := fmt.Sprintf(`daemon off; worker_processes 1; %s
pid %s/nginx.pid;
error_log %s/error.log warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %s/body; uwsgi_temp_path %s/uwsgi; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fastcgi; scgi_temp_path %s/scgi;%s
}
`, user, dir, dir, dir, dir, dir, dir, dir, servers.String())
	path := e.Write(filepath.Join(dir, "nginx.conf"), conf)
	cmd := exec.Command("nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", path)
	if _, err := exec.LookPath("nginx"); err != nil {
		cmd.Path, cmd.Err = "/usr/sbin/nginx", nil // an ordinary user's PATH lacks sbin
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		e.T.Fatalf("cannot start nginx: %v", err)
	}
	e.known[cmd.Process.Pid] = true
	e.NginxPID = cmd.Process.Pid
	e.T.Cleanup(func() {
		_ = unix.Kill(cmd.Process.Pid, unix.SIGTERM)
		_ = cmd.Wait()
		if e.T.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			e.T.Logf("nginx error log:\n%s", tail(string(text), 3000))
		}
	})
	for _, addr := range addrs {
		if !Eventually(10*time.Second, func() bool { return accepts(addr) }) {
			text, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			e.T.Fatalf("nginx does not listen on %s\n%s", addr, text)
		}
	}
	return addrs
}

func accepts(addr string) bool {
	c, err := Dial(addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}
