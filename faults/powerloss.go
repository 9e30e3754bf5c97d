package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// PowerLoss is a machine without power: what was not synced is lost.
const PowerLoss Kind = "power-loss"

func powerLoss() *kind {
	return &kind{
		name: PowerLoss,
		what: "the machine loses power and what was not synced",
		ends: "a boot",
		survives: "min.insync.replicas-1 at a time: a broker that lost power is struck from ISR and ELR " +
			"until it is back in sync (KIP-966)",
		lossy: true,
		stops: true,
		takes: takesNode,
		strike: with(func(p Power, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return p.CutPower(e, h.Node)
		}),
		draws: []drawing{{
			name: "power-loss", what: "any broker", draw: drawOn(PowerLoss, time.Second, 4*time.Second),
		}, {
			name: "blackout", what: "two brokers or more at the same moment", beyond: true, peers: true, draw: drawBlackout,
		}},
	}
}

// drawBlackout draws brokers that lose power together and come back one by one.
func drawBlackout(r *env.Rand, d Draw, t Topology) Plan {
	at, _ := d.span(r, 4*time.Second, 4*time.Second)
	order := r.Perm(len(t.Brokers))
	var plan Plan
	for _, i := range order[:2+r.Intn(len(order)-1)] {
		length := min(r.Between(200*time.Millisecond, 4*time.Second).Round(time.Millisecond), d.HealBy-at)
		plan = append(plan, Fault{Kind: PowerLoss, At: at, For: length, Node: Target(t.Brokers[i])})
	}
	return plan
}
