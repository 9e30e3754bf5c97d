package faults

import "github.com/weirlab/weir/env"

// betrayedWrite is a kind of writes that are reported done and are not. What
// comes of them is the device's business; what is a fault, who may be struck
// and what survives is the same for all.
func betrayedWrite(k Kind, what string) *kind {
	return &kind{
		name:     k,
		what:     what + "; only who reads the device again, after a loss of power, can tell",
		ends:     "writes that arrive",
		survives: "nothing acknowledged is lost while the machine keeps its power; after that only what recovery reads anew is checked, so that a log may refuse to be read",
		takes:    takesNode,
		may:      takesFiles | takesCount,
		check:    checkFiles,
		describe: onFiles,
		strike: with(func(d BadDisks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.BetrayWrites(e, h.node(), f.Files, f.Count, k)
		}),
		draws: []drawing{{name: string(k), what: "logs of a broker that loses power meanwhile", lossy: true, beyond: true, draw: drawLie(k)}},
	}
}
