package faults

import (
	"fmt"

	"github.com/weirlab/weir/env"
)

// LossyLink is links on which packets are lost and sent again.
const LossyLink Kind = "lossy-link"

func lossyLink() *kind {
	return &kind{
		name: LossyLink,
		what: "one in factor packets between one list of brokers and another, or with one-way only of those from the first to the second, " +
			"is lost and sent again after a timeout",
		ends:     "the usual losses",
		survives: "any number: a lost packet is a late one, and its connection waits for it",
		takes:    takesSides | takesFactor,
		check: func(f Fault) error {
			if f.Factor < 2 {
				return fmt.Errorf("factor: a %s loses one packet in so many; give 2 or more", f.Kind)
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("one in %d packets %s", f.Factor, f.way(h, names))
		},
		strike: with(func(l Links, e env.Env, f Fault, h Hit) (*Strike, error) {
			return l.Worsen(e, h.Between, h.And, f.OneWay, 0, 1_000_000/f.Factor)
		}),
		draws: []drawing{{name: "lossy-link", what: "of one broker or between two, both ways or one, one packet in 2 to 64", peers: true, draw: func(r *env.Rand, d Draw, t Topology) Plan {
			f := drawLinks(r, d, t, LossyLink)
			f.Factor = 2 + r.Int64n(2<<r.Intn(6))
			return Plan{f}
		}}},
	}
}
