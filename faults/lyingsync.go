package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// LyingSync is a disk that says it has synced what it has not.
const LyingSync Kind = "lying-sync"

func lyingSync() *kind {
	return &kind{
		name: LyingSync,
		what: "syncs of files of a class, of all if none is given, succeed at once and make nothing durable",
		ends: "syncs that sync",
		survives: "any number while the machine keeps its power; after that only what recovery reads anew is checked, " +
			"so that a log may refuse to be read; of the metadata quorum nothing is promised",
		takes:    takesNode,
		may:      takesFiles,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.Lie(e, h.node(), f.Files)
		}),
		draws: []drawing{{name: "lying-sync", what: "logs of a broker that loses power meanwhile", lossy: true, beyond: true, draw: drawLie(LyingSync)}},
	}
}

// drawLie draws a disk that keeps less than it says, and the loss of power that
// brings it to light.
func drawLie(k Kind) func(*env.Rand, Draw, Topology) Plan {
	return func(r *env.Rand, d Draw, t Topology) Plan {
		at, length := d.span(r, 2*time.Second, 6*time.Second)
		node := Target(pick(r, t.Brokers))
		off := at + length - r.Between(length/4, length/2).Round(time.Millisecond)
		lie := Fault{Kind: k, At: at, For: length, Node: node, Files: LogFiles}
		if k != LyingSync {
			lie.Count = drawCount(r)
		}
		return Plan{lie, {Kind: PowerLoss, At: off, For: at + length - off, Node: node}}
	}
}
