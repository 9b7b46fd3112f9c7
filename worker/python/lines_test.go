package python_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestSignalsLoseNoLine: a signal ends the writing of a line to a full pipe half-way; the rest follows, also without Python's own buffer.
func TestSignalsLoseNoLine(t *testing.T) {
	for _, unbuffered := range []string{"", "1"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := exec.Command(interpreter(t), "testdata/lines_driver.py")
		cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED="+unbuffered)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &out, w
		err = cmd.Start()
		w.Close()
		r.Close()
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil || out.String() != "[] 40\n" {
			t.Errorf("unbuffered %q: %v, these lines are not whole: %s", unbuffered, err, &out)
		}
	}
}
