package faults

import "github.com/weirlab/weir/env"

// MisdirectedWrite is a write at the wrong place.
const MisdirectedWrite Kind = "misdirected-write"

func misdirectedWrite() *kind {
	return &kind{
		name: MisdirectedWrite,
		what: "writes to files of a class, all or the first count, reach the device at another place of their file, over what was there; " +
			"only who reads the device again, after a loss of power, can tell",
		ends:     "writes that arrive",
		survives: "nothing acknowledged is lost while the machine keeps its power; after that only what recovery reads anew is checked, so that a log may refuse to be read",
		takes:    takesNode,
		may:      takesFiles | takesCount,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.BetrayWrites(e, h.node(), f.Files, f.Count, MisdirectedWrite)
		}),
		draws: []drawing{{name: "misdirected-write", what: "logs of a broker that loses power meanwhile", lossy: true, beyond: true, draw: drawLie(MisdirectedWrite)}},
	}
}
