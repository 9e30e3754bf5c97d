package measure

import (
	"context"
	"fmt"

	"github.com/weirlab/weir/workloads/scenario"
)

// Ceiling runs a scenario with producers that send as fast as their
// buffer.memory lets, whatever its rate: what comes through is what the
// cluster takes. Its latencies are those of full buffers.
func Ceiling(ctx context.Context, s *scenario.Scenario, t Target) (*Measurement, error) {
	c := *s
	c.Load.Producers.Arrivals = scenario.ArrivalsSaturate
	c.Load.Producers.Rate, c.Load.Producers.RampFrom = scenario.Number{}, scenario.Number{}
	return Run(ctx, &c, t)
}

// AtRate runs a scenario with an open loop of a rate.
func AtRate(ctx context.Context, s *scenario.Scenario, t Target, perSecond int64) (*Measurement, error) {
	c := *s
	if a := c.Load.Producers.Arrivals; a == scenario.ArrivalsSaturate || a == scenario.ArrivalsRamp {
		c.Load.Producers.Arrivals = scenario.ArrivalsConstant
	}
	c.Load.Producers.Rate, c.Load.Producers.RampFrom = scenario.Exactly(perSecond), scenario.Number{}
	return Run(ctx, &c, t)
}

// Sustained reports whether the cluster kept up with an open loop: at least
// 99.5% of what was requested was acknowledged within the window, no record
// failed, and consumers, if any, were at most a second behind at its end.
func (m *Measurement) Sustained() bool {
	return m.AckedPerSecond >= sustained*m.OfferedPerSecond && m.Failed+m.Unknown == 0 &&
		float64(m.Backlog) <= boundedSeconds*max(m.AckedPerSecond, 1)
}

// SweepOptions bound a [Sweep]. Rates are records per second.
type SweepOptions struct {
	Low, High int64
	// Percent is how close the result is to the highest sustainable rate.
	// 0 means 2.
	Percent int64
}

// Point is one rate that was tried.
type Point struct {
	RatePerSecond int64        `json:"rate_per_s"`
	Sustained     bool         `json:"sustained"`
	Measurement   *Measurement `json:"measurement"`
}

// Sweep finds the highest sustainable rate between two bounds by halving what
// is between a rate that was sustained and one that was not. The points are in
// the order in which they were tried. best is the index of the highest
// sustained one, -1 if not even the lowest was.
func Sweep(ctx context.Context, s *scenario.Scenario, t Target, o SweepOptions) (points []Point, best int, err error) {
	if o.Percent == 0 {
		o.Percent = 2
	}
	if o.Low < 1 || o.High < o.Low || o.Percent < 0 {
		return nil, -1, fmt.Errorf("measure: a sweep from %d to %d records/s within %d%% is not possible; low must be 1 or more and high at least low", o.Low, o.High, o.Percent)
	}
	best = -1
	try := func(rate int64) (bool, error) {
		m, err := AtRate(ctx, s, t, rate)
		if err != nil {
			return false, err
		}
		points = append(points, Point{RatePerSecond: rate, Sustained: m.Sustained(), Measurement: m})
		if m.Sustained() {
			best = len(points) - 1
		}
		return m.Sustained(), nil
	}
	low, high := o.Low, o.High
	if ok, err := try(high); err != nil || ok {
		return points, best, err
	}
	if ok, err := try(low); err != nil || !ok {
		return points, best, err
	}
	for high-low > max(1, low*o.Percent/100) {
		middle := low + (high-low)/2
		ok, err := try(middle)
		if err != nil {
			return points, best, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return points, best, nil
}
