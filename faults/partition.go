package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// Partition is two groups of brokers whose packets to each other vanish.
const Partition Kind = "partition"

func partition() *kind {
	return &kind{
		name:     Partition,
		what:     "packets between one list of brokers and another vanish, or with one-way only those from the first to the second",
		ends:     "healing",
		survives: "any number, full, partial (between two brokers only) or one-way: safety never depends on who reaches whom",
		takes:    takesSides,
		describe: func(f Fault, names func(...int) string, h Hit) string {
			if f.OneWay {
				return fmt.Sprintf("no packets from %s to %s", names(h.Between...), names(h.And...))
			}
			return fmt.Sprintf("no packets between %s and %s", names(h.Between...), names(h.And...))
		},
		strike: with(func(l Links, e env.Env, f Fault, h Hit) (*Strike, error) {
			return l.Cut(e, h.Between, h.And, f.OneWay)
		}),
		draws: []drawing{{
			name: "partition", what: "full, partial or one-way", peers: true, draw: drawPartition,
		}, {
			name: "bridge", what: "two halves that only one broker reaches both of", many: true, draw: drawBridge,
		}, {
			name: "ring", what: "every broker reaches its two neighbours only", many: true, draw: drawRing,
		}},
	}
}

// drawPartition draws the three shapes: one broker from all others, two
// brokers from each other while a third reaches both, and packets lost in one
// direction only.
func drawPartition(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, 50*time.Millisecond, 10*time.Second)
	f := Fault{Kind: Partition, At: at, For: length}
	order := r.Perm(len(t.Brokers))
	f.Between = []Target{Target(t.Brokers[order[0]])}
	for _, i := range order[1:] {
		f.And = append(f.And, Target(t.Brokers[i]))
	}
	if r.Chance(1, 2) {
		f.And = f.And[:1]
	}
	if r.Chance(1, 4) {
		f.OneWay = true
		if r.Chance(1, 2) {
			f.Between, f.And = f.And, f.Between
		}
	}
	return Plan{f}
}

// drawBridge draws two halves of the brokers that do not reach each other, and
// one broker in neither, which reaches all.
func drawBridge(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 10*time.Second)
	f := Fault{Kind: Partition, At: at, For: length}
	for n, i := range r.Perm(len(t.Brokers))[1:] {
		if n%2 == 0 {
			f.Between = append(f.Between, Target(t.Brokers[i]))
		} else {
			f.And = append(f.And, Target(t.Brokers[i]))
		}
	}
	return Plan{f}
}

// drawRing draws brokers in a circle, each of which reaches the two beside it.
func drawRing(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 10*time.Second)
	order := r.Perm(len(t.Brokers))
	var plan Plan
	for i := range order {
		f := Fault{Kind: Partition, At: at, For: length, Between: []Target{Target(t.Brokers[order[i]])}}
		for j := i + 2; j < len(order); j++ {
			if i > 0 || j < len(order)-1 {
				f.And = append(f.And, Target(t.Brokers[order[j]]))
			}
		}
		if len(f.And) > 0 {
			plan = append(plan, f)
		}
	}
	return plan
}
