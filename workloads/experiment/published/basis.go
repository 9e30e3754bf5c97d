package published

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/measure"
)

// basis says in words what was run of what was published, and for how long.
func (r *Result) basis() string {
	var least, most Windows
	done := 0
	see := func(m *measure.Measurement) {
		if m == nil {
			return
		}
		if done == 0 {
			least, most = Windows{m.WarmUp, m.Window}, Windows{m.WarmUp, m.Window}
		}
		done++
		least = Windows{min(least.WarmUp, m.WarmUp), min(least.Measured, m.Window)}
		most = Windows{max(most.WarmUp, m.WarmUp), max(most.Measured, m.Window)}
	}
	shown := 0
	for i := range r.Rows {
		if r.Rows[i].Measurement != nil {
			shown++
		}
		see(r.Rows[i].Measurement)
		see(r.Rows[i].LeftOut)
	}
	if done == 0 {
		return ""
	}
	says := fmt.Sprintf("%d of the %d rows that say enough were simulated, each once, with seed %s: %s after a warm-up of %s, of runs that took minutes.",
		shown, len(r.predictable()), r.Seed, span(least.Measured, most.Measured), span(least.WarmUp, most.WarmUp))
	if shorter := min(ThroughputWindows.Measured, LatencyWindows.Measured); least.Measured < shorter {
		says += fmt.Sprintf(" That is less than weir published takes by default, %s.", span(shorter, max(ThroughputWindows.Measured, LatencyWindows.Measured)))
	}
	if len(r.Without) > 0 {
		says += " Switched off: " + strings.Join(r.Without, ", ") + "."
	}
	return says
}

// span is a range of times in seconds.
func span(least, most time.Duration) string {
	seconds := func(d time.Duration) string {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0")
	}
	if least == most {
		return seconds(least) + " s"
	}
	return seconds(least) + " to " + seconds(most) + " s"
}

// predictable are the rows that can be simulated, whether they were or not.
func (r *Result) predictable() []Row {
	rows, _ := Select(nil) // that they can be read was seen when the run began
	return rows
}

// shapeSeen is what leaving a lab out does not leave out.
const shapeSeen = "What is left out is a lab's part in the fit. The shape that every fit begins with was set with all of these publications in view, " +
	"above all what records, requests and partitions cost a producer; a parameter whose rows are all left out stays as the shape has it. " +
	"So a prediction for a lab that nobody has seen may be worse."

// eachLabOnce is the median of the labs' median errors in a figure, of rows that
// were not fitted, and of how many labs: a lab with many rows counts as one.
func eachLabOnce(all []Prediction, f Figure, leftOut bool) (median float64, of int) {
	var medians []float64
	for _, known := range labs {
		if s := score(all, f, leftOut, func(x *RowResult) bool { return x.Row.Lab == known.lab }); s.Rows > 0 {
			medians = append(medians, s.Median)
		}
	}
	return middle(medians), len(medians)
}

// middle is the median, NaN of none.
func middle(of []float64) float64 {
	n := len(of)
	if n == 0 {
		return math.NaN()
	}
	of = slices.Sorted(slices.Values(of))
	return (of[(n-1)/2] + of[n/2]) / 2
}

// held counts the figures that lie in their intervals, and those that have one,
// over the rows that are chosen.
func held(all []Prediction, chosen func(*RowResult) bool) (in, of int) {
	for _, f := range Figures() {
		s := score(all, f, true, chosen)
		in, of = in+s.Held, of+s.Judged
	}
	return in, of
}

// coverage says how many figures their intervals hold, and what is left of that
// without the lab that has most of them: its rows may be of one cluster and
// resemble one another.
func coverage(all []Prediction) string {
	in, of := held(all, everyRow)
	if of == 0 {
		return ""
	}
	share := float64(in) / float64(of)
	says := fmt.Sprintf("The 80%% intervals, from the errors of other labs' rows, hold %.0f%% of %d published figures (target 70%% to 90%%: %s).", 100*share, of, met(share >= 0.7 && share <= 0.9))
	var most Lab
	mostIn, mostOf := 0, 0
	for _, known := range labs {
		if i, n := held(all, func(x *RowResult) bool { return x.Row.Lab == known.lab }); n > mostOf {
			most, mostIn, mostOf = known.lab, i, n
		}
	}
	if left := of - mostOf; left > 0 {
		says += fmt.Sprintf(" Without the %d of %s, of which they hold %d, it is %.0f%% of %d.", mostOf, most, mostIn, 100*float64(in-mostIn)/float64(left), left)
	}
	return says
}
