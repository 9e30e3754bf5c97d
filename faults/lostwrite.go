package faults

import "github.com/weirlab/weir/env"

// LostWrite is a write that is lost.
const LostWrite Kind = "lost-write"

func lostWrite() *kind {
	return &kind{
		name: LostWrite,
		what: "writes to files of a class, all or the first count, are reported done and stay in the page cache, but never reach the device; " +
			"only who reads the device again, after a loss of power, can tell",
		ends:     "writes that arrive",
		survives: "nothing acknowledged is lost while the machine keeps its power; after that only what recovery reads anew is checked, so that a log may refuse to be read",
		takes:    takesNode,
		may:      takesFiles | takesCount,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.BetrayWrites(e, h.node(), f.Files, f.Count, LostWrite)
		}),
		draws: []drawing{{name: "lost-write", what: "logs of a broker that loses power meanwhile", lossy: true, beyond: true, draw: drawLie(LostWrite)}},
	}
}
