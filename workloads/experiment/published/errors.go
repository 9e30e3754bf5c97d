package published

import (
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/workloads/measure"
)

// Percentiles are those that are tabulated.
func Percentiles() []float64 { return []float64{50, 75, 95, 99, 99.9} }

// relative is how far off simulated is, 0.1 for ten percent too much.
func relative(simulated, published float64) float64 { return simulated/published - 1 }

// ThroughputError is how far off the simulated throughput is, relative to the
// published one; false if the row was not simulated or not saturated.
func (r *RowResult) ThroughputError() (float64, bool) {
	if r.Measurement == nil || !r.Row.Saturated() {
		return 0, false
	}
	return relative(r.Measurement.AckedPerSecond, r.Row.AckedPerSecond), true
}

// LatencyKind is which latency.
type LatencyKind string

// The kinds that were published.
const (
	Publish  LatencyKind = "publish"
	EndToEnd LatencyKind = "end-to-end"
)

// published is the row's latencies of a kind, and simulated the ones to hold
// against them.
func (r *RowResult) latencies(kind LatencyKind) (published Latencies, simulated measure.Distribution) {
	if kind == EndToEnd {
		published = r.Row.EndToEnd
	} else {
		published = r.Row.Publish
	}
	switch {
	case r.Measurement == nil:
	case kind == EndToEnd:
		simulated = r.Measurement.EndToEnd
	default:
		simulated = r.Measurement.ProduceUncorrected
	}
	return published, simulated
}

// LatencyError is a percentile, published and simulated; false if either is
// not there.
func (r *RowResult) LatencyError(kind LatencyKind, percentile float64) (published, simulated time.Duration, relativeError float64, ok bool) {
	from, d := r.latencies(kind)
	published, ok = from.P(percentile)
	if !ok || d.Count() == 0 {
		return published, 0, 0, false
	}
	simulated = d.P(percentile)
	return published, simulated, relative(float64(simulated), float64(published)), true
}

// Selection is which rows a summary is over.
type Selection func(*RowResult) bool

// HeldOut are the rows that costs were not fitted on.
func HeldOut(r *RowResult) bool { return !r.Fitted }

// Many are the rows of many partitions.
func Many(r *RowResult) bool { return r.Row.Partitions > 1 }

// MedianThroughputError is the median of the absolute throughput errors over
// the rows that all selections take, and of how many; 0 of 0 rows.
func (r *Result) MedianThroughputError(of ...Selection) (median float64, rows int) {
	return r.median(func(row *RowResult) (float64, bool) { return row.ThroughputError() }, of)
}

// MedianLatencyError is the median of the absolute errors of a percentile of
// the rows that were not saturated: the latency of a saturated cluster is the
// length of its queues.
func (r *Result) MedianLatencyError(kind LatencyKind, percentile float64, of ...Selection) (median float64, rows int) {
	return r.median(func(row *RowResult) (float64, bool) {
		if row.Row.Saturated() {
			return 0, false
		}
		_, _, e, ok := row.LatencyError(kind, percentile)
		return e, ok
	}, of)
}

func (r *Result) median(errorOf func(*RowResult) (float64, bool), of []Selection) (float64, int) {
	var all []float64
	for i := range r.Rows {
		row := &r.Rows[i]
		if slices.ContainsFunc(of, func(s Selection) bool { return !s(row) }) {
			continue
		}
		if e, ok := errorOf(row); ok {
			all = append(all, math.Abs(e))
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	return middle(all), len(all)
}

// Pair is a test that both labs ran, as far as their names say.
type Pair struct {
	What                    string
	Confluent, StreamNative *RowResult
}

// Pairs are the tests that both labs ran: the same load, acknowledgements and
// flushing over 100 partitions. They differ in the number of producers and
// consumers (4 and 2), batch size and linger.
func (r *Result) Pairs() []Pair {
	var pairs []Pair
	for i := range r.Rows {
		a := &r.Rows[i]
		if a.Row.Lab != Confluent {
			continue
		}
		for j := range r.Rows {
			b := &r.Rows[j]
			if b.Row.Lab == StreamNative && b.Row.Partitions == a.Row.Partitions && b.Row.Acks == a.Row.Acks &&
				b.Row.Fsync == a.Row.Fsync && b.Row.Saturated() == a.Row.Saturated() {
				what := "latency at 200,000 records/s"
				if a.Row.Saturated() {
					what = "maximum throughput"
				}
				if a.Row.Fsync {
					what += ", fsync"
				} else {
					what += ", no fsync"
				}
				pairs = append(pairs, Pair{what, a, b})
			}
		}
	}
	return pairs
}
