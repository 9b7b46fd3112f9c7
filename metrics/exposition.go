package metrics

import (
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The Prometheus text format, version 0.0.4, is written here and not by client_golang, which is for programs that count: what it needs at its start
// (protobuf's descriptors, /proc parsers, the runtime's metrics) cost each master as much time as a whole jail takes to build. Its parser
// and its linter check what is written here, in the tests.
const textFormat = "text/plain; version=0.0.4; charset=utf-8"

// metricType is what a family counts as.
type metricType string

const (
	counterType   metricType = "counter"
	gaugeType     metricType = "gauge"
	histogramType metricType = "histogram"
)

// description names a metric; its labels are in the order in which their values are handed out.
type description struct {
	name, help string
	labels     []string
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// exposition collects the text of one scrape.
type exposition struct {
	text strings.Builder
}

func (x *exposition) head(d description, t metricType) {
	for _, s := range []string{"# HELP ", d.name, " ", escapeHelp.Replace(d.help), "\n# TYPE ", d.name, " ", string(t), "\n"} {
		x.text.WriteString(s)
	}
}

func (x *exposition) sample(name, labels string, v float64) {
	for _, s := range []string{name, labels, " ", formatFloat(v), "\n"} {
		x.text.WriteString(s)
	}
}

func formatFloat(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// labelSet is the text between the braces, braces included; none without labels. A value is anybody's text.
func (d description) labelSet(values []string) string {
	if len(d.labels) == 0 {
		return ""
	}
	pairs := make([]string, len(d.labels))
	for i, label := range d.labels {
		pairs[i] = label + `="` + escapeLabel.Replace(strings.ToValidUTF8(values[i], "\uFFFD")) + `"`
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// family writes all values of one. Two of the same labels would spoil the whole scrape: the later one counts.
func (x *exposition) family(f family, snap *Snapshot, info *Info) {
	values := map[string]float64{}
	f.each(snap, info, func(v float64, labels ...string) { values[f.desc.labelSet(labels)] = v })
	if len(values) == 0 {
		return
	}
	x.head(f.desc, f.kind)
	for _, labels := range slices.Sorted(maps.Keys(values)) {
		x.sample(f.desc.name, labels, values[labels])
	}
}

// histogram writes one: bounds are the observations at or below each upper bound.
func (x *exposition) histogram(d description, count uint64, sum float64, bounds map[float64]uint64) {
	x.head(d, histogramType)
	for _, bound := range slices.Sorted(maps.Keys(bounds)) {
		x.sample(d.name+"_bucket", `{le="`+formatFloat(bound)+`"}`, float64(bounds[bound]))
	}
	x.sample(d.name+"_bucket", `{le="+Inf"}`, float64(count))
	x.sample(d.name+"_sum", "", sum)
	x.sample(d.name+"_count", "", float64(count))
}

func (x *exposition) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, x.text.String())
	return err
}
