package metrics

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// The rows of metrics at the end of a scoreboard; docs/architecture.md draws them.
const (
	rowSize      = 128
	rowValue     = 0
	rowKind      = 8
	rowFlags     = 12
	rowName      = 16
	rowWritable  = 1 // the flag of a row that the app may change
	maxRows      = 1 << 17
	rowLockStart = 1 << 32 // the byte of the scoreboard's file whose lock guards row 0

	// MaxMetricName is how long the name of a metric may be.
	MaxMetricName = rowSize - rowName - 1
)

// MetricRow is a metric as the app finds it in the scoreboard.
type MetricRow struct {
	Metric
	Writable bool
}

func checkRows(rows []MetricRow) error {
	if len(rows) > maxRows {
		return fmt.Errorf("%d metrics are more than %d", len(rows), maxRows)
	}
	for _, r := range rows {
		if len(r.Name) == 0 || len(r.Name) > MaxMetricName {
			return fmt.Errorf("the name of metric %.40q has %d bytes: want 1 to %d", r.Name, len(r.Name), MaxMetricName)
		}
	}
	return nil
}

func (b *Board) fillRows(rows []MetricRow) {
	for i, r := range rows {
		off, _ := b.rowOff(i)
		b.store32(off+rowKind, uint32(r.Kind))
		b.store32(off+rowFlags, bit32(r.Writable)*rowWritable)
		copy(b.mem[off+rowName:off+rowSize], r.Name)
		b.store64(off+rowValue, uint64(r.Value))
	}
}

func (b *Board) rowOff(row int) (off int, ok bool) {
	if row < 0 || row >= b.rows || b.mem == nil {
		return 0, false
	}
	return headerSize + b.slots*boardStride(b.cores) + row*rowSize, true
}

// MetricValue reads a row. It may be any number: the jail can write there.
func (b *Board) MetricValue(row int) int64 {
	if off, ok := b.rowOff(row); ok {
		return int64(b.load64(off + rowValue))
	}
	return 0
}

// SetMetric writes a row that only the parent writes.
func (b *Board) SetMetric(row int, v int64) {
	if off, ok := b.rowOff(row); ok {
		b.store64(off+rowValue, uint64(v))
	}
}

// errRowBusy says that a process of the jail is changing the row.
var errRowBusy = errors.New("the metric is being changed")

// changeMetric changes a row that the app writes too, under the row's lock. It does not wait for the lock.
func (b *Board) changeMetric(row int, change func(int64) int64) error {
	off, ok := b.rowOff(row)
	if !ok {
		return nil
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: rowLockStart + int64(row), Len: 1}
	if err := unix.FcntlFlock(b.file.Fd(), unix.F_SETLK, &l); err != nil {
		return errRowBusy
	}
	b.store64(off+rowValue, uint64(change(int64(b.load64(off+rowValue)))))
	l.Type = unix.F_UNLCK
	return unix.FcntlFlock(b.file.Fd(), unix.F_SETLK, &l)
}

// addSaturated adds two values without running over.
func addSaturated(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
