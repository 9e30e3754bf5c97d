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
		survives: "min.insync.replicas-1 at a time, whether or not their processes run: a broker that lost power is struck " +
			"from ISR and ELR until it is back in sync (KIP-966); with flush.messages=1 any number lose nothing of a topic",
		lossy: true,
		stops: true,
		takes: takesNode,
		strike: with(func(p Power, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return p.CutPower(e, h.node())
		}),
		draws: []drawing{{
			name: "power-loss", what: "any broker", draw: drawOn(PowerLoss, time.Second, 4*time.Second),
		}, {
			name: "power-flicker", what: "any broker, 5 ms to 900 ms", draw: drawOn(PowerLoss, 5*time.Millisecond, 900*time.Millisecond),
		}, {
			name: "power-loss-while-down", what: "any broker, whose process has crashed or was shut down before", draw: drawPowerLossWhileDown,
		}, {
			name: "power-loss-after-restart", what: "any broker, which was shut down in order and is back for up to 4 s", draw: drawPowerLossAfterRestart,
		}, {
			name: "rack-loss", what: "all brokers of a rack", beyond: true, racks: true, draw: drawRackLoss,
		}, {
			name: "site-loss", what: "all brokers at the same moment", beyond: true, draw: drawSiteLoss,
		}, {
			name: "last-standing", what: "the leader of a partition, after its followers have fallen away", peers: true, draw: drawLastStanding,
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

// drawLastStanding draws followers of one partition that fall away one after the
// other, for long enough that its leader has the ISR to itself, and then the
// leader's loss of power. What it looks for are leaders without what their
// followers have acknowledged (KIP-966): one of those must lead next.
func drawLastStanding(r *env.Rand, d Draw, t Topology) Plan {
	partition := pick(r, t.Partitions)
	total := min(16*time.Second, d.HealBy-d.Start)
	at := r.Between(d.Start, d.HealBy-total).Round(time.Millisecond)
	between := func(lo, hi int64) time.Duration {
		return r.Between(total*time.Duration(lo)/100, total*time.Duration(hi)/100).Round(time.Millisecond)
	}
	kinds := []Kind{Crash, Pause}
	var plan Plan
	for _, begin := range []time.Duration{0, between(10, 35)} {
		plan = append(plan, Fault{Kind: kinds[r.Intn(len(kinds))], At: at + begin, For: between(60, 95) - begin, Node: FollowerOf(partition)})
	}
	return append(plan, Fault{Kind: PowerLoss, At: at + between(40, 60), For: between(2, 20), Node: LeaderOf(partition)})
}

// drawPowerLossAfterRestart draws a shutdown in order and, when the broker has been
// back for a while, the loss of its power. What it looks for is what is left of the
// shutdown that says nothing of the time since: it must have been taken back, and
// that synced.
func drawPowerLossAfterRestart(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, 3*time.Second, 7*time.Second)
	node := Target(pick(r, t.Brokers))
	down := r.Between(shortest, length/3).Round(time.Millisecond)
	off := r.Between(down, length).Round(time.Millisecond)
	back := min(r.Between(5*time.Millisecond, 2*time.Second).Round(time.Millisecond), max(time.Millisecond, d.HealBy-at-off))
	return Plan{{Kind: Restart, At: at, For: down, Node: node}, {Kind: PowerLoss, At: at + off, For: back, Node: node}}
}

// drawPowerLossWhileDown draws a process that dies, or is shut down, and, before
// another is started, the power of its machine: the page cache that the broker would
// have trusted is gone.
func drawPowerLossWhileDown(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 5*time.Second)
	node := Target(pick(r, t.Brokers))
	off := r.Between(length/8, length/2).Round(time.Millisecond)
	back := r.Between(5*time.Millisecond, length-off).Round(time.Millisecond)
	down := Crash
	if r.Chance(1, 2) {
		down = Restart
	}
	return Plan{{Kind: down, At: at, For: length, Node: node}, {Kind: PowerLoss, At: at + off, For: back, Node: node}}
}

func drawRackLoss(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, 10*time.Millisecond, 4*time.Second)
	return Plan{{Kind: PowerLoss, At: at, For: length, Node: Target(pick(r, t.Racks()))}}
}

func drawSiteLoss(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, 10*time.Millisecond, 4*time.Second)
	return Plan{{Kind: PowerLoss, At: at, For: length, Node: All}}
}
