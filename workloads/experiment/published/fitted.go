package published

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/sim/machine"
	"github.com/weirlab/weir/workloads/measure"
)

// Fitted are the IDs of the rows on which the free parameters of the table
// "kafka-jvm" were fitted. No other row had a part in it.
func Fitted() []string {
	var ids []string
	for _, p := range parameters {
		for _, row := range p.rows {
			if !slices.Contains(ids, row) {
				ids = append(ids, row)
			}
		}
	}
	return ids
}

// parameter is one free parameter of the cost table: a factor on some of its
// figures, and the figure of one or two rows that it is fitted to.
type parameter struct {
	name   string
	rows   []string // their IDs
	figure string   // which figure of them, in words
	// observe is the figure, published and simulated, in a form that grows
	// about linearly with the factor: a latency, or the time that records take
	// one after the other.
	observe func(Row, *measure.Measurement) (published, simulated float64)
	scale   func(c *machine.Costs, factor float64)
}

func publishP50(r Row, m *measure.Measurement) (published, simulated float64) {
	p50, _ := r.Publish.P(50)
	return float64(p50), float64(m.ProduceUncorrected.P(50))
}

func timePerRecord(r Row, m *measure.Measurement) (published, simulated float64) {
	return 1e9 / r.AckedPerSecond, 1e9 / m.AckedPerSecond
}

func scaled(n int64, factor float64) int64 { return int64(math.Round(float64(n) * factor)) }

// unit scales what a unit of some operations costs.
func unit(c *machine.Costs, factor float64, of func(op string) bool) {
	for _, op := range env.SortedKeys(c.Operations) {
		if of(op) {
			cost := c.Operations[op]
			cost.UnitPicos = scaled(cost.UnitPicos, factor)
			c.Operations[op] = cost
		}
	}
}

func isBytes(op string) bool {
	return op != "client.record" && op != "storage.sync" && !strings.HasSuffix(op, ".partition")
}

// partitionOfProducer is the only one of the operations on partitions that is
// fitted.
const partitionOfProducer = "client.partition"

// parameters are the free parameters. One producer of records of 100 bytes is
// ruled by what a record costs it. At a modest rate, latency is linger.ms, the
// hand-overs of a produce request and, with acks=all, those of the followers'
// fetches. A producer with 5,000 partitions goes through all of them before each
// request. One partition with acks=all uses little of disks and processors: its
// throughput is ten requests of 1 MiB over the time that their bytes take
// through leader and follower, one after the other.
var parameters = []parameter{
	{
		name: "what a record costs a producer", rows: []string{"kreps14-1prod-rf1"},
		figure: "nanoseconds per record at maximum throughput", observe: timePerRecord,
		scale: func(c *machine.Costs, factor float64) {
			unit(c, factor, func(op string) bool { return op == "client.record" })
		},
	},
	{
		name:   "how long a hand-over between threads takes",
		rows:   []string{"sn20-latency-nosync-kafka-100-partitions-1kb-batched-1ms-1mb-ack-1-nosync", "confluent20-lat-nofsync"},
		figure: "median publish latency in nanoseconds", observe: publishP50,
		scale: func(c *machine.Costs, factor float64) {
			if h := c.Mechanisms.HandOver; h != nil {
				for i := range h.Wait {
					h.Wait[i].Value = time.Duration(scaled(int64(h.Wait[i].Value), factor))
				}
			}
		},
	},
	{
		name:   "what a partition costs a producer",
		rows:   []string{"sn20-latency-partitions-data_nosync_ack_1-kafka-5000-partitions-1kb-batched-1ms-1mb-ack-1-nosync"},
		figure: "median publish latency in nanoseconds", observe: publishP50,
		scale: func(c *machine.Costs, factor float64) {
			unit(c, factor, func(op string) bool { return op == partitionOfProducer })
		},
	},
	{
		name:   "what a byte costs",
		rows:   []string{"sn20-max_throughput-single_partition-data_nosync-kafka-1-partitions-1kb-batched-1ms-1mb-ack-all-nosync"},
		figure: "nanoseconds per record at maximum throughput", observe: timePerRecord,
		scale: func(c *machine.Costs, factor float64) { unit(c, factor, isBytes) },
	},
}

