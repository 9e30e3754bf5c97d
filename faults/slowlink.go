package faults

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// SlowLink is links on which packets take longer.
const SlowLink Kind = "slow-link"

func slowLink() *kind {
	return &kind{
		name:     SlowLink,
		what:     "packets between one list of brokers and another, or with one-way only those from the first to the second, arrive later by a time",
		ends:     "the usual latency",
		survives: "any number: no safety decision asks how long a message took",
		takes:    takesSides | takesBy,
		check: func(f Fault) error {
			if f.By <= 0 {
				return fmt.Errorf("by: a %s needs a time above zero, such as 50ms", f.Kind)
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("packets %s later by %v", f.way(h, names), f.By)
		},
		strike: with(func(l Links, e env.Env, f Fault, h Hit) (*Strike, error) {
			return l.Worsen(e, h.Between, h.And, f.OneWay, f.By, 0)
		}),
		draws: []drawing{{name: "slow-link", what: "of one broker or between two, both ways or one, 1 ms to 2 s", peers: true, draw: func(r *env.Rand, d Draw, t Topology) Plan {
			f := drawLinks(r, d, t, SlowLink)
			f.By = time.Millisecond << r.Intn(12)
			f.By = r.Between(f.By/2, f.By).Round(time.Millisecond / 10)
			return Plan{f}
		}}},
	}
}

// way says between whom.
func (f Fault) way(h Hit, names func(...int) string) string {
	if f.OneWay {
		return fmt.Sprintf("from %s to %s", names(h.Between...), names(h.And...))
	}
	return fmt.Sprintf("between %s and %s", names(h.Between...), names(h.And...))
}

// drawLinks draws which links are worse than usual, and for how long.
func drawLinks(r *env.Rand, d Draw, t Topology, k Kind) Fault {
	at, length := d.span(r, shortest, 10*time.Second)
	f := Fault{Kind: k, At: at, For: length}
	order := r.Perm(len(t.Brokers))
	f.Between = []Target{Target(t.Brokers[order[0]])}
	for _, i := range order[1:] {
		f.And = append(f.And, Target(t.Brokers[i]))
	}
	if r.Chance(1, 2) {
		f.And = f.And[:1]
	}
	if r.Chance(1, 2) {
		f.OneWay = true
		if r.Chance(1, 2) {
			f.Between, f.And = f.And, f.Between
		}
	}
	return f
}
