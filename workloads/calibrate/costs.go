package calibrate

import (
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/target"
)

// Observation is what a process did over some time, and the CPU time that it
// took.
type Observation struct {
	Workload string // for people: which run
	Process  string
	Over     time.Duration
	CPU      time.Duration
	Work     []target.WorkCount
}

// CostFit is a table of costs with what it was fitted to.
type CostFit struct {
	Costs        machine.Costs
	Observations []Fitted
}

// Fitted is an observation beside what the fitted costs make of it.
type Fitted struct {
	Workload, Process string
	CPU, Explained    time.Duration
}

// trust is how much the prior counts against the observations: as much as an
// observation that is off by this share of its CPU time counts, a cost counts
// that is off by all of its prior. Costs that the observations tell apart are
// theirs; those that always come together keep the proportions of the prior.
const trust = 0.05

// FitCosts finds what each operation costs per call and per unit so that the
// CPU time of the observations is explained as well as non-negative costs can.
// Every observation counts the same, however much CPU time it is: an error of a
// tenth is as bad in a busy process as in an idle one.
//
// prior is what to believe of operations that the observations cannot tell
// apart. Only its proportions count, and an operation that it gives no cost per
// unit has none.
func FitCosts(observations []Observation, prior machine.Costs) (CostFit, error) {
	columns := columnsOf(observations, prior)
	var a [][]float64
	var b []float64
	for _, o := range observations {
		if o.CPU <= 0 {
			continue
		}
		counts := map[string]target.WorkCount{}
		for _, w := range o.Work {
			counts[w.Op] = w
		}
		row := make([]float64, len(columns))
		for j, c := range columns {
			row[j] = c.amount(counts[c.op]) * c.prior / float64(o.CPU)
		}
		a, b = append(a, row), append(b, 1)
	}
	scale, err := overall(a)
	if err != nil {
		return CostFit{}, err
	}
	for _, row := range a {
		for j := range row {
			row[j] *= scale
		}
	}
	for j := range columns {
		row := make([]float64, len(columns))
		row[j] = trust
		a, b = append(a, row), append(b, trust)
	}
	x, err := fit(a, b)
	if err != nil {
		return CostFit{}, err
	}
	operations := map[string]machine.Cost{}
	for j, c := range columns {
		nanos := x[j] * scale * c.prior
		cost := operations[c.op]
		switch c.of {
		case perCall:
			cost.CallNanos = int64(math.Round(nanos))
		case perUnit:
			cost.UnitPicos = int64(math.Round(nanos * 1000))
		case perLarge:
			cost.LargePicos = int64(math.Round(nanos * 1000))
		}
		operations[c.op] = cost
	}
	// What no workload did costs what the prior says of it, at the pace of this
	// machine.
	for _, op := range env.SortedKeys(prior.Operations) {
		if _, fitted := operations[op]; !fitted {
			p := prior.Operations[op]
			operations[op] = machine.Cost{CallNanos: int64(float64(p.CallNanos) * scale), UnitPicos: int64(float64(p.UnitPicos) * scale), LargePicos: int64(float64(p.LargePicos) * scale)}
		}
	}
	f := CostFit{Costs: machine.Costs{Name: "weir", Operations: operations}}
	for _, o := range observations {
		f.Observations = append(f.Observations, Fitted{
			Workload: o.Workload, Process: o.Process, CPU: o.CPU, Explained: explained(f.Costs, o.Work),
		})
	}
	return f, nil
}

// overall is by how much the prior is off everywhere: the one factor that
// brings the sums of the rows closest to 1.
func overall(a [][]float64) (float64, error) {
	var sums [][]float64
	ones := make([]float64, 0, len(a))
	for _, row := range a {
		sum := 0.0
		for _, v := range row {
			sum += v
		}
		sums, ones = append(sums, []float64{sum}), append(ones, 1)
	}
	x, err := fit(sums, ones)
	if err != nil {
		return 0, err
	}
	return x[0], nil
}

// explained is the CPU time that costs make of counted work.
func explained(c machine.Costs, work []target.WorkCount) time.Duration {
	var sum int64
	for _, w := range work {
		cost := c.Operations[w.Op]
		sum += w.Calls*cost.CallNanos + int64((float64(w.Units)*float64(cost.UnitPicos)+large(w)*float64(cost.LargePicos))/1000)
	}
	return time.Duration(sum)
}

// column is one unknown: what an operation costs of one kind.
type column struct {
	op    string
	of    costKind
	prior float64 // nanoseconds
}

// costKind is a part of a machine.Cost.
type costKind int

const (
	perCall costKind = iota
	perUnit
	perLarge // more, for a unit beyond machine.LargeUnits of a call
)

func (c column) amount(w target.WorkCount) float64 {
	switch c.of {
	case perUnit:
		return float64(w.Units)
	case perLarge:
		return large(w)
	}
	return float64(w.Calls)
}

// large is how many units of counted calls were beyond machine.LargeUnits, if
// all calls were the same.
func large(w target.WorkCount) float64 {
	return max(0, float64(w.Units)-float64(w.Calls)*machine.LargeUnits)
}

// unknownNanos is what an operation costs per call before anything is known.
const unknownNanos = 10_000

// columnsOf lists what can be fitted.
func columnsOf(observations []Observation, prior machine.Costs) []column {
	calls := map[string]int64{}
	for _, o := range observations {
		for _, w := range o.Work {
			calls[w.Op] += w.Calls
		}
	}
	var columns []column
	for _, op := range env.SortedKeys(calls) {
		if calls[op] == 0 {
			continue
		}
		p, known := prior.Operations[op]
		if !known {
			p.CallNanos = unknownNanos
		}
		if p.CallNanos > 0 {
			columns = append(columns, column{op: op, prior: float64(p.CallNanos)})
		}
		if p.UnitPicos > 0 {
			columns = append(columns, column{op: op, of: perUnit, prior: float64(p.UnitPicos) / 1000})
		}
		if p.LargePicos > 0 {
			columns = append(columns, column{op: op, of: perLarge, prior: float64(p.LargePicos) / 1000})
		}
	}
	return columns
}

// Error is the median (typical) and the greatest relative error of the fit, in percent.
func (f CostFit) Error() (typical, greatest float64) {
	var errs []float64
	for _, o := range f.Observations {
		if o.CPU > 0 {
			errs = append(errs, 100*math.Abs(float64(o.Explained-o.CPU))/float64(o.CPU))
		}
	}
	if len(errs) == 0 {
		return 0, 0
	}
	slices.Sort(errs)
	return errs[len(errs)/2], errs[len(errs)-1]
}

// observations are the equations that one measured run yields.
func observations(name string, usage []target.Usage) []Observation {
	var list []Observation
	for _, u := range usage {
		if len(u.Work) > 0 && u.CPU > 0 {
			list = append(list, Observation{Workload: name, Process: u.Name, Over: u.Over, CPU: u.CPU, Work: u.Work})
		}
	}
	return list
}
