package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirlab/weir/env"
)

// SlowDisk is a device that takes Fault.Factor times as long.
const SlowDisk Kind = "slow-disk"

func slowDisk() *kind {
	return &kind{
		name:     SlowDisk,
		what:     "the device takes factor times as long",
		ends:     "the usual speed",
		survives: "any number",
		takes:    takesNode | takesFactor,
		check: func(f Fault) error {
			if f.Factor < 2 {
				return errors.New("factor: a slow-disk needs a factor of 2 or more")
			}
			return nil
		},
		describe: func(f Fault, names func(...int) string, h Hit) string {
			return fmt.Sprintf("disk of %s takes %d times as long", names(h.Nodes...), f.Factor)
		},
		strike: with(func(d Disks, e env.Env, f Fault, h Hit) (*Strike, error) {
			return d.SlowDown(e, h.node(), f.Factor)
		}),
		draws: []drawing{{name: "slow-disk", what: "any broker, 2 to 61 times", draw: drawSlowDisk}},
	}
}

func drawSlowDisk(r *env.Rand, d Draw, t Topology) Plan {
	at, length := d.span(r, time.Second, 15*time.Second)
	return Plan{{Kind: SlowDisk, At: at, For: length, Node: anyTarget(r, t), Factor: 2 + r.Int64n(60)}}
}
