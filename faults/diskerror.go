package faults

import (
	"time"

	"github.com/weirlab/weir/env"
)

// DiskError is a disk on which writes and syncs fail with EIO.
const DiskError Kind = "disk-error"

func diskError() *kind {
	return &kind{
		name:     DiskError,
		what:     "writes and syncs fail with EIO",
		ends:     "a sound disk",
		survives: "like a power loss: what was being written may be gone",
		lossy:    true,
		takes:    takesNode,
		strike: func(e env.Env, on Machines, f Fault, h Hit) (*Strike, error) {
			d, err := able[Disks](on, f.Kind)
			if err != nil {
				return nil, err
			}
			return d.FailWrites(e, h.Node)
		},
		draws: []drawing{{name: "disk-error", what: "any broker", draw: drawOn(DiskError, time.Second, 4*time.Second)}},
	}
}
