package published

import (
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/measure"
)

// Figure is one of the figures of a row that a prediction is judged by.
type Figure string

// The figures. Throughput is of saturated rows, in MiB/s; P50 and P99 are of
// publish latency, in milliseconds, of the others: the latency of a saturated
// cluster is the length of its queues.
const (
	Throughput Figure = "throughput"
	P50        Figure = "publish p50"
	P99        Figure = "publish p99"
)

// Figures are all figures.
func Figures() []Figure { return []Figure{Throughput, P50, P99} }

// Unit of a figure.
func (f Figure) Unit() string {
	if f == Throughput {
		return "MiB/s"
	}
	return "ms"
}

// of is the figure in a measurement of a row.
func (f Figure) of(row Row, m *measure.Measurement) float64 {
	switch f {
	case P50:
		return float64(m.ProduceUncorrected.P(50)) / 1e6
	case P99:
		return float64(m.ProduceUncorrected.P(99)) / 1e6
	}
	return m.AckedPerSecond * float64(row.RecordBytes) / mib
}

// published is the figure as it was published, false if it was not.
func (f Figure) published(row Row) (float64, bool) {
	if (f == Throughput) != row.Saturated() {
		return 0, false
	}
	percent := 99.0
	switch f {
	case Throughput:
		return row.MiBPerSecond(), true
	case P50:
		percent = 50
	}
	d, ok := row.Publish.P(percent)
	return float64(d) / 1e6, ok
}

// Prediction is a figure of a row, published and simulated.
type Prediction struct {
	Row    *RowResult
	Figure Figure

	Published float64
	Simulated float64
	// LeftOut is what is simulated if the row's lab has no part in the fit: that
	// of the other table if the lab has a fitted row, Simulated if not.
	LeftOut float64
	// Low and High hold 80% of what is published, by the errors of the rows of
	// other labs that were not fitted.
	Low, High float64
	// Others is how many errors they are made of; if too few, they say nothing.
	Others int
}

// Error is how far off the simulation is, 0.1 for ten percent too much.
func (p Prediction) Error() float64 { return relative(p.Simulated, p.Published) }

// LeftOutError is the same of the simulation without the row's lab.
func (p Prediction) LeftOutError() float64 { return relative(p.LeftOut, p.Published) }

// Held reports whether the published figure lies in the interval.
func (p Prediction) Held() bool { return p.Low <= p.Published && p.Published <= p.High }

// Judged reports whether there is an interval.
func (p Prediction) Judged() bool { return p.Others >= least }

// interval is the share of published figures that an interval is to hold, and
// least how many errors of others it takes: from the least to the greatest of n
// lies the next with a chance of (n-1)/(n+1), which is less than interval with
// fewer than nine.
const (
	interval = 0.8
	least    = 9
)

// Predictions are all figures of all rows that were simulated.
func (r *Result) Predictions() []Prediction {
	var all []Prediction
	for _, f := range Figures() {
		from := len(all)
		for i := range r.Rows {
			x := &r.Rows[i]
			was, ok := f.published(x.Row)
			if !ok || x.Measurement == nil {
				continue
			}
			p := Prediction{Row: x, Figure: f, Published: was, Simulated: f.of(x.Row, x.Measurement)}
			p.LeftOut = p.Simulated
			if x.LeftOut != nil {
				p.LeftOut = f.of(x.Row, x.LeftOut)
			}
			all = append(all, p)
		}
		addIntervals(all[from:])
	}
	return all
}

// addIntervals gives each prediction the interval that the errors of the other
// labs' rows make: published over simulated, each by the fit without its lab,
// sorted, less a tenth at either end (split conformal prediction; Vovk, Gammerman
// and Shafer 2005).
func addIntervals(of []Prediction) {
	for i := range of {
		var ratios []float64
		for j := range of {
			if of[j].Row.Row.Lab != of[i].Row.Row.Lab && !of[j].Row.Fitted {
				ratios = append(ratios, of[j].Published/of[j].LeftOut)
			}
		}
		of[i].Low, of[i].High = of[i].Simulated, of[i].Simulated
		n := len(ratios)
		of[i].Others = n
		if !of[i].Judged() {
			continue
		}
		slices.Sort(ratios)
		tail := (1 - interval) / 2
		low := max(int(math.Floor(tail*float64(n+1)))-1, 0)
		high := min(int(math.Ceil((1-tail)*float64(n+1)))-1, n-1)
		of[i].Low, of[i].High = of[i].LeftOut*ratios[low], of[i].LeftOut*ratios[high]
	}
}

// Score sums up the predictions of some rows.
type Score struct {
	Rows   int
	Median float64 // of the absolute errors
	Near   int     // rows within [Near] of a figure
	Held   int     // rows whose published figure lies in the interval
	Judged int     // rows that have an interval
}

// near is how near a figure is near enough: throughput within 35%, p50 within
// 50%, p99 within a factor of two.
func (p Prediction) near(e float64) bool {
	switch p.Figure {
	case P99:
		return e <= 1 && e >= -0.5
	case P50:
		return math.Abs(e) <= 0.5
	}
	return math.Abs(e) <= 0.35
}

// score is over the predictions of a figure that were held out and are chosen,
// each by the fit without its lab if leftOut is set.
func score(all []Prediction, f Figure, leftOut bool, chosen func(*RowResult) bool) Score {
	var s Score
	var errs []float64
	for _, p := range all {
		if p.Figure != f || p.Row.Fitted || !chosen(p.Row) {
			continue
		}
		e := p.Error()
		if leftOut {
			e = p.LeftOutError()
		}
		s.Rows++
		errs = append(errs, math.Abs(e))
		if p.near(e) {
			s.Near++
		}
		if p.Judged() {
			s.Judged++
			if p.Held() {
				s.Held++
			}
		}
	}
	if s.Rows > 0 {
		s.Median = middle(errs)
	}
	return s
}

//go:embed data/*.costs.json
var costTables embed.FS

// fittedLabs are the labs that have a row which was fitted on.
func fittedLabs() ([]Lab, error) {
	rows, err := Rows()
	if err != nil {
		return nil, err
	}
	var all []Lab
	for _, r := range rows {
		if slices.Contains(Fitted(), r.ID) && !slices.Contains(all, r.Lab) {
			all = append(all, r.Lab)
		}
	}
	return all, nil
}

// withoutLab is the table that was fitted without a lab, false if the lab has no
// row that was fitted on.
func withoutLab(lab Lab) (machine.Costs, bool, error) {
	labs, err := fittedLabs()
	if err != nil || !slices.Contains(labs, lab) {
		return machine.Costs{}, false, err
	}
	name := fmt.Sprintf("data/without-%s.costs.json", strings.ToLower(string(lab)))
	b, err := costTables.ReadFile(name)
	if err != nil {
		return machine.Costs{}, false, fmt.Errorf("published: %w; make it with weir published --fit --leave-out %s", err, lab)
	}
	c, err := machine.ParseCosts(b)
	if err != nil {
		return machine.Costs{}, false, fmt.Errorf("published: %s: %w", name, err)
	}
	return c, true, nil
}
