package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gowsgi/integration/harness"
)

// TestDemo serves demo/ as `make demo` does, on other ports, for root and for an ordinary user.
func TestDemo(t *testing.T) {
	for _, c := range []struct {
		name string
		root bool
		args []string
	}{{"root", true, []string{"--uid", "nobody", "--gid", "nogroup"}}, {"ordinary user", false, nil}} {
		t.Run(c.name, func(t *testing.T) {
			e := harness.New(t)
			o := harness.Options{}
			if c.root {
				harness.NeedRoot(t)
			} else {
				o.UID, _ = harness.NeedUser()
			}
			addr, prometheus := harness.FreePort(t), harness.FreePort(t)
			for _, name := range []string{"demo.ini", "app.py"} {
				text, err := os.ReadFile(filepath.Join(harness.Repo(), "demo", name))
				if err != nil {
					t.Fatal(err)
				}
				e.Write("demo/"+name, strings.NewReplacer("127.0.0.1:8080", addr, "127.0.0.1:9191", prometheus).Replace(string(text)))
			}
			o.Args = append([]string{"--ini", e.Dir + "/demo/demo.ini"}, c.args...)
			s := e.StartWith(o)
			s.WaitServing("http", addr)
			page := getBody(t, "http", addr, "/")
			for _, want := range []string{"<td>demo-jail</td>", "child of pid 1<", "<td>refused: Read-only file system</td>", "<td>allowed</td>", "@master"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q:\n%s", want, page)
				}
			}
			if n, _ := sumOf(metrics(t, prometheus), "gowsgi_workers"); n != 2 {
				t.Errorf("%v workers, want 2", n)
			}
		})
	}
}
