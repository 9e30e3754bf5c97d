package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// Crash is the death of a broker process. Its page cache stays.
const Crash Kind = "crash"

func crash() *kind {
	return &kind{
		name: Crash,
		what: "the broker process dies; what it wrote stays in the page cache",
		ends: "a new process",
		survives: "any number, any overlap: nothing acknowledged is lost however many brokers die, " +
			"only availability suffers meanwhile",
		stops: true,
		takes: takesNode,
		strike: with(func(p Processes, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return p.Kill(e, h.node())
		}),
		draws: []drawing{{
			name: "leader-crash", what: "the leader of a partition", draw: drawLeaderCrash,
		}, {
			name: "cascade", what: "leaders of one partition failing in quick succession", peers: true, draw: drawCascade,
		}, {
			name: "crash", what: "any broker", draw: drawOn(Crash, shortest, 6*time.Second),
		}},
	}
}

func drawLeaderCrash(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, shortest, 6*time.Second)
	return Plan{{Kind: Crash, At: at, For: length, Node: LeaderOf(pick(r, t.Partitions))}}
}

// drawCascade draws leaders of one partition that fail one after the other,
// the second within a moment of its election. What it looks for are replicas
// that are electable without having all that was acknowledged; a partition
// between the two brokers that stay makes the moment longer.
func drawCascade(r *env.Rand, d Draw, t Topology) Plan {
	partition := pick(r, t.Partitions)
	total := min(10*time.Second, d.HealBy-d.Start)
	at := r.Between(d.Start, d.HealBy-total).Round(time.Millisecond)
	kinds := []Kind{Crash, Crash, Pause}
	down := func() time.Duration { return r.Between(total/20, total/4).Round(time.Millisecond) }

	first := Fault{Kind: kinds[r.Intn(len(kinds))], At: at + total/10, For: down(), Node: LeaderOf(partition)}
	second := Fault{Kind: kinds[r.Intn(len(kinds))], At: first.At, For: down(), Node: LeaderOf(partition)}
	if r.Chance(2, 3) {
		second.At += time.Millisecond
		second.After = Trigger{Event: Election, Of: partition, Delay: r.Between(0, 40*time.Millisecond).Round(time.Millisecond / 10)}
	} else {
		second.At += r.Between(100*time.Millisecond, total/2).Round(time.Millisecond)
	}
	plan := Plan{first, second}
	if r.Chance(1, 2) {
		order := r.Perm(len(t.Brokers))
		plan = append(plan, Fault{Kind: Partition, At: at, For: total,
			Between: []Target{Target(t.Brokers[order[0]])}, And: []Target{Target(t.Brokers[order[1]])}})
	}
	return plan
}
