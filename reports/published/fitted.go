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
	name    string
	row     string // its ID
	figure  string // which figure of it, in words
	observe func(Row, *measure.Measurement) (published, simulated float64)
	// falls says that the figure falls as the prices rise.
	falls bool
	scale func(op string, c machine.Cost, factor float64) machine.Cost
}

func publishP50(r Row, m *measure.Measurement) (published, simulated float64) {
	p50, _ := r.Publish.P(50)
	return float64(p50), float64(m.ProduceUncorrected.P(50))
}

func throughput(r Row, m *measure.Measurement) (published, simulated float64) {
	return r.AckedPerSecond, m.AckedPerSecond
}

func scaled(n int64, factor float64) int64 { return int64(math.Round(float64(n) * factor)) }

func isClient(op string) bool { return strings.HasPrefix(op, "client.") }

// parameters are the free parameters. With acks=1 a record's latency has the
// client's calls in it and those of one broker; with acks=all there are the
// broker's calls for a follower's fetch as well. One partition with acks=all
// uses little of disks and processors: its throughput is ten requests of 1 MiB
// over the time that their bytes take through client, leader and follower, one
// after the other.
var parameters = []parameter{
	{
		name:   "what a request costs a client",
		row:    "sn20-latency-nosync-kafka-100-partitions-1kb-batched-1ms-1mb-ack-1-nosync",
		figure: "median publish latency", observe: publishP50,
		scale: func(op string, c machine.Cost, factor float64) machine.Cost {
			if isClient(op) && op != "client.record" {
				c.CallNanos = scaled(c.CallNanos, factor)
			}
			return c
		},
	},
	{
		name: "what a request costs a broker", row: "confluent20-lat-nofsync",
		figure: "median publish latency", observe: publishP50,
		scale: func(op string, c machine.Cost, factor float64) machine.Cost {
			if !isClient(op) {
				c.CallNanos = scaled(c.CallNanos, factor)
			}
			return c
		},
	},
	{
		name:   "what a byte costs",
		row:    "sn20-max_throughput-single_partition-data_nosync-kafka-1-partitions-1kb-batched-1ms-1mb-ack-all-nosync",
		figure: "maximum throughput", observe: throughput, falls: true,
		scale: func(_ string, c machine.Cost, factor float64) machine.Cost {
			c.UnitPicos = scaled(c.UnitPicos, factor)
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

// Bounds of a factor, and how near a fit is near enough.
const (
	leastFactor, mostFactor = 0.2, 20.0
	nearEnough              = 0.02
	trialsPerRound          = 5
)

// Fit finds the factors on the prices of a table that bring the rows of
// [Fitted] near their published figures, one parameter after the other, each
// by bisection of its own figure. A figure that its parameter cannot reach
// stays at the bound or where it no longer moves; the trials show it.
func Fit(ctx context.Context, shape machine.Costs, o FitOptions) (machine.Costs, error) {
	rows, err := Rows()
	if err != nil {
		return shape, err
	}
	if o.Rounds == 0 {
		o.Rounds = 2
	}
	factors := make([]float64, len(parameters))
	for i := range factors {
		factors[i] = 1
	}
	for range o.Rounds {
		for i, p := range parameters {
			row, err := choose(rows, []string{p.row})
			if err != nil {
				return shape, err
			}
			if err := o.fitOne(ctx, shape, factors, i, row[0]); err != nil {
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

// fitOne moves one factor.
func (o FitOptions) fitOne(ctx context.Context, shape machine.Costs, factors []float64, i int, row Row) error {
	p := parameters[i]
	low, high := leastFactor, mostFactor
	best, bestOff := factors[i], math.Inf(1)
	for range trialsPerRound {
		published, simulated, err := o.try(ctx, with(shape, factors), p, row)
		if err != nil {
			return err
		}
		if o.Told != nil {
			o.Told(Trial{p.name, p.row, p.figure, factors[i], published, simulated})
		}
		off := math.Log(simulated / published)
		if math.Abs(off) < bestOff {
			best, bestOff = factors[i], math.Abs(off)
		}
		if bestOff < nearEnough {
			break
		}
		if (off > 0) != p.falls {
			high = factors[i]
		} else {
			low = factors[i]
		}
		factors[i] = math.Sqrt(low * high)
	}
	factors[i] = best
	return nil
}

func (o FitOptions) try(ctx context.Context, costs machine.Costs, p parameter, row Row) (published, simulated float64, err error) {
	o.Costs = &costs
	o.Throughput, o.Latency = fitWindows, fitWindows
	r := runRow(ctx, o.Options, row)
	if r.Measurement == nil {
		return 0, 0, fmt.Errorf("fitting %s: %s", p.name, r.Error)
	}
	published, simulated = p.observe(row, r.Measurement)
	return published, simulated, nil
}

// fitWindows are shorter than a comparison's: medians and rates settle soon.
var fitWindows = Windows{WarmUp: time.Second, Measured: time.Second}
