package versus

import (
	"math"
	"slices"
	"time"

	"github.com/weirlab/weir/workloads/measure"
	"github.com/weirlab/weir/workloads/target"
)

// Figure is something that is measured in both worlds.
type Figure struct {
	Name string
	// Target is the error that is aimed at as the median of the held-out
	// workloads, in percent; 0 is none.
	Target float64
	of     func(*Case) (real, sim []float64)
}

// The figures that are compared. Latencies are in milliseconds, at the fixed
// rate; CPU is core time per record, in microseconds, of brokers and clients
// together.
var (
	Throughput = Figure{Name: "throughput", Target: 20, of: saturated(func(m *measure.Measurement) float64 { return m.AckedPerSecond })}
	P50        = Figure{Name: "p50", Target: 35, of: fixed(func(m *measure.Measurement) float64 { return millis(m.Produce.P(50)) })}
	P99        = Figure{Name: "p99", of: fixed(func(m *measure.Measurement) float64 { return millis(m.Produce.P(99)) })}
	// P50Sent counts from the hand-over to the client, so that the client's
	// timer has no part in it.
	P50Sent = Figure{Name: "p50 from hand-over", of: fixed(func(m *measure.Measurement) float64 { return millis(m.ProduceUncorrected.P(50)) })}
	// CPUPerRecord is of the saturated phase.
	CPUPerRecord = Figure{Name: "CPU per record", of: saturated(cpuPerRecord)}
)

// Half selects workloads.
type Half func(*Case) bool

// Halves of the workloads: those that costs were fitted to, and the others.
var (
	Calibration Half = func(c *Case) bool { return c.calibration() }
	HeldOut     Half = func(c *Case) bool { return !c.calibration() }
)

func saturated(value func(*measure.Measurement) float64) func(*Case) (real, sim []float64) {
	return func(c *Case) (real, sim []float64) {
		return each(c.Saturated.Real, value), each(c.Saturated.Sim, value)
	}
}

func fixed(value func(*measure.Measurement) float64) func(*Case) (real, sim []float64) {
	return func(c *Case) (real, sim []float64) {
		return each(c.FixedRate.Real, value), each(c.FixedRate.Sim, value)
	}
}

func each(list []*measure.Measurement, value func(*measure.Measurement) float64) []float64 {
	var out []float64
	for _, m := range list {
		out = append(out, value(m))
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// processes is what brokers and clients did. The simulation also tells of the
// machine that they share, which is their sum.
func processes(m *measure.Measurement) []target.Usage {
	var list []target.Usage
	for _, u := range m.Machines {
		if len(u.Work) > 0 {
			list = append(list, u)
		}
	}
	return list
}

func cpuPerRecord(m *measure.Measurement) float64 {
	var cpu, over time.Duration
	for _, u := range processes(m) {
		cpu += u.CPU
		over = u.Over
	}
	if m.AckedPerSecond == 0 || over == 0 {
		return 0
	}
	return float64(cpu) / float64(time.Microsecond) / (m.AckedPerSecond * over.Seconds())
}

// Spread is the median of repeated runs and their whole range.
type Spread struct {
	Median, Low, High float64
}

func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{Median: middle(sorted), Low: sorted[0], High: sorted[len(sorted)-1]}
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Compared is one figure of one workload.
type Compared struct {
	Real, Sim Spread
}

// Compare is a figure of a workload in both worlds.
func (c *Case) Compare(f Figure) Compared {
	real, sim := f.of(c)
	return Compared{Real: spread(real), Sim: spread(sim)}
}

// Error is how far the simulation is off, in percent of what is real; false if
// there is nothing real.
func (c Compared) Error() (percent float64, ok bool) {
	if c.Real.Median == 0 {
		return 0, false
	}
	return 100 * (c.Sim.Median - c.Real.Median) / c.Real.Median, true
}

// Noise is half the range of the real runs, in percent of their median: an
// error below that says nothing.
func (c Compared) Noise() float64 {
	if c.Real.Median == 0 {
		return 0
	}
	return 100 * (c.Real.High - c.Real.Low) / 2 / c.Real.Median
}

// Median is the median size of the errors of a half, in percent; false if it
// has no real runs.
func (r *Result) Median(half Half, f Figure) (percent float64, ok bool) {
	var errs []float64
	for i := range r.Cases {
		c := &r.Cases[i]
		if !half(c) {
			continue
		}
		if e, ok := c.Compare(f).Error(); ok {
			errs = append(errs, math.Abs(e))
		}
	}
	if len(errs) == 0 {
		return 0, false
	}
	slices.Sort(errs)
	return middle(errs), true
}

// Met reports whether the median error of the held-out workloads is within the
// target of a figure.
func (r *Result) Met(f Figure) bool {
	e, ok := r.Median(HeldOut, f)
	return ok && e <= f.Target
}
