package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// FullDisk is a disk on which writes fail with ENOSPC.
const FullDisk Kind = "full-disk"

func fullDisk() *kind {
	return &kind{
		name:     FullDisk,
		what:     "writes fail with ENOSPC",
		ends:     "room on the disk",
		survives: "like a power loss: what was being written may be gone",
		lossy:    true,
		takes:    takesNode,
		strike: with(func(d Disks, e env.Env, _ Fault, h Hit) (*Strike, error) {
			return d.FillUp(e, h.node())
		}),
		draws: []drawing{{name: "full-disk", what: "any broker", draw: drawOn(FullDisk, time.Second, 5*time.Second)}},
	}
}
