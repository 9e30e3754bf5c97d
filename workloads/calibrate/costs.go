package calibrate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads"
)

// Observation is what a process did over some time, and the CPU time that it
// took.
type Observation struct {
	Workload string // for people: which run
	Process  string
	Over     time.Duration
	CPU      time.Duration
	Work     []workloads.WorkCount
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

// shrinkage is how strongly the fit prefers many moderate costs to few great
// ones, where the observations do not tell them apart: relative to columns of
// size 1, so that it decides ties and little else.
const shrinkage = 1e-3

// FitCosts finds what each operation costs per call and per unit so that the
// CPU time of the observations is explained as well as non-negative costs can.
// Every observation counts the same, however much CPU time it is: an error of a
// tenth is as bad in a busy process as in an idle one.
func FitCosts(observations []Observation) (CostFit, error) {
	columns := columnsOf(observations)
	var a [][]float64
	var b []float64
	for _, o := range observations {
		if o.CPU <= 0 {
			continue
		}
		counts := map[string]workloads.WorkCount{}
		for _, w := range o.Work {
			counts[w.Op] = w
		}
		row := make([]float64, len(columns))
		for j, c := range columns {
			row[j] = c.amount(counts[c.op]) / float64(o.CPU)
		}
		a, b = append(a, row), append(b, 1)
	}
	x, err := fit(a, b, shrinkage)
	if err != nil {
		return CostFit{}, err
	}
	operations := map[string]machine.Cost{}
	for j, c := range columns {
		cost := operations[c.op]
		if c.units {
			cost.UnitPicos = int64(math.Round(x[j] * 1000))
		} else {
			cost.CallNanos = int64(math.Round(x[j]))
		}
		operations[c.op] = cost
	}
	f := CostFit{Costs: machine.Costs{Name: "weir", Operations: operations}}
	for _, o := range observations {
		f.Observations = append(f.Observations, Fitted{
			Workload: o.Workload, Process: o.Process, CPU: o.CPU, Explained: explained(f.Costs, o.Work),
		})
	}
	return f, nil
}

// explained is the CPU time that costs make of counted work.
func explained(c machine.Costs, work []workloads.WorkCount) time.Duration {
	var sum int64
	for _, w := range work {
		cost := c.Operations[w.Op]
		sum += w.Calls*cost.CallNanos + int64(float64(w.Units)*float64(cost.UnitPicos)/1000)
	}
	return time.Duration(sum)
}

// column is one unknown: the cost of an operation per call or per unit, in
// nanoseconds.
type column struct {
	op    string
	units bool
}

func (c column) amount(w workloads.WorkCount) float64 {
	if c.units {
		return float64(w.Units)
	}
	return float64(w.Calls)
}

// columnsOf lists what can be fitted. An operation that always has one unit has
// no cost of its own per unit.
func columnsOf(observations []Observation) []column {
	type total struct {
		calls int64
		vary  bool
	}
	totals := map[string]total{}
	for _, o := range observations {
		for _, w := range o.Work {
			t := totals[w.Op]
			t.calls += w.Calls
			t.vary = t.vary || w.Units != w.Calls && w.Units > 0
			totals[w.Op] = t
		}
	}
	var columns []column
	for _, op := range env.SortedKeys(totals) {
		if t := totals[op]; t.calls > 0 {
			columns = append(columns, column{op: op})
			if t.vary {
				columns = append(columns, column{op: op, units: true})
			}
		}
	}
	return columns
}

// Error is the median and the greatest relative error of the fit, in percent.
func (f CostFit) Error() (median, greatest float64) {
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
func observations(name string, usage []workloads.Usage) []Observation {
	var list []Observation
	for _, u := range usage {
		if len(u.Work) > 0 && u.CPU > 0 {
			list = append(list, Observation{Workload: name, Process: u.Name, Over: u.Over, CPU: u.CPU, Work: u.Work})
		}
	}
	return list
}

func (f Fitted) String() string {
	return fmt.Sprintf("%s %s: %v used, %v explained", f.Workload, f.Process, f.CPU.Round(time.Millisecond), f.Explained.Round(time.Millisecond))
}