// with is a table with the parameters' factors applied.
func with(shape machine.Costs, factors []float64) machine.Costs {
	costs := shape
	costs.Operations = maps.Clone(shape.Operations)
	if h := shape.Mechanisms.HandOver; h != nil {
		own := *h
		own.Wait = slices.Clone(h.Wait)
		costs.Mechanisms.HandOver = &own
	}
	for i, p := range parameters {
		p.scale(&costs, factors[i])
	}
	return costs
}

// FitOptions are how to fit.
type FitOptions struct {
	Options
	// LeaveOut is a lab whose rows have no part in the fit, empty for none.
	LeaveOut Lab
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
	leastFactor, mostFactor = 0.1, 20.0
	// nearEnough is how near a figure is near enough.
	nearEnough = 0.04
	// firstStep is by how much the second trial differs from the first.
	firstStep      = 1.3
	trialsPerRound = 4
)

// fitWindows are shorter than a comparison's: medians and rates settle soon.
var fitWindows = Windows{WarmUp: time.Second, Measured: 500 * time.Millisecond}

// Fit finds the factors on the figures of a table that bring the rows of
// [Fitted] near their published figures, one parameter after the other, each
// by the secant method on its own figure; where that is of several rows, on
// their geometric means. A figure that its parameter cannot reach stays where it
// came nearest; the trials show it. A parameter all of whose rows are left out
// stays as the shape has it.
func Fit(ctx context.Context, shape machine.Costs, o FitOptions) (machine.Costs, error) {
	if o.Rounds == 0 {
		o.Rounds = 2
	}
	factors := make([]float64, len(parameters))
	rows := make([][]Row, len(parameters))
	for i, p := range parameters {
		factors[i] = 1
		of, err := Select(p.rows)
		if err != nil {
			return shape, err
		}
		rows[i] = slices.DeleteFunc(of, func(r Row) bool { return r.Lab == o.LeaveOut })
	}
	for range o.Rounds {
		for i, p := range parameters {
			if len(rows[i]) == 0 {
				continue
			}
			try := func(factor float64) (published, simulated float64, err error) {
				factors[i] = factor
				return o.try(ctx, with(shape, factors), p, rows[i], factor)
			}
			var err error
			if factors[i], err = secant(factors[i], try); err != nil {
				return shape, err
			}
		}
	}
	costs := with(shape, factors)
	var says []string
	for i, p := range parameters {
		var of []string
		for _, r := range rows[i] {
			of = append(of, r.ID)
		}
		if len(of) == 0 {
			says = append(says, p.name+" (as the shape has it)")
			continue
		}
		says = append(says, fmt.Sprintf("%s (%.2f times the shape) on the %s of %s", p.name, factors[i], p.figure, strings.Join(of, " and ")))
	}
	costs.Source = machine.Source{
		What: "CPU costs of Apache Kafka on the JVM", Basis: "derived",
		Source:    fmt.Sprintf("an assumed shape with %d factors fitted to published runs: %s", len(parameters), strings.Join(says, "; ")),
		Validated: "the published runs that the fit did not use; see weir published",
	}
	if h := costs.Mechanisms.HandOver; h != nil {
		h.Source.Basis, h.Source.Source = "derived", h.Source.Source+scaledByFit
	}
	return costs, nil
}

// scaledByFit is what a fit adds to the source of what it scales.
const scaledByFit = "; as long as the fit to published runs makes it"

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

// try simulates rows with page caches that the disks can follow: none of the
// fitted rows is ruled by its disks.
func (o FitOptions) try(ctx context.Context, costs machine.Costs, p parameter, rows []Row, factor float64) (published, simulated float64, err error) {
	published, simulated = 1, 1
	for _, row := range rows {
		m, err := simulate(ctx, row, row.Scenario(o.Seed, costs.Name, fitWindows), costs)
		if err != nil {
			return 0, 0, fmt.Errorf("fitting %s: %w", p.name, err)
		}
		was, is := p.observe(row, m)
		published, simulated = published*was, simulated*is
		if o.Told != nil {
			o.Told(Trial{p.name, row.ID, p.figure, factor, was, is})
		}
	}
	n := 1 / float64(len(rows))
	return math.Pow(published, n), math.Pow(simulated, n), nil
}
