package worker

import (
	"os"
	"slices"
	"testing"
)

// TestQueueLayout: each file of a queue has the descriptor that the runtime is told.
func TestQueueLayout(t *testing.T) {
	pair := func() Pair {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return Pair{r, w}
	}
	q := Queues{Mules: []Pair{pair(), pair()}, Farms: []Pair{pair()}}
	fds, files := q.layout(9)
	if !slices.Equal(fds.Mules, [][2]int{{9, 10}, {11, 12}}) || !slices.Equal(fds.Farms, [][2]int{{13, 14}}) {
		t.Errorf("descriptors %v", fds)
	}
	var want []uintptr
	for _, p := range slices.Concat(q.Mules, q.Farms) {
		want = append(want, p.R.Fd(), p.W.Fd())
	}
	if !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	q.ToWorkers, q.Wake = []Pair{pair(), pair()}, []*os.File{os.Stdin}
	fds, files = q.layout(3)
	if !slices.Equal(fds.Wake, []int{9}) || !slices.Equal(fds.ToWorkers, []int{10, 11}) || len(files) != 9 || files[8] != q.ToWorkers[1].R.Fd() {
		t.Errorf("with signals: %+v %v", fds, files)
	}
	if fds, files = (&Queues{}).layout(9); len(files) != 0 || fds.Mules == nil {
		t.Errorf("no queues give %v %v", fds, files)
	}
}
