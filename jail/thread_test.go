package jail

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNeverTheMainThread: the runtime hands goroutines to the main thread too, and a change there would be the whole process's.
func TestNeverTheMainThread(t *testing.T) {
	seen := map[int]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 300 {
		all.Add(1)
		go func() {
			defer all.Done()
			onThread(func() {
				mu.Lock()
				seen[unix.Gettid()] = true
				mu.Unlock()
				runtime.Gosched()
			})
		}()
	}
	all.Wait()
	if seen[unix.Getpid()] || len(seen) < 300 {
		t.Errorf("%d functions had %d threads, the main one: %v", 300, len(seen), seen[unix.Getpid()])
	}
}
