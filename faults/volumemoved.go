package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// VolumeMoved is a volume that another machine takes over.
const VolumeMoved Kind = "volume-moved"

func volumeMoved() *kind {
	return &kind{
		name: VolumeMoved,
		what: "the process is killed, the volume unmounted with all that was written, and attached to another machine, which takes the broker's place",
		ends: "a process there",
		survives: "min.insync.replicas-1 at a time: nothing is lost, but the broker cannot know that, " +
			"and is struck from ISR and ELR like one that lost power",
		lossy: true,
		stops: true,
		takes: takesNode,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.MoveVolume(e, h.node())
		}),
		draws: []drawing{{name: "volume-moved", what: "any broker", draw: drawOn(VolumeMoved, shortest, 4*time.Second)}},
	}
}
