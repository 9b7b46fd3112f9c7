package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gowsgi/integration/harness"
)

// letters are what the fifo is told.
var letters = map[string]string{"workers": "w", "chain": "c", "brutal": "R", "brutal-workers": "W", "more": "+", "less": "-", "cheap": "C", "bad-letter": "\x00?"}

// perform does one thing and notes how many requests it may cost.
func (c *storm) perform(what string) {
	const all = processes * threads
	c.did[what]++
	switch what {
	case "worker":
		c.allowed += c.kill("uWSGI worker", threads)
	case "zygote":
		c.kill("uWSGI zygote", 0)
	case "mule":
		c.kill("uWSGI mule", 0)
	case "daemon":
		c.kill("sleep", 0)
	case "master":
		if time.Since(c.lastMaster) < masterGap {
			c.did[what]--
			return
		}
		c.lastMaster = time.Now()
		for _, m := range harness.Children(c.s.PID) {
			_ = unix.Kill(m.PID, unix.SIGKILL)
			c.allowed += all
		}
	case "reload":
		c.reload()
	case "broken":
		c.broken()
	case "hup":
		c.s.Signal(unix.SIGHUP)
	case "touch", "touch-workers", "touch-chain", "touch-mules", "touch-log":
		c.write(c.dir+"/"+what, fmt.Sprint(time.Now()))
	case "pause":
		c.fifo("p")
		time.Sleep(300 * time.Millisecond)
		c.fifo("p") // a reload that came between has ended the pause, and this would begin one
		c.fifo("r")
	default:
		c.fifo(letters[what])
		if strings.HasPrefix(what, "brutal") {
			c.allowed += all
		}
	}
}

func (c *storm) write(name, text string) {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		c.t.Errorf("touch: %v", err)
	}
}

// ask runs gowsgi --reload and gives what it says. That it never ends is a fault.
func (c *storm) ask() (string, error) {
	words := append(harness.Binary(), "--reload", c.e.Dir+"/pid")
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if ctx.Err() != nil {
		c.t.Errorf("gowsgi --reload does not end: %s; there are %s; log:\n%s", out, c.census(), c.logEnd(8000))
	}
	return string(out), err
}

// reload waits for its result. That it fails may come from a kill just before.
func (c *storm) reload() {
	if _, err := c.ask(); err != nil {
		c.did["reload that failed"]++
	}
}

// broken reloads into a configuration that is wrong: nothing changes.
func (c *storm) broken() {
	c.e.Write("site.ini", c.ini+"no-such-option = 1\nstrict = true\n")
	out, err := c.ask()
	c.e.Write("site.ini", c.ini)
	if err == nil {
		c.t.Errorf("a reload into a broken configuration is told as done: %s", out)
	}
}

// kill sends SIGKILL to one process below the parent with this name; it returns cost if there was one.
func (c *storm) kill(name string, cost int) int {
	for _, p := range harness.Tree(c.s.PID) {
		if strings.HasPrefix(comm(p.PID), name) {
			_ = unix.Kill(p.PID, unix.SIGKILL)
			return cost
		}
	}
	return 0
}

func comm(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

func (c *storm) fifo(letter string) {
	f, err := os.OpenFile(c.dir+"/fifo", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		c.t.Errorf("the fifo: %v", err)
		return
	}
	defer f.Close()
	if _, err := f.WriteString(letter); err != nil {
		c.t.Errorf("the fifo: %v", err)
	}
}
