package python_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"gowsgi/worker"
)

// TestCacheModel compares the cache with a dictionary (testdata/cache_driver.py).
func TestCacheModel(t *testing.T) {
	c := worker.Cache{Items: 8, Blocks: 8, BlockSize: 16, KeySize: 20, Buckets: 8} // as in the driver
	out, err := exec.Command(interpreter(t), "testdata/cache_driver.py", t.TempDir(), strconv.FormatInt(c.Size(), 10)).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "agreed" {
		t.Errorf("%v: %s", err, out)
	}
}
