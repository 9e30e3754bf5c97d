package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// BitRot is bits of stored files that turn over.
const BitRot Kind = "bit-rot"

func bitRot() *kind {
	return &kind{
		name:  BitRot,
		what:  "bits of files of a class, count of them or one, turn over where they are stored",
		ends:  "nothing: they stay so",
		lossy: true,
		survives: "no corrupt record is ever given to a client or another replica, but a log with one may refuse to be read, " +
			"and its leader has no other copy to mend it from",
		takes:    takesNode,
		may:      takesFiles | takesCount,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.Rot(e, h.node(), f.Files, max(1, f.Count))
		}),
		draws: []drawing{{name: "bit-rot", what: "one to four bits of some class of files of any broker", beyond: true, draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, time.Second, 2*time.Second)
			return Plan{{Kind: BitRot, At: at, For: length, Node: anyTarget(r, t), Files: drawFiles(r), Count: 1 + r.Int64n(4)}}
		}}},
	}
}
