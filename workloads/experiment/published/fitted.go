package published

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/measure"
)

// Fitted are the IDs of the rows on which the free parameters of the table
// "kafka-jvm" were fitted, three at most. No other row had a part in it.
func Fitted() []string {
	var ids []string
	for _, p := range parameters {
		ids = append(ids, p.row)
	}
	return ids
}

// parameter is one free parameter of the cost table: a factor on some of its
// prices, and the figure of one row that it is fitted to.
type parameter struct {
	name   string
	row    string // its ID
	figure string // which figure of it, in words
	// observe is the figure, published and simulated, in a form that grows
	// about linearly with the prices: a latency, or the time that records take
	// one after the other.
	observe func(Row, *measure.Measurement) (published, simulated float64)
	scale   func(op string, c machine.Cost, factor float64) machine.Cost
}

func publishP50(r Row, m *measure.Measurement) (published, simulated float64) {
	p50, _ := r.Publish.P(50)
	return float64(p50), float64(m.ProduceUncorrected.P(50))
}

func timePerRecord(r Row, m *measure.Measurement) (published, simulated float64) {
	return 1e9 / r.AckedPerSecond, 1e9 / m.AckedPerSecond
}

func scaled(n int64, factor float64) int64 { return int64(math.Round(float64(n) * factor)) }

// replicates says that an operation is part of a follower's fetch.
func replicates(op string) bool {
	return op == "request.replica" || op == "peer.request" || op == "replica.append"
}

// apart says that an operation is no part of what a broker's program does for
// a request: the clients' processors are free, and a sync is a system call.
func apart(op string) bool {
	return strings.HasPrefix(op, "client.") || op == "storage.sync" || op == "storage.recover"
}

// parameters are the free parameters. One partition with acks=all uses little
// of disks and processors: its throughput is ten requests of 1 MiB over the
// time that their bytes take through leader and follower, one after the other.
// With acks=1 a record's latency has the calls for one request in it, and with
// acks=all those for a follower's fetch as well.
var parameters = []parameter{
	{
		name:   "what a byte costs",
		row:    "sn20-max_throughput-single_partition-data_nosync-kafka-1-partitions-1kb-batched-1ms-1mb-ack-all-nosync",
		figure: "nanoseconds per record at maximum throughput", observe: timePerRecord,
		scale: func(_ string, c machine.Cost, factor float64) machine.Cost {
			c.UnitPicos = scaled(c.UnitPicos, factor)
			return c
		},
	},
	{
		name:   "what a client's request costs",
		row:    "sn20-latency-nosync-kafka-100-partitions-1kb-batched-1ms-1mb-ack-1-nosync",
		figure: "median publish latency in nanoseconds", observe: publishP50,
		scale: func(op string, c machine.Cost, factor float64) machine.Cost {
			if !replicates(op) && !apart(op) {
				c.CallNanos = scaled(c.CallNanos, factor)
			}
			return c
		},
	},
	{
		name: "what a follower's request costs", row: "confluent20-lat-nofsync",
		figure: "median publish latency in nanoseconds", observe: publishP50,
		scale: func(op string, c machine.Cost, factor float64) machine.Cost {
			if replicates(op) {
				c.CallNanos = scaled(c.CallNanos, factor)
			}
			return c
		},
	},
}

// with is a table with the parameters' factors applied.
func with(shape machine.Costs, factors []float64) machine.Costs {
	costs := shape
	costs.Operations = make(map[string]machine.Cost, len(shape.Operations))
	for _, op := range env.SortedKeys(shape.Operations) {
		c := shape.Operations[op]
		for i, p := range parameters {
			c = p.scale(op, c, factors[i])
		}
		costs.Operations[op] = c
	}
	return costs
}

// FitOptions are how to fit.
type FitOptions struct {
	Options
	// Rounds is how often all parameters are gone through; 0 is 2.
	Rounds int
	// Told is called with every trial.
	Told func(Trial)
}

// Trial is one simulation of a fit.
type Trial struct {
	Parameter, Row, Figure string
	Factor                 float64
	Published, Simulated   float64
}

const (
	// leastFactor and mostFactor bound a factor.
	leastFactor, mostFactor = 0.1, 50.0
	// nearEnough is how near a figure is near enough.
	nearEnough = 0.04
	// firstStep is by how much the second trial differs from the first.
	firstStep      = 1.3
	trialsPerRound = 4
)

// fitWindows are shorter than a comparison's: medians and rates settle soon.
var fitWindows = Windows{WarmUp: time.Second, Measured: 500 * time.Millisecond}

// Fit finds the factors on the prices of a table that bring the rows of
// [Fitted] near their published figures, one parameter after the other, each
// by the secant method on its own figure. A figure that its parameter cannot
// reach stays where it came nearest; the trials show it.
func Fit(ctx context.Context, shape machine.Costs, o FitOptions) (machine.Costs, error) {
	if o.Rounds == 0 {
		o.Rounds = 2
	}
	factors := make([]float64, len(parameters))
	for i := range factors {
		factors[i] = 1
	}
	for range o.Rounds {
		for i, p := range parameters {
			row, err := Select([]string{p.row})
			if err != nil {
				return shape, err
			}
			try := func(factor float64) (published, simulated float64, err error) {
				factors[i] = factor
				return o.try(ctx, with(shape, factors), p, row[0], factor)
			}
			if factors[i], err = secant(factors[i], try); err != nil {
				return shape, err
			}
		}
	}
	costs := with(shape, factors)
	var says []string
	for i, p := range parameters {
		says = append(says, fmt.Sprintf("%s (%.2f times the shape) on the %s of %s", p.name, factors[i], p.figure, p.row))
	}
	costs.Source = machine.Source{
		What: "CPU costs of Apache Kafka on the JVM", Basis: "derived",
		Source:    "an assumed shape with three factors fitted to published runs: " + strings.Join(says, "; "),
		Validated: "the published runs of Confluent and StreamNative (2020) that the fit did not use; see weir published",
	}
	return costs, nil
}

// secant finds the factor at which what try simulates is what was published,
// and returns the best that it tried.
func secant(factor float64, try func(float64) (published, simulated float64, err error)) (float64, error) {
	best, bestOff := factor, math.Inf(1)
	var lastFactor, last float64
	for i := range trialsPerRound {
		published, simulated, err := try(factor)
		if err != nil {
			return best, err
		}
		if off := math.Abs(relative(simulated, published)); off < bestOff {
			best, bestOff = factor, off
		}
		if bestOff < nearEnough {
			break
		}
		next := factor * firstStep
		switch {
		case i > 0 && (simulated-last)*(factor-lastFactor) > 0:
			next = factor + (published-simulated)*(factor-lastFactor)/(simulated-last)
		case simulated > published:
			next = factor / firstStep
		}
		lastFactor, last = factor, simulated
		factor = min(max(next, leastFactor), mostFactor)
	}
	return best, nil
}

// try simulates a row with page caches that the disks can follow: none of the
// fitted rows is ruled by its disks.
func (o FitOptions) try(ctx context.Context, costs machine.Costs, p parameter, row Row, factor float64) (published, simulated float64, err error) {
	m, err := simulate(ctx, row, row.Scenario(o.Seed, costs.Name, fitWindows), costs)
	if err != nil {
		return 0, 0, fmt.Errorf("fitting %s: %w", p.name, err)
	}
	published, simulated = p.observe(row, m)
	if o.Told != nil {
		o.Told(Trial{p.name, p.row, p.figure, factor, published, simulated})
	}
	return published, simulated, nil
}
