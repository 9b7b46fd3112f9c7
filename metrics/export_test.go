package metrics

// What the tests of metrics/prom, which are here because they need boards and figures, use of this package's own.
var (
	FullFigures  = fullFigures
	NewTestBoard = newTestBoard
	Dial         = dial
)

// Memory is what the jail may write to.
func (b *Board) Memory() []byte { return b.mem }
