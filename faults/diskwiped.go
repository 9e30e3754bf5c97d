package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// DiskWiped is a machine that comes back with an empty disk.
const DiskWiped Kind = "disk-wiped"

func diskWiped() *kind {
	return &kind{
		name: DiskWiped,
		what: "the machine loses power and, of its disk, all files of a class or all: an instance store that was replaced",
		ends: "a boot with what is left",
		survives: "with files: topics, which leaves the metadata quorum its memory, like a power loss that takes everything; " +
			"a voter that forgets its votes and its log is beyond what a quorum of fixed voters survives",
		lossy:    true,
		stops:    true,
		takes:    takesNode,
		may:      takesFiles,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.Wipe(e, h.node(), f.Files)
		}),
		draws: []drawing{{name: "disk-wiped", what: "topics' files of any broker", draw: func(r *env.Rand, d Draw, t Topology) Plan {
			at, length := d.span(r, 200*time.Millisecond, 4*time.Second)
			return Plan{{Kind: DiskWiped, At: at, For: length, Node: anyTarget(r, t), Files: TopicFiles}}
		}}},
	}
}
